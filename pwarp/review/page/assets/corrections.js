// What the person at the page says: keypoints and absences, each step of which can be undone.

import { sameSpans, withSpan, withoutSpan } from "./spans.js";

const MERGE_WITHIN = 1200; // milliseconds between steps that count as one, as a key held down makes them

export class Corrections extends EventTarget {
  // labels: what is corrected. The keypoints set here are kept by track index, frame and keypoint.
  constructor(labels) {
    super();
    this.labels = labels;
    this.said = labels.tracks.map(() => new Map());
    this.absent = labels.tracks.map((track) => track.absent);
    this.past = [];
    this.future = [];
  }

  // {x, y, visibility} that was said of a keypoint; undefined where nothing was. Visibility 0 takes it away.
  keypoint(t, frame, k) {
    return this.said[t].get(frame)?.get(k);
  }

  // Say something of keypoints: [{t, frame, k, value}], as one step. merge: a name that steps to be joined share.
  say(what, items, merge = null) {
    const changes = items.map(({ t, frame, k, value }) => ({ t, frame, k, before: this.keypoint(t, frame, k), after: value }));
    this.#take({ what, changes, spans: [], merge, at: performance.now() });
  }

  // Say that a track's person is absent, or is there, in some frames.
  sayAbsent(t, first, last, absent) {
    const before = this.absent[t];
    const after = absent ? withSpan(before, first, last) : withoutSpan(before, first, last);
    if (sameSpans(before, after)) return;
    this.#take({ what: absent ? "absence" : "presence", changes: [], spans: [{ t, before, after }] });
  }

  discard() {
    const changes = [];
    for (const { t, frame, k, value } of this.all()) changes.push({ t, frame, k, before: value, after: undefined });
    const spans = this.labels.tracks
      .map((track, t) => ({ t, before: this.absent[t], after: track.absent }))
      .filter(({ before, after }) => !sameSpans(before, after));
    if (changes.length + spans.length) this.#take({ what: "discarding", changes, spans });
  }

  undo() {
    const step = this.past.pop();
    if (!step) return null;
    this.future.push(step);
    for (const change of step.changes) this.#set(change, change.before);
    for (const span of step.spans) this.absent[span.t] = span.before;
    this.#tell(step);
    return step;
  }

  redo() {
    const step = this.future.pop();
    if (!step) return null;
    this.past.push(step);
    this.#apply(step);
    return step;
  }

  // Every keypoint that something was said of, and what.
  *all() {
    for (const [t, frames] of this.said.entries()) {
      for (const [frame, keypoints] of frames) for (const [k, value] of keypoints) yield { t, frame, k, value };
    }
  }

  // How many keypoints and stretches of absence differ from the labels.
  get count() {
    let count = 0;
    for (const frames of this.said) for (const keypoints of frames.values()) count += keypoints.size;
    return count + this.labels.tracks.filter((track, t) => !sameSpans(track.absent, this.absent[t])).length;
  }

  // All of it in a form that JSON can hold, and back from it as one step.
  toJSON() {
    const id = (t) => this.labels.tracks[t].id;
    const keypoints = [...this.all()].map(({ t, frame, k, value }) => [id(t), frame, k, value.x, value.y, value.visibility]);
    const absent = this.labels.tracks
      .map((track, t) => [track.id, this.absent[t]])
      .filter(([, spans], t) => !sameSpans(spans, this.labels.tracks[t].absent));
    return { keypoints, absent };
  }

  restore({ keypoints, absent }) {
    const index = new Map(this.labels.tracks.map((track, t) => [track.id, t]));
    const changes = keypoints
      .filter(([id]) => index.has(id))
      .map(([id, frame, k, x, y, visibility]) => ({ t: index.get(id), frame, k, before: undefined, after: { x, y, visibility } }));
    const spans = absent
      .filter(([id]) => index.has(id))
      .map(([id, after]) => ({ t: index.get(id), before: this.absent[index.get(id)], after }));
    if (changes.length + spans.length) this.#take({ what: "restoring", changes, spans });
  }

  #take(step) {
    const last = this.past.at(-1);
    const joins = step.merge && last?.merge === step.merge && step.at - last.at < MERGE_WITHIN && !this.future.length;
    if (joins) {
      last.at = step.at;
      last.changes.forEach((change, i) => (change.after = step.changes[i].after));
    } else this.past.push(step);
    this.future = [];
    this.#apply(step);
  }

  #apply(step) {
    for (const change of step.changes) this.#set(change, change.after);
    for (const span of step.spans) this.absent[span.t] = span.after;
    this.#tell(step);
  }

  #set({ t, frame, k }, value) {
    const frames = this.said[t];
    if (value) {
      if (!frames.has(frame)) frames.set(frame, new Map());
      frames.get(frame).set(k, value);
    } else {
      frames.get(frame)?.delete(k);
      if (frames.get(frame)?.size === 0) frames.delete(frame);
    }
  }

  #tell(step) {
    const tracks = new Set([...step.changes, ...step.spans].map(({ t }) => t));
    this.dispatchEvent(Object.assign(new Event("change"), { tracks, step }));
  }
}

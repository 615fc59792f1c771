// What holds in a frame: the labels, with what was said at the page over them.

import { spanAt } from "./spans.js";

export class Poses {
  constructor(labels, corrections) {
    this.labels = labels;
    this.corrections = corrections;
    this.held = null; // a keypoint being dragged: {t, frame, k, value}
  }

  isAbsent(t, frame) {
    return spanAt(this.corrections.absent[t], frame) !== undefined;
  }

  // One keypoint as it stands, or null where there is none: {x, y, visibility, source, byPerson, score, said}.
  keypoint(t, frame, k) {
    const held = this.held;
    const isHeld = held && held.t === t && held.frame === frame && held.k === k;
    const said = isHeld ? held.value : this.corrections.keypoint(t, frame, k);
    if (!said) return this.labels.keypoint(this.labels.tracks[t], frame, k);
    if (said.visibility === 0) return null;
    return { ...said, source: "corrected", byPerson: true, score: null, said: true };
  }

  // All keypoints of a person in a frame, or null where there are none (or the person is absent).
  pose(t, frame) {
    if (this.isAbsent(t, frame)) return null;
    const keypoints = this.labels.keypoints.map((_, k) => this.keypoint(t, frame, k));
    return keypoints.some(Boolean) ? keypoints : null;
  }

  box(t, frame) {
    const track = this.labels.tracks[t];
    const row = this.labels.row(track, frame);
    if (row < 0 || this.isAbsent(t, frame)) return null;
    const box = track.boxes.subarray(4 * row, 4 * row + 4);
    return Number.isFinite(box[0]) ? box : null;
  }

  // Whether a person set at least one keypoint of the track in the frame.
  isKey(t, frame) {
    return this.pose(t, frame)?.some((keypoint) => keypoint?.byPerson) ?? false;
  }

  // The frames of a track with a keypoint that a person set, rising; of one keypoint, where it is given.
  keyFrames(t, k = null) {
    const track = this.labels.tracks[t];
    const count = this.labels.keypoints.length;
    const keys = new Set();
    for (let row = 0; row < track.rows; row++) {
      const first = row * count + (k ?? 0);
      const last = k === null ? first + count : first + 1;
      for (let at = first; at < last; at++) {
        if (this.labels.byPerson(track.flags[at]) && !this.#isTaken(t, track.frames[row], at % count)) {
          keys.add(track.frames[row]);
          break;
        }
      }
    }
    for (const [frame, said] of this.corrections.said[t]) {
      for (const [of, value] of said) if (value.visibility && (k === null || of === k)) keys.add(frame);
    }
    return [...keys].filter((frame) => !this.isAbsent(t, frame)).sort((a, b) => a - b);
  }

  // The key frames before and after a frame, null for none.
  neighbours(t, frame) {
    const keys = this.keyFrames(t);
    return [keys.filter((key) => key < frame).at(-1) ?? null, keys.find((key) => key > frame) ?? null];
  }

  // Where a keypoint that has no place is likely to be: between the nearest frames that have it, or amidst the others.
  likelyPlace(t, frame, k, fallback) {
    const near = (step) => {
      for (let at = frame + step; at >= 0 && at < this.labels.frameCount; at += step) {
        const found = this.isAbsent(t, at) ? null : this.keypoint(t, at, k);
        if (found) return { at, ...found };
      }
      return null;
    };
    const [before, after] = [near(-1), near(1)];
    if (before && after) {
      const share = (frame - before.at) / (after.at - before.at);
      return [before.x + share * (after.x - before.x), before.y + share * (after.y - before.y)];
    }
    const one = before ?? after;
    if (one) return [one.x, one.y];
    const others = (this.pose(t, frame) ?? []).filter(Boolean);
    if (!others.length) return fallback;
    const mean = (axis) => others.reduce((sum, other) => sum + other[axis], 0) / others.length;
    return [mean("x"), mean("y")];
  }

  #isTaken(t, frame, k) {
    return this.corrections.keypoint(t, frame, k)?.visibility === 0;
  }
}

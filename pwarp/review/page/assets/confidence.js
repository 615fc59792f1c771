// How sure a pose is: the mean score of its keypoints, one that a person set counting 1 (as on contact sheets).

import { NO_SCORE } from "./labels.js";

export class Confidence {
  constructor(poses) {
    this.poses = poses;
    this.labels = poses.labels;
    this.byTrack = new Map();
  }

  forget(tracks) {
    for (const t of tracks) this.byTrack.delete(t);
  }

  // Float32Array over frames: 0..1, NaN where nothing is labelled, 1 where nobody scored anything.
  ofTrack(t) {
    if (!this.byTrack.has(t)) this.byTrack.set(t, this.#compute(t));
    return this.byTrack.get(t);
  }

  // The same of one keypoint: its score, 1 where a person set it or nobody scored it.
  ofKeypoint(t, k) {
    const { labels } = this;
    const track = labels.tracks[t];
    const count = labels.keypoints.length;
    const sure = new Float32Array(labels.frameCount).fill(NaN);
    for (let row = 0; row < track.rows; row++) {
      const at = row * count + k;
      if (track.flags[at] & 3) sure[track.frames[row]] = this.#score(track, at) ?? 1;
    }
    for (const [frame, said] of this.poses.corrections.said[t]) {
      const value = said.get(k);
      if (value) sure[frame] = value.visibility ? 1 : NaN;
    }
    return this.#blank(t, sure);
  }

  #compute(t) {
    const { labels } = this;
    const track = labels.tracks[t];
    const count = labels.keypoints.length;
    const sure = new Float32Array(labels.frameCount).fill(NaN);
    for (let row = 0; row < track.rows; row++) {
      const said = this.poses.corrections.said[t].get(track.frames[row]);
      sure[track.frames[row]] = this.#mean(track, row * count, count, said);
    }
    for (const [frame, said] of this.poses.corrections.said[t]) {
      if (labels.row(track, frame) < 0) sure[frame] = [...said.values()].some((value) => value.visibility) ? 1 : NaN;
    }
    return this.#blank(t, sure);
  }

  #mean(track, first, count, said) {
    let [total, counted, labelled, scored] = [0, 0, 0, 0];
    for (let k = 0; k < count; k++) {
      const flags = track.flags[first + k];
      const value = said?.get(k);
      if (value ? value.visibility === 0 : (flags & 3) === 0) continue;
      labelled += 1;
      const score = value ? null : this.#score(track, first + k);
      if (score !== null) [total, counted, scored] = [total + score, counted + 1, scored + 1];
      else if (value || this.labels.byPerson(flags)) [total, counted] = [total + 1, counted + 1];
    }
    if (!labelled) return NaN;
    return scored ? total / counted : 1;
  }

  #score(track, at) {
    return track.scores[at] === NO_SCORE || this.labels.byPerson(track.flags[at]) ? null : track.scores[at] / (NO_SCORE - 1);
  }

  #blank(t, sure) {
    for (const [first, last] of this.poses.corrections.absent[t]) sure.fill(NaN, first, last + 1);
    return sure;
  }
}

// The frames where the least sure person is least sure, worst first, some distance apart, so that one bad stretch does
// not fill the list: [{frame, t, sure}].
export function worstFrames(confidence, most) {
  const { frameCount, tracks } = confidence.labels;
  const worst = new Float32Array(frameCount).fill(1);
  const who = new Int32Array(frameCount).fill(-1);
  for (let t = 0; t < tracks.length; t++) {
    const sure = confidence.ofTrack(t);
    for (let frame = 0; frame < frameCount; frame++) {
      if (sure[frame] < worst[frame]) [worst[frame], who[frame]] = [sure[frame], t];
    }
  }
  const frames = [...who.keys()].filter((frame) => who[frame] >= 0).sort((a, b) => worst[a] - worst[b] || a - b);
  const distance = Math.max(2, Math.floor(frameCount / (2 * most)));
  const near = new Uint8Array(frameCount);
  const chosen = [];
  for (const frame of frames) {
    if (near[frame]) continue;
    chosen.push({ frame, t: who[frame], sure: worst[frame] });
    if (chosen.length === most) break;
    near.fill(1, Math.max(0, frame - distance + 1), frame + distance);
  }
  return { chosen, distance };
}

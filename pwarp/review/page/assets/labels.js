// The labels as they came: for each track the frames it is stored for, and a column for each thing known there.

export const NO_SCORE = 65535;
const BY_PERSON = new Set(["manual", "corrected"]);

export class Labels {
  // facts: as facts.py writes them; bytes: the columns behind them; carried: exact numbers of what people set.
  constructor(facts, bytes, carried) {
    this.frameCount = facts.video.frameCount;
    this.keypoints = facts.skeleton.keypoints;
    this.sources = facts.sources;
    this.personal = facts.sources.map((name) => BY_PERSON.has(name));
    this.carried = carried;
    this.tracks = facts.tracks.map((track, index) => ({ ...track, index }));
    const count = this.keypoints.length;
    let offset = 0;
    const take = (name, kind, size) => {
      for (const track of this.tracks) {
        track[name] = new kind(bytes.buffer, bytes.byteOffset + offset, size(track));
        offset += track[name].byteLength;
      }
    };
    for (const track of this.tracks) track.rows = track.frames;
    take("frames", Int32Array, (t) => t.rows);
    take("xy", Float32Array, (t) => t.rows * count * 2);
    take("boxes", Float32Array, (t) => t.rows * 4);
    take("scores", Uint16Array, (t) => t.rows * count);
    take("flags", Uint8Array, (t) => t.rows * count);
  }

  // The row of a frame in a track's columns, or -1.
  row(track, frame) {
    const frames = track.frames;
    let low = 0;
    let high = frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (frames[middle] < frame) low = middle + 1;
      else high = middle;
    }
    return frames[low] === frame ? low : -1;
  }

  // Whether a person set a keypoint, by its flags.
  byPerson(flags) {
    return this.personal[flags >> 2];
  }

  // What the labels say of one keypoint; null where they say nothing. score is null where there is none.
  keypoint(track, frame, k) {
    const row = this.row(track, frame);
    if (row < 0) return null;
    const at = row * this.keypoints.length + k;
    const flags = track.flags[at];
    if ((flags & 3) === 0) return null;
    const exact = this.carried.place(track.id, frame, k);
    const [x, y] = exact ?? [track.xy[2 * at], track.xy[2 * at + 1]];
    const score = track.scores[at] === NO_SCORE ? null : track.scores[at] / (NO_SCORE - 1);
    return { x, y, visibility: flags & 3, source: this.sources[flags >> 2], byPerson: this.byPerson(flags), score };
  }
}

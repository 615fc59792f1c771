// Everybody in one frame, layer by layer, so that where people cross no limb hides another's keypoint.

import { INK, PAPER } from "./colours.js";
import { corners, diamond, disc, halo, limb, plate } from "./marks.js";

const SAMPLES = 40;

export class People {
  constructor(poses, confidence, skeleton, ramp) {
    Object.assign(this, { poses, confidence, skeleton, ramp });
    this.extents = poses.labels.tracks.map((track) => typicalExtent(track, poses.labels.keypoints.length));
  }

  // options: {names, chosen: {t, k}, over: {t, k} or null}.
  draw(context, view, frame, { names, chosen, over }) {
    const stage = { width: view.stageWidth, height: view.stageHeight };
    const people = [];
    for (const track of this.poses.labels.tracks) {
      const t = track.index;
      const box = this.poses.box(t, frame);
      if (box) corners(context, view.toStage(box[0] - 0.5, box[1] - 0.5), view.toStage(box[2] - 0.5, box[3] - 0.5), track.colour);
      const pose = this.poses.pose(t, frame);
      if (!pose) continue;
      const at = pose.map((keypoint) => keypoint && view.toStage(keypoint.x, keypoint.y));
      people.push({ track, pose, at, radius: this.radius(t, view) });
    }
    for (const person of people) this.#limbs(context, person);
    for (const person of people) this.#keypoints(context, person);
    for (const { track, at } of people) {
      const present = at.filter(Boolean);
      const sure = this.confidence.ofTrack(track.index)[frame];
      const top = Math.min(...present.map(([, y]) => y));
      const middle = present.reduce((sum, [x]) => sum + x, 0) / present.length;
      plate(context, `${track.id} · ${sure.toFixed(2)}`, [middle, top - 10], track.colour, stage);
    }
    for (const { track, pose, at, radius } of people) {
      if (names && track.index === chosen.t) this.#names(context, pose, at, radius, stage, chosen.k);
      for (const { t, k, ring } of [{ ...over, ring: 4 }, { ...chosen, ring: 5.5 }]) {
        if (t !== track.index || k == null || !at[k]) continue;
        halo(context, at[k], radius + ring);
        plate(context, this.skeleton.keypoints[k], [at[k][0], at[k][1] + radius + 30], PAPER, stage);
      }
    }
  }

  // Radius of a person's marks on the screen: in proportion to the person, but to be seen and to be grasped.
  radius(t, view) {
    return Math.min(Math.max(0.016 * this.extents[t] * view.scale, 2.6), 6);
  }

  #limbs(context, { track, pose, at, radius }) {
    for (const [a, b] of this.skeleton.edges) {
      if (!at[a] || !at[b]) continue;
      const occluded = pose[a].visibility === 1 || pose[b].visibility === 1;
      const trust = Math.min(pose[a].score ?? 1, pose[b].score ?? 1);
      limb(context, at[a], at[b], radius * (occluded ? 0.45 : 0.8), track.colour, 0.3 + 0.65 * trust);
    }
  }

  #keypoints(context, { track, pose, at, radius }) {
    pose.forEach((keypoint, k) => {
      if (!keypoint) return;
      const hollow = keypoint.visibility === 1;
      if (keypoint.byPerson) diamond(context, at[k], radius, track.colour, hollow);
      else disc(context, at[k], radius, track.colour, keypoint.score === null ? null : this.ramp.at(keypoint.score), hollow);
    });
  }

  #names(context, pose, at, radius, stage, but) {
    pose.forEach((keypoint, k) => {
      if (!keypoint || k === but) return;
      const text = this.skeleton.keypoints[k];
      plate(context, text, [at[k][0], at[k][1] - radius - 3], INK, stage, "11px system-ui, sans-serif");
    });
  }
}

// The usual longer side of a track's poses, in video pixels.
function typicalExtent(track, count) {
  const extents = [];
  for (let row = 0; row < track.rows; row += Math.max(1, Math.floor(track.rows / SAMPLES))) {
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let at = row * count; at < (row + 1) * count; at++) {
      if ((track.flags[at] & 3) === 0) continue;
      [left, right] = [Math.min(left, track.xy[2 * at]), Math.max(right, track.xy[2 * at])];
      [top, bottom] = [Math.min(top, track.xy[2 * at + 1]), Math.max(bottom, track.xy[2 * at + 1])];
    }
    if (right >= left) extents.push(Math.max(right - left, bottom - top));
  }
  extents.sort((a, b) => a - b);
  return extents[extents.length >> 1] ?? 0;
}

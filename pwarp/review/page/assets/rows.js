// The rows of the timeline: one a track, as high as its pose is sure; below the chosen track one a keypoint, coloured
// by score. Where several frames share a column, the least sure shows.

import { ACCENT, GROUND, MUTED, PAPER, mixed, rgb } from "./colours.js";

const KEYPOINT_ROW = 11;

// [{t, k, top, height}] with k null for a track's own row, and how high all are.
export function layOut(labels, chosen) {
  const height = labels.tracks.length > 6 ? 15 : 19;
  const rows = [];
  let top = 2;
  for (let t = 0; t < labels.tracks.length; t++) {
    rows.push({ t, k: null, top, height });
    top += height;
    if (t !== chosen) continue;
    labels.keypoints.forEach((_, k) => rows.push({ t, k, top: top + k * KEYPOINT_ROW, height: KEYPOINT_ROW }));
    top += labels.keypoints.length * KEYPOINT_ROW + 4;
  }
  return { rows, height: top + 2 };
}

export class RowPainter {
  constructor(labels, poses, confidence, corrections, ramp) {
    Object.assign(this, { labels, poses, confidence, corrections, ramp });
  }

  draw(context, row, scale, chosenKeypoint) {
    if (row.k === null) this.#track(context, row, scale);
    else this.#keypoint(context, row, scale, row.k === chosenKeypoint);
  }

  #track(context, { t, top, height }, scale) {
    const track = this.labels.tracks[t];
    const bar = height - 5;
    const bottom = top + height - 2;
    context.fillStyle = rgb(mixed(GROUND, MUTED, 0.35));
    context.fillRect(scale.left, bottom, scale.inner, 1);
    this.#absences(context, t, scale, bottom - bar, bar);
    const [dim, bright] = [rgb(mixed(GROUND, track.colour, 0.45)), rgb(track.colour)];
    for (const { x, width, value } of columns(this.confidence.ofTrack(t), scale)) {
      const high = Math.round(value * (bar - 1)) + 1;
      context.fillStyle = dim;
      context.fillRect(x, bottom - high, width, high);
      context.fillStyle = bright;
      context.fillRect(x, bottom - high, width, 1.4);
    }
    this.#name(context, String(track.id), track.colour, top + height / 2, "600 12px");
    this.#keys(context, this.poses.keyFrames(t), scale, bottom - bar / 2, bar, track.colour);
    for (const frame of this.corrections.said[t].keys()) {
      const x = scale.x(frame);
      if (x < scale.left || x > scale.left + scale.inner) continue;
      context.fillStyle = rgb(ACCENT);
      context.fillRect(x - 1.5, top, 3, 3.5);
    }
  }

  #keypoint(context, { t, k, top, height }, scale, chosen) {
    for (const { x, width, value } of columns(this.confidence.ofKeypoint(t, k), scale)) {
      context.fillStyle = rgb(this.ramp.at(value, this.ramp.quiet));
      context.fillRect(x, top + 0.5, width, height - 1);
    }
    this.#absences(context, t, scale, top + 0.5, height - 1);
    const size = Math.min(3, Math.max(1, (scale.inner / scale.span) * 0.5));
    for (const frame of this.poses.keyFrames(t, k)) {
      const said = this.corrections.keypoint(t, frame, k);
      context.fillStyle = rgb(said ? ACCENT : PAPER, 0.85);
      context.fillRect(scale.x(frame) - size / 2, top + 2.5, size, height - 5);
    }
    this.#name(context, this.labels.keypoints[k], chosen ? PAPER : MUTED, top + height / 2 + 0.5, chosen ? "600 10px" : "10px");
  }

  #name(context, text, colour, middle, font) {
    context.font = `${font} system-ui, sans-serif`;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillStyle = rgb(colour);
    context.fillText(text, 12, middle, 108);
  }

  #keys(context, keys, scale, middle, bar, colour) {
    const radius = Math.min(0.42 * bar, 0.5 * (scale.inner / scale.span) + 2.2);
    for (const frame of keys) {
      const x = scale.x(frame);
      if (x < scale.left || x > scale.left + scale.inner) continue;
      context.beginPath();
      context.moveTo(x, middle - radius);
      context.lineTo(x + radius, middle);
      context.lineTo(x, middle + radius);
      context.lineTo(x - radius, middle);
      context.closePath();
      context.fillStyle = rgb(PAPER);
      context.fill();
      context.strokeStyle = rgb(mixed(colour, GROUND, 0.6));
      context.lineWidth = 1;
      context.stroke();
    }
  }

  #absences(context, t, scale, top, height) {
    for (const [first, last] of this.corrections.absent[t]) {
      const from = Math.max(scale.x(first - 0.5), scale.left);
      const to = Math.min(scale.x(last + 0.5), scale.left + scale.inner);
      if (to <= from) continue;
      context.save();
      context.beginPath();
      context.rect(from, top, to - from, height);
      context.clip();
      context.strokeStyle = rgb(mixed(GROUND, MUTED, 0.55));
      context.lineWidth = 1;
      context.beginPath();
      for (let x = from - height; x < to; x += 6) {
        context.moveTo(x, top + height);
        context.lineTo(x + height, top);
      }
      context.stroke();
      context.restore();
    }
  }
}

// The least value (N frames, NaN for none) in each column of the screen, neighbours of equal value joined.
function* columns(values, scale) {
  const count = Math.max(1, Math.min(Math.floor(scale.inner), Math.ceil(scale.span)));
  const edge = (column) => Math.round(scale.left + (column * scale.inner) / count);
  let open = null;
  for (let column = 0; column < count; column++) {
    const first = Math.floor(scale.first + (column * scale.span) / count);
    const last = Math.max(first + 1, Math.floor(scale.first + ((column + 1) * scale.span) / count));
    let least = NaN;
    for (let frame = first; frame < Math.min(last, values.length); frame++) {
      if (!(values[frame] >= least)) least = Number.isNaN(values[frame]) ? least : values[frame];
    }
    const step = Math.round(least * 250) / 250;
    if (open && open.value === step) {
      open.width = edge(column + 1) - open.x;
      continue;
    }
    if (open) yield open;
    open = Number.isNaN(step) ? null : { x: edge(column), width: edge(column + 1) - edge(column), value: step };
  }
  if (open) yield open;
}

// The frames of the timeline that are in sight, where they stand on the screen, and their numbers above it.

import { GROUND, MUTED, PAPER, mixed, rgb } from "./colours.js";

const STEPS = [1, 2, 5];

export class Scale {
  // left, right: room beside the frames, in screen pixels.
  constructor(frameCount, left, right) {
    Object.assign(this, { frameCount, left, right, first: 0, span: frameCount, width: 1 });
  }

  get inner() {
    return Math.max(1, this.width - this.left - this.right);
  }

  x(frame) {
    return this.left + ((frame - this.first + 0.5) / this.span) * this.inner;
  }

  frameAt(x) {
    return Math.min(Math.max(Math.floor(this.first + ((x - this.left) / this.inner) * this.span), 0), this.frameCount - 1);
  }

  zoom(factor, x) {
    const share = Math.min(Math.max((x - this.left) / this.inner, 0), 1);
    const under = this.first + share * this.span;
    this.span = Math.min(Math.max(this.span * factor, Math.min(20, this.frameCount)), this.frameCount);
    this.#start(under - share * this.span);
  }

  // Move so that a frame is in sight; whether that took a move.
  follow(frame) {
    if (frame >= this.first && frame + 1 <= this.first + this.span) return false;
    this.#start(frame - this.span / 2);
    return true;
  }

  #start(first) {
    this.first = Math.min(Math.max(first, 0), this.frameCount - this.span);
  }
}

export function drawRuler(context, scale, height, frame) {
  context.clearRect(0, 0, scale.width, height);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.textAlign = "center";
  const least = (scale.span / scale.inner) * 64;
  let step = 1;
  for (let power = 1; step < least; power *= 10) {
    const enough = STEPS.find((s) => s * power >= least);
    step = enough ? enough * power : power * 10;
  }
  for (let at = Math.ceil(scale.first / step) * step; at <= scale.first + scale.span - 1; at += step) {
    const x = scale.x(at);
    context.fillStyle = rgb(mixed(GROUND, MUTED, 0.5));
    context.fillRect(Math.round(x), height - 4, 1, 4);
    context.fillStyle = rgb(MUTED);
    context.fillText(String(at), x, height / 2 - 1);
  }
  const x = scale.x(frame);
  const text = String(frame);
  const wide = context.measureText(text).width + 10;
  context.fillStyle = rgb(PAPER);
  context.beginPath();
  context.roundRect(Math.min(Math.max(x - wide / 2, 0), scale.width - wide), 1, wide, height - 4, 3);
  context.fill();
  context.fillStyle = rgb(GROUND);
  context.fillText(text, Math.min(Math.max(x, wide / 2), scale.width - wide / 2), height / 2 - 1);
}

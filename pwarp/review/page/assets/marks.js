// The marks of a pose on a canvas: a diamond for what a person set, a disc for what was computed, hollow if occluded.

import { INK, PAPER, inkOn, rgb } from "./colours.js";

export function limb(context, [x1, y1], [x2, y2], width, colour, alpha) {
  context.lineCap = "round";
  for (const [style, wide] of [[rgb(INK, 0.55 * alpha), width + 1.6], [rgb(colour, alpha), width]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }
}

export function diamond(context, [x, y], radius, colour, hollow) {
  const reach = radius * 1.4;
  context.beginPath();
  context.moveTo(x, y - reach);
  context.lineTo(x + reach, y);
  context.lineTo(x, y + reach);
  context.lineTo(x - reach, y);
  context.closePath();
  outlined(context, colour, hollow ? null : PAPER);
}

export function disc(context, [x, y], radius, colour, core, hollow) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  outlined(context, hollow && core ? core : colour, hollow ? null : (core ?? colour));
}

// A shape with a dark rim, a coloured edge and, where it is not hollow, a filling.
function outlined(context, edge, filling) {
  context.lineJoin = "round";
  context.strokeStyle = rgb(INK, 0.8);
  context.lineWidth = 4.2;
  context.stroke();
  if (filling) {
    context.fillStyle = rgb(filling);
    context.fill();
  }
  context.strokeStyle = rgb(edge);
  context.lineWidth = 2;
  context.stroke();
}

export function halo(context, [x, y], radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  for (const [style, width] of [[rgb(INK, 0.8), 4], [rgb(PAPER), 1.8]]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

// Text on a plate of its own, its bottom centred at a point of the stage and kept within; nothing for a point outside.
export function plate(context, text, [x, y], colour, { width, height }, font = "600 12px system-ui, sans-serif") {
  if (x < 0 || y < -20 || x > width || y > height + 40) return;
  context.font = font;
  const wide = context.measureText(text).width + 10;
  const left = Math.min(Math.max(x - wide / 2, 0), Math.max(0, width - wide));
  const top = Math.max(y - 18, 0);
  context.fillStyle = rgb(colour, 0.92);
  context.beginPath();
  context.roundRect(left, top, wide, 18, 4);
  context.fill();
  context.fillStyle = rgb(inkOn(colour));
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillText(text, left + 5, top + 9.5);
}

export function corners(context, [x1, y1], [x2, y2], colour) {
  const long = Math.min(x2 - x1, y2 - y1) * 0.12;
  context.strokeStyle = rgb(colour, 0.75);
  context.lineWidth = 1.4;
  context.beginPath();
  for (const [x, y, dx, dy] of [[x1, y1, 1, 1], [x2, y1, -1, 1], [x2, y2, -1, -1], [x1, y2, 1, -1]]) {
    context.moveTo(x + dx * long, y);
    context.lineTo(x, y);
    context.lineTo(x, y + dy * long);
  }
  context.stroke();
}

// The timeline: ruler and rows, drawn when something in them changes; the position goes over a copy of them.

import { PAPER, rgb } from "./colours.js";
import { Scale, drawRuler } from "./ruler.js";
import { layOut } from "./rows.js";

const LEFT = 124;
const RIGHT = 14;

export class Timeline {
  constructor({ ruler, rows, box, painter, cursor, labels, moment }) {
    Object.assign(this, { ruler, rows, box, painter, cursor, labels, moment });
    this.scale = new Scale(labels.frameCount, LEFT, RIGHT);
    this.strip = document.createElement("canvas");
    this.stale = true;
    rows.setAttribute("aria-valuemax", labels.frameCount - 1);
    new ResizeObserver(() => this.redraw()).observe(box);
    for (const canvas of [ruler, rows]) {
      canvas.addEventListener("pointerdown", (event) => this.#press(event, canvas));
      canvas.addEventListener("pointermove", (event) => {
        if (canvas.hasPointerCapture(event.pointerId)) cursor.go({ frame: this.scale.frameAt(event.offsetX) });
      });
      canvas.addEventListener("wheel", (event) => this.#wheel(event, canvas), { passive: false });
      canvas.addEventListener("dblclick", () => this.#whole());
    }
  }

  // Draw everything anew, soon.
  redraw() {
    this.stale = true;
    this.draw();
  }

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.drawNow();
    });
  }

  drawNow() {
    if (!this.held && this.scale.follow(this.cursor.frame)) this.stale = true;
    if (this.stale) this.#paint();
    const density = devicePixelRatio || 1;
    const context = this.rows.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.rows.width, this.rows.height);
    context.drawImage(this.strip, 0, 0);
    context.fillStyle = rgb(PAPER);
    context.fillRect(Math.round((this.scale.x(this.cursor.frame) - 0.75) * density), 0, Math.max(1, Math.round(1.5 * density)), this.rows.height);
    const above = this.ruler.getContext("2d");
    above.setTransform(density, 0, 0, density, 0, 0);
    drawRuler(above, this.scale, this.ruler.clientHeight, this.cursor.frame);
    this.rows.setAttribute("aria-valuenow", this.cursor.frame);
    this.rows.setAttribute("aria-valuetext", `Frame ${this.cursor.frame}, ${this.moment(this.cursor.frame)}`);
  }

  #paint() {
    this.stale = false;
    const { rows, height } = layOut(this.labels, this.cursor.t);
    this.layout = rows;
    const density = devicePixelRatio || 1;
    this.scale.width = this.box.clientWidth;
    for (const [canvas, high] of [[this.rows, height], [this.strip, height], [this.ruler, this.ruler.clientHeight]]) {
      canvas.width = Math.round(this.scale.width * density);
      canvas.height = Math.round(high * density);
    }
    Object.assign(this.rows.style, { width: `${this.scale.width}px`, height: `${height}px` });
    const context = this.strip.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    for (const row of rows) this.painter.draw(context, row, this.scale, this.cursor.k);
  }

  #press(event, canvas) {
    canvas.setPointerCapture(event.pointerId);
    this.held = true;
    canvas.addEventListener("lostpointercapture", () => (this.held = false), { once: true });
    const row = canvas === this.rows ? this.layout.find(({ top, height }) => event.offsetY >= top && event.offsetY < top + height) : null;
    const frame = event.offsetX < LEFT - 4 ? this.cursor.frame : this.scale.frameAt(event.offsetX);
    const t = row?.t ?? this.cursor.t;
    this.cursor.go({ frame, t, k: row?.k ?? (t === this.cursor.t ? this.cursor.k : null) });
  }

  #wheel(event, canvas) {
    if (canvas === this.rows && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.scale.zoom(Math.exp(event.deltaY / 300), event.offsetX);
    this.redraw();
  }

  #whole() {
    this.scale.zoom(Infinity, 0);
    this.redraw();
  }
}

// The frames that most need a look, worst first. The list stays as it was made, so that it can be worked through.

import { rgb } from "./colours.js";
import { worstFrames } from "./confidence.js";

const MOST = 40;

export class WorstList {
  constructor({ list, none, confidence, corrections, cursor, ramp }) {
    Object.assign(this, { corrections, cursor });
    const { chosen, distance } = worstFrames(confidence, MOST);
    this.distance = distance;
    this.frames = chosen;
    this.rows = chosen.map((entry, i) => this.#row(entry, i, confidence.labels, ramp));
    list.append(...this.rows.map(({ item }) => item));
    none.hidden = chosen.length > 0;
  }

  // The next (1) or last (-1) of the list from where we are in it.
  step(by) {
    if (!this.frames.length) return;
    const at = this.frames.findIndex(({ frame, t }) => frame === this.cursor.frame && t === this.cursor.t);
    const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), this.frames.length - 1);
    this.#go(next);
    this.rows[next].item.scrollIntoView({ block: "nearest" });
  }

  update() {
    this.frames.forEach(({ frame, t }, i) => {
      const { button, done } = this.rows[i];
      button.setAttribute("aria-current", frame === this.cursor.frame && t === this.cursor.t);
      const near = [...this.corrections.said[t].keys()].some((at) => Math.abs(at - frame) < this.distance);
      const absent = this.corrections.absent[t].some(([first, last]) => first <= frame && frame <= last);
      done.textContent = near || absent ? "✓" : "";
      done.title = near || absent ? "corrected here or near" : "";
    });
  }

  #go(i) {
    const { frame, t, k } = this.frames[i];
    this.cursor.go({ frame, t, k });
  }

  #row(entry, i, labels, ramp) {
    const make = (tag, className, content = "") => Object.assign(document.createElement(tag), { className, textContent: content });
    const track = labels.tracks[entry.t];
    const scored = labels.keypoints.map((_, k) => [labels.keypoint(track, entry.frame, k)?.score ?? Infinity, k]);
    const [[, least]] = scored.sort(([a], [b]) => a - b);
    entry.k = least;
    const [item, button, dot, bar, filled, done] = [make("li", ""), make("button", ""), make("span", "dot"), make("span", "bar"), make("i", ""), make("span", "done")];
    dot.style.background = rgb(track.colour);
    filled.style.width = `${Math.round(entry.sure * 100)}%`;
    filled.style.background = rgb(ramp.at(entry.sure));
    bar.title = `mean score ${entry.sure.toFixed(2)}`;
    bar.append(filled);
    button.append(dot, make("span", "", String(entry.frame)), make("span", "least", labels.keypoints[least]), bar, done);
    button.setAttribute("aria-label", `Frame ${entry.frame}, track ${track.id}, score ${entry.sure.toFixed(2)}, least sure: ${labels.keypoints[least]}`);
    button.addEventListener("click", () => this.#go(i));
    item.append(button);
    return { item, button, done };
  }
}

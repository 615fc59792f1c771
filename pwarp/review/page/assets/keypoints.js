// The keypoints of the chosen person in this frame: what each one is, and its visibility to set.

import { PAPER, rgb } from "./colours.js";

const LEVELS = ["not labelled", "occluded", "visible"];

export class KeypointList {
  constructor({ list, cursor, poses, actions, ramp }) {
    Object.assign(this, { list, cursor, poses, ramp });
    this.rows = poses.labels.keypoints.map((name, k) => this.#row(name, k, actions));
    list.append(...this.rows.map(({ item }) => item));
  }

  update() {
    const { t, frame, k: chosen, track } = this.cursor;
    const absent = this.poses.isAbsent(t, frame);
    this.rows.forEach(({ item, mark, name, said, levels }, k) => {
      const keypoint = absent ? null : this.poses.keypoint(t, frame, k);
      item.classList.toggle("chosen", k === chosen);
      name.setAttribute("aria-current", k === chosen);
      mark.classList.toggle("by-person", Boolean(keypoint?.byPerson));
      const core = keypoint?.byPerson ? PAPER : keypoint?.score == null ? track.colour : this.ramp.at(keypoint.score);
      mark.style.borderColor = keypoint ? rgb(track.colour) : "transparent";
      mark.style.background = keypoint?.visibility === 2 ? rgb(core) : "none";
      said.textContent = describeKeypoint(keypoint);
      said.classList.toggle("mine", Boolean(keypoint?.said));
      levels.forEach((button, level) => {
        button.setAttribute("aria-pressed", (keypoint?.visibility ?? 0) === level);
        button.disabled = absent;
      });
    });
    if (chosen !== this.scrolledTo && chosen !== null) this.rows[chosen].item.scrollIntoView({ block: "nearest" });
    this.scrolledTo = chosen;
  }

  #row(text, k, actions) {
    const make = (tag, className, content = "") => Object.assign(document.createElement(tag), { className, textContent: content });
    const [item, mark, name, said, group] = [make("li", ""), make("span", "mark"), make("button", "name", text), make("span", "said"), make("span", "levels")];
    item.addEventListener("click", () => this.cursor.go({ k }));
    name.title = text;
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", `Visibility of ${text}`);
    const levels = LEVELS.map((level, value) => {
      const button = make("button", "", String(value));
      button.title = `${value}: ${level}`;
      button.setAttribute("aria-label", `${text}: ${level}`);
      button.addEventListener("click", () => {
        this.cursor.go({ k });
        actions.setVisibility(value);
      });
      return button;
    });
    group.append(...levels);
    item.append(mark, name, said, group);
    return { item, mark, name, said, levels };
  }
}

function describeKeypoint(keypoint) {
  if (!keypoint) return "";
  if (keypoint.said) return "by you";
  if (keypoint.byPerson) return keypoint.source;
  return keypoint.score === null ? keypoint.source : keypoint.score.toFixed(2);
}

// The chosen person: who it is, where its pose in this frame comes from, and whether it is there at all.

import { rgb } from "./colours.js";

export class PersonPanel {
  constructor({ select, swatch, state, confirm, absent, absentOn, cursor, poses, actions }) {
    Object.assign(this, { select, swatch, state, confirm, absent, absentOn, cursor, poses });
    for (const track of poses.labels.tracks) select.add(new Option(`Track ${track.id}`, track.index));
    select.addEventListener("change", () => cursor.go({ t: Number(select.value), k: null }));
    confirm.addEventListener("click", () => actions.confirmPose());
    absent.addEventListener("click", () => actions.toggleAbsent());
    absentOn.addEventListener("click", () => actions.toggleAbsent(true));
  }

  update() {
    const { t, frame, track } = this.cursor;
    const absent = this.poses.isAbsent(t, frame);
    this.select.value = t;
    this.swatch.style.background = rgb(track.colour);
    this.absent.setAttribute("aria-pressed", absent);
    this.absentOn.textContent = absent ? "Present from here" : "Absent from here";
    const pose = this.poses.pose(t, frame);
    this.confirm.disabled = !pose || pose.every((keypoint) => !keypoint || keypoint.byPerson);
    this.state.textContent = absent ? "absent" : describe(pose, this.poses.neighbours(t, frame));
    this.state.title = this.state.textContent;
  }
}

function describe(pose, [before, after]) {
  if (!pose) return "nothing labelled";
  const labelled = pose.filter(Boolean);
  const mine = labelled.filter(({ byPerson }) => byPerson).length;
  if (mine === labelled.length) return "key frame";
  if (mine) return `${mine} of ${labelled.length} set by hand`;
  const from = [before, after].filter((key) => key !== null).join(" and ");
  const [{ source }] = labelled;
  return source === "propagated" && from ? `propagated, keys ${from}` : source;
}

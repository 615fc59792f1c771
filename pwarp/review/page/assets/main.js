// Puts the parts together, and tells each what happened in the others.

import { Actions } from "./actions.js";
import { takeBytes, takeText } from "./bytes.js";
import { Carried } from "./carried.js";
import { Ramp, rgb } from "./colours.js";
import { Confidence } from "./confidence.js";
import { Corrections } from "./corrections.js";
import { Cursor } from "./cursor.js";
import { labelFile } from "./export.js";
import { Film } from "./film.js";
import { fillHelp, keyTable, listen } from "./keyboard.js";
import { KeypointList } from "./keypoints.js";
import { Labels } from "./labels.js";
import { People } from "./people.js";
import { PersonPanel } from "./person.js";
import { Poses } from "./poses.js";
import { RowPainter } from "./rows.js";
import { Saving } from "./saving.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Transport, moments } from "./transport.js";
import { View } from "./view.js";
import { WorstList } from "./worst.js";

const byId = (id) => document.getElementById(id);
const facts = JSON.parse(takeText("facts"));
const labels = new Labels(facts, takeBytes("arrays"), new Carried(takeText("labels")));
const corrections = new Corrections(labels);
const poses = new Poses(labels, corrections);
const confidence = new Confidence(poses);
const cursor = new Cursor(labels);
const ramp = new Ramp(facts.ramp);
const fps = facts.film.fps[0] / facts.film.fps[1];
const film = new Film(byId("film"), fps, labels.frameCount);
const moment = moments(facts.video, fps);
const tell = (text) => (byId("status").textContent = text);

const actions = new Actions({ labels, corrections, poses, cursor, film, picture: facts.video, tell });
const stage = new Stage({
  element: byId("stage"), film, poses, cursor, actions, filmScale: facts.film,
  view: new View(facts.video.width, facts.video.height),
  people: new People(poses, confidence, facts.skeleton, ramp),
});
const timeline = new Timeline({
  ruler: byId("ruler"), rows: byId("rows"), box: byId("rows-box"), cursor, labels, moment,
  painter: new RowPainter(labels, poses, confidence, corrections, ramp),
});
const transport = new Transport({ film, cursor, poses, moment, byId });
const person = new PersonPanel({
  select: byId("person"), swatch: byId("swatch"), state: byId("person-state"), confirm: byId("confirm-pose"),
  absent: byId("absent"), absentOn: byId("absent-on"), cursor, poses, actions,
});
const keypoints = new KeypointList({ list: byId("keypoints"), cursor, poses, actions, ramp });
const worst = new WorstList({ list: byId("worst"), none: byId("worst-none"), confidence, corrections, cursor, ramp });
const saving = new Saving(corrections, facts.key);

function update() {
  for (const part of [transport, person, keypoints, worst]) part.update();
  const { count } = corrections;
  byId("undo").disabled = !corrections.past.length;
  byId("redo").disabled = !corrections.future.length;
  byId("discard").disabled = !count;
  byId("export").textContent = count ? `Export ${count} correction${count === 1 ? "" : "s"}` : "Export";
}

function save() {
  const text = labelFile(labels, corrections, facts);
  const link = Object.assign(document.createElement("a"), { download: facts.labels.export });
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  tell(`Exported ${facts.labels.export}`);
  byId("exported-command").textContent =
    `pwarp propagate ${quoted(facts.video.given)} ${quoted(facts.labels.export)} -o ${quoted(facts.labels.again)}`;
  byId("exported").showModal();
}

function quoted(word) {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

corrections.addEventListener("change", ({ tracks }) => {
  confidence.forget(tracks);
  tell("");
  update();
  stage.draw();
  timeline.redraw();
});
cursor.addEventListener("move", ({ moved }) => {
  if (moved.frame && film.shown !== cursor.frame) film.show(cursor.frame);
  update();
  stage.draw();
  if (moved.k) timeline.redraw();
  else timeline.draw();
});
film.addEventListener("frame", () => {
  if (film.playing) cursor.go({ frame: film.shown });
  stage.draw();
});

const toggle = (id, name) => {
  const box = byId(id);
  const apply = () => {
    stage.options[name] = box.checked;
    stage.draw();
  };
  box.addEventListener("change", apply);
  return () => {
    box.checked = !box.checked;
    apply();
  };
};
const toggles = { names: toggle("show-names", "names"), poses: toggle("show-poses", "poses") };
const help = () => byId("help").showModal();
const keys = keyTable({ transport, cursor, actions, stage, worst, help, save, toggles });
listen(keys);
fillHelp(byId("help-keys"), keys);
const buttons = {
  undo: () => actions.undo(),
  redo: () => actions.redo(),
  discard: () => corrections.discard(),
  export: save,
  "help-open": help,
  fit: () => stage.fit(),
  "zoom-person": () => stage.zoomToPerson(),
};
for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", act);
// A click with the mouse leaves the keys to the stage; one with the keyboard keeps its place.
addEventListener("click", (event) => {
  if (event.detail && event.target.closest("button") && !document.querySelector("dialog[open]")) byId("stage").focus({ preventScroll: true });
});

byId("video-name").textContent = facts.video.name;
byId("labels-name").textContent = facts.labels.name;
facts.ramp.forEach((colour, i) => {
  const context = byId("ramp").getContext("2d");
  context.fillStyle = rgb(colour);
  context.fillRect(i, 0, 1, 1);
});
if (saving.restore()) tell(`${corrections.count} corrections of your last visit are back; Discard throws them away`);
update();
tellWhenOpen();

async function tellWhenOpen() {
  try {
    const bytes = takeBytes("film-bytes");
    const source = facts.film.link === null ? URL.createObjectURL(new Blob([bytes], { type: "video/mp4" })) : encodeURIComponent(facts.film.link);
    await film.open(source);
    document.body.dataset.ready = "yes";
  } catch (error) {
    const where = facts.film.link === null ? "This browser cannot play the video" : `The video ${facts.film.link} is not beside this page`;
    tell(`${where}: ${error.message}`);
    byId("stage-note").hidden = false;
  }
}
byId("stage").focus({ preventScroll: true });

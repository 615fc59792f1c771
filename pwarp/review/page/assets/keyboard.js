// All keys in one table, which is also what the help shows.

export function keyTable({ transport, cursor, actions, stage, worst, help, save, toggles }) {
  const count = cursor.labels.keypoints.length;
  const people = cursor.labels.tracks.length;
  const keypoint = (by) => cursor.go({ k: cursor.k === null ? (by > 0 ? 0 : count - 1) : (cursor.k + by + count) % count });
  const person = (by) => cursor.go({ t: (cursor.t + by + people) % people, k: null });
  // [keys, what they do, function]; "Ctrl" stands for Command, too. A key with Shift is listed before the one without.
  return [
    [["Space"], "Play or pause", () => transport.toggle()],
    [["ArrowLeft"], "One frame back", () => transport.step(-1)],
    [["ArrowRight"], "One frame on", () => transport.step(1)],
    [["Shift+ArrowLeft"], "Ten frames back", () => transport.step(-10)],
    [["Shift+ArrowRight"], "Ten frames on", () => transport.step(10)],
    [["Home"], "First frame", () => cursor.go({ frame: 0 })],
    [["End"], "Last frame", () => cursor.go({ frame: Infinity })],
    [["["], "Key frame before", () => transport.toKey(-1)],
    [["]"], "Key frame after", () => transport.toKey(1)],
    [["N"], "Next of the worst frames", () => worst.step(1)],
    [["Shift+N"], "Last one of the worst frames", () => worst.step(-1)],
    [["P"], "Next person", () => person(1)],
    [["Shift+P"], "Person before", () => person(-1)],
    [["ArrowDown"], "Next keypoint", () => keypoint(1)],
    [["ArrowUp"], "Keypoint before", () => keypoint(-1)],
    [["Escape"], "No keypoint", () => cursor.go({ k: null })],
    [["A", "D", "W", "S"], "Move the keypoint left, right, up, down by a pixel (with Shift: five)", nudged(actions)],
    [["0"], "Keypoint not labelled", () => actions.setVisibility(0)],
    [["1"], "Keypoint labelled, occluded", () => actions.setVisibility(1)],
    [["2"], "Keypoint visible", () => actions.setVisibility(2)],
    [["Enter"], "The keypoint is right", () => actions.confirm()],
    [["Shift+Enter"], "The whole pose is right", () => actions.confirmPose()],
    [["X"], "Person absent, or there again", () => actions.toggleAbsent()],
    [["Shift+X"], "The same up to the next key frame", () => actions.toggleAbsent(true)],
    [["Ctrl+Z"], "Undo", () => actions.undo()],
    [["Ctrl+Shift+Z", "Ctrl+Y"], "Redo", () => actions.redo()],
    [["Ctrl+S"], "Export the corrected labels", () => save()],
    [["+", "="], "Zoom in", () => stage.zoom(1.25)],
    [["-"], "Zoom out", () => stage.zoom(0.8)],
    [["F"], "Whole picture", () => stage.fit()],
    [["C"], "Zoom to the person", () => stage.zoomToPerson()],
    [["H"], "Hide or show the poses", () => toggles.poses()],
    [["M"], "Hide or show the person's keypoint names", () => toggles.names()],
    [["?"], "This help", () => help()],
  ];
}

const MOUSE = [
  ["Drag a keypoint", "Move it"],
  ["Drag elsewhere", "Move the picture, once zoomed"],
  ["Wheel", "Zoom the picture, or the ruler of the timeline"],
  ["Double click", "Whole picture, whole timeline"],
  ["Ctrl or Alt + click", "Put the chosen keypoint here"],
];
const SHOWN = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

function nudged(actions) {
  const steps = { A: [-1, 0], D: [1, 0], W: [0, -1], S: [0, 1] };
  return (key, shift) => actions.nudge(...steps[key].map((step) => step * (shift ? 5 : 1)));
}

export function listen(table) {
  const byKey = new Map(table.flatMap(([keys, , act]) => keys.map((key) => [key, act])));
  addEventListener("keydown", (event) => {
    // AltGr makes letters and brackets on many keyboards, and then is no modifier of ours.
    const graph = event.getModifierState("AltGraph");
    if (document.querySelector("dialog[open]") || (event.altKey && !graph) || event.isComposing) return;
    const control = !graph && (event.ctrlKey || event.metaKey);
    const field = event.target.matches("input[type=number], select");
    if (field && event.key !== "Escape" && !control) return;
    const key = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
    // Space and Enter press the button that has the focus.
    if (event.target.matches("button, input") && (key === "Space" || (key === "Enter" && !event.shiftKey))) return;
    const full = `${control ? "Ctrl+" : ""}${event.shiftKey ? "Shift+" : ""}${key}`;
    // Signs may need Shift on one keyboard and not on another; letters and named keys mean another thing with it.
    const eitherWay = /^([^A-Z]|[ADWS])$/.test(key);
    const act = byKey.get(full) ?? (eitherWay ? byKey.get(full.replace("Shift+", "")) : undefined);
    if (!act) return;
    event.preventDefault();
    if (field) event.target.blur();
    act(key, event.shiftKey);
  });
}

export function fillHelp(element, table) {
  const rows = table.map(([keys, what]) => [keys.map((key) => key.replace(/\w+$/, (name) => SHOWN[name] ?? name)).join(", "), what]);
  for (const [keys, what] of [...rows, ...MOUSE]) {
    const row = document.createElement("div");
    const [left, right] = [document.createElement("kbd"), document.createElement("span")];
    left.textContent = keys;
    right.textContent = what;
    row.append(left, right);
    element.append(row);
  }
}

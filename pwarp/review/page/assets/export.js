// The carried label file with the corrections in it, in pwarp's own format (docs/format.md).
//
// Lines that nothing was said about stay as they are, digit by digit. A correction gets the source "corrected", and
// what it replaced stands beside it in the track's list.

import { sameSpans, spanAt } from "./spans.js";

// A number as pwarp writes coordinates: with a point, and with the sign of zero.
function real(value) {
  if (value === null) return "null";
  if (Object.is(value, -0)) return "-0.0";
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? value.toFixed(1) : String(value);
}

const reals = (values) => `[${values.map(real).join(",")}]`;
const triples = (values) =>
  `[${values.map((v, i) => (i % 3 === 2 || values[i - (i % 3) + 2] === 0 ? String(v) : real(v))).join(",")}]`;
const WRITERS = { keypoints: triples, bbox: reals, bbox_head: reals, box: (v) => (v ? reals(v) : "null"), head_box: (v) => (v ? reals(v) : "null"), scores: reals, score: real, area: real };

function written(entry) {
  const fields = Object.entries(entry).map(([name, value]) => `${JSON.stringify(name)}:${(WRITERS[name] ?? JSON.stringify)(value)}`);
  return `{${fields.join(",")}}`;
}

export function labelFile(labels, corrections, facts) {
  const { carried } = labels;
  const annotations = [];
  const tracks = carried.tracks.map(({ entry, line }) => {
    const track = labels.tracks.find(({ id }) => id === entry.id);
    const replaced = [...(entry.replaced ?? [])];
    const kept = replaced.length;
    for (const [frame, pose] of corrected(labels, corrections, track, replaced)) annotations.push({ frame, id: track.id, ...pose });
    const absent = corrections.absent[track.index];
    return replaced.length === kept && sameSpans(absent, track.absent) ? line : trackLine(entry, track, absent, replaced);
  });
  annotations.sort((a, b) => a.frame - b.frame || a.id - b.id);
  const lines = annotations.map(({ line, entry }, i) => (line ?? written(entry)).replace(/^\{"id":\d+/, `{"id":${i + 1}`));
  const images = imageLines(carried, new Set(annotations.map(({ frame }) => frame)), facts);
  const section = (name, rows) => `"${name}":${rows.length ? `[\n${rows.join(",\n")}\n]` : "[]"}`;
  const sections = [section("tracks", tracks), section("images", images), section("annotations", lines)];
  return `${carried.head.join("\n")}\n${sections.join(",\n")}}\n`;
}

// The track's poses by frame, {line} untouched or {entry} rewritten; what was replaced is added to `replaced`.
function corrected(labels, corrections, track, replaced) {
  const poses = new Map(labels.carried.poses.get(track.id));
  const absent = corrections.absent[track.index];
  if (!sameSpans(absent, track.absent)) {
    notePlacesLeftEmpty(labels, track, absent, replaced);
    for (const frame of [...poses.keys()].filter((at) => spanAt(absent, at))) {
      labels.keypoints.forEach((_, k) => replace(labels, track, frame, k, replaced, true));
      poses.delete(frame);
    }
  }
  const said = corrections.said[track.index];
  const back = broughtBack(labels, track, absent, said, replaced);
  for (const frame of new Set([...said.keys(), ...back.keys()])) {
    if (spanAt(absent, frame)) continue;
    const old = poses.get(frame)?.entry;
    const entry = rewritten(labels, track, frame, old, said.get(frame) ?? new Map(), back.get(frame) ?? new Map(), replaced);
    if (entry) poses.set(frame, { entry });
    else poses.delete(frame);
  }
  return poses;
}

// Note what a keypoint was before; byPersonOnly leaves out what was computed and will be again.
function replace(labels, track, frame, k, replaced, byPersonOnly = false) {
  const old = labels.keypoint(track, frame, k);
  if (!old || (byPersonOnly && !old.byPerson)) return;
  const { x, y, visibility, source } = old;
  replaced.push({ frame, keypoint: labels.keypoints[k], x, y, visibility, source });
}

// Note of keypoints that were taken away before a mark of absence that nothing was there when it came.
function notePlacesLeftEmpty(labels, track, absent, replaced) {
  const empty = new Map();
  for (const { frame, keypoint } of replaced) {
    if (!spanAt(absent, frame) || spanAt(track.absent, frame)) continue;
    if (!labels.keypoint(track, frame, labels.keypoints.indexOf(keypoint))) empty.set(`${frame} ${keypoint}`, { frame, keypoint });
  }
  for (const place of empty.values()) replaced.push({ ...place, x: null, y: null, visibility: 0, source: "none" });
}

// By frame and keypoint, what a mark of absence had taken away that is withdrawn now; it is no longer in `replaced`.
// Where something else was said of the keypoint, that stands.
function broughtBack(labels, track, absent, said, replaced) {
  const last = new Map();
  for (const old of replaced) {
    if (spanAt(track.absent, old.frame) && !spanAt(absent, old.frame)) last.set(`${old.frame} ${old.keypoint}`, old);
  }
  const back = new Map();
  for (const old of last.values()) {
    const k = labels.keypoints.indexOf(old.keypoint);
    const byPerson = labels.personal[labels.sources.indexOf(old.source)];
    if (said.get(old.frame)?.has(k) || (old.visibility && !byPerson)) continue;
    replaced.splice(replaced.indexOf(old), 1);
    if (!old.visibility) continue;
    if (!back.has(old.frame)) back.set(old.frame, new Map());
    back.get(old.frame).set(k, old);
  }
  return back;
}

// A pose with what was said of it, and with what is back; null where nothing is left.
function rewritten(labels, track, frame, old, said, back, replaced) {
  const count = labels.keypoints.length;
  const keypoints = old ? [...old.keypoints] : new Array(3 * count).fill(0);
  const sources = labels.keypoints.map((_, k) => (keypoints[3 * k + 2] ? labels.keypoint(track, frame, k).source : null));
  const scores = old?.scores ? [...old.scores] : null;
  const origin = Array.isArray(old?.origin?.[0]) ? [...old.origin] : old?.origin;
  for (const [k, { x, y, visibility, source }] of back) {
    keypoints.splice(3 * k, 3, x, y, visibility);
    sources[k] = source;
  }
  for (const k of [...said.keys()].sort((a, b) => a - b)) {
    const { x, y, visibility } = said.get(k);
    replace(labels, track, frame, k, replaced);
    keypoints.splice(3 * k, 3, ...(visibility ? [x, y, visibility] : [0, 0, 0]));
    sources[k] = visibility ? "corrected" : null;
    if (scores) scores[k] = null;
    if (Array.isArray(origin?.[0])) origin[k] = [null, null];
  }
  const labelled = sources.filter((source) => source !== null);
  const hasBox = old?.bbox !== undefined && old.box !== null;
  if (!labelled.length && !hasBox && !old?.bbox_head) return null;
  const entry = { id: 0, image_id: frame, category_id: 1, track_id: track.id, ...old, keypoints, num_keypoints: labelled.length };
  if (!hasBox) Object.assign(entry, { bbox: extent(keypoints), box: null });
  entry.area = Math.round(entry.bbox[2] * entry.bbox[3] * 100) / 100;
  entry.iscrowd = 0;
  entry.sources = sources;
  if (scores?.some((score) => score !== null)) entry.scores = scores;
  else delete entry.scores;
  if (origin) entry.origin = origin;
  return entry;
}

// x, y, width, height around the labelled keypoints.
function extent(keypoints) {
  const at = keypoints.flatMap((v, i) => (i % 3 === 2 && v ? [[keypoints[i - 2], keypoints[i - 1]]] : []));
  if (!at.length) return [0, 0, 0, 0];
  const [xs, ys] = [at.map(([x]) => x), at.map(([, y]) => y)];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return [left, top, Math.max(...xs) - left, Math.max(...ys) - top];
}

function trackLine(entry, track, absent, replaced) {
  const fields = [`"id":${entry.id}`];
  if (entry.identified === false) fields.push('"identified":false');
  if (absent.length) fields.push(`"absent":${JSON.stringify(absent)}`);
  const values = replaced.map(
    (old) =>
      `{"frame":${old.frame},"keypoint":${JSON.stringify(old.keypoint)},"x":${real(old.x)},"y":${real(old.y)},` +
      `"visibility":${old.visibility},"source":${JSON.stringify(old.source)}}`,
  );
  if (values.length) fields.push(`"replaced":[${values.join(",")}]`);
  return `{${fields.join(",")}}`;
}

function imageLines(carried, frames, { video, marksLabelled }) {
  const lines = new Map(carried.images.map(({ entry, line }) => [entry.frame_id, line]));
  for (const frame of frames) {
    if (lines.has(frame)) continue;
    const image = { id: frame, frame_id: frame, file_name: pictureName(video, frame), width: video.width, height: video.height, nframes: video.frameCount };
    if (marksLabelled) image.is_labeled = false;
    lines.set(frame, JSON.stringify({ ...image, video_id: 1 }));
  }
  return [...lines].sort(([a], [b]) => a - b).map(([, line]) => line);
}

function pictureName({ path, names }, frame) {
  if (names) return path === null ? names[frame] : `${path}/${names[frame]}`;
  return path === null ? `frame-${String(frame).padStart(6, "0")}` : `${path}#${frame}`;
}

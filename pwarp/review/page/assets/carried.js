// The label file that the page carries: its lines as they are, and the numbers in them to the last bit.

export class Carried {
  // text: a native label file, in which pwarp writes one track, image or annotation a line.
  constructor(text) {
    const parsed = JSON.parse(text);
    const lines = text.split("\n");
    this.head = lines.slice(0, lines.findIndex((line) => line.startsWith('"tracks":')));
    const section = (name) => {
      const first = lines.indexOf(`"${name}":[`) + 1;
      return parsed[name].map((entry, i) => ({ entry, line: lines[first + i].replace(/,$/, "") }));
    };
    this.tracks = section("tracks");
    this.images = section("images");
    this.poses = new Map(this.tracks.map(({ entry }) => [entry.id, new Map()]));
    for (const { entry, line } of section("annotations")) this.poses.get(entry.track_id).set(entry.image_id, { entry, line });
  }

  // [x, y] of a labelled keypoint; null where the file does not hold it.
  place(id, frame, k) {
    const keypoints = this.poses.get(id).get(frame)?.entry.keypoints;
    return keypoints?.[3 * k + 2] ? [keypoints[3 * k], keypoints[3 * k + 1]] : null;
  }
}

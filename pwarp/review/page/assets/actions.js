// What can be done to labels at the page; each becomes one step to undo.

const hundredths = (value) => Math.round(value * 100) / 100;

export class Actions {
  constructor({ labels, corrections, poses, cursor, film, picture, tell }) {
    Object.assign(this, { labels, corrections, poses, cursor, film, picture, tell });
  }

  // Drag the chosen keypoint: hold it somewhere, then let it go there, or drop the whole idea.
  hold(x, y) {
    const { t, frame, k } = this.cursor;
    const visibility = this.poses.keypoint(t, frame, k)?.visibility ?? 2;
    this.poses.held = { t, frame, k, value: { x, y, visibility } };
  }

  letGo() {
    const { held } = this.poses;
    this.poses.held = null;
    if (held) this.corrections.say(`moving ${this.labels.keypoints[held.k]}`, [held]);
  }

  drop() {
    this.poses.held = null;
  }

  // Put the chosen keypoint somewhere at once.
  placeAt(x, y) {
    if (!this.#mayCorrect()) return;
    this.hold(x, y);
    this.letGo();
  }

  nudge(dx, dy) {
    if (!this.#mayCorrect()) return;
    const { t, frame, k } = this.cursor;
    const keypoint = this.poses.keypoint(t, frame, k);
    if (!keypoint) return;
    const within = (value, size) => hundredths(Math.min(Math.max(value, 0), size - 1));
    const value = { x: within(keypoint.x + dx, this.picture.width), y: within(keypoint.y + dy, this.picture.height), visibility: keypoint.visibility };
    this.corrections.say(`moving ${this.labels.keypoints[k]}`, [{ t, frame, k, value }], `${t} ${frame} ${k}`);
  }

  setVisibility(visibility) {
    if (!this.#mayCorrect()) return;
    const { t, frame, k } = this.cursor;
    const keypoint = this.poses.keypoint(t, frame, k);
    if ((keypoint?.visibility ?? 0) === visibility && (!keypoint || keypoint.byPerson)) return;
    let value = { x: 0, y: 0, visibility: 0 };
    if (visibility) {
      const middle = [(this.picture.width - 1) / 2, (this.picture.height - 1) / 2];
      const [x, y] = keypoint ? [keypoint.x, keypoint.y] : this.poses.likelyPlace(t, frame, k, middle).map(hundredths);
      value = { x, y, visibility };
    }
    this.corrections.say(`visibility of ${this.labels.keypoints[k]}`, [{ t, frame, k, value }]);
  }

  // Say that a computed keypoint is right as it is.
  confirm() {
    if (!this.#mayCorrect()) return;
    const keypoint = this.poses.keypoint(this.cursor.t, this.cursor.frame, this.cursor.k);
    if (keypoint && !keypoint.byPerson) this.setVisibility(keypoint.visibility);
  }

  confirmPose() {
    const { t, frame } = this.cursor;
    if (!this.#isShown()) return;
    const items = (this.poses.pose(t, frame) ?? []).flatMap((keypoint, k) => {
      if (!keypoint || keypoint.byPerson) return [];
      const { x, y, visibility } = keypoint;
      return [{ t, frame, k, value: { x, y, visibility } }];
    });
    if (items.length) this.corrections.say("confirming the pose", items);
  }

  // Absent or there: in this frame, or from it up to the next key frame.
  toggleAbsent(onwards = false) {
    const { t, frame } = this.cursor;
    if (!this.#isShown()) return;
    const absent = !this.poses.isAbsent(t, frame);
    let last = frame;
    if (onwards) {
      const stretch = this.corrections.absent[t].find(([first, end]) => first <= frame && frame <= end);
      const key = this.poses.neighbours(t, frame)[1];
      last = absent ? (key ?? this.labels.frameCount) - 1 : stretch[1];
    }
    this.corrections.sayAbsent(t, frame, last, absent);
  }

  undo() {
    this.#stepped(this.corrections.undo(), "Undone");
  }

  redo() {
    this.#stepped(this.corrections.redo(), "Done again");
  }

  // Go to where a step took place, and say what it was.
  #stepped(step, verb) {
    if (!step) return;
    this.tell(`${verb}: ${step.what}`);
    const [first] = [...step.changes, ...step.spans];
    if (step.changes.length === 1 || step.spans.length) this.cursor.go({ t: first.t, frame: first.frame ?? this.cursor.frame });
  }

  #mayCorrect() {
    if (!this.#isShown()) return false;
    const { t, frame, k } = this.cursor;
    if (k === null) this.tell("Choose a keypoint first: click it, or press the down arrow");
    else if (this.poses.isAbsent(t, frame)) this.tell("The person is marked absent here; take the mark away first (X)");
    else return true;
    return false;
  }

  // Whether the frame that would be corrected is the one that is seen.
  #isShown() {
    if (this.film.playing) this.film.pause();
    return this.film.shown === this.cursor.frame;
  }
}

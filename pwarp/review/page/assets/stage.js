// The picture with everybody on it, and what the pointer does there: drag keypoints, pan, zoom.

const GRASP = 11; // screen pixels around a keypoint
const STILL = 3; // screen pixels that a click may move

export class Stage {
  constructor({ element, film, view, people, poses, cursor, actions, filmScale }) {
    Object.assign(this, { element, film, view, people, poses, cursor, actions, filmScale });
    this.canvas = element.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.note = element.querySelector("p");
    this.options = { names: false, poses: true };
    this.over = null;
    this.pointer = null;
    new ResizeObserver(() => this.#resize()).observe(element);
    this.canvas.addEventListener("pointerdown", (event) => this.#press(event));
    this.canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.canvas.addEventListener("pointerup", (event) => this.#release(event));
    this.canvas.addEventListener("pointercancel", () => this.#cancel());
    this.canvas.addEventListener("pointerleave", () => this.#point(null));
    this.canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.canvas.addEventListener("dblclick", () => this.fit());
  }

  draw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.drawNow();
    });
  }

  drawNow() {
    const { context, view, film } = this;
    const density = this.canvas.width / view.stageWidth;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, view.stageWidth, view.stageHeight);
    const [left, top] = view.toStage(-0.5, -0.5);
    const { width, height } = this.filmScale;
    context.imageSmoothingEnabled = (view.scale * view.width) / width < 4;
    context.drawImage(film.video, 0, 0, width, height, left, top, view.width * view.scale, view.height * view.scale);
    if (this.options.poses) {
      const { t, k } = this.cursor;
      const over = this.over && (this.over.t !== t || this.over.k !== k) ? this.over : null;
      this.people.draw(context, view, film.shown, { names: this.options.names, chosen: { t, k }, over });
    }
    this.#say();
    this.element.dataset.shown = film.shown;
  }

  fit() {
    this.view.fit();
    this.draw();
  }

  zoom(factor) {
    this.view.zoom(factor);
    this.draw();
  }

  // Fill the stage with the chosen person, if there is one in the frame.
  zoomToPerson() {
    const pose = this.poses.pose(this.cursor.t, this.cursor.frame)?.filter(Boolean);
    if (!pose) return;
    const [xs, ys] = [pose.map(({ x }) => x), pose.map(({ y }) => y)];
    this.view.show([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]);
    this.draw();
  }

  #say() {
    const { t, frame } = this.cursor;
    const text = this.poses.isAbsent(t, frame) ? `Person ${this.cursor.track.id} is absent here` : "";
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  #resize() {
    const { width, height } = this.element.getBoundingClientRect();
    if (!width || !height) return;
    const density = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(width * density), Math.round(height * density)];
    this.view.resize(width, height);
    this.drawNow();
  }

  // The keypoint under a point: the nearest, those of the chosen person before all others.
  #keypointAt(x, y) {
    if (!this.options.poses || this.film.shown !== this.cursor.frame) return null;
    let best = null;
    for (let t = 0; t < this.poses.labels.tracks.length; t++) {
      this.poses.pose(t, this.cursor.frame)?.forEach((keypoint, k) => {
        if (!keypoint) return;
        const [px, py] = this.view.toStage(keypoint.x, keypoint.y);
        const distance = Math.hypot(px - x, py - y);
        const rank = distance + (t === this.cursor.t ? 0 : GRASP / 2);
        if (distance <= GRASP && (!best || rank < best.rank)) best = { t, k, rank };
      });
    }
    return best;
  }

  #press(event) {
    if (event.button > 1) return;
    this.element.focus({ preventScroll: true });
    if (this.film.playing) this.film.pause();
    const [x, y] = [event.offsetX, event.offsetY];
    if ((event.ctrlKey || event.metaKey || event.altKey) && event.button === 0) {
      this.actions.placeAt(...this.view.toVideo(x, y));
      return;
    }
    const found = event.button === 0 ? this.#keypointAt(x, y) : null;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointer = { x, y, startX: x, startY: y, moved: false, found };
    if (!found) return;
    this.cursor.go(found);
    const { x: keypointX, y: keypointY } = this.poses.keypoint(found.t, this.cursor.frame, found.k);
    const [px, py] = this.view.toStage(keypointX, keypointY);
    Object.assign(this.pointer, { graspX: px - x, graspY: py - y });
  }

  #move(event) {
    const [x, y] = [event.offsetX, event.offsetY];
    const { pointer } = this;
    if (!pointer) return this.#point(this.#keypointAt(x, y));
    pointer.moved ||= Math.hypot(x - pointer.startX, y - pointer.startY) >= STILL;
    if (!pointer.moved) return undefined;
    this.element.classList.add("dragging");
    if (pointer.found) this.actions.hold(...this.view.toVideo(x + pointer.graspX, y + pointer.graspY));
    else this.view.pan(x - pointer.x, y - pointer.y);
    [pointer.x, pointer.y] = [x, y];
    return this.draw();
  }

  #release() {
    const { pointer } = this;
    this.pointer = null;
    this.element.classList.remove("dragging");
    if (!pointer) return;
    if (pointer.found && pointer.moved) this.actions.letGo();
    else if (!pointer.found && !pointer.moved) this.cursor.go({ k: null });
    this.draw();
  }

  #cancel() {
    this.actions.drop();
    this.pointer = null;
    this.element.classList.remove("dragging");
    this.draw();
  }

  #point(found) {
    if (found?.t === this.over?.t && found?.k === this.over?.k) return;
    this.over = found;
    this.element.classList.toggle("over", Boolean(found));
    this.draw();
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode ? 16 : 1;
    this.view.zoom(Math.exp((-event.deltaY * lines) / 400), event.offsetX, event.offsetY);
    this.draw();
  }
}

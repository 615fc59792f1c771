// Play, step, and say where we are.

export class Transport {
  constructor({ film, cursor, poses, moment, byId }) {
    Object.assign(this, { film, cursor, poses, moment });
    [this.button, this.frame, this.speed, this.momentText, this.key] = ["play", "frame", "speed", "moment", "key-here"].map(byId);
    this.frame.max = film.frameCount - 1;
    this.button.addEventListener("click", () => this.toggle());
    this.frame.addEventListener("change", () => cursor.go({ frame: Number(this.frame.value) }));
    this.speed.addEventListener("change", () => film.setRate(this.rate));
    byId("step-back").addEventListener("click", () => this.step(-1));
    byId("step-on").addEventListener("click", () => this.step(1));
    byId("key-before").addEventListener("click", () => this.toKey(-1));
    byId("key-after").addEventListener("click", () => this.toKey(1));
    film.addEventListener("state", () => {
      this.button.textContent = film.playing ? "Pause" : "Play";
      this.button.setAttribute("aria-pressed", film.playing);
    });
  }

  get rate() {
    return Number(this.speed.value);
  }

  toggle() {
    if (this.film.playing) this.film.pause();
    else this.film.play(this.rate);
  }

  step(by) {
    this.cursor.go({ frame: this.cursor.frame + by });
  }

  // The key frame of the chosen person before (-1) or after (1) this one.
  toKey(side) {
    const frame = this.poses.neighbours(this.cursor.t, this.cursor.frame)[side < 0 ? 0 : 1];
    if (frame !== null) this.cursor.go({ frame });
  }

  update() {
    const { frame, t } = this.cursor;
    if (document.activeElement !== this.frame || this.film.playing) this.frame.value = frame;
    this.momentText.textContent = this.moment(frame);
    this.key.hidden = !this.poses.isKey(t, frame);
  }
}

// What people call a frame beside its number: its time, or the name of its picture file.
export function moments({ names, times }, fps) {
  return (frame) => {
    if (names) return names[frame];
    const seconds = times ? times[frame] : frame / fps;
    const minutes = Math.floor(seconds / 60);
    const rest = (seconds - 60 * minutes).toFixed(3);
    return minutes ? `${minutes}:${rest.padStart(6, "0")}` : `${rest} s`;
  };
}

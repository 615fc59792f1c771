// The video by frame number. Frame n lasts from n / fps to (n + 1) / fps, so that the middle of it is asked for; which
// frame is really shown is what the browser says of each one that it presents.

const PATIENCE = 300; // milliseconds to wait for a frame to be presented after a jump is done

export class Film extends EventTarget {
  // video: the element. fps: frames a second. Events: "frame" when another frame is shown, "state" on play and pause.
  constructor(video, fps, frameCount) {
    super();
    Object.assign(this, { video, fps, frameCount });
    this.shown = -1;
    this.wanted = 0;
    this.playing = false;
    this.target = null; // the frame of a jump under way
    this.presented = -1;
    video.addEventListener("seeked", () => this.#arrived());
    video.addEventListener("ended", () => this.pause());
    if (video.requestVideoFrameCallback) this.#watch();
  }

  // Ready when the first frame is there; fails with the browser's reason.
  async open(source) {
    const { video } = this;
    await new Promise((resolve, reject) => {
      video.addEventListener("loadeddata", resolve, { once: true });
      video.addEventListener("error", () => reject(new Error(video.error?.message || "the video cannot be played")), { once: true });
      video.src = source;
    });
    this.#jump();
  }

  // Show a frame. While one jump is under way, only the last of further ones counts.
  show(frame) {
    this.wanted = frame;
    if (this.playing) this.#stop();
    if (this.target === null && this.shown !== frame) this.#jump();
  }

  async play(rate) {
    const { video } = this;
    if (this.playing) return;
    if (this.shown >= this.frameCount - 1) video.currentTime = 0;
    video.playbackRate = rate;
    this.playing = true;
    this.dispatchEvent(new Event("state"));
    try {
      await video.play();
    } catch {
      this.pause();
    }
  }

  pause() {
    if (!this.playing) return;
    this.#stop();
    // Where it stopped is anywhere within a frame, and perhaps one later than what was last reported.
    this.wanted = Math.max(this.shown, 0);
    this.#jump();
  }

  setRate(rate) {
    this.video.playbackRate = rate;
  }

  #stop() {
    this.playing = false;
    this.video.pause();
    this.dispatchEvent(new Event("state"));
  }

  #jump() {
    this.target = this.wanted;
    this.video.currentTime = (this.target + 0.5) / this.fps;
  }

  #watch() {
    this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      this.presented = Math.round(mediaTime * this.fps);
      if (this.playing) this.#show(this.presented);
      else if (this.target === this.presented && !this.video.seeking) this.#settle();
      this.#watch();
    });
  }

  #arrived() {
    if (this.playing || this.target === null) return;
    if (this.presented === this.target || !this.video.requestVideoFrameCallback) this.#settle();
    else {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => !this.video.seeking && this.target !== null && this.#settle(), PATIENCE);
    }
  }

  #settle() {
    clearTimeout(this.timer);
    const frame = this.target;
    this.target = null;
    this.#show(frame);
    if (this.wanted !== frame && !this.playing) this.#jump();
  }

  #show(frame) {
    this.shown = frame;
    if (this.playing) this.wanted = frame;
    this.dispatchEvent(new Event("frame"));
  }
}

// Where the person at the page is: which frame, which track, which of its keypoints (null for none).

export class Cursor extends EventTarget {
  constructor(labels) {
    super();
    this.labels = labels;
    this.frame = 0;
    this.t = 0;
    this.k = null;
  }

  // Go somewhere else; what is left out stays. Frames and keypoints that there are not become the nearest.
  go({ frame = this.frame, t = this.t, k = this.k }) {
    frame = Math.min(Math.max(Math.round(frame) || 0, 0), this.labels.frameCount - 1);
    if (frame === this.frame && t === this.t && k === this.k) return;
    const moved = { frame: frame !== this.frame, t: t !== this.t, k: k !== this.k || t !== this.t };
    Object.assign(this, { frame, t, k });
    this.dispatchEvent(Object.assign(new Event("move"), { moved }));
  }

  get track() {
    return this.labels.tracks[this.t];
  }
}

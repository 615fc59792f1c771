// Which part of the picture is on the stage: positions in video pixels (centres at whole numbers) and on the screen.

const MOST = 60; // screen pixels a video pixel

export class View {
  // width, height: of the video's picture.
  constructor(width, height) {
    Object.assign(this, { width, height, stageWidth: 1, stageHeight: 1, scale: 1, left: 0, top: 0, fitted: true });
  }

  resize(width, height) {
    this.left += (width - this.stageWidth) / 2;
    this.top += (height - this.stageHeight) / 2;
    Object.assign(this, { stageWidth: width, stageHeight: height });
    if (this.fitted) this.fit();
  }

  get least() {
    return Math.min(this.stageWidth / this.width, this.stageHeight / this.height);
  }

  fit() {
    this.scale = this.least;
    this.left = (this.stageWidth - this.width * this.scale) / 2;
    this.top = (this.stageHeight - this.height * this.scale) / 2;
    this.fitted = true;
  }

  // Zoom by a factor, the picture staying where it is under a point of the stage.
  zoom(factor, x = this.stageWidth / 2, y = this.stageHeight / 2) {
    const scale = Math.min(Math.max(this.scale * factor, this.least), MOST);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = scale === this.least;
    if (this.fitted) this.fit();
    else this.#keepInSight();
  }

  // Show a region of the video [x1, y1, x2, y2] with some room around it.
  show([x1, y1, x2, y2], room = 1.35) {
    const [width, height] = [Math.max(x2 - x1, 8) * room, Math.max(y2 - y1, 8) * room];
    this.scale = Math.min(Math.max(Math.min(this.stageWidth / width, this.stageHeight / height), this.least), MOST);
    this.left = this.stageWidth / 2 - ((x1 + x2) / 2 + 0.5) * this.scale;
    this.top = this.stageHeight / 2 - ((y1 + y2) / 2 + 0.5) * this.scale;
    this.fitted = false;
    this.#keepInSight();
  }

  pan(dx, dy) {
    if (this.fitted) return;
    this.left += dx;
    this.top += dy;
    this.#keepInSight();
  }

  toStage(x, y) {
    return [this.left + (x + 0.5) * this.scale, this.top + (y + 0.5) * this.scale];
  }

  // A point of the stage in video pixels, within the picture and to a hundredth of a pixel.
  toVideo(x, y) {
    const place = (at, start, size) => {
      const value = Math.min(Math.max((at - start) / this.scale - 0.5, 0), size - 1);
      return Math.round(value * 100) / 100;
    };
    return [place(x, this.left, this.width), place(y, this.top, this.height)];
  }

  #keepInSight() {
    const within = (start, size, stage) => Math.min(Math.max(start, Math.min(stage - size, stage * 0.4 - size / 2)), Math.max(0, stage * 0.6 - size / 2));
    this.left = within(this.left, this.width * this.scale, this.stageWidth);
    this.top = within(this.top, this.height * this.scale, this.stageHeight);
  }
}

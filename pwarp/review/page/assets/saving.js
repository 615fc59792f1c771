// Corrections that are not exported yet outlive the page in the browser's own storage, as far as it lets them.

const WAIT = 300; // milliseconds

export class Saving {
  // key: of these very labels; another file's corrections are never mixed in.
  constructor(corrections, key) {
    this.corrections = corrections;
    this.key = `pwarp-review:${key}`;
    this.works = true;
    corrections.addEventListener("change", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.save(), WAIT);
    });
    addEventListener("pagehide", () => this.save());
    addEventListener("beforeunload", (event) => {
      if (!this.works && this.corrections.count) event.preventDefault();
    });
  }

  save() {
    try {
      if (this.corrections.count) localStorage.setItem(this.key, JSON.stringify(this.corrections));
      else localStorage.removeItem(this.key);
      this.works = true;
    } catch {
      this.works = false; // storage full or forbidden: the page then asks before it is left
    }
  }

  // How many corrections of an earlier visit came back.
  restore() {
    try {
      const text = localStorage.getItem(this.key);
      if (text) this.corrections.restore(JSON.parse(text));
    } catch {
      this.works = false;
    }
    return this.corrections.count;
  }
}

// Colours as the canvas and the style sheet want them, from the palette that pwarp's pictures share.

export const PAPER = [255, 255, 255];
export const GROUND = [24, 24, 29];
export const INK = [18, 18, 22];
export const MUTED = [150, 152, 160];
export const ACCENT = [111, 201, 245];

export const rgb = ([r, g, b], alpha = 1) => `rgb(${r} ${g} ${b} / ${alpha})`;

export const mixed = (colour, other, share) => colour.map((value, i) => Math.round(value + (other[i] - value) * share));

// Dark or white, whichever is easier to read on a colour (by its luma).
export const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 115 ? INK : PAPER);

// The ramp's colour for a score in 0..1.
export class Ramp {
  constructor(colours) {
    this.colours = colours;
    // On a timeline doubt must stand out and certainty step back into the ground.
    this.quiet = colours.map((colour, i) => mixed(GROUND, colour, 1 - 0.82 * (i / (colours.length - 1)) ** 1.5));
  }

  at(score, colours = this.colours) {
    return colours[Math.round(Math.min(Math.max(score, 0), 1) * (colours.length - 1))];
  }
}

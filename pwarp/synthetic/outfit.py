"""What a person wears and looks like: the choices, drawn once per person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]  # RGB, 0..1

_SKIN: tuple[Colour, ...] = (
    (0.95, 0.80, 0.70), (0.91, 0.74, 0.62), (0.83, 0.64, 0.50), (0.72, 0.52, 0.38), (0.56, 0.38, 0.27),
    (0.42, 0.28, 0.20), (0.33, 0.22, 0.16),
)  # fmt: skip
_HAIR: tuple[Colour, ...] = (
    (0.07, 0.055, 0.05), (0.14, 0.09, 0.06), (0.25, 0.16, 0.09), (0.42, 0.28, 0.14), (0.68, 0.53, 0.30),
    (0.50, 0.21, 0.10), (0.55, 0.54, 0.53),
)  # fmt: skip
_CLOTH: tuple[Colour, ...] = (
    (0.90, 0.90, 0.88), (0.10, 0.10, 0.12), (0.13, 0.17, 0.30), (0.55, 0.56, 0.58), (0.62, 0.12, 0.13),
    (0.14, 0.33, 0.22), (0.80, 0.66, 0.20), (0.25, 0.45, 0.70), (0.70, 0.40, 0.50), (0.86, 0.78, 0.65),
    (0.85, 0.42, 0.15), (0.40, 0.25, 0.48), (0.30, 0.30, 0.33), (0.45, 0.68, 0.70),
)  # fmt: skip
_BOTTOM: tuple[Colour, ...] = (
    (0.14, 0.18, 0.28), (0.24, 0.32, 0.47), (0.09, 0.09, 0.10), (0.38, 0.38, 0.40), (0.66, 0.58, 0.45),
    (0.30, 0.27, 0.22), (0.22, 0.25, 0.20), (0.80, 0.79, 0.76),
)  # fmt: skip
PATTERNS = ("plain", "stripes", "bars", "checks", "print", "logo", "yoke")


@dataclass(frozen=True)
class Outfit:
    """Looks of one person.

    sleeve: share of the arm that is covered, 0 to 1; leg: likewise. skirt: hem height as share of the leg, or 0
    for none. loose: how far cloth stands off the body, 0 tight to 1 baggy. hair_length: 0 bald, 1 short, 2 long.
    pattern, second: of the top. buttons: an open or buttoned front.
    """

    skin: Colour
    hair: Colour
    hair_length: int
    beard: bool
    glasses: bool
    cap: Colour | None
    top: Colour
    second: Colour
    pattern: str
    sleeve: float
    buttons: bool
    bottom: Colour
    leg: float
    skirt: float
    loose: float
    shoes: Colour
    socks: Colour

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Outfit:
        """Random looks; about two in five tops are plain."""

        def pick(colours: tuple[Colour, ...]) -> Colour:
            red, green, blue = np.clip(np.array(colours[rng.integers(len(colours))]) + rng.normal(0, 0.025, 3), 0, 1)
            return float(red), float(green), float(blue)

        skirt = rng.uniform(0.4, 0.75) if rng.random() < 0.12 else 0.0
        trousers = rng.random() < 0.7
        bare = skirt > 0 and rng.random() < 0.7
        return cls(
            skin=pick(_SKIN),
            hair=pick(_HAIR),
            hair_length=int(rng.choice(3, p=[0.06, 0.6, 0.34])),
            beard=bool(rng.random() < 0.2),
            glasses=bool(rng.random() < 0.15),
            cap=pick(_CLOTH) if rng.random() < 0.15 else None,
            top=pick(_CLOTH),
            second=pick(_CLOTH),
            pattern=str(rng.choice(PATTERNS, p=[0.4, 0.13, 0.05, 0.1, 0.07, 0.17, 0.08])),
            sleeve=float(rng.choice([0.12, 0.42, 1.0], p=[0.1, 0.48, 0.42])),
            buttons=bool(rng.random() < 0.25),
            bottom=pick(_BOTTOM) if rng.random() < 0.85 else pick(_CLOTH),
            leg=0.0 if bare else (1.0 if trousers else rng.uniform(0.36, 0.52)),
            skirt=skirt,
            loose=rng.uniform(0.0, 1.0),
            shoes=pick(((0.9, 0.9, 0.9), (0.08, 0.08, 0.09), (0.30, 0.20, 0.13), (0.6, 0.15, 0.15), (0.2, 0.3, 0.5))),
            socks=pick(((0.9, 0.9, 0.9), (0.1, 0.1, 0.1), (0.5, 0.5, 0.5))),
        )

"""Reference lengths: what an error in pixels is measured against.

A PCK without its length is no number: on Penn Action the two torso diagonals in use differ by more than a point.
So a length always has a full name, and a bare "torso" is refused.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

import numpy as np

from pwarp.annotations import FloatArray, extents
from pwarp.errors import PwarpError, UsageError
from pwarp.skeleton import Skeleton

# PCKh takes 0.6 of the head box's diagonal for the length of the head segment (MPII and PoseTrack evaluation code).
HEAD_BOX_SHARE = 0.6
# Below this many pixels the ends of a labelled torso coincide, and LSTM-PM's protocol takes the predicted torso.
LEAST_TORSO = 1.0
DEFAULT_DIAGONAL = "diag:0.4"
FORMS = "body, torso:A-B (keypoint indices or names), head, diag:F (such as diag:0.4), pixels"


@dataclass(frozen=True)
class Length:
    """A reference length: how long a pose is, in pixels.

    text: canonical name, such as "torso:1-8". kind: its first word. ends: the two keypoint indices of a torso.
    share: the factor of a diagonal. meaning: one phrase for tables.
    """

    text: str
    kind: str
    meaning: str
    ends: tuple[int, int] | None = None
    share: float = 1.0

    def of(
        self, xy: FloatArray, boxes: FloatArray, head_boxes: FloatArray, predicted_xy: FloatArray | None = None
    ) -> FloatArray:
        """(N,) length of each of N poses in pixels, NaN where the pose lacks what the length is made of.

        xy: (N, K, 2) truth, NaN where unlabelled; occluded keypoints serve as torso ends like visible ones.
        boxes, head_boxes: (N, 4) x1, y1, x2, y2, NaN where there is none. predicted_xy: (N, K, 2) stands in for a
        torso whose labelled ends are less than a pixel apart (0 where the prediction lacks an end). The diagonal of a
        keypoint alone is 0.
        """
        if self.kind == "pixels":
            return np.ones(len(xy))
        if self.kind == "body":
            return np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        if self.kind == "head":
            return HEAD_BOX_SHARE * np.hypot(head_boxes[:, 2] - head_boxes[:, 0], head_boxes[:, 3] - head_boxes[:, 1])
        if self.kind == "diag":
            return self.share * extent_diagonal(xy)
        assert self.ends is not None
        length = _distance(xy, self.ends)
        if predicted_xy is not None:
            stand_in = np.nan_to_num(_distance(predicted_xy, self.ends), nan=0.0)
            length = np.where(length < LEAST_TORSO, stand_in, length)
        return length

    def of_keypoints(
        self, xy: FloatArray, boxes: FloatArray, head_boxes: FloatArray, predicted_xy: FloatArray | None = None
    ) -> FloatArray:
        """As `of`, and NaN where a diagonal is 0: by such a length nothing but perfection would be right."""
        length = self.of(xy, boxes, head_boxes, predicted_xy)
        return np.where(length > 0, length, np.nan) if self.kind == "diag" else length


def parse(text: str, skeleton: Skeleton) -> Length:
    """The length that a text such as "body", "torso:1-8", "torso:left_shoulder-right_hip" or "diag:0.4" names.

    Raises PwarpError that names the choices for anything else, a bare "torso" included.
    """
    kind, colon, rest = text.strip().partition(":")
    if kind == "body" and not colon:
        return Length("body", kind, "longer side of the person's box")
    if kind == "head" and not colon:
        return Length("head", kind, f"{HEAD_BOX_SHARE} x diagonal of the head box")
    if kind == "pixels" and not colon:
        return Length("pixels", kind, "alpha is in pixels")
    if kind == "diag":
        share = _number(rest)
        if share is None:
            raise UsageError(f"length '{text}': give the share of the diagonal, such as {DEFAULT_DIAGONAL}")
        return Length(f"diag:{share:g}", kind, f"{share:g} x diagonal of the labelled keypoints' box", share=share)
    if kind == "torso":
        return _torso(text, rest, skeleton)
    raise UsageError(f"unknown length '{text}'; known: {FORMS}")


def default(skeleton: Skeleton) -> str:
    """The length taken where nobody named one: the skeleton's torso, else 0.4 of the keypoints' diagonal, or the box
    where there is but one keypoint."""
    if len(skeleton) == 1:
        return "body"
    # Left shoulder to right hip, as papers on Penn Action print it. LSTM-PM's own code takes that data set's sides as
    # swapped and measures torso:2-7 by its names; whoever compares with its figures names that one.
    return DEFAULT_DIAGONAL if skeleton.torso is None else "torso:{}-{}".format(*skeleton.torso)


def extent_diagonal(xy: FloatArray) -> FloatArray:
    """(N,) diagonal of the box around the labelled keypoints of (N, K, 2) poses; NaN where none is labelled."""
    boxes = extents(xy)
    diagonal: FloatArray = np.hypot(*(boxes[:, 2:] - boxes[:, :2]).T)
    return diagonal


def _torso(text: str, rest: str, skeleton: Skeleton) -> Length:
    ends = _ends(rest, skeleton)
    if ends is None and rest.count("-") == 1:
        odd = next(name for name in rest.split("-") if _keypoint(name, skeleton) is None)
        likely = difflib.get_close_matches(odd.strip(), skeleton.keypoints, 1)
        hint = f"did you mean '{likely[0]}'?" if likely else f"it has: {', '.join(skeleton.keypoints)}"
        raise PwarpError(f"length '{text}': no keypoint '{odd.strip()}' in {skeleton.name}; {hint}")
    if ends is None:
        raise PwarpError(f"length '{text}': say which torso, for papers differ by points: {_torsos(skeleton)}")
    a, b = ends
    if a == b:
        raise PwarpError(f"length '{text}': the two ends are the same keypoint; {_torsos(skeleton)}")
    return Length(f"torso:{a}-{b}", "torso", f"{skeleton.keypoints[a]} to {skeleton.keypoints[b]}", ends=(a, b))


def _ends(rest: str, skeleton: Skeleton) -> tuple[int, int] | None:
    """The two keypoints of "A-B"; a dash may be part of a name, so every dash is tried."""
    for at in (i for i, letter in enumerate(rest) if letter == "-"):
        a, b = _keypoint(rest[:at], skeleton), _keypoint(rest[at + 1 :], skeleton)
        if a is not None and b is not None:
            return a, b
    return None


def _keypoint(text: str, skeleton: Skeleton) -> int | None:
    text = text.strip()
    if text in skeleton.keypoints:
        return skeleton.index(text)
    return int(text) if text.isascii() and text.isdigit() and int(text) < len(skeleton) else None


def _torsos(skeleton: Skeleton) -> str:
    """The torsos one can ask for: both shoulder-hip diagonals where the skeleton has them, by 0-based index."""
    wanted = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
    pairs = [(skeleton.index(a), skeleton.index(b)) for a, b in wanted if {a, b} <= set(skeleton.keypoints)]
    if skeleton.torso is not None and skeleton.torso not in pairs:
        pairs.insert(0, skeleton.torso)
    choices = [f"torso:{a}-{b} ({skeleton.keypoints[a]} to {skeleton.keypoints[b]})" for a, b in pairs]
    if choices:
        return " or ".join(choices)
    return f"torso:A-B with two of the {len(skeleton)} keypoints: {', '.join(skeleton.keypoints)}"


def _distance(xy: FloatArray, ends: tuple[int, int]) -> FloatArray:
    step = xy[:, ends[0]] - xy[:, ends[1]]
    return np.hypot(step[:, 0], step[:, 1])


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None

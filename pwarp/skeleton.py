"""Skeletons: which keypoints a pose has, in which order, and how they belong together.

Nothing in pwarp assumes people or a certain number of keypoints; the built-in skeletons are a convenience,
any other one comes from the label file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pwarp.errors import PwarpError

Edge = tuple[int, int]


@dataclass(frozen=True)
class Skeleton:
    """Named keypoints in order, with what is known about them.

    name: how the skeleton is called in files and messages.
    keypoints: K distinct names.
    edges: pairs of 0-based keypoint indices that are drawn as limbs.
    flip_pairs: pairs of 0-based indices that trade places when a picture is mirrored.
    sigmas: K per-keypoint constants of COCO's OKS, or None where nobody has measured them.
    torso: the two 0-based indices whose distance is the usual reference length, or None.

    Raises PwarpError where names repeat, an index points nowhere, or a keypoint is in two different flip pairs.
    """

    name: str
    keypoints: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    flip_pairs: tuple[Edge, ...] = ()
    sigmas: tuple[float, ...] | None = None
    torso: Edge | None = None

    def __post_init__(self) -> None:
        count = len(self.keypoints)
        if count == 0:
            raise PwarpError(f"skeleton '{self.name}': no keypoints; name at least one")
        if len(set(self.keypoints)) != count:
            twice = next(n for n in self.keypoints if self.keypoints.count(n) > 1)
            raise PwarpError(f"skeleton '{self.name}': keypoint name '{twice}' appears twice; names must differ")
        if self.sigmas is not None and len(self.sigmas) != count:
            raise PwarpError(f"skeleton '{self.name}': {len(self.sigmas)} sigmas for {count} keypoints")
        if not all(0 <= sigma < math.inf for sigma in self.sigmas or ()):
            raise PwarpError(f"skeleton '{self.name}': sigmas {self.sigmas}; each is a number of at least 0")
        pairs = [("edge", e) for e in self.edges] + [("flip pair", p) for p in self.flip_pairs]
        if self.torso is not None:
            pairs.append(("torso", self.torso))
        for what, (a, b) in pairs:
            if not (0 <= a < count and 0 <= b < count):
                raise PwarpError(
                    f"skeleton '{self.name}': {what} ({a}, {b}) points outside the {count} keypoints (0 to {count - 1})"
                )
        twins: dict[int, int] = {}
        for a, b in self.flip_pairs:
            for one, other in ((a, b), (b, a)):
                if twins.setdefault(one, other) != other:
                    first, second = (self.keypoints[twin] for twin in (twins[one], other))
                    raise PwarpError(
                        f"skeleton '{self.name}': by its flip pairs '{self.keypoints[one]}' trades places with "
                        f"'{first}' and with '{second}'; leave one of them out"
                    )

    def __len__(self) -> int:
        return len(self.keypoints)

    def index(self, name: str) -> int:
        """Index of a keypoint by name; raises PwarpError that lists the names there are."""
        try:
            return self.keypoints.index(name)
        except ValueError:
            known = ", ".join(self.keypoints)
            raise PwarpError(f"skeleton '{self.name}' has no keypoint '{name}'; it has: {known}") from None

    @classmethod
    def from_names(cls, name: str, keypoints: Sequence[str], edges: Sequence[Edge] = ()) -> Skeleton:
        """A skeleton known by its keypoint names alone.

        A built-in skeleton with the same names in the same order lends its sigmas and torso (and its edges where
        none are given); else flip pairs are read off names that differ in left/right only.
        """
        names = tuple(keypoints)
        for builtin in BUILTIN.values():
            if builtin.keypoints == names:
                return replace(builtin, edges=tuple(edges) or builtin.edges)
        return cls(name=name, keypoints=names, edges=tuple(edges), flip_pairs=flip_pairs_from_names(names))


def flip_pairs_from_names(names: Sequence[str]) -> tuple[Edge, ...]:
    """(left, right) index pairs of names that are equal but for left/right, or an l/r at the beginning or end that
    stands apart: l_ear, ear_l, ear-L, L ear, earL, LEar."""
    where: dict[str, int] = {}
    for i, name in enumerate(names):
        where.setdefault(_spelt(name), i)
    pairs, paired = [], set[int]()
    for name, i in where.items():
        twin = where.get(_mirrored(name) or "")
        if twin is not None and not paired & {i, twin}:
            pairs.append((i, twin))
            paired |= {i, twin}
    return tuple(pairs)


def _spelt(name: str) -> str:
    """A name in small letters, with a _ between an L or R and the word that it stands before or after."""
    apart = re.sub(r"^([LR])(?=[A-Z][a-z])|(?<=[a-z0-9])([LR])$", lambda m: f"{m[1]}_" if m[1] else f"_{m[2]}", name)
    return apart.lower()


def _mirrored(name: str) -> str | None:
    """The right-hand twin of a left-hand name, or None for every other name."""
    if "left" in name:
        return name.replace("left", "right")
    if name.startswith(("l_", "l-", "l ")):
        return "r" + name[1:]
    if name.endswith(("_l", "-l", ".l", " l")):
        return name[:-1] + "r"
    return None


def _build(
    name: str,
    keypoints: str,
    edges: str = "",
    sigmas: Sequence[float] | None = None,
    torso: tuple[str, str] | None = None,
) -> Skeleton:
    names = tuple(keypoints.split())
    at = {n: i for i, n in enumerate(names)}
    pairs = tuple((at[a], at[b]) for a, b in (e.split("-") for e in edges.split()))
    return Skeleton(
        name=name,
        keypoints=names,
        edges=pairs,
        flip_pairs=flip_pairs_from_names(names),
        sigmas=None if sigmas is None else tuple(sigmas),
        torso=None if torso is None else (at[torso[0]], at[torso[1]]),
    )


_LIMBS = (
    "left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow right_elbow-right_wrist "
    "left_hip-left_knee left_knee-left_ankle right_hip-right_knee right_knee-right_ankle "
)
_TRUNK = "left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip "

# COCO's constants (cocodataset/cocoapi), COCO order; JHMDB's as in mmpose.
_COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
_JHMDB_SIGMAS = (
    *(0.025, 0.107, 0.025, 0.079, 0.079, 0.107, 0.107, 0.072, 0.072),
    *(0.087, 0.087, 0.062, 0.062, 0.089, 0.089),
)

_BODY = (
    "left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_hip right_hip left_knee right_knee left_ankle right_ankle"
)

COCO_17 = _build(
    "coco-17",
    "nose left_eye right_eye left_ear right_ear " + _BODY,
    _LIMBS + _TRUNK + "nose-left_eye nose-right_eye left_eye-left_ear right_eye-right_ear "
    "left_ear-left_shoulder right_ear-right_shoulder",
    _COCO_SIGMAS,
    torso=("left_shoulder", "right_hip"),
)
# The 17 slots of the PoseTrack18 files; the ears are never annotated.
POSETRACK_17 = _build(
    "posetrack-17",
    "nose head_bottom head_top left_ear right_ear " + _BODY,
    _LIMBS + _TRUNK + "nose-head_bottom nose-head_top head_bottom-left_shoulder head_bottom-right_shoulder",
    _COCO_SIGMAS,
    torso=("left_shoulder", "right_hip"),
)
# The 15 joints of PoseTrack17 in poseval's order.
POSETRACK_15 = _build(
    "posetrack-15",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder "
    "left_shoulder left_elbow left_wrist head_bottom nose head_top",
    _LIMBS + _TRUNK + "nose-head_bottom nose-head_top head_bottom-left_shoulder head_bottom-right_shoulder",
    torso=("left_shoulder", "right_hip"),
)
PENN_13 = _build(
    "penn-13",
    "head " + _BODY,
    _LIMBS + _TRUNK + "head-left_shoulder head-right_shoulder",
    torso=("left_shoulder", "right_hip"),
)
JHMDB_15 = _build(
    "jhmdb-15",
    "neck belly face right_shoulder left_shoulder right_hip left_hip right_elbow left_elbow right_knee left_knee "
    "right_wrist left_wrist right_ankle left_ankle",
    _LIMBS + "neck-face neck-left_shoulder neck-right_shoulder neck-belly belly-left_hip belly-right_hip",
    _JHMDB_SIGMAS,
    torso=("left_shoulder", "right_hip"),
)
MPII_16 = _build(
    "mpii-16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    _LIMBS + "pelvis-left_hip pelvis-right_hip pelvis-thorax thorax-left_shoulder thorax-right_shoulder "
    "thorax-upper_neck upper_neck-head_top",
    torso=("left_shoulder", "right_hip"),
)
MPII_14 = _build(
    "mpii-14",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle neck head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist",
    _LIMBS + _TRUNK + "neck-head_top neck-left_shoulder neck-right_shoulder",
    torso=("left_shoulder", "right_hip"),
)

BUILTIN: dict[str, Skeleton] = {
    s.name: s for s in (COCO_17, POSETRACK_17, POSETRACK_15, PENN_13, JHMDB_15, MPII_16, MPII_14)
}

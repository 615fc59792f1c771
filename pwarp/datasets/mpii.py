"""MPII Human Pose: 24,987 pictures with 16 joints a person, in its Matlab form (Andriluka et al., CVPR 2014).

Layout: `mpii_human_pose_v1_u12_1.mat`, in the root folder, in `mpii_human_pose_v1_u12_2/` or in `annot/`, and
`images/*.jpg`. Splits by `img_train`; the joints of the test pictures are not published.

- Coordinates are Matlab's, the first pixel being 1: pwarp's are one less.
- `is_visible` 0 is occluded; 1 is visible, and so is a joint without the mark (often the head's and the trunk's).
  A joint that is not listed is unlabelled.
- x1, y1, x2, y2 are the HEAD box. PCKh's length is 0.6 times its diagonal.
- There is no person box: pwarp gives the square of side 200 x `scale` about `objpos`, by the dataset's definition of
  scale (a person's height in units of 200 pixels), which is what models crop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pwarp.annotations import Annotations, FloatArray, Track, VideoIdentity
from pwarp.datasets.base import Dataset, Sample, inside
from pwarp.errors import PwarpError
from pwarp.formats.matlab import numbers, read_mat, structures
from pwarp.skeleton import MPII_16

_MAT = "mpii_human_pose_v1_u12_1.mat"
_FOLDERS = ("", "mpii_human_pose_v1_u12_2", "annot")
_JOINTS = len(MPII_16)


class MPII(Dataset):
    """MPII in its Matlab form under its root folder.

    single_person: only people that RELEASE.single_person lists, who stand apart from others; PCKh is reported on
    them. The track id of a person is the 0-based place in `annorect`.
    """

    name: ClassVar[str] = "mpii"
    counts_occluded: ClassVar[bool] = True

    def __init__(self, root: Path, *, single_person: bool = False) -> None:
        super().__init__(root)
        self.single_person = single_person

    @classmethod
    def sniff(cls, root: Path) -> bool:
        return _mat_of(root) is not None

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train", "test")

    def _samples(self, split: str) -> Iterator[Sample]:
        path = _mat_of(self.root)
        if path is None:
            raise PwarpError(f"{self.root}: has no {_MAT}; give the folder that holds it")
        release = _the_only(read_mat(path, ["RELEASE"]), "RELEASE", str(path))
        pictures = structures(release, "annolist")
        is_train = numbers(release, "img_train", str(path), (len(pictures),))
        apart: Any = release.get("single_person")
        if self.single_person and (not isinstance(apart, list) or len(apart) != len(pictures)):
            raise PwarpError(f"{path}: single_person has not an entry for each of annolist's {len(pictures)}")
        for at, picture in enumerate(pictures):
            if bool(is_train[at]) != (split == "train"):
                continue
            where = f"{path}, annolist({at + 1})"
            name = _the_only(picture, "image", where).get("name")
            if not isinstance(name, str):
                raise PwarpError(f"{where}: has no image.name")
            video = inside(self.root / "images", name, where)
            rects = dict(enumerate(structures(picture, "annorect")))
            if self.single_person:
                wanted = numbers({"single_person": np.ravel(apart[at])}, "single_person", where, (None,))
                rects = {j: rect for j, rect in rects.items() if j + 1 in wanted}
            yield Sample(video.name, video, path, partial(_read, rects, video.name, where))


def _mat_of(root: Path) -> Path | None:
    return next((path for folder in _FOLDERS if (path := root / folder / _MAT).is_file()), None)


class Person(NamedTuple):
    """A person in a picture: xy (16, 2), visibility (16,), box (4,) and head_box (4,) with NaN where there is none."""

    xy: FloatArray
    visibility: FloatArray
    box: FloatArray
    head_box: FloatArray


def annotations_of(picture: str, people: Mapping[int, Person]) -> Annotations:
    """The annotations of a picture from its people by track id."""
    tracks = [
        Track.make(
            id,
            [0],
            person.xy[np.newaxis],
            person.visibility[np.newaxis],
            boxes=person.box[np.newaxis],
            head_boxes=person.head_box[np.newaxis],
            identified=False,
        )
        for id, person in people.items()
    ]
    return Annotations(
        MPII_16, VideoIdentity(f"images/{picture}", frame_count=1), tuple(tracks), labelled=np.array([0])
    )


def _read(rects: Mapping[int, Mapping[str, Any]], picture: str, where: str) -> Annotations:
    people = {}
    for at, rect in rects.items():
        place = f"{where} '{picture}', annorect({at + 1})"
        people[at] = Person(*_joints(rect, place), _person_box(rect, place), _head_box(rect, place))
    return annotations_of(picture, people)


def square_box(centre: FloatArray, scale: float) -> FloatArray:
    """(4,) MPII's stand-in for a person box from a centre (2,) in pwarp's coordinates and a scale."""
    return np.concatenate([centre - 100 * scale, centre + 100 * scale])


def _joints(rect: Mapping[str, Any], where: str) -> tuple[FloatArray, FloatArray]:
    """(16, 2) and (16,) joints of a person and their visibility."""
    xy, visibility = np.full((_JOINTS, 2), np.nan), np.zeros(_JOINTS)
    points = [point for group in structures(rect, "annopoints") for point in structures(group, "point")]
    for at, point in enumerate(points):
        called = f"{where}, point({at + 1})"
        joint = float(numbers(point, "id", called))
        if joint not in range(_JOINTS):
            raise PwarpError(f"{called}: id is {joint:g}, expected 0 to {_JOINTS - 1}")
        k = int(joint)
        if visibility[k]:
            raise PwarpError(f"{called}: joint {k} ({MPII_16.keypoints[k]}) is given twice")
        xy[k] = float(numbers(point, "x", called)) - 1, float(numbers(point, "y", called)) - 1
        visibility[k] = 2 if _is_visible(point) else 1
    return xy, visibility


def _is_visible(point: Mapping[str, Any]) -> bool:
    """Whether a joint is visible; the mark is a number, a character or missing."""
    mark: Any = point.get("is_visible")
    return not (mark == "0" if isinstance(mark, str) else np.size(mark) == 1 and mark == 0)


def _has(rect: Mapping[str, Any], *fields: str) -> bool:
    """Whether fields are filled: Matlab keeps an empty array where a person lacks what others have."""
    return all(np.size(rect.get(field, [])) for field in fields)


def _the_only(record: Mapping[str, Any], field: str, where: str) -> Mapping[str, Any]:
    """The structure in a field, which must be one."""
    found = structures(record, field)
    if len(found) != 1:
        raise PwarpError(f"{where}: {field} is not one structure")
    return found[0]


def _head_box(rect: Mapping[str, Any], where: str) -> FloatArray:
    sides = ("x1", "y1", "x2", "y2")
    if not _has(rect, *sides):
        return np.full(4, np.nan)
    return np.array([float(numbers(rect, side, where)) for side in sides]) - 1


def _person_box(rect: Mapping[str, Any], where: str) -> FloatArray:
    if not _has(rect, "scale", "objpos"):
        return np.full(4, np.nan)
    place = _the_only(rect, "objpos", where)
    x, y = (float(numbers(place, axis, f"{where}, objpos")) for axis in "xy")
    return square_box(np.array([x, y]) - 1, float(numbers(rect, "scale", where)))

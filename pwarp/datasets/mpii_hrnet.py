"""MPII Human Pose in the JSON form that HRNet's repository publishes, which most later work trains on.

Layout: `annot/{train,valid,trainval,test}.json`, one record a person, `annot/gt_valid.mat` with the head boxes of the
validation people, and `images/*.jpg`.

- `joints` (16 x 2) and `center` are Matlab's, the first pixel being 1: pwarp's are one less.
- `joints_vis` says whether a joint is labelled. Whether it can be seen is lost in this form: labelled is visible.
- Head boxes exist for the split valid alone: `headboxes_src` (2 corners x 2 x people), in the order of valid.json.
- Person boxes as in `pwarp.datasets.mpii`, from `center` and `scale`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pwarp.annotations import Annotations, FloatArray
from pwarp.datasets.base import Dataset, Sample, inside
from pwarp.datasets.mpii import Person, annotations_of, square_box
from pwarp.errors import PwarpError
from pwarp.formats.fields import Entry, entries, number, number_lists, shown, text
from pwarp.formats.label_file import LabelFile
from pwarp.formats.matlab import numbers, read_mat
from pwarp.skeleton import MPII_16

_SPLITS = ("train", "valid", "trainval", "test")
_JOINTS = len(MPII_16)


class MPIIHRNet(Dataset):
    """MPII in HRNet's form under its root folder. The track id of a person is the record's place in its file."""

    name: ClassVar[str] = "mpii-hrnet"
    counts_occluded: ClassVar[bool] = True

    @classmethod
    def sniff(cls, root: Path) -> bool:
        return any((root / "annot" / f"{split}.json").is_file() for split in _SPLITS)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in _SPLITS if (self.root / "annot" / f"{split}.json").is_file())

    def _samples(self, split: str) -> Iterator[Sample]:
        path = self.root / "annot" / f"{split}.json"
        file = LabelFile.open(path)
        if not isinstance(file.json, list):
            raise file.error(f"is {shown(file.json)}, expected a list of people")
        people = entries(file, {"people": file.json}, "people")
        heads = self._head_boxes(len(people)) if split == "valid" else np.full((len(people), 4), np.nan)
        of_picture: dict[str, list[int]] = {}
        for at, person in enumerate(people):
            of_picture.setdefault(text(file, f"image of people[{at}]", person.get("image")), []).append(at)
        for name, places in of_picture.items():
            video = inside(self.root / "images", name, f"{path}, people[{places[0]}]")
            records = {at: (people[at], heads[at]) for at in places}
            yield Sample(name, video, path, partial(_read, LabelFile(path, str(path)), name, records))

    def _head_boxes(self, count: int) -> FloatArray:
        """(count, 4) the head boxes of the validation people; NaN where the file is missing."""
        path = self.root / "annot" / "gt_valid.mat"
        if not path.is_file():
            return np.full((count, 4), np.nan)
        corners = numbers(read_mat(path, ["headboxes_src"]), "headboxes_src", str(path), (2, 2, None))
        if corners.shape[2] != count:
            raise PwarpError(f"{path}: headboxes_src has {corners.shape[2]} people, valid.json has {count}")
        return corners.transpose(2, 0, 1).reshape(count, 4) - 1


def _read(file: LabelFile, name: str, records: Mapping[int, tuple[Entry, FloatArray]]) -> Annotations:
    people = {}
    for at, (record, head_box) in records.items():
        where = f"people[{at}] '{name}'"
        people[at] = Person(*_joints(file, where, record), _person_box(file, where, record), head_box)
    return annotations_of(name, people)


def _joints(file: LabelFile, where: str, person: Entry) -> tuple[FloatArray, FloatArray]:
    """(16, 2) and (16,) joints and visibility; all unlabelled in a record of the test set, which has no joints."""
    if person.get("joints") is None:
        return np.full((_JOINTS, 2), np.nan), np.zeros(_JOINTS)
    joints: Any = person["joints"]
    if not isinstance(joints, list) or len(joints) != _JOINTS:
        raise file.error(f"{where}: joints is {shown(joints)}, expected a list of {_JOINTS} points")
    xy = number_lists(file, joints, 2, lambda k: f"{where}: joint {k} ({MPII_16.keypoints[k]})") - 1
    (labelled,) = number_lists(file, [person.get("joints_vis")], _JOINTS, lambda _: f"{where}: joints_vis")
    return xy, np.where(labelled > 0, 2, 0)


def _person_box(file: LabelFile, where: str, person: Entry) -> FloatArray:
    (centre,) = number_lists(file, [person.get("center")], 2, lambda _: f"{where}: center")
    return square_box(centre - 1, number(file, f"{where}: scale", person.get("scale")))

"""COCO keypoints: pictures with up to dozens of people, 17 keypoints (Lin et al., ECCV 2014).

Layout: `annotations/person_keypoints_{train,val}2017.json` and `train2017/*.jpg` or `images/train2017/*.jpg`. Each
picture is a sample called by its id, also where nobody is in it: detections there are false positives.

One file holds a split. It is read once, into arrays of about 600 bytes a person; what pwarp has no use for, the
outlines above all, is dropped at once. Coordinates are pwarp's own. Crowds become ignore regions, by their boxes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pwarp.annotations import Annotations, FloatArray, IntArray, Track, VideoIdentity
from pwarp.datasets.base import Dataset, Sample, inside, naming
from pwarp.formats.coco_images import called, image_id
from pwarp.formats.coco_poses import boxes, keypoint_triples, visibility_of
from pwarp.formats.coco_rows import called_annotation, check_categories
from pwarp.formats.coco_skeleton import choose_category, read_skeleton
from pwarp.formats.fields import LARGEST_WHOLE, Entry, entries, shown, text, whole
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Skeleton

_FILE = re.compile(r"person_keypoints_(.+)\.json")


class CocoKeypoints(Dataset):
    """COCO keypoints under its root folder; a split for each file there, such as train2017 and val2017."""

    name: ClassVar[str] = "coco"

    @classmethod
    def sniff(cls, root: Path) -> bool:
        return bool(_files(root))

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(_files(self.root))

    def _samples(self, split: str) -> Iterator[Sample]:
        path = _files(self.root)[split]
        with naming(path):
            people = _read_people(LabelFile.open(path))
        folder = self.root / split
        if not folder.is_dir() and (self.root / "images" / split).is_dir():
            folder = self.root / "images" / split
        for at, picture in enumerate(people.pictures):
            video = inside(folder, picture.file_name, f"{path}, image {picture.id}")
            yield Sample(str(picture.id), video, path, partial(people.annotations, at))


@dataclass(frozen=True)
class _Picture:
    id: int
    file_name: str
    width: int | None
    height: int | None


@dataclass(frozen=True)
class _People:
    """The people of all pictures as columns, those of one picture in a row of each other.

    first: (P + 1,) where the people of each picture begin. ids, crowd: (N,); xy: (N, K, 2); visibility: (N, K);
    boxes: (N, 4).
    """

    skeleton: Skeleton
    pictures: list[_Picture]
    first: IntArray
    ids: IntArray
    crowd: NDArray[np.bool_]
    xy: FloatArray
    visibility: NDArray[np.uint8]
    boxes: FloatArray

    def annotations(self, at: int) -> Annotations:
        """The annotations of one picture by its place; the track id of a person is the annotation's id."""
        picture = self.pictures[at]
        tracks, regions = [], []
        for row in range(self.first[at], self.first[at + 1]):
            if self.crowd[row]:
                x1, y1, x2, y2 = self.boxes[row]
                regions.append(np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]))
                continue
            one = slice(row, row + 1)
            tracks.append(
                Track.make(
                    int(self.ids[row]),
                    [0],
                    self.xy[one],
                    self.visibility[one],
                    boxes=self.boxes[one],
                    identified=False,
                )
            )
        return Annotations(
            self.skeleton,
            VideoIdentity(picture.file_name, width=picture.width, height=picture.height, frame_count=1),
            tuple(tracks),
            labelled=np.array([0]),
            ignore_regions={0: tuple(regions)} if regions else {},
        )


def _files(root: Path) -> dict[str, Path]:
    """By split, the annotation files."""
    folder = root / "annotations"
    if not folder.is_dir():
        return {}
    found = ((_FILE.fullmatch(path.name), path) for path in sorted(folder.iterdir()))
    return {match[1]: path for match, path in found if match}


def _read_people(file: LabelFile) -> _People:
    document = file.json
    if not isinstance(document, dict):
        raise file.error(f"is {shown(document)}, expected an object with images, annotations and categories")
    rows = entries(file, document, "annotations")
    for row in rows:
        row.pop("segmentation", None)
    categories = _column(file, rows, "category_id")
    check_categories(file, document, rows)
    category, wanted, _ = choose_category(file, document, set(categories), None)
    rows = [row for row, its in zip(rows, categories, strict=True) if its in wanted]
    pictures = [_picture(file, image) for image in entries(file, document, "images")]
    place = {picture.id: at for at, picture in enumerate(pictures)}
    if len(place) < len(pictures):
        raise file.error("two images share an id; ids must differ")
    of_picture = np.array([place.get(image, -1) for image in _column(file, rows, "image_id")], dtype=np.int64)
    if (lost := np.flatnonzero(of_picture < 0)).size:
        row = rows[lost[0]]
        raise file.error(f"{called_annotation(row)}: image_id {shown(row['image_id'])} is the id of no image")
    order = np.argsort(of_picture, kind="stable")
    rows = [rows[at] for at in order]
    skeleton = read_skeleton(file, category)
    triples = keypoint_triples(file, rows, np.zeros(len(rows), np.int64), skeleton)
    visibility = visibility_of(file, rows, np.zeros(len(rows), np.int64), skeleton, triples[..., 2])
    crowd = np.array([bool(row.get("iscrowd")) for row in rows], dtype=np.bool_)
    box = boxes(file, rows, "bbox")
    if (torn := crowd & np.isnan(box).any(axis=1)).any():
        at = int(np.flatnonzero(torn)[0])
        raise file.error(f"{called_annotation(rows[at])} is a crowd without bbox; add its bbox or remove it")
    return _People(
        skeleton=skeleton,
        pictures=pictures,
        first=np.searchsorted(of_picture[order], np.arange(len(pictures) + 1)),
        ids=np.array(_column(file, rows, "id"), dtype=np.int64),
        crowd=crowd,
        xy=np.ascontiguousarray(triples[..., :2]),
        visibility=visibility,
        boxes=box,
    )


def _picture(file: LabelFile, image: Entry) -> _Picture:
    key = image_id(file, image)
    if isinstance(key, str):
        raise file.error(f"id of {called(image)} is text; COCO counts pictures")
    sizes = [image.get("width"), image.get("height")]
    width, height = (None if s is None else whole(file, f"size of {called(image)}", s, least=1) for s in sizes)
    return _Picture(key, text(file, f"file_name of {called(image)}", image.get("file_name")), width, height)


def _column(file: LabelFile, rows: Sequence[Entry], key: str) -> list[int]:
    """A field of whole numbers of every row; one bad one among hundreds of thousands is only looked for if there is."""
    values: list[Any] = [row.get(key) for row in rows]
    if set(map(type, values)) - {int} or max(map(abs, values), default=0) > LARGEST_WHOLE:
        values = [whole(file, f"{called_annotation(rows[at])}: {key}", value) for at, value in enumerate(values)]
    return values

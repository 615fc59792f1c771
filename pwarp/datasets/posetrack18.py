"""PoseTrack 2018 and 2021: one COCO-like JSON a video, 17 slots, several people with track ids.

Layout: see `pwarp.datasets.posetrack`; the files themselves are those of the label format posetrack18.
(Andriluka et al., CVPR 2018; Doering et al., CVPR 2022.)
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pwarp import formats
from pwarp.annotations import Annotations
from pwarp.datasets.posetrack import PoseTrack
from pwarp.formats.coco_images import called
from pwarp.formats.fields import Entry, entries, shown, text
from pwarp.formats.label_file import LabelFile


class PoseTrack18(PoseTrack):
    """PoseTrack 2018 or 2021 under its root folder; splits train, val and test as far as they are there."""

    name: ClassVar[str] = "posetrack18"

    @classmethod
    def has_mark(cls, start: bytes) -> bool:
        return b'"annolist"' not in start and (b'"images"' in start or b'"annotations"' in start)

    def first_picture(self, file: LabelFile) -> str:
        pictures = listed_pictures(file)
        if not pictures:
            raise file.error("lists no images; is the download complete?")
        return picture_of(file, pictures[0])

    def read(self, path: Path) -> Annotations:
        return formats.read(path, format="posetrack18")


def listed_pictures(file: LabelFile) -> list[Entry]:
    """The pictures that a file lists, in its order; raises PwarpError where it is no PoseTrack18 file."""
    if not isinstance(file.json, dict):
        raise file.error(f"is {shown(file.json)}, expected an object with images and annotations")
    return entries(file, file.json, "images")


def picture_of(file: LabelFile, image: Entry) -> str:
    """The picture of an image entry as the file names it."""
    return text(file, f"file_name of {called(image)}", image.get("file_name"))

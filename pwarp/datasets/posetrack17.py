"""PoseTrack 2017: one annolist JSON a video, 15 joints, several people with track ids (Andriluka et al., CVPR 2018).

Layout: see `pwarp.datasets.posetrack`; `pwarp.formats.annolist` says what is in a file. The frame of a picture is its
place in the folder of pictures, or, where that is missing, the number in its name less one: PoseTrack17 counts
pictures from 00000001.jpg.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pwarp.annotations import Annotations, VideoIdentity
from pwarp.datasets.posetrack import PoseTrack
from pwarp.formats.annolist import annotations_of, folder_of, picture_of, places_of, read_annolist
from pwarp.formats.label_file import LabelFile


class PoseTrack17(PoseTrack):
    """PoseTrack 2017 under its root folder; splits train, val and test as far as they are there."""

    name: ClassVar[str] = "posetrack17"

    @classmethod
    def has_mark(cls, start: bytes) -> bool:
        return b'"annolist"' in start

    def first_picture(self, file: LabelFile) -> str:
        annolist = read_annolist(file)
        if not annolist:
            raise file.error("has an empty annolist; is the download complete?")
        return picture_of(annolist[0])

    def read(self, path: Path) -> Annotations:
        file = LabelFile.open(path)
        annolist = read_annolist(file)
        pictures = [picture_of(frame) for frame in annolist]
        folder = self.pictures(pictures[0], path) if pictures else self.root
        frames, count = frames_of(file, pictures, folder)
        identity = VideoIdentity(path=folder_of(pictures[0]) if pictures else None, frame_count=count)
        return annotations_of(file, annolist, frames, identity)


def frames_of(file: LabelFile, pictures: Sequence[str], folder: Path) -> tuple[list[int], int | None]:
    """The frame of each picture, and how many frames the video has where its folder of pictures is there.

    Raises PwarpError where a picture is not in that folder or two are the same frame.
    """
    if not (folder.is_dir() and pictures):
        return places_of(file, pictures, None, str(folder)), None
    from pwarp.video.images import pictures_in

    places = {path.name: place for place, path in enumerate(pictures_in(folder))}
    return places_of(file, pictures, places, str(folder)), len(places)

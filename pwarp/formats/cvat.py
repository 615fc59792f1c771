"""CVAT for video 1.1: the XML that CVAT exports from and imports into video tasks.

Read: skeleton tracks, points matched by label; boxes and loose points where there are no skeletons. Only key frames
are labels: what CVAT draws between them is not read. A point that is `outside` is not labelled, an `occluded` one has
visibility 1; where all points of a track are outside it is absent, until a later key frame brings one back. A key
frame counts as a person's unless the track says `auto`: CVAT remembers one source for a whole track, and calls a
track that was uploaded `file`, whoever edited it since. Frame numbers are those of the source video, also in tasks
that take every N-th frame and in exports of a project; see `pwarp.formats.cvat_meta`.

Written: coordinates with two decimals, every pose a key frame (`formats.write` thins dense tracks first), outside
points where a keypoint is not labelled, a whole outside skeleton where a track is absent or ends. `source` also
stands at key frames where the word for the track would not do; CVAT ignores it there.

CVAT counts pixels from the corner of the picture, pwarp from the centre of the first pixel; nothing is shifted, as
with COCO. Uploaded into a task whose labels are those of <meta>. https://docs.cvat.ai/docs/manual/advanced/xml_format
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pwarp.annotations import Annotations
from pwarp.formats import cvat_write
from pwarp.formats.cvat_read import parse
from pwarp.formats.cvat_tracks import to_tracks
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "cvat"
SUFFIXES: tuple[str, ...] = (".xml",)
# Dense tracks are thinned before they are written: CVAT interpolates between key frames.
DECIMALS = 2


def sniff(file: LabelFile) -> bool:
    """XML with the root <annotations>."""
    return file.looks_like_xml and b"<annotations" in file.head


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The tracks of one task; PwarpError names file, track, frame and point of what is wrong."""
    meta, raw = parse(file)
    task, named = meta.task(file, video, only)
    skeleton, tracks = to_tracks(file, meta, task, raw, None if named else only)
    return Annotations(skeleton, task.identity, tracks)


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:
    """Write the labels of one video; see above for what of them. The video itself is not asked for anything."""
    del video
    return cvat_write.write(annotations, path)

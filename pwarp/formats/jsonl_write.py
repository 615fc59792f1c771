"""Writing JSON Lines while the labels are being made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import BinaryIO

import orjson

from pwarp.annotations import FloatArray, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats.fields import Entry
from pwarp.formats.native_fields import pose_fields
from pwarp.formats.native_parts import identity_entry, skeleton_entry, track_entry
from pwarp.skeleton import Skeleton

NAME = "jsonl"
VERSION = 1
# What only COCO's tools ask for.
_FOR_COCO = ("num_keypoints", "area", "iscrowd")


class LineWriter:
    """A stream of labels: made with what is known before the first frame, then a line a frame, then the end.

    Lines reach the reader at once. A stream that never gets its end is refused by readers, so that half of the labels
    are never taken for all of them. Raises PwarpError where JSON cannot hold a name.
    """

    def __init__(self, out: BinaryIO, skeleton: Skeleton, video: VideoIdentity) -> None:
        self._out = out
        self._skeleton = skeleton
        self._frames = 0
        self._write(
            {
                "info": {"format": NAME, "version": VERSION},
                "video": identity_entry(video),
                "category": skeleton_entry(skeleton),
            }
        )

    def frame(
        self,
        frame: int,
        poses: Iterable[tuple[Track, Entry]],
        *,
        labelled: bool | None = None,
        regions: Sequence[FloatArray] | None = None,
    ) -> None:
        """All about one frame; frames come in rising order.

        poses: of each the track it is of, and its native fields. labelled, regions: as in `Annotations`; None for none.
        """
        line: Entry = {"frame": frame}
        if labelled is not None:
            line["labelled"] = labelled
        if regions is not None:
            line["ignore_regions"] = [polygon.tolist() for polygon in regions]
        line["poses"] = [_pose(track, fields) for track, fields in poses]
        self._write(line)
        self._frames += 1

    def lone(self, frame: int, tracks: Iterable[Track]) -> None:
        """A frame that was looked at, with tracks that have no other frame: detections."""
        self.frame(frame, [(track, pose_fields(track)[0]) for track in tracks], labelled=True)

    def copy(self, frames: bytes) -> None:
        """Lines of later frames as another writer wrote them."""
        self._out.write(frames)
        self._out.flush()
        self._frames += frames.count(b"\n")

    def end(self, tracks: Sequence[Track]) -> None:
        """The last line. tracks: all there were; it lists them where their poses do not say everything about them."""
        line: Entry = {"frames": self._frames}
        plain = all(len(t) and not len(t.absent) and not t.replaced for t in tracks)
        if not (plain and all(a.id < b.id for a, b in pairwise(tracks))):
            line["tracks"] = [track_entry(track, self._skeleton) for track in tracks]
        self._write({"end": line})

    def _write(self, line: Entry) -> None:
        try:
            self._out.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        except orjson.JSONEncodeError as error:
            raise PwarpError(f"JSON cannot hold a name among these labels ({error}); rename the file") from error
        self._out.flush()


def _pose(track: Track, fields: Entry) -> Entry:
    """A pose without what is there for COCO's tools alone."""
    pose: Entry = {"track_id": track.id} if track.identified else {"track_id": track.id, "identified": False}
    pose |= fields
    for key in _FOR_COCO:
        pose.pop(key, None)
    for coco, exact in (("bbox", "box"), ("bbox_head", "head_box")):
        if exact in pose and pose[exact] is None:
            del pose[exact], pose[coco]
    if "bbox" in pose and not fields["num_keypoints"]:
        del pose["keypoints"]
    return pose

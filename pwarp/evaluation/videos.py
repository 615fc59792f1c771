"""The labels of one video, truth beside prediction, read when a metric asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pwarp import formats
from pwarp.annotations import Annotations, IntArray, VideoIdentity
from pwarp.errors import PwarpError, UsageError
from pwarp.evaluation import lengths
from pwarp.evaluation.pairing import PosePairs, Selection, judged_frames, pair_poses
from pwarp.evaluation.people import Scene, from_annotations, joints_of, scene
from pwarp.evaluation.posetrack_files import is_posetrack18, read_scene
from pwarp.formats import jsonl
from pwarp.formats.label_file import LabelFile


@dataclass(frozen=True)
class Labels:
    """The labels of one video, not read yet: a label file, or a sample of a dataset.

    name: what the video is called, for matching. shown: the file or sample, for messages. open: opens the file.
    load: has the dataset's reader read the sample. group: its split, "" where there is none.
    occluded: whether the data set's protocol asks for occluded keypoints, too.
    """

    name: str
    shown: str
    open: Callable[[], LabelFile] | None = None
    load: Callable[[], Annotations] | None = None
    group: str = ""
    occluded: bool = False

    @classmethod
    def of_file(cls, path: Path | str) -> Labels:
        """The labels in a file of any format that pwarp reads; '-' is standard input, read once."""
        file = LabelFile.open(path)
        if file.path is None:
            return cls(file.name, file.name, open=lambda: file)
        # Opened anew for each use: a file keeps what it read, and a data set is many files.
        return cls(file.path.stem, file.name, open=lambda: LabelFile.open(path))


class Side:
    """The truth or the prediction of a pair, read on first use."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels

    @cached_property
    def file(self) -> LabelFile | None:
        """The label file, None where a dataset's reader gives the labels."""
        return None if self.labels.open is None else self.labels.open()

    @cached_property
    def document(self) -> Any:
        """The label file as parsed JSON, None where there is none; JSON Lines are no document as a whole."""
        whole = self.file is not None and self.file.looks_like_json and not jsonl.sniff(self.file)
        return self.file.json if self.file is not None and whole else None

    @cached_property
    def annotations(self) -> Annotations:
        """The labels; PwarpError names file and record of what is wrong."""
        if self.labels.load is not None:
            return self.labels.load()
        assert self.file is not None
        return formats.read(self.file)


class VideoPair:
    """Truth and prediction of one video, open: what a metric takes its evidence from.

    Everything is read on first use and forgotten with the pair, so that a data set passes video by video.
    """

    def __init__(self, truth: Labels, prediction: Labels) -> None:
        self.name = truth.name
        self.sides = Side(truth), Side(prediction)
        self._poses: dict[Selection, PosePairs] = {}
        self._scenes: dict[tuple[Selection, str | None], Scene] = {}

    @property
    def truth(self) -> Annotations:
        """The true labels."""
        return self.sides[0].annotations

    @cached_property
    def prediction(self) -> Annotations:
        """The predicted labels; raises PwarpError where they say that they are of another video than the truth."""
        prediction = self.sides[1].annotations
        difference = _difference(self.truth.video, prediction.video)
        if difference:
            truth, predicted = (side.labels.shown for side in self.sides)
            theirs = prediction.video.path or "VIDEO"
            raise PwarpError(
                f"{predicted}: is of another video than the truth {truth}: {difference}; if it is a copy of the same "
                f"one: pwarp convert {truth} OUT --video {theirs} maps the truth, or names the option that does"
            )
        return prediction

    @property
    def documents(self) -> tuple[Any, Any]:
        """Truth and prediction as parsed JSON, None for what is no JSON file."""
        return self.sides[0].document, self.sides[1].document

    def poses(self, selection: Selection) -> PosePairs:
        """Every true pose with the prediction for it; what the selection leaves open is as the data set has it."""
        if selection.visible_only is None:
            selection = replace(selection, visible_only=not self.sides[0].labels.occluded)
        if selection not in self._poses:
            with self.named():
                self._poses[selection] = pair_poses(self.truth, self.prediction, selection)
        return self._poses[selection]

    def length(self, text: str | None) -> lengths.Length:
        """A reference length for the truth's skeleton; None is the skeleton's default."""
        return lengths.parse(text or lengths.default(self.truth.skeleton), self.truth.skeleton)

    def scene(self, selection: Selection, length: str | None) -> Scene:
        """Everybody in every judged frame, with distances by a reference length; None is the head box.

        Two PoseTrack18 files are read as poseval reads them; all else goes through `Annotations`, where the people
        of a frame stand in the order of their tracks.
        """
        key = selection, length
        if key not in self._scenes:
            official = length in (None, "head") and all(is_posetrack18(document) for document in self.documents)
            self._scenes[key] = self._official_scene(selection) if official else self._scene(selection, length)
        return self._scenes[key]

    def judged_frames(self, selection: Selection, *, declared: bool = False) -> tuple[IntArray, int]:
        """(F,) rising frames for metrics of whole frames, and how many were left out as given by a person.

        declared: also frames that the truth declares labelled, with nobody in them.
        """
        return judged_frames(self.truth, self.prediction, selection, declared=declared)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Puts the prediction's file before the message of a PwarpError that names neither file."""
        try:
            yield
        except UsageError:
            raise
        except PwarpError as error:
            truth, predicted = (side.labels.shown for side in self.sides)
            if truth in str(error) or predicted in str(error):
                raise
            raise PwarpError(f"{predicted}: {error}") from error

    def _official_scene(self, selection: Selection) -> Scene:
        truth, prediction = (side.file for side in self.sides)
        assert truth is not None
        assert prediction is not None
        return read_scene(truth, prediction, every=selection.every)

    def _scene(self, selection: Selection, text: str | None) -> Scene:
        with self.named():
            length = lengths.parse(text or "head", self.truth.skeleton)
            joints = joints_of(self.truth.skeleton)
            frames, given = self.judged_frames(selection)
            truth, prediction = (side.labels.shown for side in self.sides)
            return scene(
                from_annotations(self.truth, frames, joints, truth, length),
                from_annotations(self.prediction, frames, joints, prediction),
                joints,
                length,
                given,
            )


def _difference(truth: VideoIdentity, prediction: VideoIdentity) -> str:
    """What two identities disagree about, "" where they may be of the same video."""
    for name, what in (
        ("frame_count", "frames"),
        ("width", "pixels wide"),
        ("height", "pixels high"),
        ("fingerprint", "as fingerprint"),
    ):
        true, predicted = getattr(truth, name), getattr(prediction, name)
        if true is not None and predicted is not None and true != predicted:
            return f"{predicted} {what} against {true}"
    return ""

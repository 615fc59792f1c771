"""What is trained on: labelled videos, found in label files, folders and data sets, and divided by video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pwarp import formats
from pwarp.annotations import Annotations, Track
from pwarp.datasets import Dataset, Sample, open_dataset, sniffed
from pwarp.errors import PwarpError
from pwarp.evaluation.pairing import keypoint_order
from pwarp.evaluation.several import videos_in
from pwarp.files import check_inside
from pwarp.formats.folder import label_files
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Skeleton
from pwarp.video import open_video


@dataclass(frozen=True, eq=False)
class Clip:
    """The labels of one video and where its frames are.

    name: for messages. video: a video file, a folder of pictures or one picture. annotations: their identity knows
    size and frame count.
    """

    name: str
    video: Path
    annotations: Annotations

    @property
    def size(self) -> tuple[int, int]:
        """(w, h) of its pictures."""
        identity = self.annotations.video
        assert identity.width is not None
        assert identity.height is not None
        return identity.width, identity.height

    @property
    def frame_count(self) -> int:
        """Frames of the video."""
        count = self.annotations.video.frame_count
        assert count is not None
        return count


@dataclass(frozen=True)
class Places:
    """Where to look for labels and videos.

    labels: label files, folders of label files, roots of data sets. videos: a folder to look for videos in, besides
    the places that the label files name. split: of a data set. options: of a data set, by name.
    """

    labels: tuple[str, ...]
    videos: Path | None = None
    split: str | None = None
    options: Mapping[str, Any] | None = None


def find_clips(places: Places) -> tuple[list[Clip], int]:
    """All labelled videos, in the order of their places, with keypoints in one order; and how many lack their video.

    Only videos of a data set may lack theirs (people download parts of it). Raises PwarpError where there is no label
    at a place, a file's video is not found or is another one, or videos have different keypoints.
    """
    clips: list[Clip] = []
    missing = 0
    for place in places.labels:
        path = Path(place)
        if _is_dataset(path):
            found, without = _of_dataset(open_dataset(path, **(places.options or {})), places.split)
            clips += found
            missing += without
        else:
            clips += [clip for file in _label_files(path) for clip in _of_file(file, places.videos)]
    return list(_one_order(clips)), missing


def check_taken(*places: Places) -> None:
    """Raise PwarpError where a split, or an option, is given that no place takes: only data sets have them."""
    there = [any(_is_dataset(Path(label)) for label in one.labels) for one in places]
    for one, takes in zip(places, there, strict=True):
        wrong = f"split '{one.split}'" if one.split is not None and not takes else None
        if one.options and not any(there):
            wrong = f"option '{next(iter(one.options))}'"
        if wrong is not None:
            raise PwarpError(
                f"{one.labels[0]}: no data set, so it has no {wrong}; leave it out, or name a data set's root"
            )


def _is_dataset(path: Path) -> bool:
    return path.is_dir() and bool(sniffed(path))


def divide(clips: Sequence[Clip], share: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """Clips to train on and clips to validate on, by video: clips of one video stay together.

    share: of the videos, for validation; at least one and never all. Raises PwarpError where there is one video only.
    """
    videos = sorted({_same(clip) for clip in clips})
    if len(videos) < 2:
        raise PwarpError(
            f"{clips[0].name if clips else 'the data'}: one video only, and validation needs videos that are not "
            "trained on; leave out --val, or give more videos"
        )
    count = min(max(1, round(share * len(videos))), len(videos) - 1)
    chosen = {videos[i] for i in np.random.default_rng([seed, 3]).permutation(len(videos))[:count]}
    return [c for c in clips if _same(c) not in chosen], [c for c in clips if _same(c) in chosen]


def beside(train: Sequence[Clip], validation: Sequence[Clip]) -> list[Clip]:
    """The clips to validate on, with keypoints in the order of those to train on.

    Raises PwarpError where a video is trained on and validated on, or the keypoints of the two differ.
    """
    both = {_same(clip) for clip in train} & {_same(clip) for clip in validation}
    if both:
        clip = next(clip for clip in validation if _same(clip) in both)
        raise PwarpError(f"{clip.name}: {clip.video} is trained on, too; validate on other videos")
    return list(_one_order([*train[:1], *validation]))[len(train[:1]) :]


def _same(clip: Clip) -> str:
    return str(clip.video.resolve())


def _label_files(path: Path) -> list[LabelFile]:
    """The label file at a path, or those in a folder."""
    if not path.is_dir():
        return [LabelFile.open(path)]
    return [LabelFile.open(file) for file in label_files(path)]


def _of_file(file: LabelFile, videos: Path | None) -> Iterator[Clip]:
    inside = videos_in(file)
    for only in inside or (None,):
        name = file.name if only is None else f"{file.name}, video {only}"
        said = formats.read(file, only=only).video.path
        place = _video_of(file, name, said, videos)
        with open_video(place) as video:
            yield Clip(name, place, formats.read(file, video=video, only=only))


def _video_of(file: LabelFile, name: str, said: str | None, videos: Path | None) -> Path:
    """The video of a label file: where the file says, seen from the file, or in the folder of videos by its name."""
    beside = file.path.parent if file.path is not None else Path()
    path = PurePosixPath((said or "").replace("\\", "/"))
    plain = bool(said) and not path.is_absolute() and ".." not in path.parts
    last = path.name if path.name != ".." else ""
    if videos is None:
        candidates = [beside / path, Path(path)] if plain else []
        candidates += [beside / last] if last else []
    else:
        candidates = [videos / path] if plain else []
        candidates += [videos / last] if last else []
        for stem in dict.fromkeys((path.stem, file.path.stem if file.path is not None else "")):
            candidates += _called(videos, stem)
    for candidate in candidates:
        if candidate.exists():
            return check_inside(candidate.parent, candidate)
    where = f"in {videos}" if videos is not None else "beside it"
    known = f"its video '{said}' is not {where}" if said else "it does not say which video it is of"
    mend = "check the folder" if videos is not None and said else "name the folder of its video with --videos"
    raise PwarpError(f"{name}: {known}; {mend}")


def _called(folder: Path, stem: str) -> list[Path]:
    """What a folder holds under a name, whatever its suffix, label files left out."""
    if not stem or not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.stem == stem and p.suffix.lower() not in {".json", ".txt", ".csv"})


def _of_dataset(dataset: Dataset, split: str | None) -> tuple[list[Clip], int]:
    """The clips of a split (train where none is named) and how many samples lack their pictures."""
    if split is None:
        training = [name for name in dataset.splits if name.startswith("train")]
        if len(dataset.splits) != 1 and len(training) != 1:
            there = ", ".join([*dataset.splits, *dataset.groups])
            raise PwarpError(f"{dataset.root}: {dataset.name} has several splits; name one with --split: {there}")
        split = (training or list(dataset.splits))[0]
    clips, samples = [], 0
    for name in dataset.groups.get(split, (split,)):
        for sample in dataset.samples(name):
            samples += 1
            if sample.video.exists():
                clips.append(_of_sample(sample))
    if samples and not clips:
        raise PwarpError(f"{dataset.root}: split '{split}': the labels are there, the pictures of all videos are not")
    return clips, samples - len(clips)


def _of_sample(sample: Sample) -> Clip:
    annotations = sample.annotations
    identity = annotations.video
    if None in (identity.width, identity.height, identity.frame_count):
        with open_video(sample.video) as video:
            seen = video.identity
        identity = replace(identity, width=seen.width, height=seen.height, frame_count=seen.frame_count)
        annotations = replace(annotations, video=identity)
        annotations.check_frames()
    return Clip(f"{sample.labels}: {sample.name}", sample.video, annotations)


def _one_order(clips: Sequence[Clip]) -> Iterator[Clip]:
    """The clips with the keypoints of the first one, in its order."""
    for clip in clips:
        first, own = clips[0].annotations.skeleton, clip.annotations.skeleton
        if own.keypoints == first.keypoints:
            yield clip
        elif set(own.keypoints) != set(first.keypoints):
            odd = sorted(set(own.keypoints) ^ set(first.keypoints))[0]
            raise PwarpError(
                f"{clip.name}: has other keypoints than {clips[0].name} ('{odd}' is in one only); one model has one "
                "skeleton, so train on each apart"
            )
        else:
            yield replace(clip, annotations=_ordered(clip.annotations, first))


def _ordered(annotations: Annotations, skeleton: Skeleton) -> Annotations:
    order = keypoint_order(skeleton, annotations.skeleton)

    def ordered(track: Track) -> Track:
        per_keypoint = ("xy", "visibility", "score", "source", "origin")
        return replace(track, **{name: getattr(track, name)[:, order] for name in per_keypoint}, replaced=())

    return replace(annotations, skeleton=skeleton, tracks=tuple(ordered(track) for track in annotations.tracks))

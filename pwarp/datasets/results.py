"""Results files as the evaluation servers of COCO and PoseTrack, and their local tools, want them.

They differ from label files: the pictures, their order and their ids are the truth's, every joint has a score, and
nothing but predictions may be in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import orjson

from pwarp.annotations import Annotations, FloatArray, Track
from pwarp.datasets.base import Sample, naming
from pwarp.datasets.posetrack17 import frames_of
from pwarp.datasets.posetrack18 import listed_pictures
from pwarp.errors import PwarpError
from pwarp.files import check_output, write_bytes
from pwarp.formats.annolist import picture_of, read_annolist
from pwarp.formats.coco_skeleton import category_entry
from pwarp.formats.fields import Entry
from pwarp.formats.label_file import LabelFile
from pwarp.formats.posetrack18 import pose_rows, read_pictures
from pwarp.skeleton import COCO_17, POSETRACK_15, POSETRACK_17

_PICTURE_FIELDS = ("file_name", "id", "frame_id", "vid_id", "nframes", "is_labeled")
_PERSON_CATEGORY = 1


def write_coco_results(predictions: Mapping[str, Annotations], path: Path, *, force: bool = False) -> None:
    """Write a COCO keypoints results file: a bare list of people, whose keypoints have a confidence as third value.

    predictions: of each picture by its sample's name, which is its id in COCO. Keypoints go by COCO's names. A
    person's score is the track's, else the mean over the labelled keypoints. Keypoints without a score count 1 where
    a person set them, else 0. People without any keypoint are left out, and so are boxes: with them COCO's tools
    would measure people's areas in another way than without.

    Raises PwarpError for a name that is no id, other keypoints than COCO's, a second frame, or an existing file.
    """
    check_output(path, force=force)
    rows = [row for name, people in predictions.items() for row in _coco_rows(name, people)]
    write_bytes(path, b"[" + b",\n".join(map(orjson.dumps, rows)) + b"]\n", force=force)


def write_posetrack_results(
    predictions: Mapping[str, Annotations], samples: Iterable[Sample], folder: Path, *, force: bool = False
) -> list[Path]:
    """Write a folder of PoseTrack results, one file a video, called and laid out like the truth's; returns the files.

    predictions: of each video by its sample's name. samples: those of the dataset's split, PoseTrack 2017 or 2018;
    their label files lend the list of pictures, which poseval pairs by position. Keypoints go by their names; without
    a score they count 1 where a person set them, else 0. Track ids are renumbered where they are not below 1000.

    Raises PwarpError where a video has no prediction or a prediction no video, a frame is not listed in the truth,
    no keypoint is one of PoseTrack's, or a file exists.
    """
    samples = list(samples)
    names = {sample.name for sample in samples}
    if missing := sorted(names - predictions.keys()):
        raise PwarpError(f"no prediction for video '{missing[0]}' ({len(missing)} of {len(names)} lack one)")
    if unknown := sorted(predictions.keys() - names):
        raise PwarpError(f"prediction for '{unknown[0]}', which is no video of this split")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PwarpError(f"{folder}: cannot make this folder: {error.strerror}; choose another output") from error
    paths = [folder / sample.labels.name for sample in samples]
    for path in paths:
        check_output(path, force=force)
    for sample, path in zip(samples, paths, strict=True):
        truth = LabelFile.open(sample.labels)
        document = truth.json
        with naming(path):
            if isinstance(document, dict) and "annolist" in document:
                content = _annolist(predictions[sample.name], truth, sample.video)
            else:
                content = _posetrack18(predictions[sample.name], truth)
        write_bytes(path, orjson.dumps(content), force=force)
    return paths


def _coco_rows(name: str, people: Annotations) -> Iterator[Entry]:
    """The results of one picture."""
    if not (name.isascii() and name.isdecimal()):
        raise PwarpError(f"picture '{name}': COCO's pictures are called by their number; use the samples' names")
    if missing := [keypoint for keypoint in COCO_17.keypoints if keypoint not in people.skeleton.keypoints]:
        raise PwarpError(f"picture '{name}': skeleton '{people.skeleton.name}' has no keypoint '{missing[0]}'")
    order = [people.skeleton.keypoints.index(keypoint) for keypoint in COCO_17.keypoints]
    for track in people.tracks:
        if len(track) and track.frames[-1] > 0:
            raise PwarpError(f"picture '{name}', track {track.id}: has frame {track.frames[-1]}; a picture has one")
        labelled, scores = track.labelled[:, order], _scores(track)[:, order]
        for row in np.flatnonzero(labelled.any(axis=1)):
            third = np.where(labelled[row], scores[row], 0.0)
            points = np.where(labelled[row][:, np.newaxis], track.xy[row][order], 0.0)
            person = track.person_score[row]
            yield {
                "image_id": int(name),
                "category_id": _PERSON_CATEGORY,
                "keypoints": np.column_stack([points, third]).ravel().tolist(),
                "score": float(person if np.isfinite(person) else scores[row][labelled[row]].mean()),
            }


def _scores(track: Track) -> FloatArray:
    """(F, K) scores with none missing: 1 where a person set the keypoint, else 0."""
    return np.where(np.isnan(track.score), track.by_person.astype(np.float64), track.score)


def _posetrack18(annotations: Annotations, truth: LabelFile) -> Entry:
    """PoseTrack18 results with the truth's pictures."""
    images = [{k: image[k] for k in _PICTURE_FIELDS if k in image} for image in listed_pictures(truth)]
    pictures, _ = read_pictures(truth, truth.json)
    ids = {frame: id for id, frame in pictures.frame_of.items()}
    _check_frames(annotations, set(ids), truth)
    rows, _ = pose_rows(annotations, ids, predicted=True)
    return {"images": images, "annotations": rows, "categories": [category_entry(POSETRACK_17, "person")]}


def _annolist(annotations: Annotations, truth: LabelFile, folder: Path) -> Entry:
    """PoseTrack17 results with the truth's pictures; 15 joints out of PoseTrack18's 17 slots."""
    names = [picture_of(frame) for frame in read_annolist(truth)]
    frames, _ = frames_of(truth, names, folder)
    _check_frames(annotations, set(frames), truth)
    people: dict[int, list[Entry]] = {frame: [] for frame in frames}
    rows, _ = pose_rows(annotations, {frame: frame for frame in frames}, predicted=True)
    for row in rows:
        people[row["image_id"]].append(_annorect(row))
    return {"annolist": [{"image": [{"name": n}], "annorect": people[f]} for n, f in zip(names, frames, strict=True)]}


def _annorect(row: Entry) -> Entry:
    """A person in the layout of PoseTrack17, where every number stands in a list."""
    values = np.array(row["keypoints"], dtype=np.float64).reshape(len(POSETRACK_17), 3)
    points = []
    for joint, name in enumerate(POSETRACK_15.keypoints):
        slot = POSETRACK_17.index(name)
        if values[slot].any():
            x, y, _ = values[slot].tolist()
            points.append({"id": [joint], "x": [x], "y": [y], "score": [row["scores"][slot]]})
    return {"track_id": [row["track_id"]], "annopoints": [{"point": points}]}


def _check_frames(annotations: Annotations, known: set[int], truth: LabelFile) -> None:
    for track in annotations.tracks:
        if unknown := [int(frame) for frame in track.frames if int(frame) not in known]:
            raise PwarpError(f"track {track.id} has a pose in frame {unknown[0]}, which {truth.name} does not list")

"""SLEAP's .slp, through the library sleap-io (BSD-3; the extra `formats`).

A user instance is a person's work (manual), a predicted one an estimator's (detected, with scores). Frames count from
0 and whole numbers are pixel centres; sleap-io moves the coordinates of files before version 1.1, which count from the
corner. A node that is not `visible` is unlabelled: SLEAP puts such nodes anywhere, and there is no occlusion. A
prediction that a user instance was made from, or that has the same track in the same frame, is superseded by it.
A track whose name is a number has it as its id; others are numbered in their order. Instances without a track are
poses of their own; but a video without any, and never two instances in a frame, is a single-animal project, which has
no tracks: all are one animal.

Written: a pose in which a person set anything is a user instance of just that, any other pose a predicted instance.
https://io.sleap.ai
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from pwarp.annotations import LARGEST_SIDE, Annotations, FloatArray, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats import coco_write
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.coco_poses import Poses, into_tracks
from pwarp.formats.hdf5 import MAGIC, extra, on_disk, one_line, opened
from pwarp.formats.label_file import LabelFile
from pwarp.formats.losses import Renamed
from pwarp.formats.mirrored import flip_index, pairs_of, with_flips
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

NAME = "sleap"
SUFFIXES = (".slp",)
_PARTS = (b"videos_json", b"pred_points", b"tracks_json")
_UNNAMED = "video"
# In the provenance of a file: its instances without tracks are not yet known to be one animal.
_LONE = "instances_without_tracks"


def sniff(file: LabelFile) -> bool:
    """An HDF5 file called .slp, or with the names of SLEAP's tables near its beginning."""
    if not file.head.startswith(MAGIC):
        return False
    return (file.path is not None and file.path.suffix == ".slp") or any(part in file.head for part in _PARTS)


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The instances of one video (or skeleton); PwarpError says what is wrong with the file in one line."""
    sleap_io = extra("sleap_io", "SLEAP files")
    with opened(file, skip="video") as handle:
        _check_ranges(file, handle)
    try:
        with on_disk(file) as path:
            labels = sleap_io.load_slp(str(path), open_videos=False)
    except Exception as error:
        raise file.error(f"is no SLEAP file that sleap-io can read ({one_line(error)})") from error
    chosen = _chosen_video(file, labels.videos, video, only)
    frames = [frame for frame in labels.labeled_frames if frame.video is chosen]
    single = not labels.tracks and not labels.provenance.get(_LONE) and _is_single(frames)
    instances = [
        (_frame(file, frame, chosen, video), instance)
        for frame in frames
        for instance in islice(_counted(frame), 1 if single else None)
    ]
    if only is not None and only not in _names(chosen) | {str(s.name) for s in labels.skeletons}:
        raise file.error(f"holds no video and no skeleton '{only}'")
    skeleton, instances = _skeleton(file, labels.skeletons, instances, only)
    tracks = _tracks(file, labels.tracks, instances, len(skeleton), single=single)
    return Annotations(skeleton, _identity(chosen), tracks)


def _check_ranges(file: LabelFile, handle: Any) -> None:
    """Refuse rows that share what each has for itself: a few of them could stand for any number of points."""
    try:
        for rows, part, parts in (
            ("instances", "point_id", ("points", "pred_points")),
            ("frames", "instance_id", ("instances",)),
        ):
            table = handle[rows][...]
            claimed = table[f"{part}_end"].astype(np.float64) - table[f"{part}_start"].astype(np.float64)
            there = sum(len(handle[name]) for name in parts if name in handle)
            if not claimed.clip(min=0).sum() <= there:
                raise file.error(f"its {rows} claim more {part.removesuffix('_id')}s than the {there} in the file")
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OSError, RuntimeError) as error:
        raise file.error(f"is no SLEAP file that can be read ({one_line(error)})") from error


def _chosen_video(file: LabelFile, videos: Sequence[Any], video: Video | None, only: str | None) -> Any:
    if not videos:
        raise file.error("holds no video")
    if len(videos) == 1:
        return videos[0]
    # --only may name a skeleton, too, and --video the video then.
    given = set() if video is None else {str(video.path), _last(str(video.path))}
    matching = [v for v in videos if only in _names(v)] or [v for v in videos if given & _names(v)]
    if len(matching) == 1:
        return matching[0]
    last = [_last(_name(v)) for v in videos]
    known = ", ".join(_name(v) if last.count(name) > 1 else name for v, name in zip(videos[:20], last, strict=False))
    how = "--only" if only is None else "--video, or with --only"
    raise file.error(f"holds {len(videos)} videos; choose one with {how}: {known}")


def _name(video: Any) -> str:
    """What a file calls its video; for a list of pictures, their folder."""
    name = video.filename
    return str(PurePosixPath(str(name[0])).parent) if isinstance(name, list) and name else str(name)


def _last(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


def _identity(video: Any) -> VideoIdentity:
    """What the file says of the video; its frame count is the container's word, so it is not taken."""
    shape = (video.backend_metadata or {}).get("shape")
    sides = list(shape[1:3]) if isinstance(shape, (list, tuple)) and len(shape) == 4 else []
    known = len(sides) == 2 and all(type(n) is int and 0 < n <= LARGEST_SIDE for n in sides)
    height, width = sides if known else (None, None)
    name = _name(video)
    return VideoIdentity(None if name == _UNNAMED else name, width, height)


def _frame(file: LabelFile, frame: Any, video: Any, given: Video | None) -> int:
    """The ordinal of a frame: for pictures their place in the folder, where that is given."""
    index = int(frame.frame_idx)
    if not 0 <= index <= LAST_FRAME:
        raise file.error(f"frame {index} is no frame number")
    if given is not None and given.names is not None and isinstance(video.filename, list):
        name = _last(str(video.filename[index])) if index < len(video.filename) else ""
        if name in given.names:
            return given.names.index(name)
        if any(_last(str(other)) in given.names for other in video.filename):
            lost = f"picture '{name or index}'"
            raise file.no_picture_of(given.names, lost, "give the folder that holds them all")
    return index


def _is_single(frames: Sequence[Any]) -> bool:
    """Whether these are several frames of one animal: no tracks, and one user instance or prediction in each."""
    return 1 < len(frames) == len({frame.frame_idx for frame in frames}) and all(
        len(kind) <= 1 and all(instance.track is None for instance in kind)
        for frame in frames
        for kind in (frame.user_instances, frame.predicted_instances)
    )


def _counted(frame: Any) -> Iterator[Any]:
    """The instances of a frame, without the predictions that a user instance supersedes."""
    users = list(frame.user_instances)
    made_from = {id(user.from_predicted) for user in users}
    tracks = {id(user.track) for user in users if user.track is not None}
    yield from users
    for instance in frame.predicted_instances:
        if id(instance) not in made_from and id(instance.track) not in tracks:
            yield instance


def _names(video: Any) -> set[str]:
    """What a person may call a video."""
    name = _name(video)
    return {name, _last(name), PurePosixPath(_last(name)).stem}


def _skeleton(
    file: LabelFile, skeletons: Sequence[Any], instances: list[tuple[int, Any]], only: str | None
) -> tuple[Skeleton, list[tuple[int, Any]]]:
    """The one skeleton that is meant, and its instances."""
    used = [s for s in skeletons if any(instance.skeleton is s for _, instance in instances)] or list(skeletons)
    named = [s for s in used if only is not None and s.name == only]
    candidates = named or used
    if not candidates:
        raise file.error("holds no skeleton")
    if any(s.node_names != candidates[0].node_names for s in candidates):
        known = ", ".join(str(s.name) for s in candidates)
        how = "--only" if only is None else "--only, and the video with --video"
        raise file.error(f"holds several skeletons; choose one with {how}: {known}")
    first = candidates[0]
    if not all(isinstance(name, str) for name in first.node_names):
        raise file.error(f"skeleton '{first.name}': a node without a name")
    try:
        edges, pairs = ([(int(a), int(b)) for a, b in ends] for ends in (first.edge_inds, first.symmetry_inds))
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        why = one_line(error)
        raise file.error(f"skeleton '{first.name}': an edge or a symmetry without its nodes ({why})") from error
    skeleton = Skeleton.from_names(str(first.name or "skeleton"), first.node_names, edges)
    if pairs:
        skeleton = with_flips(skeleton, flip_index(len(skeleton), pairs))
    return skeleton, [(f, i) for f, i in instances if any(i.skeleton is s for s in candidates)]


def _tracks(
    file: LabelFile, tracks: Sequence[Any], instances: Sequence[tuple[int, Any]], keypoints: int, *, single: bool
) -> tuple[Track, ...]:
    count = len(instances)
    xy, score = np.full((count, keypoints, 2), np.nan), np.full((count, keypoints), np.nan)
    visibility, source = np.zeros((count, keypoints), np.uint8), np.zeros((count, keypoints), np.uint8)
    person_score = np.full(count, np.nan)
    numbers = _numbers(tracks)
    ids, identified = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    fresh = max(numbers.values(), default=-1) + 1
    for row, (_, instance) in enumerate(instances):
        points = instance.points
        predicted = "score" in points.dtype.names
        seen = points["visible"] & np.isfinite(points["xy"]).all(axis=1)
        xy[row], visibility[row] = points["xy"], np.where(seen, 2, 0)
        source[row] = np.where(seen, Source.DETECTED if predicted else Source.MANUAL, Source.NONE)
        if predicted:
            score[row] = np.where(seen & np.isfinite(points["score"]), points["score"], np.nan)
            person_score[row] = instance.score if instance.score is not None and np.isfinite(instance.score) else np.nan
        named = instance.track is not None and id(instance.track) in numbers
        identified[row] = named or single
        ids[row] = numbers[id(instance.track)] if named else fresh
        fresh += not identified[row]
    poses = Poses(
        rows=[{"id": f"{row} of frame {frame}"} for row, (frame, _) in enumerate(instances)],
        frame=np.array([frame for frame, _ in instances], dtype=np.int64),
        xy=xy,
        visibility=visibility,
        score=score,
        source=source,
        origin=np.full((count, keypoints, 2), -1, dtype=np.int64),
        boxes=np.full((count, 4), np.nan),
        head_boxes=np.full((count, 4), np.nan),
        person_score=person_score,
    )
    return into_tracks(file, poses, ids, identified)


def _numbers(tracks: Sequence[Any]) -> dict[int, int]:
    """The id of each track, by the identity of its object: its name where all names are different numbers."""
    names = [str(track.name) for track in tracks]
    plain = [name for name in names if name.isdecimal() and name.isascii() and len(name) < 16]
    own = len({int(name) for name in plain}) == len(names)
    return {id(track): int(name) if own else at for at, (track, name) in enumerate(zip(tracks, names, strict=True))}


def write(annotations: Annotations, path: Path, *, video: Video | None) -> Renamed:  # noqa: ARG001 - names no pictures
    """Write one video; PwarpError where sleap-io is not installed."""
    sleap_io = extra("sleap_io", "SLEAP files")
    size = annotations.video
    shape = [size.frame_count or 0, size.height or 0, size.width or 0, 3]
    clip = sleap_io.Video(filename=size.path or _UNNAMED, open_backend=False, backend_metadata={"shape": shape})
    skeleton = _sleap_skeleton(annotations.skeleton, sleap_io)
    frames, ids = _in_order(annotations)
    joined = {track.id for poses in frames.values() for track, _ in poses if not _is_lone(track)}
    tracks = {id: sleap_io.Track(str(ids[id])) for id in sorted(joined, key=lambda id: ids[id])}
    labelled = [
        sleap_io.LabeledFrame(
            video=clip,
            frame_idx=frame,
            instances=[_instance(track, row, skeleton, tracks.get(track.id), sleap_io) for track, row in poses],
        )
        for frame, poses in frames.items()
    ]
    labels = sleap_io.Labels(labelled, videos=[clip], skeletons=[skeleton], tracks=list(tracks.values()))
    if not tracks and _is_single(labelled):
        labels.provenance[_LONE] = "each is a pose of its own"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "labels.slp"
        try:
            sleap_io.save_slp(labels, str(made), verbose=False)
            _settle(made, len(annotations.skeleton.edges))
        except Exception as error:
            raise PwarpError(f"sleap-io cannot write these labels ({one_line(error)})") from error
        path.write_bytes(made.read_bytes())
    return Renamed(tracks=ids)


def _settle(path: Path, edges: int) -> None:
    """Put the lower node of each symmetry first: sleap-io keeps them as sets, and writes them in any order."""
    h5py = extra("h5py", "SLEAP files")
    with h5py.File(path, "r+") as handle:
        attributes = handle["metadata"].attrs
        content = orjson.loads(bytes(attributes["json"]))
        for skeleton in content["skeletons"]:
            for link in skeleton["links"][edges:]:
                link["source"], link["target"] = sorted((link["source"], link["target"]))
        attributes.modify("json", np.bytes_(orjson.dumps(content)))


def _is_lone(track: Track) -> bool:
    """Whether a track is written without one: nobody has joined its pose to others yet."""
    return len(track) == 1 and not track.identified


def _in_order(annotations: Annotations) -> tuple[dict[int, list[tuple[Track, int]]], dict[int, int]]:
    """(track, row) of the poses in each frame, as they are written, and the id by which each track will be read.

    A person's poses stand first. Poses in which nothing is labelled have no instance.
    """
    joined = sorted(track.id for track in annotations.tracks if not _is_lone(track))
    own = all(0 <= id < 10**15 for id in joined)
    ids = {id: id if own else at for at, id in enumerate(joined)}
    after = max(ids.values(), default=-1) + 1
    lone = sorted(track.id for track in annotations.tracks if _is_lone(track))
    frames: dict[int, list[tuple[Track, int]]] = {}
    for frame, index, row in coco_write.in_order(annotations, ids | {id: after + at for at, id in enumerate(lone)}):
        if annotations.tracks[index].labelled[row].any():
            frames.setdefault(frame, []).append((annotations.tracks[index], row))
    written = {track.id for poses in frames.values() for track, _ in poses}
    fresh = max((ids[id] for id in joined if id in written), default=-1) + 1
    for poses in frames.values():
        poses.sort(key=lambda pose: not pose[0].by_person[pose[1]].any())
        for track, _ in poses:
            if _is_lone(track):
                ids[track.id] = fresh
                fresh += 1
    return frames, ids


def _sleap_skeleton(skeleton: Skeleton, sleap_io: Any) -> Any:
    names = list(skeleton.keypoints)
    # Where a skeleton has no pairs, those that a reader takes from left and right in the names are written.
    own = pairs_of(flip_index(len(names), skeleton.flip_pairs))  # a keypoint that is its own mirror image is no pair
    pairs = own or list(Skeleton.from_names(skeleton.name, names).flip_pairs)
    return sleap_io.Skeleton(
        names,
        edges=[(names[a], names[b]) for a, b in skeleton.edges],
        symmetries=[(names[a], names[b]) for a, b in pairs_of(flip_index(len(names), pairs))],
        name=skeleton.name,
    )


def _instance(track: Track, row: int, skeleton: Any, sleap_track: Any, sleap_io: Any) -> Any:
    """The user instance of what a person set in a pose; where that is nothing, the predicted one of all of it."""
    by_person = track.by_person[row]
    if by_person.any():
        xy: FloatArray = np.where(by_person[:, np.newaxis], track.xy[row], np.nan)
        return sleap_io.Instance.from_numpy(xy, skeleton=skeleton, track=sleap_track)
    return sleap_io.PredictedInstance.from_numpy(
        np.array(track.xy[row]),
        skeleton=skeleton,
        point_scores=np.array(track.score[row]),
        score=float(track.person_score[row]),
        track=sleap_track,
    )

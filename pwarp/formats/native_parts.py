"""The two parts that the native format adds to COCO's tables: what a skeleton is, and what a track is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pwarp.annotations import OPEN_END, Replaced, Source, Track, VideoIdentity, merged_spans
from pwarp.formats import coco_skeleton
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.fields import LARGEST_WHOLE, Entry, number, shown, text, texts, whole
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Edge, Skeleton

Span = tuple[int, int]


def skeleton_entry(skeleton: Skeleton) -> Entry:
    """COCO's category with flip pairs and torso (by keypoint name) and sigmas beside its keypoints."""

    def named(pair: Edge) -> list[str]:
        return [skeleton.keypoints[i] for i in pair]

    return coco_skeleton.category_entry(skeleton, skeleton.name) | {
        "flip_pairs": [named(pair) for pair in skeleton.flip_pairs],
        "sigmas": None if skeleton.sigmas is None else list(skeleton.sigmas),
        "torso": None if skeleton.torso is None else named(skeleton.torso),
    }


def identity_entry(identity: VideoIdentity) -> Entry:
    """What is known of a video; `coco_images.read_identity` reads it back."""
    known = {
        "name": identity.path,
        "width": identity.width,
        "height": identity.height,
        "frame_count": identity.frame_count,
        "fps": None if identity.fps is None else str(identity.fps),
        "fingerprint": identity.fingerprint,
    }
    return {key: value for key, value in known.items() if value is not None}


def read_skeleton(file: LabelFile, category: Entry) -> Skeleton:
    """The skeleton as written; what a file by hand leaves out is filled in from its keypoint names."""
    skeleton = coco_skeleton.read_skeleton(file, category)
    where = f"category '{skeleton.name}'"

    def pair(key: str, value: Any) -> Edge:
        names = texts(file, f"{key} of {where}", value)
        if len(names) != 2:
            raise file.error(f"{key} of {where} is {shown(value)}, expected two keypoint names")
        return skeleton.index(names[0]), skeleton.index(names[1])

    given: dict[str, Any] = {}
    if category.get("skeleton") == []:
        given["edges"] = ()
    if "flip_pairs" in category:
        pairs = category["flip_pairs"]
        if not isinstance(pairs, list):
            raise file.error(f"flip_pairs of {where} is {shown(pairs)}, expected a list of pairs")
        given["flip_pairs"] = tuple(pair("flip_pairs", value) for value in pairs)
    if "sigmas" in category:
        sigmas = category["sigmas"]
        if not (sigmas is None or isinstance(sigmas, list)):
            raise file.error(f"sigmas of {where} is {shown(sigmas)}, expected a list of numbers")
        given["sigmas"] = None if sigmas is None else tuple(number(file, f"sigmas of {where}", s) for s in sigmas)
    if "torso" in category:
        given["torso"] = None if category["torso"] is None else pair("torso", category["torso"])
    if given:
        # Whoever says that much about a skeleton also means its name, even where a built-in one has the same keypoints.
        given["name"] = text(file, f"name of {where}", category.get("name", skeleton.name))
    return replace(skeleton, **given)


def track_entry(track: Track, skeleton: Skeleton) -> Entry:
    """What is true of a track as a whole: where its person is absent, and what corrections replaced."""
    entry: Entry = {"id": track.id}
    if not track.identified:
        entry["identified"] = False
    if len(track.absent):
        entry["absent"] = [[first, None if last == OPEN_END else last] for first, last in track.absent.tolist()]
    if track.replaced:
        entry["replaced"] = [
            {
                "frame": value.frame,
                "keypoint": skeleton.keypoints[value.keypoint],
                "x": None if np.isnan(value.x) else value.x,
                "y": None if np.isnan(value.y) else value.y,
                "visibility": value.visibility,
                "source": value.source.name.lower(),
            }
            for value in track.replaced
        ]
    return entry


def read_tracks(
    file: LabelFile,
    listed: Sequence[Entry],
    labelled: Sequence[Track],
    absences: Sequence[tuple[int, int]],
    skeleton: Skeleton,
) -> tuple[Track, ...]:
    """All tracks: first those of the list, in its order, then the others by rising id.

    labelled: tracks with their poses. absences: (track id, frame) of annotations marked absent; each holds until the
    frame before the next label of that track, and to the end of the video where there is none.
    """
    poses = {track.id: track for track in labelled}
    facts: dict[int, Entry] = {}
    for entry in listed:
        id = whole(file, "id of a track", entry.get("id"))
        if id in facts:
            raise file.error(f"tracks lists id {id} twice; ids must differ")
        facts[id] = entry
    frames_absent: dict[int, list[int]] = {}
    for id, frame in absences:
        frames_absent.setdefault(id, []).append(frame)
    tracks = []
    for id in [*facts, *sorted((poses.keys() | frames_absent.keys()) - facts.keys())]:
        track = poses.get(id) or Track.make(id, [], np.empty((0, len(skeleton), 2)))
        entry = facts.get(id, {})
        spans = [*_spans(file, id, entry), *(_until_next_label(track, f) for f in frames_absent.get(id, []))]
        identified = entry.get("identified", track.identified)
        if not isinstance(identified, bool):
            raise file.error(f"track {id}: identified is {shown(identified)}, expected true or false")
        if spans or entry:
            replaced = _replaced(file, id, entry, skeleton)
            track = replace(track, identified=identified, absent=merged_spans(spans), replaced=replaced)
        tracks.append(track)
    return tuple(tracks)


def _until_next_label(track: Track, frame: int) -> Span:
    """From a mark of absence to the frame before the track's next pose that says anything."""
    says = track.labelled.any(axis=1) | np.isfinite(track.boxes).all(axis=1)
    later = track.frames[says & (track.frames > frame)]
    return frame, int(later[0]) - 1 if len(later) else OPEN_END


def _spans(file: LabelFile, id: int, entry: Entry) -> list[Span]:
    spans = entry.get("absent", [])
    if not isinstance(spans, list) or not all(isinstance(span, list) and len(span) == 2 for span in spans):
        raise file.error(f"track {id}: absent is {shown(spans)}, expected a list of pairs of first and last frame")
    pairs = []
    for first, last in spans:
        first = whole(file, f"track {id}: first frame of absent", first, least=0, most=LAST_FRAME)
        last = (
            OPEN_END if last is None else whole(file, f"track {id}: last frame of absent", last, least=0, most=OPEN_END)
        )
        if last < first:
            raise file.error(f"track {id}: absent from {first} to {last} ends before it begins")
        pairs.append((first, last))
    return pairs


def _replaced(file: LabelFile, id: int, entry: Entry, skeleton: Skeleton) -> tuple[Replaced, ...]:
    values = entry.get("replaced", [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise file.error(f"track {id}: replaced is {shown(values)}, expected a list of objects")
    where = f"track {id}: replaced"

    def coordinate(value: Any) -> float:
        return float("nan") if value is None else number(file, where, value)

    replaced = []
    for value in values:
        name = text(file, f"{where}: source", value.get("source", "manual"))
        if name.upper() not in Source.__members__:
            raise file.error(f"{where}: source '{name}' is none of {', '.join(s.name.lower() for s in Source)}")
        replaced.append(
            Replaced(
                frame=whole(file, f"{where}: frame", value.get("frame"), least=0, most=LARGEST_WHOLE),
                keypoint=skeleton.index(text(file, f"{where}: keypoint", value.get("keypoint"))),
                x=coordinate(value.get("x")),
                y=coordinate(value.get("y")),
                visibility=whole(file, f"{where}: visibility", value.get("visibility"), least=0, most=2),
                source=Source[name.upper()],
            )
        )
    return tuple(replaced)

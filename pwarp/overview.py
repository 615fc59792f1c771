"""What a video or a set of labels holds, at a glance, and what looks odd about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pwarp.annotations import OPEN_END, Annotations, Source, Track, VideoIdentity

if TYPE_CHECKING:
    from pwarp.video import Video


def overview_of_video(video: Video) -> dict[str, Any]:
    """Plain values: kind, size, frames, rate, duration in seconds, rotation, fingerprint, and what is damaged."""
    last = video.times[-1] - video.times[0] if video.frame_count else 0.0
    return {
        "kind": "video" if video.names is None else "pictures",
        "path": video.path,
        "width": video.width,
        "height": video.height,
        "frames": video.frame_count,
        "fps": None if video.fps is None else str(video.fps),
        # The last frame is shown for as long as an average one.
        "seconds": None if video.fps is None else round(float(last) + float(1 / video.fps), 3),
        "variable_rate": video.variable_rate,
        "rotation": video.rotation,
        "fingerprint": video.identity.fingerprint,
        "damage": list(video.damage),
    }


def overview_of_labels(labels: Annotations) -> dict[str, Any]:
    """Plain values: video identity, skeleton, declared frames, each track, lone labels, and `oddities`."""
    joined = [track for track in labels.tracks if track.identified]
    lone = [track for track in labels.tracks if not track.identified]
    skeleton = labels.skeleton
    return {
        "kind": "labels",
        "video": _identity(labels.video),
        "skeleton": {
            "name": skeleton.name,
            "keypoints": list(skeleton.keypoints),
            "edges": len(skeleton.edges),
            "flip_pairs": len(skeleton.flip_pairs),
            "sigmas": skeleton.sigmas is not None,
        },
        "frames_with_poses": len({int(f) for track in labels.tracks for f in track.frames}),
        "frames_declared": None if labels.labelled is None else len(labels.labelled),
        "key_frames": len(labels.key_frames),
        "ignore_regions": sum(map(len, labels.ignore_regions.values())),
        "tracks": [_track(track) for track in joined],
        "lone_labels": sum(map(len, lone)),
        "odd": oddities(labels),
    }


def overview_of_match(labels: Annotations, video: Video) -> dict[str, Any]:
    """Plain values on how labels that were read with a video go with it; that they are not refused says most of it.

    first, last: labelled frames, times: theirs in seconds. interval: shortest and longest time between frames.
    repeated: frames that show the pixels of the one before. agrees: what was compared. odd: what to look at.
    """
    frames = np.unique(np.concatenate([track.frames for track in labels.tracks] or [np.empty(0, np.int64)]))
    ends = [int(frames[0]), int(frames[-1])] if len(frames) else [None, None]
    steps = np.diff(video.times)
    repeated = video.repeats()
    odd = []
    if len(frames) >= 3 and frames[0] == 1 and int(np.gcd.reduce(np.diff(frames))) >= 2:
        step = int(np.gcd.reduce(np.diff(frames)))
        odd.append(f"frames 1, {1 + step}, ...: if they are counted from 1: --frame-offset -1")
    doubled = np.intersect1d(repeated, frames)
    if len(doubled):
        odd.append(f"labelled frames that repeat the one before: {len(doubled)}, first: {doubled[0]}")
    if video.variable_rate:
        odd.append("the rate varies: tools that count frames by time are off; compare a labelled frame with pwarp view")
    outside = [line for line in oddities(labels) if line.startswith("keypoints outside")]
    return {
        "first": ends[0],
        "last": ends[1],
        "times": None if ends[0] is None or video.names else [round(float(video.times[f]), 3) for f in frames[[0, -1]]],
        "interval": None if not len(steps) or video.names else [float(steps.min()), float(steps.max())],
        "repeated": len(repeated),
        "first_repeated": int(repeated[0]) if len(repeated) else None,
        "agrees": "nothing that the labels say of the video is otherwise",
        "odd": odd + outside,
    }


def _identity(identity: VideoIdentity) -> dict[str, Any]:
    return {
        "path": identity.path,
        "width": identity.width,
        "height": identity.height,
        "frames": identity.frame_count,
        "fps": None if identity.fps is None else str(identity.fps),
        "fingerprint": identity.fingerprint,
    }


def _track(track: Track) -> dict[str, Any]:
    codes, counts = np.unique(track.source[track.labelled], return_counts=True)
    total = max(track.visibility.size, 1)
    return {
        "id": track.id,
        "poses": len(track),
        "first": int(track.frames[0]) if len(track) else None,
        "last": int(track.frames[-1]) if len(track) else None,
        "key_frames": len(track.key_frames),
        "visible": np.count_nonzero(track.visibility == 2) / total,
        "occluded": np.count_nonzero(track.visibility == 1) / total,
        "sources": {Source(c).name.lower(): n for c, n in zip(codes.tolist(), counts.tolist(), strict=True)},
        "absent": [[first, None if last == OPEN_END else last] for first, last in track.absent.tolist()],
        "replaced": len(track.replaced),
    }


def oddities(labels: Annotations) -> list[str]:
    """One line for each thing that is allowed but rarely meant, with its first place."""
    video, found = labels.video, []
    if video.fingerprint is None:
        known = {"size": video.width, "frame count": video.frame_count, "fingerprint": None}
        missing = ", ".join(name for name, value in known.items() if value is None)
        found.append(f"nothing is said of the video's {missing}, so another video might not be noticed")
    if video.width is not None and video.height is not None:
        outside = [
            (track, labelled & ((track.xy < -0.5) | (track.xy > (video.width - 0.5, video.height - 0.5))).any(axis=2))
            for track in labels.tracks
            for labelled in (track.labelled,)
        ]
        found += _counted(labels, outside, "outside the picture")
    corner = [(t, (t.visibility == 2) & (t.xy == 0).all(axis=2)) for t in labels.tracks]
    found += _counted(labels, corner, "visible at exactly (0, 0)")
    empty = [(t.id, int(f)) for t in labels.tracks for f in t.frames[~t.labelled.any(axis=1)]]
    if empty:
        where = f"track {empty[0][0]}, frame {empty[0][1]}"
        found.append(f"poses without any labelled keypoint: {len(empty)}, first: {where}")
    used = np.any([t.labelled.any(axis=0) for t in labels.tracks] or [np.zeros(len(labels.skeleton), np.bool_)], axis=0)
    unused = [name for name, seen in zip(labels.skeleton.keypoints, used, strict=True) if not seen]
    if unused and labels.tracks:
        found.append(f"keypoints that are labelled nowhere: {', '.join(unused)}")
    if labels.labelled is not None:
        # What is computed fills the frames between; people's work is what such a list is about.
        posed = np.unique(np.concatenate([t.key_frames for t in labels.tracks] or [np.empty(0, np.int64)]))
        undeclared = np.setdiff1d(posed, labels.labelled)
        if len(undeclared):
            found.append(f"frames with poses that are not declared labelled: {len(undeclared)}, first: {undeclared[0]}")
    lone = sum(not track.identified for track in labels.tracks)
    if lone:
        found.append(f"labels without a track id, which belong to nobody yet: {lone}")
    return found


def _counted(labels: Annotations, where: list[tuple[Track, Any]], what: str) -> list[str]:
    """The line for keypoints of which (F, K) masks by track say where they are, or none."""
    total = sum(int(mask.sum()) for _, mask in where)
    if not total:
        return []
    track, mask = next((track, mask) for track, mask in where if mask.any())
    row, keypoint = np.argwhere(mask)[0]
    name = labels.skeleton.keypoints[keypoint]
    return [f"keypoints {what}: {total}, first: track {track.id}, frame {track.frames[row]}, {name}"]

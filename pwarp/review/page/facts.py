"""What a page knows of a video and its labels: a few facts as JSON, and the long columns as typed arrays."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Any

import numpy as np

from pwarp.annotations import Annotations, Source, Track
from pwarp.review.page.film import Film
from pwarp.review.palette import score_colour, track_colours
from pwarp.video import Video

# A score takes two bytes in the page; this one says that there is none.
NO_SCORE = 65535
_RAMP_STEPS = 64


def facts_and_arrays(
    video: Video, annotations: Annotations, carried: bytes, film: Film, labels: str, link: str | None
) -> tuple[dict[str, Any], bytes]:
    """The facts, and the bytes of all tracks' columns one after the other.

    Each track of the facts has `frames` F; its columns follow those of the track before, kind by kind, so that every
    number lies on a multiple of its size: frames int32 (F), xy float32 (F, K, 2) in the video's pixels, boxes float32
    (F, 4), scores uint16 (F, K) in 65534ths, flags uint8 (F, K) of visibility + 4 * source. All little-endian.

    carried: the labels that the page gives back. labels: what people call the label file.
    """
    tracks = annotations.tracks
    colours = track_colours(track.id for track in tracks)
    columns = [_columns(track) for track in tracks]
    arrays = b"".join(column[kind] for kind in range(5) for column in columns)
    stem = PurePath(labels).stem if labels != "-" else "labels"
    facts = {
        "key": hashlib.blake2b(arrays + carried, digest_size=12).hexdigest(),
        "video": {
            "name": PurePath(video.path).name,
            "path": annotations.video.path,
            # What came through a pipe is gone when the page is read.
            "given": video.path if video.file == video.path else annotations.video.path or "VIDEO",
            "width": video.width,
            "height": video.height,
            "frameCount": video.frame_count,
            "names": video.names,
            "times": [round(time, 4) for time in video.times.tolist()] if video.variable_rate else None,
        },
        "film": {"width": film.width, "height": film.height, "link": link}
        | {"fps": [film.fps.numerator, film.fps.denominator]},
        "labels": {"name": PurePath(labels).name, "export": f"{stem}-corrected.json", "again": f"{stem}-2.json"},
        "marksLabelled": annotations.labelled is not None,
        "skeleton": {"keypoints": annotations.skeleton.keypoints, "edges": annotations.skeleton.edges},
        "sources": [source.name.lower() for source in Source],
        "ramp": [score_colour(i / (_RAMP_STEPS - 1)) for i in range(_RAMP_STEPS)],
        "tracks": [
            {
                "id": track.id,
                "colour": colours[track.id],
                "frames": len(track),
                "absent": track.absent.tolist(),
            }
            for track in tracks
        ],
    }
    return facts, arrays


def _columns(track: Track) -> tuple[bytes, ...]:
    score = np.clip(np.nan_to_num(track.score), 0, 1) * (NO_SCORE - 1)
    return (
        track.frames.astype("<i4").tobytes(),
        track.xy.astype("<f4").tobytes(),
        track.boxes.astype("<f4").tobytes(),
        np.where(np.isfinite(track.score), np.rint(score), NO_SCORE).astype("<u2").tobytes(),
        (track.visibility + 4 * track.source).astype("u1").tobytes(),
    )

"""A scene on disk: a video, its truth, and what a labeller would have set by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from pwarp.annotations import Annotations, Track
from pwarp.errors import PwarpError
from pwarp.files import atomic_path, check_output
from pwarp.synthetic.scene import Scene

_QUALITY = 16  # x264 constant rate factor: hardly a visible loss


def write_scene(
    scene: Scene,
    folder: Path,
    *,
    every: int | None = None,
    force: bool = False,
    on_frame: Callable[[], object] = lambda: None,
) -> tuple[Path, ...]:
    """Write video.mp4 and truth.json, and keys.json where `every` is given; the paths of what was written.

    folder: made where it does not exist. every: distance of the key frames in keys.json, see `key_labels`.
    on_frame: called after each rendered frame.

    Raises PwarpError where a file exists (unless forced) or cannot be written.
    """
    from pwarp.formats import write
    from pwarp.review.h264 import h264_file
    from pwarp.video import open_video

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PwarpError(f"{folder}: cannot make this folder: {error.strerror}; choose another with -o") from error
    video, truth, keys = (folder / name for name in ("video.mp4", "truth.json", "keys.json"))
    wanted = (video, truth) if every is None else (video, truth, keys)
    for path in wanted:
        check_output(path, force=force)
    config = scene.config
    with atomic_path(video, force=force) as temporary:
        with h264_file(temporary, config.width, config.height, Fraction(config.fps), crf=_QUALITY) as append:
            for index, picture in enumerate(scene.frames()):
                append(picture, index / config.fps)
                on_frame()
        with open_video(temporary) as encoded:
            identity = replace(encoded.identity, path=video.name)
    annotations = replace(scene.annotations, video=identity)
    write(annotations, truth, format="pwarp", force=force)
    if every is not None:
        write(key_labels(annotations, every), keys, format="pwarp", force=force)
    return wanted


def key_labels(truth: Annotations, every: int) -> Annotations:
    """The truth's labels on frames 0, every, 2 every ... and on the last one: what a person labels before pwarp.

    A track is marked absent from the first to the last of neighbouring key frames that it is not in.
    """
    count = truth.video.frame_count
    if count is None:
        raise PwarpError("key labels: the truth does not say how many frames its video has")
    keys = np.unique(np.append(np.arange(0, count, every), count - 1))
    return replace(truth, tracks=tuple(_thinned(track, keys) for track in truth.tracks), labelled=keys)


def _thinned(track: Track, keys: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Track:
    kept = track.rows(np.isin(track.frames, keys))
    away = np.flatnonzero(~np.isin(keys, track.frames))
    runs = np.split(away, np.flatnonzero(np.diff(away) > 1) + 1)
    spans = [(keys[run[0]], keys[run[-1]]) for run in runs if len(run)]
    return replace(kept, absent=np.array(spans, dtype=np.int64).reshape(-1, 2))

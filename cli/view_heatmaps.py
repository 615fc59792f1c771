"""`pwarp view --heatmaps`: a sheet of what a network sees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .progress import progress
from .shown import refuse_missing, shown
from .summary import Ending
from .target import Target

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.review.heatmaps import Network, Place

_MOST = 24  # keypoints shown unless some are named


def view_heatmaps(
    video: str,
    labels: str,
    read: Callable[..., Annotations],
    output: Target,
    weights: Path,
    beside: Path | None,
    drawing: dict[str, Any],
    ending: Ending,
) -> None:
    """Write the sheet and say what is on it.

    read: the annotations, of the opened `video`. beside: a network to show below the other. drawing: frames, at,
    tracks, keypoints where they were given.
    """
    from pwarp.estimation import open_estimator
    from pwarp.following import open_any
    from pwarp.review.heatmap_sheet import heatmap_sheet
    from pwarp.review.heatmaps import look
    from pwarp.review.sheet import save_picture
    from pwarp.video import open_video

    output.check(force=ending.force)
    with output.opened(force=ending.force, dry_run=ending.dry_run) as temporary, open_video(video) as source:
        annotations = read(source)
        onnx = str(weights).startswith("onnx:")
        network: Network = open_estimator(str(weights)) if onnx else open_any(weights)
        rival = None if beside is None else open_estimator(str(beside))
        names = network.skeleton.keypoints
        chosen = _keypoints(network, drawing)
        wanted = shown(_people(annotations, drawing), drawing)
        if ending.dry_run:
            what = f"{len(chosen)} keypoints of {len(wanted)} people and frames by {network.name}"
            planned = {"model": network.name, "shown": wanted, "keypoints": [names[k] for k in chosen]}
            ending.would_write(output, what, planned, aside=output.to_stdout)
            return
        with progress(None, "heatmaps", quiet=ending.quiet) as bar:
            seen = look(source, annotations, network, wanted, beside=rival, started=bar.expect, advance=bar)
        refuse_missing(drawing, [one.frame for one in seen])  # somebody may be outside the picture
        title = f"{network.name}   {Path(video).name}   {Path(labels).name}"
        save_picture(temporary, heatmap_sheet(seen, names, chosen, network.codec, title))
    parts = [name for name, _ in seen[0].parts]
    values = {
        "output": output.name,
        "model": network.name,
        "shown": [[one.frame, one.track] for one in seen],
        "parts": parts,
        "keypoints": [names[k] for k in chosen],
    }
    line = f"{output}: {', '.join(parts)} of {network.name}, {len(chosen)} keypoints, {len(seen)} people"
    ending.report(line, values, aside=output.to_stdout)


def _keypoints(network: Network, drawing: dict[str, Any]) -> list[int]:
    """The channels that get a column."""
    from pwarp.errors import PwarpError

    names = network.skeleton.keypoints
    wanted = dict.fromkeys(drawing.get("keypoints", names[:_MOST]))
    if unknown := [name for name in wanted if name not in names]:
        raise PwarpError(f"{network.name} knows no keypoint '{unknown[0]}'; it knows {', '.join(names)}")
    return [names.index(name) for name in wanted]


def _people(labels: Annotations, drawing: dict[str, Any]) -> list[Place]:
    """Everybody on the tracks asked for."""
    from pwarp.errors import PwarpError
    from pwarp.review.heatmaps import people

    found = people(labels)
    if "tracks" in drawing:
        ids = [labels.track(id).id for id in drawing["tracks"]]
        found = [place for place in found if place[1] in ids]
    if not found:
        raise PwarpError("nobody is there on the tracks asked for; mend --track")
    return found

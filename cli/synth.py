"""pwarp synth: render moving people with exact truth."""

from __future__ import annotations

import time
from pathlib import Path

import click

from .numbers import SEED, Whole
from .paths import Written
from .progress import progress
from .size import Size
from .summary import Ending, counted, duration, ending_options

# As in pwarp.synthetic.MOTIONS, which would load OpenCV for a --help.
_MOTIONS = ("walk", "run", "jump", "wave", "squat", "throw", "dance")


@click.command()
@click.option("-o", "--output", required=True, type=Written(Path, unpiped="a folder"), help="Folder for the files.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Same seed, same bytes.")
@click.option("--frames", type=Whole(1, 100_000), default=120, show_default=True, help="How many frames.")
@click.option("--fps", type=Whole(1, 240), default=30, show_default=True, help="Frames a second.")
@click.option(
    "--size",
    type=Size(4096, "640x360"),
    default="640x360",
    show_default=True,
    metavar="WxH",
    help="Even, 32 to 4096.",
)
@click.option("--people", type=Whole(0, 32), default=2, show_default=True, help="How many people.")
@click.option(
    "--motion",
    "motions",
    type=click.Choice(_MOTIONS),
    multiple=True,
    help="What the people do; may be repeated.  [default: anything]",
)
@click.option("--occluders", type=Whole(0, 16), default=1, show_default=True, help="Things in the way.")
@click.option("--still", is_flag=True, help="The camera does not move.")
@click.option("--clips", type=Whole(1, 100_000), default=1, show_default=True, help="Clip n gets seed + n.")
@click.option("--every", type=Whole(1), metavar="K", help="Also write keys.json: every K-th frame, the last.")
@ending_options()
def synth(
    output: Path,
    seed: int,
    frames: int,
    fps: int,
    size: tuple[int, int],
    people: int,
    motions: tuple[str, ...],
    occluders: int,
    still: bool,
    clips: int,
    every: int | None,
    ending: Ending,
) -> None:
    """Render moving people: video.mp4, and truth.json with COCO's 17 keypoints of everybody in every frame.

    Where a keypoint is hidden (by the body itself, by others, by things) the truth says so. Several clips go into
    folders 000, 001 ... of the output.

    \b
    Examples:
      pwarp synth -o demo --every 15
      pwarp synth -o clips --clips 20 --people 3 --motion walk --motion dance
      pwarp propagate demo/video.mp4 demo/keys.json -o dense.json
    """
    from pwarp.files import check_output, check_place
    from pwarp.synthetic import Scene, SceneConfig, write_scene

    configs = [
        SceneConfig(
            seed=seed + clip,
            frames=frames,
            fps=fps,
            width=size[0],
            height=size[1],
            people=people,
            motions=motions or None,
            occluders=occluders,
            camera=not still,
        )
        for clip in range(clips)
    ]
    names = ("video.mp4", "truth.json", *(("keys.json",) if every else ()))
    folders = [output] if clips == 1 else [output / f"{clip:03d}" for clip in range(clips)]
    files = [folder / name for folder in folders for name in names]
    for folder in folders:
        check_place(folder)
    for path in files:
        if path.parent.exists():
            check_output(path, force=ending.force)
    if ending.dry_run:
        what = f"{clips} of {frames} frames, {people} people: {len(files)} files"
        ending.would_write(output, what, {"files": [str(path) for path in files]})
        return
    began = time.perf_counter()
    written: list[Path] = []
    with progress(clips * frames, "synth", quiet=ending.quiet) as advance:
        for config, folder in zip(configs, folders, strict=True):
            written += write_scene(Scene(config), folder, every=every, force=ending.force, on_frame=advance)
    seconds = time.perf_counter() - began
    clip_count = counted(clips, "clip")
    line = f"{output}: {clip_count} of {frames} frames, {people} people, {duration(seconds)}"
    values = {"output": output, "clips": clips, "frames": frames, "files": [str(p) for p in written]}
    ending.report(line, {**values, "seconds": round(seconds, 3)})

"""`pwarp estimate`: keypoints in the boxes of a video."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pwarp import registry
from pwarp.annotations import Annotations, Source

from .asked import asked, refuse_if_asked
from .looking import every_option, flip_option, loners, scales_option
from .numbers import MOST_THREADS, Real, Whole
from .paths import Read
from .progress import progress
from .reading import Reading, reading_options
from .resuming import going_on, journalled, output_option, resume_option
from .summary import Ending, duration, ending_options, say
from .target import format_option

if TYPE_CHECKING:
    from pwarp.estimation.checkpoint import Precision
    from pwarp.estimation.found import PoseJournal
    from pwarp.following import RecurrentRunner, WindowRunner


@click.command()
@click.argument("video", type=Read())
@click.argument("boxes", type=Read())
@click.option(
    "--model", type=Read(), required=True, metavar="FILE|onnx:FILE", help="A checkpoint of pwarp, or an ONNX network."
)
@output_option
@flip_option
@scales_option
@every_option
@click.option(
    "--min-score",
    type=Real(0),
    default=0.0,
    metavar="S",
    help="Leave keypoints unlabelled that are less sure than this.",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda|mps", help="Where a checkpoint runs."
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16"]),
    default="fp32",
    show_default=True,
    help="bf16 is quicker on GPUs and CPUs with AMX, and a little off.",
)
@click.option(
    "--threads", type=Whole(1, MOST_THREADS), metavar="N", help="CPU threads of a checkpoint.  [default: torch's]"
)
@click.option("--batch", type=Whole(1), default=16, show_default=True, metavar="N", help="Crops at a time.")
@format_option
@reading_options("BOXES")
@resume_option()
@ending_options()
def estimate(
    video: str,
    boxes: str,
    model: str,
    output: str,
    flip: bool,
    scales: tuple[float, ...],
    every: int | None,
    min_score: float,
    device: str,
    precision: Precision,
    threads: int | None,
    batch: int,
    to: str | None,
    reading: Reading,
    resume: bool,
    ending: Ending,
) -> None:
    """Keypoints in every box of BOXES, found in VIDEO.

    VIDEO is a video file, a folder of pictures or a glob; BOXES any label file with boxes, tracked or not, or '-' for
    stdin. Keypoints that a person set stay as they are; others make room for what the model finds, with a score. Boxes
    that show nothing of the picture are left out. Where there is no box at all, as in labels of SLEAP and DeepLabCut,
    the model looks around the keypoints. Frames without a box stay as they are; where nobody set a keypoint, the result
    has the model's skeleton, and what that has no name for goes.

    A checkpoint may hold any network of 'pwarp models'. Those of several frames follow the tracks: ppn and dkd go from
    frame to frame and know nothing of later ones, the others look at frames before and after. A box without a track id
    is looked at by itself.

    What an ONNX file does not say about itself may stand in FILE.json beside it: {"skeleton": "coco-17" or
    {"name": "cow", "keypoints": [...]}, "size": [w, h], "codec": "msra", "sigma": 2, "padding": 1.25, "mean": [...],
    "std": [...]}. Without it: 17 heatmaps are COCO's keypoints, RGB is normalised as for ImageNet.

    \b
    Examples:
      pwarp estimate video.mp4 people.json --model hrnet.safetensors -o poses.json
      pwarp estimate video.mp4 people.json --model ppn.safetensors --scales 0.8,1,1.2 -o poses.json
      pwarp detect video.mp4 -o - | pwarp estimate video.mp4 - --model onnx:pose.onnx -o poses.json
    """
    from pwarp import formats
    from pwarp.errors import PwarpError
    from pwarp.estimation import Estimation, Estimator, open_estimator
    from pwarp.estimation.checkpoint import use_threads
    from pwarp.estimation.filling import left_behind
    from pwarp.estimation.framing import framed, unframed
    from pwarp.following import RecurrentRunner, open_any
    from pwarp.propagation.engine import fixed
    from pwarp.refinement import EstimationOverTime
    from pwarp.video import open_video

    began = time.perf_counter()
    to_stdout = output == "-"
    resume = going_on(output, resume=resume)
    to = to or ("jsonl" if to_stdout else formats.format_for(output))
    formats.check_target(output, to, force=ending.force)
    with open_video(video) as source:
        labels = reading.read(boxes, source)
        given = framed(labels, source.width, source.height)
        made = 0 if given is labels else _boxes(given, source.width, source.height)[0]
        estimator: Estimator | WindowRunner | RecurrentRunner
        if model in (*registry.names("model"), *registry.names("backbone")) and not Path(model).exists():
            raise click.UsageError(f"--model {model}: is a kind of network; give a checkpoint of one, FILE.safetensors")
        if model.startswith("onnx:"):
            if threads is not None:
                refuse_if_asked("threads", "--threads is of a checkpoint; onnxruntime shares its threads itself")
            estimator = open_estimator(model, device, precision=precision)
        else:
            use_threads(threads)
            estimator = open_any(model, device=device, batch=batch, precision=precision)
        if isinstance(estimator, Estimator) and every is not None and asked("every"):
            raise PwarpError(f"{estimator.name}: looks at single frames and never starts anew; leave --every out")
        if not (isinstance(estimator, RecurrentRunner) or asked("every")):
            every = None
        planned: Estimation | EstimationOverTime
        if isinstance(estimator, Estimator):
            planned = Estimation(source, given, estimator, flip=flip, scales=scales, batch=batch)
        else:
            planned = EstimationOverTime(source, given, estimator, every=every, flip=flip, scales=scales)
        if ending.dry_run:
            count = _boxes(given, source.width, source.height)[0]
            values = {"format": to, "model": estimator.name, "boxes": count}
            what = f"poses in {count} boxes by {estimator.name}, as {to}"
            ending.would_write(output, what, values, aside=to_stdout)
            return

        def journal(path: Path) -> PoseJournal:
            deciding = fixed({"model": model, "precision": precision, "flip": flip, "scales": scales, "every": every})
            return planned.journal(path, deciding, resume=resume, alone=True)

        with journalled(output, journal, ending, resume=resume) as done:
            with progress(planned.frames, "estimate", quiet=ending.quiet) as bar:
                poses = planned.run(min_score, bar, done)
            if made:
                poses = unframed(poses)
            loss = formats.write(poses, output, format=to, video=source, force=ending.force)
        usable, left_out = _boxes(given, source.width, source.height)
        gone = left_behind(given, poses, source.width, source.height)
    if made:
        ending.remark(f"no boxes: looked around the keypoints of {made} poses instead")
    if left_out:
        ending.remark(f"{left_out} boxes without area in the picture are left out")
    if gone:
        what = f"{gone} keypoints in frames without a usable box are left out"
        ending.remark(f"{what}: {estimator.name} has none of their names")
    if not isinstance(estimator, Estimator) and (line := loners(given)):
        ending.remark(line)
    for line in loss.lines():
        say(line)
    seconds = round(time.perf_counter() - began, 3)
    found = [track.source == Source.DETECTED for track in poses.tracks]
    values = {
        "output": output,
        "model": estimator.name,
        "skeleton": poses.skeleton.name,
        "frames": len({int(f) for t, d in zip(poses.tracks, found, strict=True) for f in t.frames[d.any(axis=1)]}),
        "poses": sum(int(d.any(axis=1).sum()) for d in found),
        "keypoints": sum(int(d.sum()) for d in found),
        "boxes_left_out": left_out,
        "keypoints_left_out": gone,
        "seconds": seconds,
    }
    if not values["keypoints"]:
        ending.remark(f"nothing to estimate: {_why_nothing(usable, planned.frames, min_score)}")
    line = (
        f"{output}: {values['poses']} poses of {len(poses.skeleton)} keypoints by {estimator.name} in "
        f"{values['frames']} frames, {duration(seconds)}"
    )
    ending.report(line, values, aside=to_stdout)


def _why_nothing(boxes: int, frames: int, min_score: float) -> str:
    """boxes: that an estimator can look into. frames: in which it had something to find."""
    if not boxes:
        return "there is no box with area in the picture"
    if not frames:
        return "a person set or took away all that the model knows"
    return "no keypoint scores --min-score" if min_score else "the model scores every keypoint 0"


def _boxes(given: Annotations, width: int, height: int) -> tuple[int, int]:
    """How many boxes an estimator can look into, and how many there are that it cannot."""
    import numpy as np

    from pwarp.estimation.filling import usable_boxes

    usable = sum(int(usable_boxes(track, width, height).sum()) for track in given.tracks)
    return usable, sum(int(np.isfinite(track.boxes).all(axis=1).sum()) for track in given.tracks) - usable

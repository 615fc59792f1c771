"""`pwarp refine`: poses as a model sees them that looks at other frames, too."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pwarp import registry

from .asked import asked
from .looking import every_option, flip_option, loners, scales_option
from .numbers import Real, Whole
from .paths import Read
from .progress import progress
from .reading import Reading, reading_options
from .resuming import going_on, journalled, output_option, resume_option
from .summary import Ending, duration, ending_options, say
from .target import format_option

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.estimation.found import PoseJournal
    from pwarp.refinement.refine import Refined, Refinement

_MODELS = registry.names("model")


class Offsets(click.ParamType):
    """FIRST..LAST, or whole numbers with commas between them."""

    name = "FIRST..LAST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            first, dots, last = str(value).partition("..")
            if dots:
                offsets = tuple(range(_offset(first), _offset(last) + 1))
            else:
                offsets = tuple(_offset(one) for one in str(value).split(","))
            if not offsets:
                raise ValueError
            return offsets
        except ValueError:
            self.fail(f"'{value}' is no range of frames; write -3..3, or -2,-1,0,1,2", param, ctx)


def _offset(text: str) -> int:
    offset = int(text)
    if abs(offset) > 1000:
        raise ValueError
    return offset


@click.command()
@click.argument("video", type=Read())
@click.argument("poses", type=Read())
@output_option
@click.option("--model", type=click.Choice(_MODELS), help="What FILE has to hold.  [default: whatever it holds]")
@click.option("--weights", required=True, type=Read(Path), metavar="FILE", help="A checkpoint of pwarp.")
@click.option(
    "--offsets",
    type=Offsets(),
    metavar="FIRST..LAST",
    help="Frames to look at around each, such as -3..3 or -4,-2,0,2,4.  [default: as the model was made]",
)
@every_option
@scales_option
@flip_option
@click.option(
    "--min-score",
    type=Real(0),
    default=0.0,
    metavar="S",
    help="Leave keypoints as they were of which the model is less sure than this.",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda|mps", help="Where the network runs."
)
@click.option("--batch", type=Whole(1), default=16, show_default=True, metavar="N", help="Crops at a time.")
@format_option
@reading_options("POSES")
@resume_option()
@ending_options()
def refine(
    video: str,
    poses: str,
    output: str,
    model: str | None,
    weights: Path,
    offsets: tuple[int, ...] | None,
    every: int | None,
    scales: tuple[float, ...],
    flip: bool,
    min_score: float,
    device: str,
    batch: int,
    to: str | None,
    reading: Reading,
    resume: bool,
    ending: Ending,
) -> None:
    """POSES of VIDEO, refined by a model that looks at several frames at once.

    POSES are detected, tracked or propagated labels, or tracks of boxes; '-' is stdin. Keypoints that a person set come
    out as they went in; every other labelled keypoint of a pose is estimated anew, also outside the picture, with a
    score, and keeps its visibility. Where a box has no keypoints yet, all are.

    posewarper, dcpose and glpose look at frames before and after, at those without a pose through the window of the
    pose they are to tell about; beyond the ends of the video, and where the person is marked absent, its own frame
    stands in. glpose also looks at crops from all over the video. ppn and dkd go from frame to frame; in the first
    frame of a track, and after each gap, they start from the pose that is given there (which dkd leaves as it is).

    \b
    Examples:
      pwarp refine video.mp4 poses.json --model posewarper --weights warper.safetensors -o refined.json
      pwarp refine video.mp4 dense.json --weights warper.safetensors --offsets -3..3 -o refined.json
      pwarp refine video.mp4 poses.json --model ppn --weights ppn.safetensors --scales 0.8,1,1.2 -o refined.json
    """
    from pwarp import formats
    from pwarp.errors import PwarpError
    from pwarp.following import RecurrentRunner, open_model
    from pwarp.propagation.engine import fixed
    from pwarp.refinement import Refinement
    from pwarp.video import open_video

    began = time.perf_counter()
    to_stdout = output == "-"
    resume = going_on(output, resume=resume)
    to = to or formats.format_for(output)
    formats.check_target(output, to, force=ending.force)
    runner = open_model(weights, device=device, batch=batch)
    recurrent = isinstance(runner, RecurrentRunner)
    every = every if recurrent or asked("every") else None
    offsets = None if recurrent and not asked("offsets") else offsets
    if model is not None and runner.card.model.name != model:
        raise PwarpError(
            f"{weights}: holds '{runner.card.model.name}', not '{model}'; leave out --model or give another"
        )
    with open_video(video) as source:
        given = reading.read(poses, source)
        planned = Refinement(source, given, runner, offsets=offsets, every=every, scales=scales, flip=flip)
        if ending.dry_run:
            rows = sum(len(track) for track in given.tracks)
            values = {"format": to, "model": runner.card.model.name, "poses": rows}
            what = f"{rows} poses refined by {runner.card.model.name}, as {to}"
            ending.would_write(output, what, values, aside=to_stdout)
            return

        def journal(path: Path) -> PoseJournal:
            deciding = fixed({"weights": weights, "offsets": offsets, "every": every, "scales": scales, "flip": flip})
            return planned.journal(path, deciding, resume=resume, alone=True)

        with journalled(output, journal, ending, resume=resume) as finished:
            with progress(planned.frames, "refine", quiet=ending.quiet) as bar:
                done = planned.run(min_score, bar, finished)
            loss = formats.write(done.annotations, output, format=to, video=source, force=ending.force)
    if done.unknown:
        names = ", ".join(done.unknown[:4]) + (", ..." if len(done.unknown) > 4 else "")
        ending.remark(f"{runner.name} does not know {names}: left as they were")
    if line := loners(given):
        ending.remark(line)
    for line in loss.lines():
        say(line)
    seconds = round(time.perf_counter() - began, 3)
    values = {
        "output": output,
        "model": runner.card.model.name,
        **_counts(done.annotations),
        "crops": done.crops,
        "starts": done.starts,
        "unknown_keypoints": list(done.unknown),
        "seconds": seconds,
    }
    if not values["keypoints"] and given.tracks:
        views = len(scales) * (2 if flip else 1)
        ending.remark(f"nothing to refine: {_why_nothing(planned, done, runner.card.model.name, views, min_score)}")
    line = (
        f"{output}: {values['keypoints']} keypoints in {values['frames']} frames refined by {values['model']}, "
        f"{done.crops} crops, {duration(seconds)}"
    )
    ending.report(line, values, aside=to_stdout)


def _why_nothing(planned: Refinement, done: Refined, model: str, views: int, min_score: float) -> str:
    """views: crops of each pose."""
    if not planned.wanted:
        return "a person set or took away all that the model knows"
    if not planned.frames:
        return "no pose has keypoints or a box inside the picture"
    if model == "dkd" and done.crops and done.starts is not None and done.starts * views == done.crops:
        return "dkd gives the pose of a track's first frame back as it is, and no track goes on from there"
    return "no keypoint scores --min-score" if min_score else "the model scores every keypoint 0"


def _counts(annotations: Annotations) -> dict[str, int]:
    from pwarp.annotations import Source

    refined = [track.source == Source.REFINED for track in annotations.tracks]
    frames = {
        int(f) for track, mask in zip(annotations.tracks, refined, strict=True) for f in track.frames[mask.any(axis=1)]
    }
    return {"tracks": len(annotations.tracks), "frames": len(frames), "keypoints": sum(int(m.sum()) for m in refined)}

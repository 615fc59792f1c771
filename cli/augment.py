"""`pwarp augment`: training labels from manual and propagated ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pwarp.files import check_output, spare_inputs

from .asked import refuse_if_asked
from .numbers import SEED, Real, Whole
from .paths import Read, Written, refuse_stdout
from .summary import Ending, counted, ending_options, say

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.augment import AugmentOptions, Counts, Pair


@click.command()
@click.argument("manual", type=Read())
@click.argument("propagated", type=Read())
@click.option(
    "-o",
    "--output",
    required=True,
    type=Written(Path),
    help="Label file, or folder for folders, to write.",
)
@click.option(
    "--min-score",
    type=Real(0, 1),
    default=0.0,
    metavar="S",
    help="Leave out propagated keypoints less sure than this.",
)
@click.option(
    "--max-distance",
    type=Whole(0),
    metavar="N",
    help="Leave out propagated keypoints more frames than this from the key frame that they came from.",
)
@click.option(
    "--weights",
    type=click.Choice(["score", "distance", "one"]),
    default="score",
    show_default=True,
    help="What a propagated keypoint weighs: its score, less the farther from its key frame, or 1 as manual ones.",
)
@click.option(
    "--halving",
    type=Real(0, above=True),
    metavar="N",
    help="--weights distance: frames that halve the weight.  [default: 7]",
)
@click.option(
    "--sample",
    type=Whole(0),
    metavar="N",
    help="Draw N propagated poses a key pose, with chances as their weights, in place of weighing them.",
)
@click.option("--seed", type=SEED, help="Of --sample.  [default: 0]")
@ending_options()
def augment(
    manual: str,
    propagated: str,
    output: Path,
    min_score: float,
    max_distance: int | None,
    weights: Literal["score", "distance", "one"],
    halving: float | None,
    sample: int | None,
    seed: int | None,
    ending: Ending,
) -> None:
    """Join MANUAL and PROPAGATED labels into labels to train on.

    Both are label files of one video, or folders of label files that are paired by the video they belong to. What a
    person set always wins and stays as it is. Propagated keypoints keep their source, the key frames they came from,
    and a score: `pwarp train --pseudo-weights score` takes it as the weight of their loss; manual keypoints weigh 1.

    \b
    Examples:
      pwarp augment keys.json dense.json -o train.json --min-score 0.5 --max-distance 7
      pwarp augment keys/ dense/ -o train/ --weights distance
    """
    if halving is not None and weights != "distance":
        refuse_if_asked("halving", "--halving goes with --weights distance")
        halving = None
    if seed is not None and sample is None:
        refuse_if_asked("seed", "--seed goes with --sample: give that, too, or leave it out")
        seed = None

    from pwarp import formats
    from pwarp.augment import AugmentOptions, Counts, pair

    folder = Path(manual).is_dir() or Path(propagated).is_dir()
    to_stdout = not folder and str(output) == "-"
    if folder:
        refuse_stdout(str(output), "a folder")
    else:
        formats.check_target(output, formats.format_for(output), force=ending.force)
    options = AugmentOptions(min_score, max_distance, weights, halving or AugmentOptions.halving, sample, seed or 0)
    counts = []
    pairs = pair(manual, propagated)
    for one in pairs:
        _check(one)  # all of them, before the first is written
    if ending.dry_run:
        targets = _targets(pairs, output, folder=folder, force=ending.force, dry_run=True)
        what = f"the labels of {counted(len(pairs), 'video')}"
        values = {"videos": len(pairs), "files": [str(target) for target in targets]}
        ending.would_write(output, what, values, aside=to_stdout)
        return
    for one, target in zip(pairs, _targets(pairs, output, folder=folder, force=ending.force), strict=True):
        counts.append(_written(one, target, options, force=ending.force))
    total = Counts.total(counts)
    values = {"output": output, "videos": len(pairs), **vars(total)}
    ending.report(_line(output, len(pairs), total), values, aside=to_stdout)


def _targets(pairs: list[Pair], output: Path, *, folder: bool, force: bool, dry_run: bool = False) -> list[Path]:
    """A file a pair, each of which can be written."""
    from pwarp.errors import PwarpError

    if not folder:
        return [output]
    spare_inputs(output, whole=False)
    if output.exists() and not output.is_dir():
        raise PwarpError(f"{output}: is a file, and a folder is to be written; give another name with -o")
    if dry_run and not output.exists():
        if not output.absolute().parent.is_dir():
            raise PwarpError(f"{output}: the folder {output.parent} does not exist; make it first")
        return [output / f"{one.name}.json" for one in pairs]
    try:
        output.mkdir(exist_ok=True)
    except OSError as error:
        raise PwarpError(f"{output}: cannot make the folder: {error.strerror}; choose another with -o") from error
    targets = [output / f"{one.name}.json" for one in pairs]
    for target in targets:
        check_output(target, force=force)
    return targets


def _check(one: Pair) -> None:
    """Raise PwarpError where the two sides of a pair cannot be joined."""
    from pwarp.augment.join import common_video
    from pwarp.errors import PwarpError

    if one.manual is None or one.propagated is None:
        return
    try:
        common_video(one.manual, one.propagated)
    except PwarpError as error:
        raise PwarpError(f"{one.name}: {error}") from error


def _written(one: Pair, target: Path, options: AugmentOptions, *, force: bool) -> Counts:
    from dataclasses import replace

    from pwarp import formats
    from pwarp.augment import join

    manual, propagated = one.manual, one.propagated
    for labels, what in ((manual, "manual"), (propagated, "propagated")):
        if labels is None:
            say(f"{one.name}: no {what} labels of this video; the others are taken alone")
    some: Annotations | None = manual or propagated
    assert some is not None
    nobody = replace(some, tracks=(), labelled=None, ignore_regions={})
    joined, counts = join(manual or nobody, propagated or nobody, options)
    for line in formats.write(joined, target, force=force).lines():
        say(line)
    return counts


_LEFT_OUT = {
    "below_score": "below the score",
    "too_far": "too far from a key frame",
    "in_absence": "in absences",
    "not_drawn": "not drawn",
}


def _line(output: Path, videos: int, counts: Counts) -> str:
    left_out = [f"{getattr(counts, name)} {what}" for name, what in _LEFT_OUT.items() if getattr(counts, name)]
    mean = counts.weight / counts.propagated if counts.propagated else 1.0
    return (
        f"{output}: {counted(videos, 'video')}, "
        f"{counts.manual_poses} key poses ({counts.manual} keypoints by hand), "
        f"{counts.propagated_poses} propagated poses ({counts.propagated} keypoints, mean weight {mean:.2f})"
        + (f"; left out: {', '.join(left_out)}" if left_out else "")
        + (f"; {counts.corrected} corrected in PROPAGATED" if counts.corrected else "")
        + (f"; {counts.overruled} overruled by hand" if counts.overruled else "")
        + (f"; {counts.not_manual} in MANUAL that no person set" if counts.not_manual else "")
    )

"""`pwarp suggest`: which frames to label next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pwarp.files import check_output, write_bytes

from .asked import refuse_if_asked
from .numbers import Whole
from .paths import Read, Written
from .reading import Reading, reading_options
from .summary import Ending, ending_options

if TYPE_CHECKING:
    from pwarp.annotations import Annotations
    from pwarp.trust.suggest import Suggestion

# The strategies of pwarp.trust.suggest, which would load numpy for `--help`.
_STRATEGIES = ("uniform", "expected", "score")


@click.command()
@click.argument("video", type=Read())
@click.argument("dense", type=Read())
@click.option("-n", "--count", type=Whole(1), default=5, show_default=True, metavar="N", help="How many frames.")
@click.option(
    "--strategy", type=click.Choice(_STRATEGIES), default="uniform", show_default=True, help="How to choose them."
)
@click.option(
    "-o",
    "--output",
    type=Written(),
    metavar="FILE",
    help="Write the frame numbers too, one a line; '-' for stdout alone.",
)
@reading_options("DENSE")
@ending_options()
def suggest(
    video: str,
    dense: str,
    count: int,
    strategy: Any,
    output: str | None,
    reading: Reading,
    ending: Ending,
) -> None:
    """The N frames to label next in VIDEO, best first, by what pwarp propagate made of the labels so far: DENSE.

    DENSE is a label file, or '-' for stdin. With each frame come the people (tracks) that gain by it and the reason.

    \b
    uniform   halve the longest gap between key frames
    expected  take the frame by which most keypoints are expected to turn right, again and again, counting what the
              frames taken already bring; from scores, or from how people move where scores tell nothing
    score     take the least sure frame of each gap

    uniform is the default. In simulated labelling with linear interpolation, expected needed 9 % fewer labels on Penn
    Action, but on rendered people that is not sure, and neither needed as few as key frames at equal distances, chosen
    before labelling begins: with nothing labelled yet, label every k-th frame.

    \b
    Examples:
      pwarp suggest video.mp4 dense.json -n 5
      pwarp suggest video.mp4 dense.json -n 10 --strategy expected --json
      pwarp propagate video.mp4 keys.json -o - | pwarp suggest video.mp4 - -o next.txt
    """
    from pwarp.trust.suggest import suggest as choose
    from pwarp.video import open_video

    if ending.force and output is None:
        refuse_if_asked("force", "--force goes with -o: give that, too, or leave it out")
    to_stdout = output == "-"
    if output is not None and not to_stdout:
        check_output(Path(output), force=ending.force)
    with open_video(video) as source:
        annotations = reading.read(dense, source)
    found = choose(annotations, count, strategy)
    listed = "".join(f"{s.frame}\n" for s in found)
    if ending.dry_run:
        frames = [s.frame for s in found]
        what = f"{len(frames)} frames"
        ending.would_write(output or "-", what, {"frames": frames}, aside=to_stdout)
        return
    if to_stdout:
        click.echo(listed, nl=False)
    elif output is not None:
        write_bytes(Path(output), listed.encode(), force=ending.force)
    rows = [_plain(s, annotations) for s in found]
    if ending.as_json:
        values = {"strategy": strategy, "frames": [s.frame for s in found], "suggestions": rows}
        ending.report("", values, aside=to_stdout)
    elif not to_stdout:
        for row in rows:
            click.echo(f"{row['frame']:>6}  {row['reason']}")
    if len(found) < count:
        ending.remark(f"{len(found)} frames are all that is left to label")


def _plain(suggestion: Suggestion, annotations: Annotations) -> dict[str, Any]:
    k, chance = suggestion.doubtful
    name = annotations.skeleton.keypoints[k]
    return {
        "frame": suggestion.frame,
        "tracks": list(suggestion.tracks),
        "gain": round(suggestion.gain, 3),
        "between": list(suggestion.gap),
        "least_sure": {"track": suggestion.tracks[0], "keypoint": name, "chance": round(chance, 3)},
        "reason": _reason(suggestion, name, chance),
    }


def _reason(suggestion: Suggestion, name: str, chance: float) -> str:
    before, after = suggestion.gap
    if before is None or after is None:
        where = f"after key frame {before}" if after is None else f"before key frame {after}"
        where = f"{where}, the outermost"
    else:
        where = f"parts the {after - before} frames between {before} and {after}"
    people = ", ".join(map(str, suggestion.tracks))
    who = f"track{'s' if len(suggestion.tracks) > 1 else ''} {people}"
    return (
        f"{who}: {where}; about {suggestion.gain:.1f} keypoints turn right; least sure is {name} of track "
        f"{suggestion.tracks[0]} ({100 * chance:.0f} % right)"
    )

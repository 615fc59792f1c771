"""`pwarp check`: what looks wrong in labels."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .asked import weaker
from .numbers import Real
from .paths import Read
from .reading import Reading, reading_options
from .summary import counted, json_option, quiet_option, report, say

if TYPE_CHECKING:
    from pwarp.skeleton import Skeleton
    from pwarp.trust.findings import Finding

# The kinds of pwarp.trust.findings, which would load numpy and scipy for `--help`.
_KINDS = ("swap", "jump", "limb", "duplicate", "outside", "identity")


class _Kinds(click.ParamType):
    """Kinds between commas."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        kinds = tuple(part.strip() for part in value.split(","))
        for kind in kinds:
            if kind not in _KINDS:
                self.fail(f"unknown kind '{kind}'; known: {', '.join(_KINDS)}", param, ctx)
        return kinds


@click.command()
@click.argument("labels", type=Read())
@click.argument("video", type=Read(), required=False)
@click.option("--kind", "kinds", type=_Kinds(), metavar="KINDS", help="Look for these alone, between commas.")
@click.option("--by-person", is_flag=True, help="Look only at keypoints that a person set.")
@click.option(
    "--min-sure",
    type=Real(0, 1),
    default=0.5,
    show_default=True,
    metavar="S",
    help="Leave out findings that are less sure than this.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 where anything is found.")
@reading_options()
@click.option("--jsonl", is_flag=True, help="Print each finding as a line of JSON.")
@json_option
@quiet_option
@click.pass_context
def check(
    ctx: click.Context,
    labels: str,
    video: str | None,
    kinds: tuple[str, ...] | None,
    by_person: bool,
    min_sure: float,
    strict: bool,
    reading: Reading,
    jsonl: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """What looks wrong in LABELS: where, why, and how sure that is.

    LABELS is a label file, or '-' for stdin. VIDEO lends the size of the picture where the labels do not know it, and
    refuses labels of another video. Any skeleton will do: what is usual is learned from each track itself, so labels
    of a few frames show less than dense ones. Sure is 0.5 where the evidence just suffices, towards 1 beyond.

    \b
    swap       left and right have traded places
    jump       a keypoint is elsewhere for up to 30 labelled frames, or a whole pose for up to three
    limb       a limb is far longer than it can be
    duplicate  two tracks lie on one person
    outside    a point lies outside the picture
    identity   a track goes over from one person to another

    \b
    Examples:
      pwarp check dense.json
      pwarp check labels.json video.mp4 --kind swap,identity --min-sure 0.7 --strict
      pwarp propagate video.mp4 keys.json -o - | pwarp check - --jsonl
    """
    from pwarp.trust.check import check as look
    from pwarp.video import open_video

    if as_json and jsonl:
        as_json = weaker("as_json", "jsonl", "--json and --jsonl are two forms of the same; give one") == "jsonl"
        jsonl = not as_json
    with nullcontext() if video is None else open_video(video) as opened:
        annotations = reading.read(labels, opened)
    chosen: Any = _KINDS if kinds is None else kinds
    found = look(annotations, kinds=chosen, by_person=by_person, least=min_sure)
    if "outside" in chosen and not (annotations.video.width and annotations.video.height):
        say("points outside are not looked for: the labels do not know the size of the picture; give VIDEO")
    rows = [_plain(finding, annotations.skeleton) for finding in found]
    counts = {kind: sum(f.kind == kind for f in found) for kind in chosen}
    if jsonl:
        import orjson

        for row in rows:
            click.echo(orjson.dumps(row).decode())
    elif as_json:
        values = {"labels": labels, "tracks": len(annotations.tracks), "counts": counts, "findings": rows}
        report("", values, as_json=True)
    else:
        for finding in found:
            click.echo(_line(finding, annotations.skeleton))
        report(_summary(labels, counts, len(found)), {}, quiet=quiet, aside=True)
    if strict and found:
        ctx.exit(1)


def _plain(finding: Finding, skeleton: Skeleton) -> dict[str, Any]:
    names = [skeleton.keypoints[k] for k in finding.keypoints]
    return asdict(finding) | {"keypoints": names, "sure": round(finding.sure, 3)}


def _line(finding: Finding, skeleton: Skeleton) -> str:
    frames = f"frame {finding.first}" if finding.first == finding.last else f"frames {finding.first}-{finding.last}"
    where = "".join(f" {skeleton.keypoints[k]}" for k in finding.keypoints) or " whole pose"
    return f"{finding.kind:<9} {frames}, track {finding.track},{where}: {finding.why} ({finding.sure:.2f} sure)"


def _summary(labels: str, counts: dict[str, int], total: int) -> str:
    if not total:
        return f"{labels}: nothing looks wrong"
    parts = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return f"{labels}: {counted(total, 'finding')}: {parts}"

"""`pwarp weights`: what authors have published, and turning it into checkpoints."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pwarp.errors import PwarpError
from pwarp.files import check_output
from pwarp.printing import printable

from .paths import Read, Written
from .progress import progress
from .summary import Ending, ending_options, json_option, report

if TYPE_CHECKING:
    from pwarp.checkpoints import Card
    from pwarp.weights import Published


@click.group()
def weights() -> None:
    """Published weights: which there are, where, and turning them into checkpoints.

    \b
    Examples:
      pwarp weights list
      pwarp weights show hrnet-w48-coco-384x288
      pwarp weights convert pose_hrnet_w48_384x288.pth --as hrnet-w48-coco-384x288 -o hrnet.safetensors
      pwarp weights download mmpose-hrnet-w32-coco-256x192
    """


@weights.command("list")
@json_option
def list_(as_json: bool) -> None:
    """All that pwarp can convert: name, and what it is.

    \b
    Example:
      pwarp weights list --json
    """
    from pwarp.weights import PUBLISHED

    if as_json:
        report("", {"weights": [_entry(entry) for entry in PUBLISHED.values()]}, as_json=True)
        return
    wide = max(map(len, PUBLISHED))
    for name, entry in PUBLISHED.items():
        fetched = " [download]" if entry.url else ""
        click.echo(f"{name:<{wide}}  {entry.what}; licence {entry.licence}{fetched}")


@weights.command()
@click.argument("what", type=Read(), metavar="NAME|FILE")
@json_option
def show(what: str, as_json: bool) -> None:
    """All about one entry of the list, or about a checkpoint of pwarp.

    \b
    Examples:
      pwarp weights show posewarper-posetrack17
      pwarp weights show hrnet.safetensors
    """
    from pwarp.weights import published

    if Path(what).suffix == ".safetensors" or Path(what).exists():
        from pwarp.checkpoints import read_card

        values = _card(read_card(what))
    else:
        values = _entry(published(what))
    if as_json:
        report("", values, as_json=True)
        return
    wide = max(map(len, values))
    report("\n".join(f"{key:<{wide}}  {printable(_plain(value))}" for key, value in values.items()), values)


@weights.command()
@click.argument("source", type=Read(), metavar="FILE")
@click.option("--as", "name", metavar="NAME", help="Which entry of the list it is.  [default: by the file's name]")
@click.option(
    "-o",
    "--output",
    type=Written(unpiped="a checkpoint"),
    required=True,
    metavar="OUT",
    help="Checkpoint to write, .safetensors.",
)
@ending_options()
def convert(source: str, name: str | None, output: str, ending: Ending) -> None:
    """Turn a file of published weights into a checkpoint.

    Every name and shape is checked: nothing may be missing, nothing left over. Files that hold more than tensors are
    not opened, because they could run code.

    \b
    Example:
      pwarp weights convert final_state.pth --as posewarper-posetrack17 -o posewarper.safetensors
    """
    from pwarp.weights import convert as turn

    check_output(Path(output), force=ending.force)
    name = name or _by_file_name(source)
    if ending.dry_run:
        # Every name and shape is checked as ever, only not where anybody would find it.
        with tempfile.TemporaryDirectory() as folder:
            card = turn(source, name, Path(folder) / "checkpoint.safetensors")
        ending.would_write(output, f"{name}, {len(card.skeleton)} keypoints", _card(card))
        return
    card = turn(source, name, output, force=ending.force)
    values = {"output": output, "name": name, **_card(card)}
    ending.report(
        f"{output}: {name}, {len(card.skeleton)} keypoints, crops of {card.size[0]}x{card.size[1]}, "
        f"licence {card.training['licence']}",
        values,
    )


@weights.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=Written(unpiped="weights"),
    metavar="FILE",
    help="Where to put it.  [default: its own name, here]",
)
@ending_options()
def download(name: str, output: str | None, ending: Ending) -> None:
    """Fetch the authors' own file, where they publish an address of the file itself.

    The others have to be fetched in a browser; `pwarp weights show NAME` says where.

    \b
    Example:
      pwarp weights download mmpose-hrnet-w48-coco-384x288 -o hrnet.pth
    """
    from pwarp.weights import address, published
    from pwarp.weights import download as fetch

    entry = published(name)
    target = Path(output or entry.file or name)
    if ending.dry_run:
        check_output(target, force=ending.force)
        ending.would_write(target, f"{name} from {address(entry)}", {"url": entry.url})
        return
    with progress(None, "download", unit="bytes", quiet=ending.quiet) as bar:
        digest = fetch(name, target, force=ending.force, started=bar.expect, advance=bar)
    values = {"output": str(target), "name": name, "url": entry.url, "sha256": digest, "licence": entry.licence}
    line = f"{target}: {name}, licence {entry.licence}; next: pwarp weights convert {target} --as {name} -o OUT"
    ending.report(line, values)


def _by_file_name(source: str) -> str:
    """The entry whose authors call their file so."""
    from pwarp.weights import PUBLISHED

    file = Path(source).name
    named = [entry.name for entry in PUBLISHED.values() if entry.file == file]
    if len(named) != 1:
        which = f"several are called '{file}': {', '.join(named)}" if named else f"none is called '{file}'"
        raise PwarpError(f"{source}: {which}; say which it is with --as NAME, 'pwarp weights list' has all")
    return named[0]


def _entry(entry: Published) -> dict[str, Any]:
    from pwarp.weights import MAPPINGS

    codec = entry.codec
    return {
        "name": entry.name,
        "what": entry.what,
        "repository": entry.repository,
        "get": entry.where,
        "file": entry.file or None,
        "url": entry.url or None,
        "licence": entry.licence,
        "model": dict(entry.model),
        "skeleton": entry.skeleton.name,
        "crop": list(codec.size),
        "heatmaps": f"{codec.kind}, stride {codec.stride}, sigma {codec.sigma:g}",
        "keys": MAPPINGS[entry.layout],
        "notes": entry.notes or None,
        "tried": "on files with these names and shapes, made here; nobody has the published file at hand",
    }


def _card(card: Card) -> dict[str, Any]:
    codec = card.codec
    return {
        "model": card.model.to_dict(),
        "skeleton": card.skeleton.name,
        "keypoints": list(card.skeleton.keypoints),
        "crop": list(codec.size),
        "heatmaps": f"{codec.kind}, stride {codec.stride}, sigma {codec.sigma:g}",
        "padding": card.padding,
        "mean": list(card.mean),
        "std": list(card.std),
        "training": dict(card.training),
    }


def _plain(value: Any) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)

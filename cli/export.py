"""`pwarp export`: a trained network as ONNX."""

from __future__ import annotations

from pathlib import Path

import click

from .paths import Read, Written
from .summary import Ending, ending_options


@click.command()
@click.argument("checkpoint", type=Read(), metavar="CHECKPOINT")
@click.option(
    "-o", "--output", required=True, type=Written(Path, unpiped="a network"), metavar="FILE.onnx", help="To write."
)
@ending_options()
def export(checkpoint: str, output: Path, ending: Ending) -> None:
    """Write the network of CHECKPOINT as ONNX, and see that onnxruntime computes the same.

    An estimator is one file, good for --estimator, --model and every other place that takes onnx:FILE. A PoseWarper is
    two, its estimator and FILE.warp.onnx beside it, good for --weights onnx:FILE. What the numbers mean (keypoints,
    crop size, normalisation) stands in the files themselves.

    \b
    Examples:
      pwarp export hrnet.safetensors -o hrnet.onnx
      pwarp export warper.safetensors -o warper.onnx
    """
    from pwarp.errors import PwarpError
    from pwarp.export import export as write
    from pwarp.export import files_for
    from pwarp.files import check_output

    if output.suffix.lower() != ".onnx":
        raise PwarpError(f"{output}: an export is an ONNX file; give it the suffix .onnx")
    if ending.dry_run:
        card, files = files_for(checkpoint, output)
        for path in files:
            check_output(path, force=ending.force)
        values = {"files": [str(path) for path in files], "model": card.model.name}
        ending.would_write(output, f"{card.model.name} in {len(files)} files", values)
        return
    done = write(checkpoint, output, force=ending.force)
    for one in done:
        figures = {"output": one.path, "difference": one.difference}
        ending.report(f"{one.path}: at most {one.difference:.0e} off torch", figures)

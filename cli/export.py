"""`pwarp export`: a trained network as ONNX."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .paths import Read, Written
from .summary import Ending, counted, ending_options


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
    from pwarp.export import export as write
    from pwarp.export import files_for
    from pwarp.files import check_output

    if output.suffix.lower() != ".onnx":
        raise click.UsageError(f"-o {output}: an export is an ONNX file; give it the suffix .onnx")
    card, files = files_for(checkpoint, output)
    name = card.model.name
    values: dict[str, Any]
    if ending.dry_run:
        for path in files:
            check_output(path, force=ending.force)
        values = {"model": name, "files": [{"path": path} for path in files]}
        ending.would_write(output, f"{name} in {counted(len(files), 'file')}", values)
        return
    done = write(checkpoint, output, force=ending.force)
    lines = [f"{one.path}: at most {one.difference:.0e} off torch" for one in done]
    values = {"output": output, "model": name, "files": [asdict(one) for one in done]}
    ending.report("\n".join(lines), values)

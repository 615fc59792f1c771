"""The same command gives the same bytes: a second time, in another process, and on another number of cores.

Whatever a network of torch has computed is the exception: on another number of threads its last bits are others.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from example_files import write_files
from writing_commands import ALL, OF_NETWORKS, files

from pwarp.checkpoints import Card
from pwarp.estimation.checkpoint import TorchEstimator
from pwarp.heatmaps import Codec
from pwarp.models import build, configure
from pwarp.skeleton import COCO_17

# What says when it was: TensorBoard's file.
DATED = "events.out.tfevents"
# argv: how many cores, then a folder and a command, and so on.
_CHILD = """
import os, sys
cores, *rest = sys.argv[1:]
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(cores):])
import toy_warper
from pwarp_cli.main import run
for folder, line in zip(rest[::2], rest[1::2]):
    os.makedirs(folder)
    sys.argv = ["pwarp", *line.format(folder, threads=cores).split()]
    try:
        run()
    except SystemExit as end:
        if end.code:
            sys.exit(f"{line}: {end.code}")
"""


def started(here: Path, cores: int, commands: Sequence[tuple[str, str]]) -> subprocess.Popen[bytes]:
    """A process that does commands, each in a folder of its own, on so many cores and threads."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(cores), *(word for command in commands for word in command)],
        cwd=here,
        env={**os.environ, "OMP_NUM_THREADS": str(cores), "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def compared(folder: Path) -> dict[str, bytes]:
    """All that is in a folder but when it was made, and how fast."""
    of_time = re.compile(rb',?"poses_per_second":[0-9.]+')
    found = files(folder).items()
    return {
        path: of_time.sub(b"", content) if path.endswith(".jsonl") else content
        for path, content in found
        if DATED not in path
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders, on one core and on two, with a folder for each command in `out`; of networks also in `again`."""
    folder = tmp_path_factory.mktemp("bytes")
    one, two = folder / "one", folder / "two"
    one.mkdir()
    write_files(one)
    shutil.copytree(one, two)
    every = [(f"out/{name}", line) for name, line in ALL.items()]
    again = [(f"again/{name}", line) for name, line in OF_NETWORKS.items()]
    processes = [started(one, 1, [*every, *again]), started(two, 2, every)]
    for process in processes:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said.decode()[-2000:]
    return one, two


# Training shares its sums out among threads; the others' networks here are too small for that.
@pytest.mark.parametrize("name", [name for name in ALL if name != "train"])
def test_on_one_core_and_on_two(name: str, made: tuple[Path, Path]) -> None:
    one, two = (compared(folder / "out" / name) for folder in made)
    assert one
    assert one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []


@pytest.mark.parametrize("name", OF_NETWORKS)
def test_networks_twice_on_as_many_threads(name: str, made: tuple[Path, Path]) -> None:
    one, again = (compared(made[0] / run / name) for run in ("out", "again"))
    assert one.keys() == again.keys()
    assert [path for path in one if one[path] != again[path]] == []


def test_a_network_on_other_numbers_of_threads_differs_in_its_last_bits_only() -> None:
    torch.manual_seed(3)
    config = configure("duc-mobilenet", keypoints=len(COCO_17))
    card = Card(model=config, skeleton=COCO_17, codec=Codec("dark", (64, 96)))
    estimator = TorchEstimator("drawn", build(config), card, torch.device("cpu"))
    crops = np.random.default_rng(4).integers(0, 256, (3, 96, 64, 3), dtype=np.uint8)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one, again = estimator.heatmaps(crops), estimator.heatmaps(crops)
        torch.set_num_threads(2)
        two = estimator.heatmaps(crops)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one, again)
    assert float((one - two).abs().max()) <= 1e-5 * float(one.abs().max())

"""The command line wins over a configuration file also where options do not go together: the file's are dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Outcome

Shell = Callable[..., Outcome]

_PROPAGATE = "propagate video.mp4 keys.json -o out.json --dry-run"
_VIEW = "view video.mp4 dense.json --dry-run"
_TRAIN = "train estimator labels --videos videos -o run --dry-run"
_REFINE = "refine video.mp4 poses.json --weights warper.safetensors -o out.json"
_WARPER = "[propagate]\nengine = 'posewarper'\nweights = 'warper.safetensors'\n"


@pytest.mark.parametrize(
    ("config", "line"),
    [
        (_WARPER, f"{_PROPAGATE} --engine linear"),
        (_WARPER, f"{_PROPAGATE} --adapt"),
        (
            "[propagate]\nengine = 'posewarper'\nadapt = true\ninit = 'x'\n",
            f"{_PROPAGATE} --weights warper.safetensors",
        ),
        ("[propagate]\ndevice = 'cpu'\n", _PROPAGATE),
        ("[propagate]\ntolerance = 2\n", _PROPAGATE),
        ("[propagate]\nresume = true\n", "propagate video.mp4 keys.json -o - --dry-run"),
        ("[convert]\ntolerance = 2\n", "convert keys.json out.json --dry-run"),
        ("[run]\ncpus = 2\n", "run videos --labels keys --out ran --dry-run"),
        ("[study]\nflip = true\n", "study video.mp4 keys.json --engines linear --dry-run"),
        ("[view]\nframes = 2\nformat = 'png'\n", f"{_VIEW} -o o.mp4"),
        ("[view]\nframes = 2\nworst = true\n", f"{_VIEW} -o o.png --at 4"),
        ("[view]\nat = [4]\nfps = 20\n", f"{_VIEW} -o o.png --frames 2"),
        ("[view]\nheatmaps = true\nweights = 'warper.safetensors'\n", f"{_VIEW} -o o.mp4"),
        ("[view]\nnames = true\nheatmaps = true\n", f"{_VIEW} -o o.png --offsets --weights warper.safetensors"),
        ("[review]\nlink = true\n", "review video.mp4 dense.json -o - --dry-run"),
        ("[check]\njson = true\n", "check dense.json --jsonl"),
        ("[augment]\nhalving = 5\nseed = 3\n", "augment keys.json dense.json -o out.json --dry-run"),
        ("[train.estimator]\nsteps = 5\nval-split = 'val'\ndeconvs = 2\n", f"{_TRAIN} --epochs 2 --val 0.5"),
        ("[estimate]\nevery = 3\n", "estimate video.mp4 people.json --model hrnet.safetensors -o out.json --dry-run"),
        (
            "[refine]\nevery = 3\n",
            f"{_REFINE} --offsets -1..1",
        ),
        ("[run]\nlog = '-'\n", "run videos --labels keys --out ran --engine linear --json"),
        ("[info]\nsingle = true\nvideo = 'video.mp4'\n", "info video.mp4"),
        ("[info]\nvideo = 'video.mp4'\n", "info video.mp4 --check dense.json"),
        ("[eval]\nbins = 5\n", "eval dense.json truth.json"),
    ],
)
@pytest.mark.usefixtures("own_examples")
def test_what_a_file_says_and_does_not_fit_is_dropped(config: str, line: str, shell: Shell) -> None:
    Path("project.toml").unlink()
    Path("project.toml").write_text(config)
    done = shell("--config", "project.toml", *line.split())
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("config", "line", "said"),
    [
        ("[propagate]\nengine = 'linear'\n", f"{_PROPAGATE} --weights warper.safetensors", "has no setting 'weights'"),
        ("[view]\nworst = true\n", f"{_VIEW} -o o.mp4 --frames 2", "--frames goes with a contact sheet"),
        ("[view]\nat = [2]\nframes = 3\n", f"{_VIEW} -o o.png", "leave out --frames"),
        ("[train.estimator]\nsteps = 3\nepochs = 2\n", _TRAIN, "--steps and --epochs exclude each other"),
    ],
)
@pytest.mark.usefixtures("own_examples")
def test_what_the_command_line_says_or_the_file_twice_is_refused(
    config: str, line: str, said: str, shell: Shell
) -> None:
    Path("project.toml").unlink()
    Path("project.toml").write_text(config)
    done = shell("--config", "project.toml", *line.split())
    assert done.code == 2 and said in " ".join(done.err.split())

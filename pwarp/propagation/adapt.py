"""A small PoseWarper fitted to the key frames of one video: the paper's own setting, learning from sparse labels.

First a small estimator learns this video's key poses, varied much; it is then left as it is, and a light warper learns,
from pairs of a key frame and any frame near it, to bring the heatmaps of the other frame to the labels. The frames that
are to be filled are seen, their truth is not.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pwarp import checkpoints
from pwarp.annotations import Annotations, Track
from pwarp.errors import PwarpError
from pwarp.estimation.checkpoint import choose_device
from pwarp.following.runner import WindowRunner
from pwarp.models.window import WindowModel
from pwarp.propagation.engine import Job
from pwarp.training.loop import Pace
from pwarp.training.poses import gather
from pwarp.training.run import Data, Request, rehearse, train
from pwarp.training.sources import Clip, Places

# Of the recipe `small`. Two CPU cores do both in a few minutes.
_ESTIMATOR = {"backbone": "duc-mobilenet", "size": (128, 128), "steps": 400, "batch": 8, "rate": 2e-3}
_WARPER = {"steps": 200, "batch": 8, "rate": 1e-3, "delta": 3, "model": {"channels": 32, "blocks": 4}}
_NEVER = 1 << 30


def adapted(
    job: Job,
    *,
    init: str | None = None,
    seed: int = 0,
    device: str = "auto",
    batch: int = 16,
    save: Path | None = None,
) -> WindowRunner:
    """The network that was fitted to a job's video and key frames; the same on the CPU each time.

    init: a checkpoint of an estimator to begin with, or "imagenet" for its trunk. save: a file to keep the network in,
    replaced where it exists. Raises PwarpError where it cannot be written, before any training.
    """
    if save is not None:
        from pwarp.files import check_output

        check_output(save, force=True)
    check(job, init=init, seed=seed, device=device)
    data = _data(job)
    with tempfile.TemporaryDirectory(prefix="pwarp-adapt-") as folder:
        work = Path(folder)

        def fitted(kind: str, changes: dict[str, Any], **more: Any) -> Path:
            request = _request(kind, work, changes, seed, device, **more)
            job.tell(f"fitting a small {kind} to {len(data.poses)} key poses")
            report = train(request, data=data)
            if report.outcome.interrupted:
                raise KeyboardInterrupt
            return report.folder.last

        estimator = fitted("estimator", _ESTIMATOR, init=init)
        module, card = checkpoints.load(fitted("posewarper", _WARPER, backbone=str(estimator)))
    assert isinstance(module, WindowModel)
    if save is not None:
        checkpoints.save(save, module, card, force=True)
    return WindowRunner("the network fitted to this video", module, card, choose_device(device), batch)


def check(job: Job, *, init: str | None = None, seed: int = 0, device: str = "auto") -> None:
    """Raise PwarpError where `adapted` would before any training: for want of key frames, or a wrong start."""
    choose_device(device)
    with tempfile.TemporaryDirectory(prefix="pwarp-adapt-") as folder:
        rehearse(_request("estimator", Path(folder), _ESTIMATOR, seed, device, init=init), _data(job))


def _request(kind: str, work: Path, changes: dict[str, Any], seed: int, device: str, **more: Any) -> Request:
    """A training of one of the two networks, in a folder of its own below `work`."""
    return Request(
        kind,
        Places(()),
        work / kind,
        changes=changes,
        seed=seed,
        device=device.partition(":")[0],
        precision="fp32",
        pace=Pace(log=_NEVER, validate=0, save=_NEVER),
        **more,
    )


def _data(job: Job) -> Data:
    """A job's video and key frames, to train on."""
    clip = Clip(job.video.path, Path(job.video.file), key_labels(job))
    return Data([clip], gather([clip]), (), None, 0)


def key_labels(job: Job) -> Annotations:
    """What people set, as the plans of a job have it."""
    tracks = []
    for plan in job.plans:
        rows = np.flatnonzero(plan.known.any(axis=1))
        visibility = np.where(plan.known[rows], plan.visibility[rows], 0)
        tracks.append(Track.make(plan.id, plan.first + rows, plan.xy[rows], visibility))
    if not tracks:
        raise PwarpError(f"{job.video.path}: no key frame to fit a network to")
    return Annotations(job.skeleton, replace(job.video.identity, path=job.video.path), tuple(tracks))

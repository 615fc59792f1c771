"""From labels to checkpoints: what `pwarp train` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from pwarp.annotations import Annotations
from pwarp.checkpoints import Card
from pwarp.crops import Window
from pwarp.heatmaps import Codec
from pwarp.skeleton import Skeleton
from pwarp.training.augment import NO_AUGMENTATION, Augmentation
from pwarp.training.folder import RunFolder
from pwarp.training.loop import PACE, Outcome, Pace, Training, Watch, check_shared, make_accelerator
from pwarp.training.memory import keep_freed_memory
from pwarp.training.networks import card_of, skeleton_for, start
from pwarp.training.objective import Objective
from pwarp.training.plan import Framing, Plan, make_plan, pose_windows
from pwarp.training.poses import Account, Poses, PseudoWeights, gather
from pwarp.training.recipe import Recipe
from pwarp.training.recipes import recipe
from pwarp.training.samples import Samples
from pwarp.training.sources import Clip, Places, beside, check_taken, divide, find_clips
from pwarp.training.store import check_room, open_store
from pwarp.training.tasks.base import Task
from pwarp.training.validation import Validation

if TYPE_CHECKING:
    from accelerate import Accelerator

# Settings that may change when a run goes on: they do not decide what a step does.
_FREE = frozenset({"steps", "epochs", "validate_every"})


@dataclass(frozen=True)
class Request:
    """What is asked for.

    kind: what to train, one of `kinds.KINDS`. data: to train on. output: folder of the run. recipe: its name.
    changes: of values in the recipe, by name (None for none). validation: share of the videos, or places of other
    labels, or a split of the same data sets; None for no validation. init, backbone, head: see `networks.start`.
    pseudo: see `gather`. most: poses to validate on. cache: most bytes of pictures to keep.
    """

    kind: str
    data: Places
    output: Path
    recipe: str = "small"
    changes: Mapping[str, Any] = field(default_factory=dict)
    validation: float | Places | None = None
    init: str | None = None
    backbone: str | None = None
    head: str | None = None
    pseudo: PseudoWeights = "score"
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    workers: int = 1
    pace: Pace = PACE
    most: int = 1000
    cache: int = 4 << 30
    resume: bool = False
    force: bool = False


@dataclass(frozen=True)
class Report:
    """What a run was made of, and how it ended. poses, validation_poses: how many. videos: trained on, validated on.
    account: what was left out. without_video: labelled videos of data sets that are not there. sideless: whether
    pictures are mirrored though no keypoints are known to trade places then. unasked: keypoints of the checkpoint that
    it went on with which the labels do not know."""

    outcome: Outcome
    folder: RunFolder
    poses: int
    validation_poses: int
    videos: tuple[int, int]
    account: Account
    without_video: int
    sideless: bool
    unasked: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """Clips to train on and to validate on, with their poses."""

    clips: Sequence[Clip]
    poses: Poses
    validation_clips: Sequence[Clip]
    validation_poses: Poses | None
    without_video: int

    def in_skeleton(self, skeleton: Skeleton) -> Data:
        """The same with poses of all keypoints of a skeleton; see `Poses.in_skeleton`."""
        validation = self.validation_poses and self.validation_poses.in_skeleton(skeleton)
        return replace(self, poses=self.poses.in_skeleton(skeleton), validation_poses=validation)


def train(
    request: Request,
    watch: Watch | None = None,
    *,
    data: Data | None = None,
    on_frame: Callable[[], object] = lambda: None,
) -> Report:
    """Train, or go on training, and say how it went.

    watch: is told of steps and figures. data: what to train on, where it is at hand already; else it is read from the
    places of the request. on_frame: called for each frame that is read before training. Raises PwarpError for
    everything that a person can mend.
    """
    begun = _begun(request, data)
    if not begun.accelerator.is_main_process:
        return _trained(request, begun, watch, on_frame)
    with begun.folder.alone():
        return _trained(request, begun, watch, on_frame)


def _trained(request: Request, begun: _Begun, watch: Watch | None, on_frame: Callable[[], object]) -> Report:
    folder, accelerator, data, network, task, chosen, settings, card, unasked = begun
    # What was there before stays until all is ready that can be refused.
    folder.compare(settings, _FREE, force=request.force)
    with accelerator.main_process_first():
        samples = make_samples(data.clips, data.poses, task, chosen, card.codec, chosen.augmentation, request, on_frame)
        validation = None
        if data.validation_poses is not None:
            plain = make_samples(
                data.validation_clips,
                data.validation_poses,
                task,
                chosen,
                card.codec,
                NO_AUGMENTATION,
                request,
                on_frame,
            )
            validation = Validation.of(plain, request.most, chosen.batch)
    training = Training(
        Objective(network, task, card),
        samples,
        validation,
        chosen,
        card,
        folder,
        accelerator,
        seed=request.seed,
        pace=request.pace,
        workers=request.workers,
    )
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        folder.begin(settings, _FREE, resume=request.resume, force=request.force)
    accelerator.wait_for_everyone()
    if request.resume and folder.has_state:
        training.resume()
    outcome = training.run(watch)
    if accelerator.is_main_process and not outcome.interrupted:
        folder.forget_pictures()
    return Report(
        outcome=outcome,
        folder=folder,
        poses=len(data.poses),
        validation_poses=0 if data.validation_poses is None else len(data.validation_poses),
        videos=(len(data.clips), len(data.validation_clips)),
        account=data.poses.account,
        without_video=data.without_video,
        unasked=unasked,
        sideless=chosen.augmentation.flip > 0 and not data.poses.skeleton.flip_pairs,
    )


def rehearse(request: Request, data: Data | None = None) -> Data:
    """All that `train` does before it decodes or writes anything; what it would train on. Raises PwarpError as `train`
    does."""
    begun = _begun(request, data)
    begun.folder.compare(begun.settings, _FREE, force=request.force)
    data, chosen, unbiased = begun.data, begun.recipe, begun.card.codec.unbiased
    for clips, poses, augmentation in (
        (data.clips, data.poses, chosen.augmentation),
        (data.validation_clips, data.validation_poses, NO_AUGMENTATION),
    ):
        if poses is not None:
            plan = _planned(clips, poses, begun.task, chosen, unbiased, augmentation)[-1]
            check_room(clips, plan, request.cache)
    check_shared(chosen, begun.accelerator)
    return data


class _Begun(NamedTuple):
    """A run before anything is written."""

    folder: RunFolder
    accelerator: Accelerator
    data: Data
    network: nn.Module
    task: Task
    recipe: Recipe
    settings: dict[str, Any]
    card: Card
    unasked: tuple[str, ...]


def _begun(request: Request, data: Data | None = None) -> _Begun:
    folder = RunFolder(request.output)
    folder.check(resume=request.resume, force=request.force)
    chosen = recipe(request.kind, request.recipe, request.changes)
    accelerator = make_accelerator(request.device, request.precision)
    keep_freed_memory()
    data = read_data(request) if data is None else data
    labelled = data.poses.skeleton.keypoints
    data = data.in_skeleton(skeleton_for(request.kind, chosen, data.poses.skeleton, request.init, request.backbone))
    network, task, chosen = start(
        request.kind,
        chosen,
        data.poses.skeleton,
        seed=request.seed,
        init=request.init,
        backbone=request.backbone,
        head=request.head,
        asked=request.changes,
    )
    settings = _settings(request, chosen, data, accelerator.mixed_precision)
    card = card_of(network, chosen, data.poses.skeleton, settings)
    unasked = tuple(name for name in data.poses.skeleton.keypoints if name not in labelled)
    return _Begun(folder, accelerator, data, network, task, chosen, settings, card, unasked)


def read_data(request: Request) -> Data:
    """The labelled poses to train on and to validate on."""
    check_taken(request.data, *([request.validation] if isinstance(request.validation, Places) else []))
    clips, missing = find_clips(request.data)
    others: Sequence[Clip] = ()
    if isinstance(request.validation, Places):
        found, more = find_clips(request.validation)
        missing += more
        others = beside(clips, found)
    elif request.validation is not None:
        clips, others = divide(clips, request.validation, request.seed)
    poses = gather(clips, request.pseudo)
    validation = gather(others, "ignore" if _by_people(others) else "one") if others else None
    return Data(clips, poses, others, validation, missing)


def make_samples(
    clips: Sequence[Clip],
    poses: Poses,
    task: Task,
    chosen: Recipe,
    codec: Codec,
    augmentation: Augmentation,
    request: Request,
    on_frame: Callable[[], object],
) -> Samples:
    """Samples of poses, their pictures decoded."""
    framing, windows, plan = _planned(clips, poses, task, chosen, codec.unbiased, augmentation)
    store = open_store(clips, plan, RunFolder(request.output).cache, request.cache, on_frame)
    return Samples(clips, poses, store, task, framing, augmentation, windows, request.seed)


def _planned(
    clips: Sequence[Clip], poses: Poses, task: Task, chosen: Recipe, unbiased: bool, augmentation: Augmentation
) -> tuple[Framing, tuple[list[Window], list[tuple[Window, ...]]], Plan]:
    """How poses are cut out, their windows, and all that samples of them may show."""
    framing = Framing(size=chosen.size, padding=chosen.padding, unbiased=unbiased)
    windows = pose_windows(poses, framing, augmentation)
    return framing, windows, make_plan(clips, poses, windows, framing, augmentation, task.reach)


def _by_people(clips: Sequence[Clip]) -> bool:
    """Whether people set any keypoint: a network is then measured against these alone."""
    return any(_set_by_person(clip.annotations) for clip in clips)


def _set_by_person(annotations: Annotations) -> bool:
    return any(bool(track.by_person.any()) for track in annotations.tracks)


def _settings(request: Request, chosen: Recipe, data: Data, precision: str) -> dict[str, Any]:
    """Everything that decides the result, as JSON values."""
    values = chosen.to_dict()
    return {
        "kind": request.kind,
        "recipe": values.pop("name"),
        **values,
        "seed": request.seed,
        "precision": precision,
        "pseudo_weights": request.pseudo,
        "init": request.init,
        "trained_backbone": request.backbone,
        "trained_head": request.head,
        "poses": len(data.poses),
        "data": _digest(data.poses),
        "validation_poses": 0 if data.validation_poses is None else len(data.validation_poses),
        "validation_data": None if data.validation_poses is None else _digest(data.validation_poses),
        "validate_every": request.pace.validate,
        "validated_poses": request.most,
    }


def _digest(poses: Poses) -> str:
    """What tells the labels of one run from those of another."""
    state = hashlib.blake2b(" ".join(poses.skeleton.keypoints).encode(), digest_size=8)
    for name in ("clip", "track", "frame", "xy", "weight", "boxes"):
        state.update(getattr(poses, name).tobytes())
    return state.hexdigest()

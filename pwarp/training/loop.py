"""The training loop, the same for every task: steps, validation, checkpoints, and going on after an interruption."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from pwarp import checkpoints
from pwarp.annotations import FloatArray
from pwarp.checkpoints import Card
from pwarp.errors import PwarpError
from pwarp.memory import enough_memory
from pwarp.training.folder import RunFolder
from pwarp.training.objective import Objective
from pwarp.training.recipe import Recipe
from pwarp.training.samples import Batch, Samples, ahead, positions
from pwarp.training.validation import ALPHAS, Validation, percentages

# The figure that the best checkpoint has most of.
BEST_BY = f"pck@{ALPHAS[0]:g}"
# What a network is shown of a batch.
_SEEN = ("crops", "offsets", "candidates", "present")


@dataclass(frozen=True)
class Pace:
    """How often things happen, in steps. log: a line of the curve. validate: 0 for never. save: the state."""

    log: int = 20
    validate: int = 200
    save: int = 200


PACE = Pace()


class Watch(Protocol):
    """Is told what happens."""

    def begin(self, step: int, total: int) -> None:
        """Training starts at a step out of a total."""

    def step(self) -> None:
        """A step is done."""

    def figures(self, figures: Mapping[str, float]) -> None:
        """A line for the curve."""


class Unwatched:
    """A watch that nobody looks at."""

    def begin(self, step: int, total: int) -> None:
        """Nothing."""

    def step(self) -> None:
        """Nothing."""

    def figures(self, figures: Mapping[str, float]) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Outcome:
    """steps: done. best: the best validation metric, None without validation. best_step: when it was.
    interrupted: whether a person stopped it; the state is saved then."""

    steps: int
    best: float | None
    best_step: int | None
    interrupted: bool


@dataclass
class Progress:
    """Where training stands; all of it is in the state, beside parameters and optimiser."""

    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    best: float | None = None
    best_step: int | None = None


class Training:
    """One run."""

    def __init__(
        self,
        objective: Objective,
        samples: Samples,
        validation: Validation | None,
        recipe: Recipe,
        card: Card,
        folder: RunFolder,
        accelerator: Accelerator,
        *,
        seed: int,
        pace: Pace,
        workers: int,
    ) -> None:
        """Raises PwarpError where the batch cannot be shared out evenly, or nothing is left to train."""
        self.accelerator, self.recipe, self.folder, self.card = accelerator, recipe, folder, card
        self.samples, self.validation, self.seed, self.pace, self.workers = samples, validation, seed, pace, workers
        self.total = recipe.total_steps(len(samples.poses))
        check_shared(recipe, accelerator)
        self.objective = objective.to(accelerator.device)
        for module in (objective.network, objective.beside):
            if module is not None:
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        trained = [p for p in objective.parameters() if p.requires_grad]
        if not trained:
            raise PwarpError("nothing to train: every parameter is frozen")
        known = {p for module in objective.task.known for p in module.parameters()}
        groups: dict[float, list[nn.Parameter]] = {}  # by the factor of their rate
        for parameter in trained:
            groups.setdefault(recipe.known_factor if parameter in known else 1.0, []).append(parameter)
        self.optimiser = make_optimiser(recipe, list(groups.values()), accelerator.device)
        self.trained, self._factors = trained, list(groups)
        self.progress = Progress()
        # Apple's devices have no doubles.
        digits = torch.float32 if accelerator.device.type == "mps" else torch.float64
        self._sum = torch.zeros((), dtype=digits, device=accelerator.device)

    def resume(self) -> None:
        """Take up the folder's state."""
        state = self.folder.load_state()
        with _fitting(self.folder):
            self.network.load_state_dict(state["network"])
            if self.objective.beside is not None:
                self.objective.beside.load_state_dict(state["beside"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.progress = Progress(**state["progress"])
        self._sum.fill_(self.progress.loss_sum)

    @property
    def network(self) -> nn.Module:
        """The network itself."""
        return self.objective.network

    def run(self, watch: Watch | None = None) -> Outcome:
        """Train to the end, or until a person interrupts. Raises PwarpError for what a person can mend."""
        watch = watch or Unwatched()
        self._model = self.accelerator.prepare_model(self.objective)
        watch.begin(self.progress.step, self.total)
        width, height = self.recipe.size
        asked = f"--batch {self.recipe.batch} at --size {width}x{height}; lower --batch first, then --size"
        with self._curve() as append, enough_memory(asked), _flushed(), _Interruption() as interruption:

            def tell(figures: Mapping[str, Any]) -> None:
                append(figures)
                watch.figures(figures)

            self._steps(watch, tell, interruption)
            self._save()
        progress = self.progress
        return Outcome(progress.step, progress.best, progress.best_step, progress.step < self.total)

    def _steps(self, watch: Watch, tell: Callable[[Mapping[str, Any]], None], interruption: _Interruption) -> None:
        self._model.train()
        began, logged = time.perf_counter(), self.progress.step
        steps = range(self.progress.step, self.total)
        for step, batch in zip(steps, ahead(self._batch, steps, self.workers), strict=False):
            self._step(step, batch)
            done = self.progress.step
            last = done == self.total
            if done % self.pace.log == 0 or last:
                seconds = time.perf_counter() - began
                speed = self.recipe.batch * (done - logged) / max(seconds, 1e-9)
                tell({**self._loss(), **self.objective.task.figures(), "poses_per_second": round(speed, 2)})
                began, logged = time.perf_counter(), done
            if self.validation is not None and self.pace.validate and (done % self.pace.validate == 0 or last):
                began_validation = time.perf_counter()
                tell(self._validate(self.validation))
                began += time.perf_counter() - began_validation
            if done % self.pace.save == 0 and not last:
                self._save()
            watch.step()
            if self._stopped(interruption, done):
                break

    def _stopped(self, interruption: _Interruption, done: int) -> bool:
        """Whether to stop here; several processes must agree, which they are asked now and then."""
        if self.accelerator.num_processes == 1 or done % self.pace.log:
            return interruption.wanted and self.accelerator.num_processes == 1
        wish = torch.tensor(float(interruption.wanted), device=self.accelerator.device)
        return float(self.accelerator.reduce(wish, reduction="sum")) > 0

    def _batch(self, step: int) -> Batch:
        accelerator = self.accelerator
        return self.samples.training(
            positions(step, self.recipe.batch, accelerator.process_index, accelerator.num_processes)
        )

    def _step(self, step: int, batch: Batch) -> None:
        """One gradient step; whatever is random in a network depends on seed, step and process alone."""
        torch.manual_seed(hash((self.seed, step, self.accelerator.process_index)) % 2**63)
        rate = self.recipe.rate_at(step, self.total)
        for group, factor in zip(self.optimiser.param_groups, self._factors, strict=True):
            group["lr"] = rate * factor
        self.optimiser.zero_grad(set_to_none=True)
        try:
            loss = self._model(**self._there(batch, *_SEEN, "xy", "weight"))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            few = f"a batch of {self.recipe.batch} at {self.recipe.size[0]}x{self.recipe.size[1]}"
            raise PwarpError(f"{few} leaves BatchNorm one value a channel; raise --batch or --size") from error
        self.accelerator.backward(loss)
        if self.recipe.clip:
            self.accelerator.clip_grad_norm_(self.trained, self.recipe.clip)
        self.optimiser.step()
        self.objective.task.stepped(partial(self.accelerator.reduce, reduction="mean"))
        self._sum += loss.detach()
        self.progress.step, self.progress.loss_count = step + 1, self.progress.loss_count + 1

    def _loss(self) -> dict[str, float]:
        """The mean loss since the last line of the curve, over all processes; PwarpError where it is no number."""
        progress = self.progress
        total = float(self.accelerator.reduce(self._sum / max(progress.loss_count, 1), reduction="mean"))
        self._check(total)
        self._sum.zero_()
        progress.loss_sum, progress.loss_count = 0.0, 0
        rate = self.recipe.rate_at(progress.step - 1, self.total)
        return {"step": progress.step, "loss": total, "learning_rate": rate}

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise PwarpError(
                f"{self.folder.path}: the loss is no longer a number at step {self.progress.step}; lower --lr, or give "
                "--precision fp32; the checkpoints are from before"
            )

    def _check_weights(self) -> None:
        """The loss of a step is from before its update, and what is saved is from after it."""
        held = (value for value in self.network.state_dict().values() if value.is_floating_point())
        if not all(bool(value.isfinite().all()) for value in held):
            self._check(math.nan)

    def _validate(self, validation: Validation) -> dict[str, float]:
        accelerator, progress = self.accelerator, self.progress
        self._check(float(accelerator.reduce(self._sum, reduction="mean")))
        self._check_weights()
        self.objective.eval()
        with torch.inference_mode():
            counts = validation.hits(self._predict, accelerator.process_index, accelerator.num_processes)
            summed = accelerator.reduce(torch.from_numpy(counts).to(accelerator.device), reduction="sum")
        self._model.train()
        figures = percentages(summed.tolist())
        if progress.best is None or figures[BEST_BY] > progress.best:
            progress.best, progress.best_step = figures[BEST_BY], progress.step
            self._checkpoint(self.folder.best, figures)
        return {"step": progress.step, **figures}

    def _predict(self, batch: Batch) -> FloatArray:
        with self.accelerator.autocast():
            heatmaps = self.objective.heatmaps(**self._there(batch, *_SEEN))
        xy, _ = self.objective.codec.decode(heatmaps)
        return xy.cpu().double().numpy()

    def _there(self, batch: Batch, *names: str) -> dict[str, Tensor]:
        """Some arrays of a batch, where the network is."""
        device = self.accelerator.device
        return {name: torch.from_numpy(getattr(batch, name)).to(device, non_blocking=True) for name in names}

    def _save(self) -> None:
        """State and last checkpoint; nothing where the loss has gone wrong since."""
        progress = self.progress
        progress.loss_sum = float(self.accelerator.reduce(self._sum, reduction="mean"))
        self._check(progress.loss_sum)
        self._check_weights()
        if not self.accelerator.is_main_process:
            return
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": vars(progress).copy(),
        }
        if self.objective.beside is not None:
            state["beside"] = self.objective.beside.state_dict()
        self.folder.save_state(state)
        self._checkpoint(self.folder.last, {})

    def _checkpoint(self, path: Any, figures: Mapping[str, float]) -> None:
        if self.accelerator.is_main_process:
            training = {**self.card.training, "step": self.progress.step, "of": self.total, **figures}
            card = Card(**{**vars(self.card), "training": training})
            checkpoints.save(path, self.network, card, force=True)

    @contextmanager
    def _curve(self) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        if not self.accelerator.is_main_process:
            yield lambda _: None
            return
        with self.folder.curve(self.progress.step) as append:
            yield append


@contextmanager
def _flushed() -> Iterator[None]:
    """Numbers too small to be normal count as 0: young networks are full of them, and CPUs are slow with them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def _fitting(folder: RunFolder) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise PwarpError(f"{folder.path}: the state does not fit this network; start over with --force") from error


def check_shared(recipe: Recipe, accelerator: Accelerator) -> None:
    """Raise PwarpError where a batch cannot be shared out evenly."""
    if recipe.batch % accelerator.num_processes:
        raise PwarpError(
            f"a batch of {recipe.batch} cannot be shared by {accelerator.num_processes} processes; give --batch a "
            "multiple of their number"
        )


def make_optimiser(
    recipe: Recipe, groups: Sequence[Sequence[nn.Parameter]], device: torch.device
) -> torch.optim.Optimizer:
    """The recipe's optimiser of groups of parameters, with torch's own values for what recipes do not name.

    Both kinds scale each parameter's step by its own gradients, so one serves networks that are trained against each
    other as two would.
    """
    shared = [{"params": list(group)} for group in groups]
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(shared, lr=recipe.rate, weight_decay=recipe.decay)
    fused = device.type in ("cpu", "cuda")
    return torch.optim.Adam(shared, lr=recipe.rate, weight_decay=recipe.decay, fused=fused)


def make_accelerator(device: str, precision: str) -> Accelerator:
    """Device and precision. device: "auto", "cpu", "cuda", "mps". precision: "auto", "fp32", "bf16".

    auto takes bf16 where the hardware multiplies it (CUDA from compute capability 8, CPUs with AMX), else fp32.
    Raises PwarpError where the device is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, True):
        raise PwarpError(f"--device {device}: there is none here; leave the option out, or give cpu")
    if precision == "auto":
        on_cuda = device in ("auto", "cuda") and there["cuda"]
        fast = torch.cuda.is_bf16_supported() if on_cuda else torch.cpu._is_amx_tile_supported()
        precision = "bf16" if fast and device != "mps" else "fp32"
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        # accelerate keeps the first settings of a process for good; a second run in it may have others.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device == "cpu", mixed_precision="no" if precision == "fp32" else precision)


class _Interruption:
    """Turns Ctrl-C into a wish that is fulfilled between two steps; a second one is not made to wait."""

    def __init__(self) -> None:
        self.wanted = False

    def __enter__(self) -> Self:
        self._ours = threading.current_thread() is threading.main_thread()
        if self._ours:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: object) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True

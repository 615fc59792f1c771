"""The folder of a run: settings, curve, what is needed to go on, and the networks that came out."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pwarp.errors import PwarpError, UsageError
from pwarp.files import atomic_path, check_place, spare_inputs, write_bytes
from pwarp.locks import kept

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

_STATE_VERSION = 1
_MARK = "pseudo_weights"  # a setting that every run has


@dataclass(frozen=True)
class RunFolder:
    """One run under a path.

    settings.json: what decides the result. curve.jsonl: a line of figures at each logged or validated step.
    tb: the same for TensorBoard. state.pt: to go on from. best.safetensors, last.safetensors: checkpoints.
    cache: pictures kept by `pwarp.training.store`, until the run has come to its end.
    """

    path: Path

    @property
    def best(self) -> Path:
        """The checkpoint with the highest validation metric."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The latest checkpoint."""
        return self.path / "last.safetensors"

    @property
    def cache(self) -> Path:
        """Folder for kept pictures."""
        return self.path / "cache"

    @property
    def _state(self) -> Path:
        return self.path / "state.pt"

    @property
    def _curve(self) -> Path:
        return self.path / "curve.jsonl"

    @property
    def _settings(self) -> Path:
        return self.path / "settings.json"

    @property
    def has_state(self) -> bool:
        """Whether there is something to go on from."""
        return self._state.exists()

    def check(self, *, resume: bool, force: bool) -> None:
        """Raise PwarpError where no such folder can be made, or a run is there and neither resume nor force is asked
        for, or both are; before any work."""
        if resume and force:
            raise UsageError(
                "going on with a run and starting it over exclude each other; leave --resume or --force out"
            )
        check_place(self.path)
        if self.has_state and not resume and not force:
            raise PwarpError(f"{self.path}: holds a run; --resume goes on with it, --force starts it over")
        if force:
            spare_inputs(self.path)
            return
        for path in (*self._made, self.cache, self.path / "tb"):
            spare_inputs(path)
        if not self.has_state and (other := self._of_others(resume=resume)):
            raise PwarpError(
                f"{other}: would be replaced, and no run to go on with has left it; choose another folder with -o, or "
                "replace it with --force"
            )

    def _of_others(self, *, resume: bool) -> Path | None:
        """A file in the way that may be somebody's. A run that was stopped before its first state has left none."""
        there = [path for path in self._made if path.exists()] + list((self.path / "tb").glob("events.*"))
        with suppress(OSError, orjson.JSONDecodeError):
            settings = orjson.loads(self._settings.read_bytes())
            if isinstance(settings, dict) and _MARK in settings:
                # Its networks cost time: they go only where that run was meant.
                return next((p for p in (self.best, self.last) if p.exists() and not resume), None)
        return next(iter(there), None)

    @property
    def _made(self) -> tuple[Path, ...]:
        return (self._settings, self._curve, self._state, self.best, self.last)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and keep it from other runs while the block lasts; PwarpError where one is at work."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PwarpError(
                f"{self.path}: cannot make this folder: {error.strerror}; choose another with -o"
            ) from error
        with kept(self.path, "another run", "choose another with -o"):
            yield

    def begin(self, settings: Mapping[str, Any], free: frozenset[str], *, resume: bool, force: bool) -> bool:
        """Make the folder, which is there, ready; whether there is a state to go on from.

        settings: JSON values that decide the result. free: names of those that may change when going on.
        Raises PwarpError where a run is there and neither resume nor force is asked for, or it had other settings.
        """
        self.check(resume=resume, force=force)
        self.compare(settings, free, force=force)
        if force or not self.has_state:
            for path in (self._state, self._curve, self.best, self.last):
                path.unlink(missing_ok=True)
            for path in (self.path / "tb").glob("events.*"):
                path.unlink()
        for path in self.cache.glob(".crops-*"):  # of a run that was killed while it wrote them
            path.unlink(missing_ok=True)
        write_bytes(self._settings, _json(settings), force=True)
        return resume and self.has_state

    def forget_pictures(self) -> None:
        """Remove the kept pictures: they take far more room than all else, and can be decoded again."""
        with suppress(OSError):  # of others' files in it, too
            for path in (*self.cache.glob("crops-*"), *self.cache.glob(".crops-*")):
                path.unlink(missing_ok=True)
            self.cache.rmdir()

    def compare(self, settings: Mapping[str, Any], free: frozenset[str], *, force: bool = False) -> None:
        """Raise PwarpError where a run that would go on began with other settings than these; as `begin` does.

        A setting that only one of the two has is another version's of pwarp, which knew one way only.
        """
        if force or not self.has_state:
            return
        now = orjson.loads(_json(settings))
        try:
            before = orjson.loads(self._settings.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise PwarpError(f"{self._settings}: cannot be read ({error}); start over with --force") from error
        for name in now:
            if name in before and name not in free and before[name] != now[name]:
                raise PwarpError(
                    f"{self.path}: the run began with {name} {_short(before.get(name))}, now it is "
                    f"{_short(now.get(name))}; give the same options to go on, or --force to start over"
                )

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write what is needed to go on, atomically."""
        import torch

        with (
            atomic_path(self._state, force=True) as temporary,
            temporary.open("wb") as file,
            torch_writing(self._state),
        ):
            torch.save({"version": _STATE_VERSION, **state}, file)

    def load_state(self) -> dict[str, Any]:
        """What `save_state` wrote; PwarpError where it cannot be used."""
        import torch

        try:
            state: dict[str, Any] = torch.load(self._state, map_location="cpu", weights_only=True)
        except Exception as error:
            raise PwarpError(
                f"{self._state}: cannot be read ({type(error).__name__}); start over with --force"
            ) from error
        if not isinstance(state, dict) or state.get("version") != _STATE_VERSION:
            raise PwarpError(f"{self._state}: written by another version of pwarp; start over with --force")
        return state

    @contextmanager
    def curve(self, step: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """A function that appends a line of figures to the curve; lines beyond a step, from before, are dropped."""
        kept = self._lines(step)
        write_bytes(self._curve, b"".join(kept), force=True)
        board = self._board(step)
        with self._curve.open("ab") as file:

            def append(figures: Mapping[str, Any]) -> None:
                with disc(self._curve):
                    file.write(orjson.dumps(figures, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
                    file.flush()
                    for name, value in figures.items():
                        if name != "step" and isinstance(value, int | float):
                            board.add_scalar(name, value, figures["step"])

            try:
                yield append
            finally:
                with disc(self._curve):
                    board.close()

    def _lines(self, step: int) -> list[bytes]:
        if not self._curve.exists():
            return []
        kept = []
        for line in self._curve.read_bytes().splitlines(keepends=True):
            try:
                if orjson.loads(line)["step"] <= step:
                    kept.append(line)
            except (orjson.JSONDecodeError, KeyError, TypeError):
                break  # the last line of a run that was cut off
        return kept

    def _board(self, step: int) -> SummaryWriter:
        from torch.utils.tensorboard.writer import SummaryWriter

        with disc(self.path):
            return SummaryWriter(str(self.path / "tb"), purge_step=step + 1 if step else None)


@contextmanager
def disc(path: Path) -> Iterator[None]:
    """Turns what the system says about writing into one line."""
    try:
        yield
    except OSError as error:
        mend = "; make room and go on with --resume" if error.errno == errno.ENOSPC else ""
        raise PwarpError(f"{path}: cannot write: {error.strerror or error}{mend}") from error


@contextmanager
def torch_writing(path: Path) -> Iterator[None]:
    """As `disc`, for torch, which wraps the system's errors."""
    with disc(path):
        try:
            yield
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise


def _json(settings: Mapping[str, Any]) -> bytes:
    return orjson.dumps(settings, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2)


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."

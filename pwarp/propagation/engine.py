"""What every engine is: settings, and a way to fill spans with them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pwarp import registry
from pwarp.errors import PwarpError
from pwarp.onnx.header import warp_file
from pwarp.propagation.plan import Fill, Span, TrackPlan
from pwarp.skeleton import Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video


@dataclass(frozen=True, eq=False)
class Job:
    """What a run gives its engine.

    video: to be filled. skeleton: of the labels. plans: of all tracks, over the whole video: all the keypoints that an
    engine ever sees. tell: takes a line that the user has to know of, such as what an engine could not do. resumed:
    whether this very run had finished spans before it was interrupted, so that what the engine wrote then still holds.
    """

    video: Video
    skeleton: Skeleton
    plans: tuple[TrackPlan, ...]
    tell: Callable[[str], None]
    resumed: bool = False


class Engine(Protocol):
    """A frozen dataclass whose fields are the engine's settings, all with defaults.

    Making one checks the settings and loads nothing; raises PwarpError for those that make no sense. One that looks at
    labels alone has a class attribute `looks` that is False; one that writes files has `writes`, the names of the
    settings that say where; one that reads files has `check`, which opens them for a job and raises PwarpError where
    `fill` would before it looks at a picture.
    """

    def fill(self, job: Job, spans: Iterable[Span], advance: Callable[[int], None]) -> Iterator[list[Fill]]:
        """One list of fills a span, in order; `advance` is told of frames that are done."""


def looks(name: str) -> bool:
    """Whether a registered engine looks at pictures, not at labels alone: then its work is long and worth dividing."""
    return bool(getattr(registry.load("engine", name), "looks", True))


def writes(name: str) -> frozenset[str]:
    """The settings of a registered engine that say where it writes to: they decide no result."""
    return frozenset(getattr(registry.load("engine", name), "writes", ()))


def make_engine(name: str, settings: Mapping[str, Any]) -> Engine:
    """A registered engine with its settings; raises PwarpError with the names there are for another one."""
    kind = registry.load("engine", name)
    known = settings_of(name)
    for setting in settings:
        if setting not in known:
            says = f"it knows: {', '.join(known)}" if known else "it has none"
            others = [n for n in registry.names("engine") if setting in settings_of(n)]
            hint = f", and --engine {' or '.join(others)} knows {setting}" if others else ""
            raise PwarpError(f"the engine '{name}' has no setting '{setting}'; {says}{hint}")
    engine: Engine = kind(**settings)
    return engine


def settings_of(name: str) -> list[str]:
    """The settings that a registered engine knows."""
    return [item.name for item in fields(registry.load("engine", name))]


def fixed(settings: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Settings as values that tell runs apart: in a fixed order, with what a file holds beside its name."""
    return tuple((name, _content(value)) for name, value in sorted(settings.items()))


def _content(value: Any) -> Any:
    if not isinstance(value, str | Path):
        return value
    # An ONNX network says what it is in the file, and perhaps in another one beside it (`pwarp.estimation.onnx`); the
    # export of a PoseWarper is two files. Exporters put large weights beside the network.
    path = Path(str(value).removeprefix("onnx:"))
    files = (path, path.with_name(f"{path.name}.json"), warp_file(path)) if path.name else ()
    weights = [path.with_name(f"{path.name}{end}") for end in (".data", "_data")] if path.name else []
    digests = [*map(_digest, files), *filter(None, map(_digest, weights))]
    return (str(value), *digests) if any(digests) else str(value)


def _digest(path: Path) -> str | None:
    """Of what a file holds; None for what is no file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()
    except OSError:
        return None

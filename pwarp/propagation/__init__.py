"""From a few labelled key frames to labels for every frame.

    dense = propagate(open_video("clip.mp4"), read("keys.json"))

What is filled from what is planned first (`plan`), an engine fills it, span by span (`registry`: "engine"), and the
result is put together with what people labelled (`assemble`), which no engine can touch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.progress import unheard
from pwarp.propagation.engine import fixed, writes
from pwarp.propagation.journal import SpanJournal
from pwarp.propagation.plan import Reach
from pwarp.propagation.planned import Planned, frames
from pwarp.propagation.scores import ScoreMap

if TYPE_CHECKING:
    from pwarp.video import Video

__all__ = ["Options", "Planned", "Reach", "SpanJournal", "propagate"]


@dataclass(frozen=True)
class Options:
    """How to propagate.

    engine: a registered engine. settings: of this engine, by name; a file is given as a Path. reach: how far to go.
    min_score: propagated keypoints below it stay unlabelled. calibration: what makes shares of right keypoints of the
    engine's scores, before they are compared with min_score.
    """

    engine: str = "auto"
    reach: Reach = field(default_factory=Reach)
    min_score: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    calibration: ScoreMap | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise PwarpError(f"min_score {self.min_score} is outside 0..1")

    @property
    def deciding(self) -> tuple[object, ...]:
        """All that decides the result, with a readable `repr`; settings that are files count by what they hold, and
        those that only say where the engine writes to not at all."""
        calibration = () if self.calibration is None else (self.calibration,)
        written = writes(self.engine)
        read = {name: value for name, value in self.settings.items() if name not in written}
        return self.engine, self.reach, self.min_score, fixed(read), *calibration


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=3)


def propagate(
    video: Video,
    annotations: Annotations,
    options: Options | None = None,
    *,
    journal: SpanJournal | None = None,
    started: Callable[[int], None] = unheard,
    advance: Callable[[int], None] = unheard,
    tell: Callable[[str], None] = _warn,
) -> Annotations:
    """Labels for every frame that the key frames reach.

    Keypoints that a person set come back bit-identical. What was propagated before is made anew: with source
    PROPAGATED, a score in 0..1, the key frames it came from, and a visibility. What a network saw (DETECTED, REFINED)
    stays where nothing is propagated in its place. Tracks without any keypoint set by a person come back as they are.
    The same input gives the same output.

    journal: remembers finished spans, so that an interrupted run can go on. started: told once how many frames
    there are to fill; advance: told how many more are done. tell: gets what the user has to know of, a line at a time.

    Raises PwarpError where nothing was labelled by a person, labels are of another video or without track ids that
    could be joined, or the video cannot be decoded where it has to be.
    """
    planned = Planned(video, annotations, options or Options())
    started(frames(planned.spans))
    return planned.assemble(planned.fill(planned.spans, journal, advance, tell))

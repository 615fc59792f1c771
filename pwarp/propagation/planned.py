"""A propagation that is planned but not done: its spans can be filled in any order, and by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pwarp.annotations import Annotations
from pwarp.propagation.assemble import assemble
from pwarp.propagation.engine import Job, make_engine
from pwarp.propagation.join import join_by_position
from pwarp.propagation.journal import Journal
from pwarp.propagation.plan import Fill, Span, plan, spans
from pwarp.video import check_identity

if TYPE_CHECKING:
    from pwarp.propagation import Options
    from pwarp.video import Video


class Planned:
    """What there is to do for a video and its labels.

    spans: all there are to fill, in order of time. Raises PwarpError as `propagate` does, before any work.
    """

    def __init__(self, video: Video, annotations: Annotations, options: Options) -> None:
        check_identity(annotations.video, video)
        # Labels that did not know how many frames there are may lie beyond the last one: that is refused here.
        identity = replace(video.identity, path=annotations.video.path or video.identity.path)
        annotations = replace(annotations, video=identity)
        self._engine = make_engine(options.engine, options.settings)
        self._annotations = join_by_position(annotations)
        self._video, self._options = video, options
        self._plans = plan(self._annotations, video.frame_count, options.reach)
        self.spans = tuple(spans(self._plans, video.frame_count))

    def fill(
        self,
        some: Sequence[Span],
        journal: Journal | None,
        advance: Callable[[int], None],
        tell: Callable[[str], None],
    ) -> list[Fill]:
        """Fills of some of the spans: those that the journal knows as finished, and all others, which it is told of.

        advance, tell: as for `propagate`.
        """
        done = {} if journal is None else journal.finished()
        advance(frames(span for span in some if (span.first, span.last) in done))
        fills = [fill for span in some for fill in done.get((span.first, span.last), [])]
        rest = [span for span in some if (span.first, span.last) not in done]
        if not rest:
            return fills
        job = Job(self._video, self._annotations.skeleton, tuple(self._plans), tell)
        for span, found in zip(rest, self._engine.fill(job, rest, advance), strict=True):
            if journal is not None:
                journal.add(span.first, span.last, found)
            fills += found
        return fills

    def assemble(self, fills: Iterable[Fill]) -> Annotations:
        """The result, from the fills of all spans."""
        calibration = self._options.calibration
        if calibration is not None:
            fills = [replace(fill, score=calibration(fill.score)) for fill in fills]
        return assemble(self._annotations, self._plans, fills, self._video, self._options.min_score)


def frames(some: Iterable[Span]) -> int:
    """How many frames an engine goes through to fill some spans."""
    return sum(span.last - span.first for span in some)

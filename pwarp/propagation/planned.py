"""A propagation that is planned but not done: its spans can be filled in any order, and by several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pwarp.annotations import OPEN_END, Annotations
from pwarp.propagation.assemble import assemble
from pwarp.propagation.engine import Job, make_engine
from pwarp.propagation.join import join_by_position
from pwarp.propagation.journal import SpanJournal
from pwarp.propagation.parts import Divided, since
from pwarp.propagation.plan import Fill, Span, TrackPlan, plan, spans
from pwarp.video import check_identity

if TYPE_CHECKING:
    from pwarp.propagation import Options
    from pwarp.video import Video

_PART = 512  # frames, at least, of a part of the result


class Planned:
    """What there is to do for a video and its labels.

    spans: all there are to fill, in order of time. Raises PwarpError as `propagate` does, before any work.
    """

    def __init__(self, video: Video, annotations: Annotations, options: Options) -> None:
        check_identity(annotations.video, video)
        # Labels that did not know how many frames there are may lie beyond the last one: that is refused here.
        identity = replace(video.identity, path=annotations.video.path or video.identity.path)
        annotations = replace(annotations, video=identity)
        annotations.check_frames()
        self._engine = make_engine(options.engine, options.settings)
        self._annotations = join_by_position(annotations)
        self._video, self._options = video, options
        self._plans = plan(self._annotations, video.frame_count, options.reach)
        self.spans = tuple(spans(self._plans, video.frame_count))

    @property
    def labels(self) -> Annotations:
        """What there is before anything is filled: the result has these tracks, of this video."""
        return self._annotations

    def check(self, tell: Callable[[str], None]) -> None:
        """Open what the engine's settings name, as `fill` does first of all; raises PwarpError as that does.

        tell: as for `propagate`.
        """
        if self.spans and hasattr(self._engine, "check"):
            self._engine.check(self._job(tell))

    def _job(self, tell: Callable[[str], None], *, resumed: bool = False) -> Job:
        return Job(self._video, self._annotations.skeleton, tuple(self._plans), tell, resumed)

    def fill(
        self,
        some: Sequence[Span],
        journal: SpanJournal | None,
        advance: Callable[[int], None],
        tell: Callable[[str], None],
    ) -> list[Fill]:
        """Fills of some of the spans: those that the journal knows as finished, and all others, which it is told of.

        advance, tell: as for `propagate`.
        """
        return [fill for _, found in self._filled(some, journal, advance, tell) for fill in found]

    def _filled(
        self,
        some: Sequence[Span],
        journal: SpanJournal | None,
        advance: Callable[[int], None],
        tell: Callable[[str], None],
    ) -> Iterator[tuple[Span, list[Fill]]]:
        """Each span, in order, with its fills, as soon as they are there."""
        finished = {} if journal is None else journal.finished()
        keypoints = len(self._annotations.skeleton)
        done = {at: fills for at, fills in finished.items() if all(f.score.shape[1] == keypoints for f in fills)}
        advance(frames(span for span in some if (span.first, span.last) in done))
        rest = [span for span in some if (span.first, span.last) not in done]
        job = self._job(tell, resumed=bool(done))
        fresh = zip(rest, self._engine.fill(job, rest, advance) if rest else (), strict=True)
        for span in some:
            known = done.get((span.first, span.last))
            found = next(fresh)[1] if known is None else known
            if journal is not None and known is None:
                journal.add(span.first, span.last, found)
            yield span, found
        # An engine may still have something to do after its last span.
        next(fresh, None)

    def assemble(self, fills: Iterable[Fill]) -> Annotations:
        """The result, from the fills of all spans."""
        return self._assembled(self._annotations, self._plans, fills)

    def _assembled(self, labels: Annotations, plans: Sequence[TrackPlan], fills: Iterable[Fill]) -> Annotations:
        calibration = self._options.calibration
        if calibration is not None:
            fills = [replace(fill, score=calibration(fill.score)) for fill in fills]
        return assemble(labels, plans, fills, self._video, self._options.min_score)

    def parts(
        self, journal: SpanJournal | None, advance: Callable[[int], None], tell: Callable[[str], None]
    ) -> Iterator[Annotations]:
        """The result in parts of successive frames, each as soon as it is filled, so that memory does not grow.

        Together they hold what `assemble` makes of the fills of all spans, bit for bit; tracks without a pose in a part
        are left out of it. Where spans are long, or boxes are given in other frames than poses, parts are long, too.
        """
        divided = Divided(self._annotations, self._plans)
        start = 0
        fills: list[Fill] = []

        def part(last: int) -> Annotations:
            # The frame before is there once more: what lies between it and the next key frame depends on both.
            dense = self._assembled(*divided.between(max(start - 1, 0), last), fills)
            return since(dense, start)

        for span, found in self._filled(self.spans, journal, advance, tell):
            fills += found
            if span.last - start >= _PART and divided.parts_at(span.last):
                yield part(span.last)
                start, fills = span.last + 1, []
        yield part(OPEN_END)


def frames(some: Iterable[Span]) -> int:
    """How many frames an engine goes through to fill some spans."""
    return sum(span.last - span.first for span in some)

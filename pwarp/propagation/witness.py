"""The estimator that testifies in a run of `auto`: it looks at the strands of each span once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pwarp.estimation import Estimator
from pwarp.propagation.engine import Job
from pwarp.propagation.evidence import Evidence
from pwarp.propagation.glance import Glance
from pwarp.propagation.look import BothWays, Looker
from pwarp.propagation.plan import Span
from pwarp.propagation.walk import Strand

# People are looked at from nearer than the estimator is used to: where they are is known, so that its finer cells are
# worth more than what lies around them.
_NEARER = 0.7


class Witness:
    """Looks for keypoints of a job's skeleton. batch: most crops at a time."""

    def __init__(self, job: Job, estimator: Estimator, batch: int) -> None:
        """Tells which keypoints the estimator does not know; raises PwarpError where it knows none."""
        glance = Glance(estimator, batch)
        self._own, self._other = glance.channels(job.skeleton)
        # What has no left and right looks different in a mirror, or the estimator was never told what trades places.
        pairs = estimator.skeleton.flip_pairs
        self._looker = Looker(job.video, BothWays(glance, pairs) if pairs else glance, _NEARER)
        strangers = [job.skeleton.keypoints[k] for k in np.flatnonzero(self._own < 0)]
        if strangers:
            job.tell(
                f"{estimator.name} does not know {len(strangers)} of {len(job.skeleton)} keypoints "
                f"({', '.join(strangers[:4])}{', ...' if len(strangers) > 4 else ''}): the picture's motion alone "
                "says where these are"
            )

    def look(self, span: Span, strands: Sequence[Strand], advance: Callable[[int], None]) -> list[Evidence]:
        """What is seen of the strands of a span; spans come in order of time."""
        return [Evidence(seen, self._own, self._other) for seen in self._looker.look(span, strands, advance)]

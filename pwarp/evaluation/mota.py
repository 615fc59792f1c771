"""MOTA, MOTP, precision and recall of tracked joints as poseval computes them (CLEAR MOT, a joint at a time).

Source: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008;
poseval's evaluateTracking over py-motmetrics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pwarp.annotations import FloatArray, IntArray
from pwarp.errors import PwarpError
from pwarp.evaluation.lengths import Length
from pwarp.evaluation.metric import BY_FRAME, Figure, Metric
from pwarp.evaluation.people import NO_TRACK, People, Remarks, Scene
from pwarp.evaluation.posetrack import NEAR, body_figures, same_joints
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import Skeleton

# poseval takes the ids of a submission from 0 up to here.
LARGEST_TRACK_ID = 9999


@dataclass(frozen=True, eq=False)
class TrackingCounts:
    """What happened to each of J joints, (J,) each; the counts of several videos add up.

    objects: true joints. detections: of them, matched to a predicted joint within half a reference length.
    misses and false_positives: left over on either side. switches: matched to another track than the last time.
    distance: sum over matches, in reference lengths. logged_distance: the sum that poseval takes.
    repeated_ids: where a true id occurs twice in a frame, for a note.
    """

    skeleton: Skeleton
    length: Length
    repeated_ids: tuple[str, ...]
    remarks: Remarks
    objects: IntArray
    detections: IntArray
    misses: IntArray
    false_positives: IntArray
    switches: IntArray
    distance: FloatArray
    logged_distance: FloatArray


_SUMMED = (
    "objects", "detections", "misses", "false_positives", "switches", "distance", "logged_distance",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tracking:
    """CLEAR MOT in percent, by joint (J,); MOTA is NaN where a joint has no truth, MOTP 0 where it has no match.

    motp: 100 x (1 - mean distance of matches), distances in reference lengths. poseval_motp: what poseval prints; it
    sums the distances of all logged events, of which matches are one kind, and so comes out too low.
    """

    counts: TrackingCounts
    mota: FloatArray
    motp: FloatArray
    poseval_motp: FloatArray
    precision: FloatArray
    recall: FloatArray


def follow(scene: Scene) -> TrackingCounts:
    """Follow every joint through the frames of one video.

    As in poseval, the last frame is left out, and a frame in which either side has nobody counts as one object, one
    miss and one false positive for each joint, however many people there are.
    Raises PwarpError for a video of a single annotated frame, and for predicted people without track id, or with an
    id that occurs twice in a frame.
    """
    _check(scene)
    follower = _Follower(scene)
    for frame in range(len(scene.truth.frames) - 1):
        follower.step(frame)
    return follower.counts()


def tracking(counts: Sequence[TrackingCounts]) -> Tracking:
    """Pool the videos; rates are of the summed counts."""
    first = counts[0]
    repeated = tuple(where for c in counts for where in c.repeated_ids)
    remarks = Remarks(
        sum(c.remarks.given for c in counts), next((c.remarks.renamed for c in counts if c.remarks.renamed), "")
    )
    sums = {n: np.sum([getattr(c, n) for c in counts], axis=0) for n in _SUMMED}
    total = TrackingCounts(first.skeleton, first.length, repeated, remarks, **sums)
    errors = total.misses + total.false_positives + total.switches
    with np.errstate(divide="ignore", invalid="ignore"):
        motp, poseval_motp = (
            np.where(total.detections > 0, 1 - distance / total.detections, 0.0)
            for distance in (total.distance, total.logged_distance)
        )
        return Tracking(
            counts=total,
            mota=np.where(total.objects > 0, 100 * (1 - errors / total.objects), np.nan),
            motp=100 * motp,
            poseval_motp=100 * poseval_motp,
            precision=100 * (total.detections / (total.detections + total.false_positives)),
            recall=100 * (total.detections / total.objects),
        )


def _check(scene: Scene) -> None:
    predicted = scene.predicted
    if len(scene.truth.frames) == 1:
        raise PwarpError(
            f"{scene.truth.source}: only frame {scene.truth.frames[0]} is annotated; MOTA needs two, for it leaves "
            "out the last one; --partial leaves such videos out"
        )
    for wrong, why in (
        (predicted.track == NO_TRACK, "a person has no track_id; MOTA needs one for everybody"),
        (predicted.track > LARGEST_TRACK_ID, f"poseval takes track ids up to {LARGEST_TRACK_ID}; renumber the tracks"),
    ):
        if wrong.any():
            raise PwarpError(f"{predicted.where(int(np.flatnonzero(wrong)[0]))}: {why}")
    twice = repeated_id(predicted)
    if twice is not None:
        raise PwarpError(f"{predicted.where(twice)}: the id is used twice in this frame; give each person another")


def repeated_id(people: People) -> int | None:
    """The first person whose track id somebody before them has in the same frame, or None."""
    order = np.lexsort((people.track, people.frame))
    again = (np.diff(people.frame[order]) == 0) & (np.diff(people.track[order]) == 0)
    return int(order[1:][again].min()) if again.any() else None


class _Follower:
    """Who was matched to whom so far, for all joints of one video at once.

    partner: (J, true ids) the predicted id a true one had last; -1 before the first match.
    claimed: (J, predicted ids) the true id that a predicted one was last *newly* matched to.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        joints = len(scene.skeleton)
        true_ids, self.true_id = np.unique(scene.truth.track, return_inverse=True)
        predicted_ids, self.predicted_id = np.unique(scene.predicted.track, return_inverse=True)
        self.partner = np.full((joints, len(true_ids)), -1)
        self.claimed = np.full((joints, len(predicted_ids)), -1)
        self.known = np.zeros((joints, len(predicted_ids)), dtype=np.bool_)
        frames = np.arange(len(scene.truth.frames) + 1)
        self.true_start = np.searchsorted(scene.truth.frame, frames)
        self.predicted_start = np.searchsorted(scene.predicted.frame, frames)
        self.pair_start = np.searchsorted(scene.truth.frame[scene.true_row], frames)
        self.near = scene.distance <= NEAR
        self.true_present, self.predicted_present = scene.truth.present, scene.predicted.present
        self.objects, self.detections, self.misses, self.false_positives, self.switches = np.zeros((5, joints), int)
        self.distance, self.logged = np.zeros((2, joints))

    def counts(self) -> TrackingCounts:
        truth = self.scene.truth
        twice = repeated_id(truth)
        return TrackingCounts(
            skeleton=self.scene.skeleton,
            length=self.scene.length,
            repeated_ids=() if twice is None else (truth.where(twice),),
            remarks=self.scene.remarks,
            objects=self.objects,
            detections=self.detections,
            misses=self.misses,
            false_positives=self.false_positives,
            switches=self.switches,
            distance=self.distance,
            logged_distance=self.logged,
        )

    def step(self, frame: int) -> None:
        true = slice(*self.true_start[frame : frame + 2])
        predicted = slice(*self.predicted_start[frame : frame + 2])
        people = true.stop - true.start, predicted.stop - predicted.start
        if 0 in people:
            self.objects += 1
            self.misses += 1
            self.false_positives += 1
            return
        pairs = slice(*self.pair_start[frame : frame + 2])
        # (J, true people, predicted people)
        near = self.near[pairs].reshape(*people, -1).transpose(2, 0, 1)
        distance = self.scene.distance[pairs].reshape(*people, -1).transpose(2, 0, 1)
        true_ids, predicted_ids = self.true_id[true], self.predicted_id[predicted]

        # A pair that was matched last time stays while it is near; the first true person wins a contended one.
        kept = near & (self.partner[:, true_ids, None] == predicted_ids)
        kept &= kept.cumsum(axis=1) == 1
        free = near & ~kept.any(axis=2)[:, :, None] & ~kept.any(axis=1)[:, None, :]
        matched = kept.sum(axis=(1, 2))
        self.distance += np.where(kept, distance, 0.0).sum(axis=(1, 2))
        self.logged += np.where(near, distance, 0.0).sum(axis=(1, 2)) + np.where(kept, distance, 0.0).sum(axis=(1, 2))
        joints, _, columns = np.nonzero(kept)
        self.known[joints, predicted_ids[columns]] = True
        for joint in np.flatnonzero(free.any(axis=(1, 2))):
            for row, column in _assign(free[joint], distance[joint]):
                self._match(int(joint), true_ids[row], predicted_ids[column], float(distance[joint, row, column]))
                matched[joint] += 1

        objects = self.true_present[true].sum(axis=0)
        self.objects += objects
        self.detections += matched
        self.misses += objects - matched
        self.false_positives += self.predicted_present[predicted].sum(axis=0) - matched

    def _match(self, joint: int, true_id: int, predicted_id: int, distance: float) -> None:
        """Note a new match, and what else motmetrics logs with its distance: it is what poseval's MOTP adds up."""
        last = self.partner[joint, true_id]
        switched = last not in (-1, predicted_id)
        ascended = switched and not self.known[joint, predicted_id]
        transferred = self.claimed[joint, predicted_id] not in (-1, true_id)
        migrated = transferred and last == -1
        self.switches[joint] += switched
        self.distance[joint] += distance
        self.logged[joint] += distance * (1 + ascended + transferred + migrated)
        self.partner[joint, true_id] = predicted_id
        self.claimed[joint, predicted_id] = true_id
        self.known[joint, predicted_id] = True


def _assign(allowed: NDArray[np.bool_], distance: FloatArray) -> list[tuple[int, int]]:
    """The most allowed pairs of rows and columns, and among the most the nearest."""
    rows, columns = np.nonzero(allowed)
    if len(rows) == 1:
        return [(int(rows[0]), int(columns[0]))]
    # Dearer than any set of allowed pairs, so that no forbidden pair ever saves an allowed one.
    forbidden = 2.0 * min(allowed.shape) * float(distance[allowed].max()) + 1.0
    cost = np.where(allowed, distance, forbidden)
    return [(r, c) for r, c in zip(*linear_sum_assignment(cost), strict=True) if allowed[r, c]]


class Mota(Metric[TrackingCounts]):
    """MOTA by part and in total, MOTP as it should be and as poseval prints it, precision and recall."""

    name: ClassVar[str] = "mota"
    uses: ClassVar[frozenset[str]] = BY_FRAME | {"length"}
    counted: ClassVar[str] = "joints"

    def evidence(self, pair: VideoPair) -> TrackingCounts:
        return follow(pair.scene(self.settings.selection, self.settings.length))

    def title(self, evidence: Sequence[TrackingCounts]) -> str:
        length = evidence[0].length
        return f"MOTA, every joint on its own: matches within {NEAR:g} x {length.text} ({length.meaning})"

    def figures(self, evidence: Sequence[TrackingCounts]) -> list[Figure]:
        same_joints([counts.skeleton for counts in evidence])
        result = tracking(evidence)
        counts, skeleton = result.counts, result.counts.skeleton
        guessed = counts.detections + counts.false_positives
        return [
            *body_figures(skeleton, result.mota, counts.objects, "MOTA", main=True),
            *body_figures(skeleton, result.motp, counts.detections, "MOTP"),
            *body_figures(skeleton, result.poseval_motp, counts.detections, "MOTP as poseval prints it"),
            *body_figures(skeleton, result.precision, guessed, "precision"),
            *body_figures(skeleton, result.recall, counts.objects, "recall"),
        ]

    def details(self, evidence: Sequence[TrackingCounts]) -> Mapping[str, Any]:
        counts = tracking(evidence).counts
        return {"joints": counts.skeleton.keypoints, **{name: getattr(counts, name) for name in _SUMMED}}

    def notes(self, evidence: Sequence[TrackingCounts]) -> list[str]:
        twice = (where for video in evidence for where in video.repeated_ids)
        return [
            *Remarks.lines([video.remarks for video in evidence]),
            *(f"{at}: the true id is used twice in this frame; poseval counts switches for it" for at in twice),
        ]

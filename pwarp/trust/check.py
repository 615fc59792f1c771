"""Everything that looks wrong in labels: what `pwarp check` lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from pwarp.annotations import Annotations
from pwarp.trust.course import Course
from pwarp.trust.findings import KINDS, Finding, Kind
from pwarp.trust.given import only_by_person
from pwarp.trust.identities import changes, duplicates
from pwarp.trust.jumps import jumps
from pwarp.trust.limbs import breaks
from pwarp.trust.picture import outside
from pwarp.trust.strays import strays
from pwarp.trust.swaps import swaps, undone

_LONG = 3  # frames: jumps are shorter
_BESIDE = 2  # frames between a finding and what explains it, at most
_BLOCK = 64  # frames in which findings are looked up together


def check(
    annotations: Annotations, *, kinds: Collection[Kind] = tuple(KINDS), by_person: bool = False, least: float = 0.5
) -> list[Finding]:
    """Findings in order of time, those that rest on the same evidence told once.

    kinds: which to look for. by_person: only what a person set is looked at. least: leave out what is less sure.
    Points outside can be found only where the annotations know the size of the picture.
    """
    video, skeleton = annotations.video, annotations.skeleton
    diagonal = float(np.hypot(video.width or 0, video.height or 0))
    if by_person:
        annotations = only_by_person(annotations)
    courses = [Course(track, diagonal) for track in annotations.tracks if track.labelled.any()]
    found: list[Finding] = []
    for i, course in enumerate(courses):
        if video.width and video.height:
            found += outside(course, skeleton, video.width, video.height)
        swapped = [finding for stay in _stays(course) for finding in swaps(stay, skeleton)]
        found += swapped
        if swapped:
            courses[i] = course = undone(course, skeleton, swapped)
        for stay in _stays(course):
            found += jumps(stay, skeleton) + strays(stay, skeleton)
    changed = changes([stay for course in courses for stay in _stays(course)])
    for course in courses:
        # Another person has other limbs.
        for part in _parts(course, [f.first for f in changed if f.track == course.track.id]):
            found += breaks(part, skeleton)
    found += changed + duplicates(courses)
    told = [f for f in _once(found) if f.kind in kinds and f.sure >= least]
    return sorted(told, key=lambda f: (f.first, f.track, list(KINDS).index(f.kind), f.keypoints))


def _stays(course: Course) -> Iterator[Course]:
    """A course parted where its person is marked absent: who comes back may come from anywhere."""
    return _parts(course, course.track.absent[:, 0].tolist())


def _parts(course: Course, frames: Sequence[int]) -> Iterator[Course]:
    """A course parted before some of its frames."""
    rows = np.arange(len(course.track))
    for part in np.split(rows, np.searchsorted(course.frames, sorted(frames))):
        if len(part):
            yield course if len(part) == len(rows) else replace(course, track=course.track.rows(part))


def _once(found: Sequence[Finding]) -> list[Finding]:
    """What rests on the same evidence told once: under what explains the rest of it, as sure as the surest of it."""
    kept: list[Finding] = []
    near = _Near()
    for finding in sorted(found, key=lambda f: (_rank(f), f.first - f.last)):
        cause = next((i for i in near.to(finding) if _explains(kept[i], finding)), None)
        if cause is None:
            near.add(len(kept), finding)
            kept.append(finding)
        elif finding.kind in ("jump", "limb") and kept[cause].kind in ("jump", "limb"):
            kept[cause] = _together(kept[cause], finding)
            near.add(cause, kept[cause])
    return kept


class _Near:
    """The numbers of findings by track and time, so that none is compared with those of other times."""

    def __init__(self) -> None:
        self._in: defaultdict[tuple[int, int], set[int]] = defaultdict(set)

    def add(self, number: int, finding: Finding) -> None:
        for block in self._blocks(finding):
            self._in[finding.track, block].add(number)

    def to(self, finding: Finding) -> list[int]:
        """The numbers, rising, of all that may be near enough to explain a finding."""
        return sorted(set().union(*(self._in.get((finding.track, block), ()) for block in self._blocks(finding))))

    @staticmethod
    def _blocks(finding: Finding) -> range:
        return range((finding.first - _BESIDE) // _BLOCK, (finding.last + _BESIDE) // _BLOCK + 1)


def _rank(finding: Finding) -> int:
    """What may explain others comes first. A keypoint that is elsewhere for long looks like two jumps, at its ends."""
    if finding.kind in ("limb", "jump") and _is_long(finding):
        return 2 if finding.kind == "limb" else 3
    return {"identity": 0, "swap": 1, "jump": 4, "limb": 5, "duplicate": 6, "outside": 7}[finding.kind]


def _is_long(finding: Finding) -> bool:
    return finding.last - finding.first >= _LONG


def _together(cause: Finding, other: Finding) -> Finding:
    """Jumps and limbs: where either is not clear about the keypoint, the other may be; the longest say for how long."""
    both = tuple(sorted(set(cause.keypoints) & set(other.keypoints))) or cause.keypoints
    why = f"{cause.why}; {other.why}" if cause.kind == "jump" and other.kind == "limb" else cause.why
    first, last = cause.first, cause.last
    if _is_long(other):
        first, last = min(first, other.first), max(last, other.last)
    return replace(cause, first=first, last=last, sure=max(cause.sure, other.sure), why=why, keypoints=both)


def _explains(cause: Finding, finding: Finding) -> bool:
    """Whether the evidence for a finding is that for another one, which ranks higher."""
    if cause.track != finding.track or finding.kind not in ("jump", "limb", "swap"):
        return False
    if cause.kind == finding.kind != "jump":
        return False
    if cause.kind == "identity":
        return finding.first - _BESIDE <= cause.first <= finding.last + _BESIDE
    if cause.kind not in ("jump", "limb") or finding.kind == "swap":
        return False
    near = cause.first - 1 <= finding.last and finding.first <= cause.last + 1
    return near and (not cause.keypoints or bool(set(cause.keypoints) & set(finding.keypoints)))

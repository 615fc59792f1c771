"""Everything that looks wrong in labels: what `pwarp check` lists."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
from pwarp.trust.swaps import swaps


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
    for course in courses:
        found += swaps(course, skeleton)
        found += jumps(course, skeleton)
        found += breaks(course, skeleton)
        if video.width and video.height:
            found += outside(course, skeleton, video.width, video.height)
    found += changes(courses) + duplicates(courses)
    told = [f for f in _once(found) if f.kind in kinds and f.sure >= least]
    return sorted(told, key=lambda f: (f.first, f.track, list(KINDS).index(f.kind), f.keypoints))


def _once(found: Sequence[Finding]) -> list[Finding]:
    """A limb that breaks where a keypoint jumps, or a keypoint that jumps where sides are swapped, is not told again.

    What is told instead becomes as sure as the surer of the two, and where identities change nothing else is told.
    """
    kept: list[Finding] = []
    rank: dict[Kind, int] = {"identity": 0, "swap": 1, "jump": 2, "limb": 3, "duplicate": 4, "outside": 5}
    for finding in sorted(found, key=lambda f: rank[f.kind]):
        cause = next((i for i, other in enumerate(kept) if _explains(other, finding)), None)
        if cause is None:
            kept.append(finding)
        elif kept[cause].kind == "jump":
            kept[cause] = replace(
                kept[cause], sure=max(kept[cause].sure, finding.sure), why=f"{kept[cause].why}; {finding.why}"
            )
    return kept


def _explains(cause: Finding, finding: Finding) -> bool:
    """Whether the evidence for a finding is that for another one."""
    if cause.track != finding.track or finding.kind not in ("jump", "limb", "swap") or cause.kind == finding.kind:
        return False
    if cause.kind == "identity":
        return finding.first - 2 <= cause.first <= finding.last + 2
    if cause.kind not in ("swap", "jump") or finding.kind == "swap":
        return False
    near = cause.first - 1 <= finding.last and finding.first <= cause.last + 1
    return near and (not cause.keypoints or bool(set(cause.keypoints) & set(finding.keypoints)))

"""AP and AR by object keypoint similarity, computed by pycocotools, COCO's own evaluator.

A COCO truth with a COCO results file goes in as it stands; anything else is turned into these first. Only the sums
over videos are ours: each video is evaluated once, and the library accumulates any list of them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from pwarp.annotations import Annotations, FloatArray, IntArray, Track
from pwarp.errors import PwarpError
from pwarp.evaluation.coco_files import CocoFiles, is_coco
from pwarp.evaluation.metric import BY_FRAME, Figure, Metric
from pwarp.evaluation.pairing import keypoint_order
from pwarp.evaluation.people import Remarks
from pwarp.evaluation.videos import VideoPair
from pwarp.skeleton import COCO_17

STATISTICS = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")


@dataclass(frozen=True, eq=False)
class OksEvidence:
    """What pycocotools found out about the pictures of one video.

    categories: ids that are evaluated. images: how many pictures. judged: its record of each category, range of
    areas and picture, in this order. people: true people that count. sigmas: (K,) in use. given: how many frames were
    left out because a person set the prediction there. own_areas: whether the truth gave the areas of people.
    """

    categories: tuple[int, ...]
    images: int
    judged: tuple[Any, ...]
    people: int
    sigmas: tuple[float, ...]
    given: int = 0
    own_areas: bool = True


def evaluate_images(
    truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], sigmas: Sequence[float]
) -> OksEvidence:
    """Compare detections with the truth picture by picture.

    truth: a sound COCO document with images, annotations and categories. detections: a COCO results list, possibly
    empty, of pictures of the truth. sigmas: K constants, K as the truth's keypoints.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    # Keypoints may be absurdly far away: their similarity is 0, and nobody needs a warning.
    with redirect_stdout(io.StringIO()), np.errstate(over="ignore", under="ignore"):
        true = COCO()
        true.dataset = dict(truth)
        true.createIndex()
        if detections:
            found = true.loadRes([dict(detection) for detection in detections])
        else:
            # loadRes looks at the first detection, and fails where there is none.
            found = COCO()
            found.dataset = {"images": truth["images"], "categories": truth["categories"], "annotations": []}
            found.createIndex()
        evaluation = COCOeval(true, found, iouType="keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(sigmas, dtype=np.float64)
        evaluation.evaluate()
    people = sum(not person["iscrowd"] and person["num_keypoints"] > 0 for person in truth["annotations"])
    return OksEvidence(
        categories=tuple(evaluation.params.catIds),
        images=len(evaluation.params.imgIds),
        judged=tuple(evaluation.evalImgs),
        people=people,
        sigmas=tuple(float(s) for s in sigmas),
    )


def statistics(evidence: Sequence[OksEvidence]) -> dict[str, float]:
    """COCO's ten numbers, 0 to 1, over the pictures of all videos.

    NaN where no true person is in the range, for which COCO has -1: a number that would go into means and intervals.
    """
    from pycocotools.cocoeval import COCOeval

    first = evidence[0]
    if any(video.categories != first.categories for video in evidence):
        raise PwarpError("videos have different COCO categories and cannot stand in one table; evaluate them apart")
    evaluation = COCOeval(iouType="keypoints")
    evaluation.params.catIds = list(first.categories)
    evaluation.params.imgIds = list(range(sum(video.images for video in evidence)))
    blocks = len(first.categories) * len(evaluation.params.areaRng)
    evaluation.evalImgs = [
        record
        for block in range(blocks)
        for video in evidence
        for record in video.judged[block * video.images : (block + 1) * video.images]
    ]
    evaluation._paramsEval = evaluation.params
    with redirect_stdout(io.StringIO()):
        evaluation.accumulate()
        evaluation.summarize()
    return {
        name: float(value) if value >= 0 else float("nan")
        for name, value in zip(STATISTICS, evaluation.stats, strict=True)
    }


def coco_documents(
    truth: Annotations, prediction: Annotations, frames: IntArray
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The people in some frames (F,) as COCO truth and results.

    As in COCO, true people of whom only a box is known, and ignore regions as the boxes around them, are neither
    missed nor is it wrong to find somebody there. The area of a person is that of the box, or of the keypoints'
    extent where there is none. The score of a prediction is the person's, else the mean of its keypoints', those
    that a person set counting 1.
    """
    order = keypoint_order(truth.skeleton, prediction.skeleton)
    own_order = np.arange(len(truth.skeleton))
    people = [{**_coco_person(t, row, own_order), "iscrowd": 0} for t, row in _rows(truth, frames, boxes=True)]
    people += [{**_coco_crowd(truth, frame, polygon), "iscrowd": 1} for frame, polygon in _regions(truth, frames)]
    for number, person in enumerate(people, start=1):
        person["id"] = number
        person["num_keypoints"] = sum(flag > 0 for flag in person["keypoints"][2::3])
        person["area"] = person["bbox"][2] * person["bbox"][3]
    detections = [
        {**_coco_person(track, row, order), "score": _score(track, row)} for track, row in _rows(prediction, frames)
    ]
    document = {
        "images": [{"id": int(frame)} for frame in frames],
        "annotations": people,
        "categories": [{"id": 1, "name": "object", "keypoints": list(truth.skeleton.keypoints)}],
    }
    return document, detections


class OksAp(Metric[OksEvidence]):
    """COCO's AP and AR, in percent; NaN, where COCO prints -1, if no true person is in the range of areas."""

    name: ClassVar[str] = "oks-ap"
    uses: ClassVar[frozenset[str]] = BY_FRAME | {"sigmas"}
    counted: ClassVar[str] = "true people"

    def evidence(self, pair: VideoPair) -> OksEvidence:
        truth, prediction = pair.documents
        with pair.named():
            if is_coco(truth) and isinstance(prediction, list) and self.settings.selection.every is None:
                true_file, predicted_file = (side.file for side in pair.sides)
                assert true_file is not None
                assert predicted_file is not None
                files = CocoFiles(true_file, predicted_file)
                sigmas = COCO_17.sigmas if files.keypoints == COCO_17.keypoints else None
                return evaluate_images(files.truth, files.results, self._sigmas(sigmas, len(files.keypoints)))
            skeleton = pair.truth.skeleton
            frames, given = pair.judged_frames(self.settings.selection, declared=True)
            documents = coco_documents(pair.truth, pair.prediction, frames)
            evidence = evaluate_images(*documents, self._sigmas(skeleton.sigmas, len(skeleton)))
            return replace(evidence, given=given, own_areas=False)

    def title(self, evidence: Sequence[OksEvidence]) -> str:
        sigmas = " ".join(f"{sigma:g}" for sigma in evidence[0].sigmas)
        return f"OKS AP and AR (pycocotools), sigmas {sigmas}"

    def figures(self, evidence: Sequence[OksEvidence]) -> list[Figure]:
        people = sum(video.people for video in evidence)
        return [Figure(name, 100 * value, people, main=name == "AP") for name, value in statistics(evidence).items()]

    def notes(self, evidence: Sequence[OksEvidence]) -> list[str]:
        notes = Remarks.lines([Remarks(video.given, "") for video in evidence])
        if not all(video.own_areas for video in evidence):
            notes.append(
                "the area of people in OKS is that of their boxes; COCO's own comes with a COCO file as truth and a "
                "results list as prediction"
            )
        return notes

    def _sigmas(self, known: Sequence[float] | None, keypoints: int) -> Sequence[float]:
        given = self.settings.sigmas
        if given is None:
            if known is None:
                raise PwarpError(
                    "no OKS sigmas are known for this skeleton; give --sigmas, one number for all keypoints (such as "
                    f"0.05) or {keypoints} of them"
                )
            return known
        if len(given) not in (1, keypoints):
            raise PwarpError(f"{len(given)} sigmas for {keypoints} keypoints; give one for all, or {keypoints}")
        return given if len(given) == keypoints else given * keypoints


def _rows(annotations: Annotations, frames: IntArray, *, boxes: bool = False) -> list[tuple[Track, int]]:
    """Tracks and rows with a labelled keypoint, or also those with a box, in some frames, frame by frame."""
    found = []
    for index, track in enumerate(annotations.tracks):
        known = track.labelled.any(axis=1) | (boxes & np.isfinite(track.boxes).all(axis=1))
        rows = np.flatnonzero(np.isin(track.frames, frames) & known)
        found += [(int(track.frames[row]), index, int(row)) for row in rows]
    return [(annotations.tracks[index], row) for _, index, row in sorted(found)]


def _regions(truth: Annotations, frames: IntArray) -> list[tuple[int, FloatArray]]:
    """Frame and polygon of each ignore region in some frames."""
    asked = set(frames.tolist())
    return [
        (frame, polygon)
        for frame, polygons in sorted(truth.ignore_regions.items())
        if frame in asked
        for polygon in polygons
        if len(polygon)
    ]


def _coco_person(track: Track, row: int, order: IntArray) -> dict[str, Any]:
    """What truth and results have in common; keypoints by `order` (K,)."""
    xy, flags = track.xy[row], track.visibility[row]
    box = track.boxes[row] if np.isfinite(track.boxes[row]).all() else _extent(xy)
    triples = np.column_stack([np.nan_to_num(xy), flags])[order]
    return {"image_id": int(track.frames[row]), "category_id": 1, "keypoints": triples.ravel().tolist()} | _bbox(box)


def _coco_crowd(truth: Annotations, frame: int, polygon: FloatArray) -> dict[str, Any]:
    """An ignore region as COCO has it: a crowd without keypoints in a box."""
    keypoints = [0.0] * (3 * len(truth.skeleton))
    return {"image_id": int(frame), "category_id": 1, "keypoints": keypoints} | _bbox(_extent(polygon))


def _bbox(box: FloatArray) -> dict[str, Any]:
    return {"bbox": [*box[:2].tolist(), *(box[2:] - box[:2]).tolist()]}


def _extent(xy: FloatArray) -> FloatArray:
    return np.concatenate([np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)])


def _score(track: Track, row: int) -> float:
    if np.isfinite(track.person_score[row]):
        return float(track.person_score[row])
    labelled = track.labelled[row]
    scores = np.where(track.by_person[row], 1.0, np.nan_to_num(track.score[row], nan=0.0))
    return float(scores[labelled].mean())

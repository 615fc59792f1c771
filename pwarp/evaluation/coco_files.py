"""A COCO truth and a COCO results file as COCO's evaluator takes them, checked first.

The evaluator itself trusts its input and ends in an exception, or in a wrong number, where a field is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pwarp.formats.fields import Entry, entries, number, number_lists, shown, texts
from pwarp.formats.label_file import LabelFile


def is_coco(document: Any) -> bool:
    """Whether parsed JSON has the fields of a COCO truth."""
    return isinstance(document, Mapping) and {"images", "annotations", "categories"} <= document.keys()


class CocoFiles:
    """Both files reduced to what evaluation looks at; PwarpError names file and annotation of what is wrong.

    Pictures and people are numbered anew, in the order that the evaluator would take them: it loses people of id 0.
    """

    def __init__(self, truth: LabelFile, results: LabelFile) -> None:
        self._truth, self._results = truth, results

    @cached_property
    def keypoints(self) -> tuple[str, ...]:
        """Names of the keypoints; all categories must have the same."""
        categories = entries(self._truth, self._truth.json, "categories")
        names = [texts(self._truth, "keypoints of a category", category.get("keypoints")) for category in categories]
        if not names or any(other != names[0] for other in names):
            raise self._truth.error("the categories do not name the same keypoints; evaluate them apart")
        return tuple(names[0])

    @cached_property
    def truth(self) -> dict[str, Any]:
        """Images, annotations and categories; `num_keypoints`, where missing, is counted from the flags."""
        file, document = self._truth, self._truth.json
        people = self._people(file, entries(file, document, "annotations"), "annotations")
        for at, (row, person) in enumerate(zip(document["annotations"], people, strict=True)):
            where = _called(row, f"annotations[{at}]")
            person["id"] = at + 1
            person["area"] = number(file, f"area of {where}", row.get("area"))
            person["iscrowd"] = int(bool(row.get("iscrowd")))
            count = row.get("num_keypoints", sum(flag > 0 for flag in row["keypoints"][2::3]))
            person["num_keypoints"] = number(file, f"num_keypoints of {where}", count)
            person.setdefault("bbox", [0.0, 0.0, 0.0, 0.0])
        images, categories = ([{"id": rank} for rank in ranks.values()] for ranks in (self._pictures, self._categories))
        return {"images": images, "annotations": people, "categories": categories}

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """The detections, in file order."""
        file = self._results
        rows = entries(file, {"results": file.json}, "results")
        people = self._people(file, rows, "results")
        for at, (row, person) in enumerate(zip(rows, people, strict=True)):
            person["score"] = number(file, f"score of {_called(row, f'results[{at}]')}", row.get("score"))
        if not all("bbox" in person for person in people):
            # The evaluator takes all areas from boxes or all from keypoints.
            for person in people:
                person.pop("bbox", None)
        return people

    @cached_property
    def _pictures(self) -> dict[int | str, int]:
        return self._ranks("images")

    @cached_property
    def _categories(self) -> dict[int | str, int]:
        return self._ranks("categories")

    def _ranks(self, key: str) -> dict[int | str, int]:
        """By id, the rank of each object in a list of the truth, from 1, whole numbers before texts."""
        ids = {
            _identity(self._truth, each.get("id"), f"id in {key}")
            for each in entries(self._truth, self._truth.json, key)
        }
        return {each: rank for rank, each in enumerate(sorted(ids, key=lambda i: (isinstance(i, str), i)), start=1)}

    def _people(self, file: LabelFile, rows: Sequence[Entry], key: str) -> list[dict[str, Any]]:
        """What truth and results have in common."""

        def where(at: int) -> str:
            return f"{_called(rows[at], f'{key}[{at}]')} (image_id {shown(rows[at].get('image_id'))})"

        width = 3 * len(self.keypoints)
        number_lists(file, [row.get("keypoints") for row in rows], width, _field(where, "keypoints"))
        boxed = [at for at, row in enumerate(rows) if row.get("bbox")]
        number_lists(file, [rows[at]["bbox"] for at in boxed], 4, lambda i: f"{where(boxed[i])}: bbox")
        people = []
        for at, row in enumerate(rows):
            person = {"keypoints": row["keypoints"]} | ({"bbox": row["bbox"]} if row.get("bbox") else {})
            for field, ranks in (("image_id", self._pictures), ("category_id", self._categories)):
                identity = _identity(file, row.get(field), f"{field} of {where(at)}")
                if identity not in ranks:
                    raise file.error(f"{where(at)}: {field} {shown(identity)} is not in the truth")
                person[field] = ranks[identity]
            people.append(person)
        return people


def _identity(file: LabelFile, value: Any, what: str) -> int | str:
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise file.error(f"{what} is {shown(value)}, expected a whole number or text")


def _called(row: Entry, place: str) -> str:
    return f"annotation {row['id']}" if isinstance(row.get("id"), int | str) else place


def _field(where: Callable[[int], str], name: str) -> Callable[[int], str]:
    return lambda at: f"{where(at)}: {name}"

"""COCO's `categories` as skeletons, and back. Edges there count keypoints from 1."""

from __future__ import annotations

from collections.abc import Collection

from pwarp.formats.coco_rows import category_key
from pwarp.formats.fields import Entry, entries, shown, text, texts, whole
from pwarp.formats.label_file import LabelFile
from pwarp.skeleton import Edge, Skeleton


def choose_category(
    file: LabelFile, document: Entry, used: Collection[object], only: str | None
) -> tuple[Entry, set[object], bool]:
    """The one category with keypoints that is meant, the ids that stand for it, and whether `only` named it.

    used: category ids that annotations have. Categories with equal keypoints count as one, unless one of them is
    named; an annotation without category_id belongs to it too.
    """
    categories = entries(file, document, "categories")
    posed = [c for c in categories if c.get("keypoints")]
    if not posed:
        raise file.error("no category has keypoints; add categories with their keypoint names")
    if only is not None:
        named = [c for c in posed if c.get("name") == only]
        if len(named) == 1:
            return named[0], {_key(named[0])}, True
    candidates = [c for c in posed if _key(c) in used] or posed
    if any(c["keypoints"] != candidates[0]["keypoints"] for c in candidates):
        known = ", ".join(str(c.get("name", c.get("id"))) for c in candidates)
        raise file.error(f"holds several categories with different keypoints; choose one with --only: {known}")
    alike = {_key(c) for c in posed if c["keypoints"] == candidates[0]["keypoints"]}
    return candidates[0], alike | {None}, False


def _key(category: Entry) -> object:
    return category_key(category.get("id"))


def read_skeleton(file: LabelFile, category: Entry) -> Skeleton:
    """The skeleton of a category; a built-in one lends what COCO cannot say where the names are the same."""
    keypoints = texts(file, "keypoints of a category", category.get("keypoints"))
    name = text(file, "name of a category", category.get("name", "unnamed"))
    return Skeleton.from_names(name, keypoints, _edges(file, name, category.get("skeleton") or [], len(keypoints)))


def _edges(file: LabelFile, name: str, value: object, count: int) -> list[Edge]:
    if not isinstance(value, list):
        raise file.error(f"skeleton of category '{name}' is {shown(value)}, expected a list of pairs")
    edges = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise file.error(f"skeleton of category '{name}' holds {shown(pair)}, expected a pair of keypoint numbers")
        a, b = (whole(file, f"skeleton of category '{name}'", end, least=1, most=count) for end in pair)
        edges.append((a - 1, b - 1))
    return edges


def category_entry(skeleton: Skeleton, name: str) -> Entry:
    """The skeleton as the category with id 1."""
    return {
        "id": 1,
        "name": name,
        "keypoints": list(skeleton.keypoints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.edges],
    }

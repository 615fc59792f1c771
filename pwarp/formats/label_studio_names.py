"""Which keypoint a vertex of Label Studio is: vertices have ids, but no names.

pwarp writes names as ids, and the skeleton into the data of the task, and Label Studio keeps both. Skeletons that were
drawn there get names from a side file, FILE.vertices.json beside the labels or one that is given: an object of vertex
id: keypoint name, or {"vertices": {id: name}, "keypoints": [names in order], "skeleton": [[1, 2], ...]}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pwarp.formats.coco_skeleton import read_skeleton as read_category
from pwarp.formats.fields import Entry, shown, text
from pwarp.formats.label_file import LabelFile
from pwarp.formats.label_studio_tasks import Region
from pwarp.formats.native_parts import read_skeleton
from pwarp.skeleton import Edge, Skeleton

SIDE_SUFFIX = ".vertices.json"


@dataclass(frozen=True)
class Names:
    """The skeleton, and how to find a vertex in it.

    place: keypoint index by vertex id. by_order: the vertices of each key frame are the keypoints in their order.
    """

    skeleton: Skeleton
    place: Mapping[str, int]
    by_order: bool = False

    def of(self, file: LabelFile, where: str, vertices: Sequence[Entry]) -> list[int]:
        """The keypoint of each vertex; PwarpError names one that is none."""
        if self.by_order:
            return list(range(len(vertices)))
        found = []
        for vertex in vertices:
            id = vertex_id(file, where, vertex)
            if id not in self.place:
                raise file.error(
                    f"{where}: vertex {shown(id)} is no keypoint that is known; name it in a file of vertex ids "
                    f"(--vertices, or {SIDE_SUFFIX.removeprefix('.')} beside the labels)"
                )
            found.append(self.place[id])
        return found


def side_file(file: LabelFile) -> Path | None:
    """The file with the names of vertices: as given, else beside the labels, else None."""
    if file.beside is not None:
        return file.beside
    if file.path is None:
        return None
    path = file.path.with_suffix(SIDE_SUFFIX)
    # Unlike Path.is_file, it takes a name that is too long for none.
    return path if os.path.isfile(path) else None  # noqa: PTH113


def find_names(file: LabelFile, written: Any, regions: Sequence[Region], label: str) -> Names:
    """What the vertices of these regions are called; `written`: what pwarp wrote of the skeleton, or None."""
    side = side_file(file)
    if side is not None:
        return _from_side_file(LabelFile.open(side), label)
    if isinstance(written, dict):
        skeleton = read_skeleton(file, written)
        return Names(skeleton, {name: i for i, name in enumerate(skeleton.keypoints)})
    ids = [_ids(file, region) for region in regions]
    if all(set(some) == set(ids[0]) for some in ids):
        edges = _edges(file, regions[0], {id: i for i, id in enumerate(ids[0])})
        skeleton = Skeleton.from_names(label, ids[0], edges)
        return Names(skeleton, {id: i for i, id in enumerate(ids[0])})
    # Every region was drawn by itself and has ids of its own: the order of drawing is all there is.
    counts = {len(some) for some in ids}
    constant = all(len(vertices) in counts for r in regions for vertices in _vertex_lists(file, r))
    if len(counts) > 1 or not constant:
        raise file.error(
            "its regions have vertices of their own and not the same number of them, so nothing tells which keypoint "
            f"each is; name them in a file of vertex ids (--vertices, or NAME{SIDE_SUFFIX} beside the labels)"
        )
    count = counts.pop()
    edges = _edges(file, regions[0], {id: i for i, id in enumerate(ids[0])})
    skeleton = Skeleton.from_names(label, [str(k + 1) for k in range(count)], edges)
    # Within a region ids stay, whatever order its key frames list them in.
    places = {(id, k) for some in ids for k, id in enumerate(some)}
    place = dict(places)
    return Names(skeleton, place, by_order=len(place) < len(places))


def _from_side_file(side: LabelFile, label: str) -> Names:
    document = side.json
    if not isinstance(document, dict):
        raise side.error(f"is {shown(document)}, expected an object of vertex id: keypoint name")
    vertices = document.get("vertices", document)
    if not isinstance(vertices, dict) or not vertices:
        raise side.error(f"vertices is {shown(vertices)}, expected an object of vertex id: keypoint name")
    called = {id: text(side, f"the name of vertex {shown(id)}", name) for id, name in vertices.items()}
    keypoints = document.get("keypoints") if vertices is not document else None
    entry = {"name": label, "keypoints": keypoints or list(dict.fromkeys(called.values()))}
    entry["skeleton"] = document.get("skeleton") if vertices is not document else None
    skeleton = read_category(side, entry)
    return Names(skeleton, {id: skeleton.index(name) for id, name in called.items()})


def _vertex_lists(file: LabelFile, region: Region) -> list[list[Entry]]:
    """The vertices of each key frame that has any."""
    lists = [item.get("vertices") for item in region.sequence if isinstance(item, dict)]
    return [vertices_of(file, f"region {shown(region.id)}", some) for some in lists if some]


def vertices_of(file: LabelFile, where: str, value: Any) -> list[Entry]:
    """A list of objects."""
    if not isinstance(value, list) or not all(isinstance(vertex, dict) for vertex in value):
        raise file.error(f"{where}: vertices is {shown(value)}, expected a list of objects")
    return value


def vertex_id(file: LabelFile, where: str, vertex: Entry) -> str:
    """The id of a vertex."""
    id = vertex.get("id")
    return str(id) if type(id) is int else text(file, f"{where}: id of a vertex", id)


def _ids(file: LabelFile, region: Region) -> list[str]:
    """The ids of a region's vertices in the order in which they turn up."""
    where = f"region {shown(region.id)}"
    ids = [vertex_id(file, where, vertex) for some in _vertex_lists(file, region) for vertex in some]
    if not ids:
        raise file.error(f"{where}: no key frame has vertices")
    return list(dict.fromkeys(ids))


def _edges(file: LabelFile, region: Region, place: Mapping[str, int]) -> list[Edge]:
    """The lines that were drawn: each vertex to the one that it says was before."""
    edges: dict[Edge, None] = {}
    for some in _vertex_lists(file, region):
        for vertex in some:
            before = place.get(str(vertex.get("prevPointId")))
            here = place[vertex_id(file, "", vertex)]
            if before is not None and before != here:
                edges[(before, here)] = None
    return list(edges)

"""Reading the dataset folders of `pwarp.formats.yolo_pose`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from pwarp.annotations import Annotations, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.files import check_inside
from pwarp.formats.coco_images import LAST_FRAME
from pwarp.formats.fields import Entry, shown
from pwarp.formats.label_file import LabelFile
from pwarp.formats.mirrored import with_flips
from pwarp.skeleton import COCO_17, Skeleton

if TYPE_CHECKING:
    from pwarp.video import Video

DESCRIPTION = "data.yaml"
PIXEL_DECIMALS = 6  # what is read is rounded to a millionth of a pixel, so that decimals come back as they were
_PARTS = ("train", "val", "test")
_PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_UNNAMED = "frame"
_NUMBERED = re.compile(r"(.*?)[-_]?(?<!\d)(\d{1,9})")
_LONGEST_NAME = 255  # bytes
_LARGEST_TEXT = 1 << 22
_MOST_PICTURES = 1_000_000
_MOST_KEYPOINTS = 10_000
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


@dataclass(frozen=True)
class _Place:
    """A picture of the dataset by its two files, either of which may be missing."""

    picture: Path
    labels: Path

    @property
    def name(self) -> str:
        return self.labels.stem


def sniff(file: LabelFile) -> bool:
    """A folder with a data.yaml that says kpt_shape, or that file itself."""
    path = _description(file)
    if path is None or path.suffix not in (".yaml", ".yml"):
        return False
    try:
        return re.search(rb"^kpt_shape\s*:", LabelFile.open(path).head, re.MULTILINE) is not None
    except PwarpError:
        return False


def _description(file: LabelFile) -> Path | None:
    if file.path is None:
        return None
    path = file.path / DESCRIPTION if file.is_folder else file.path
    return path if path.is_file() else None


def stem_of(path: str | None) -> str:
    """What a video is called in the names of its pictures."""
    name = "" if path is None else PurePosixPath(path.replace("\\", "/")).stem
    return re.sub(r"[^A-Za-z0-9_-]", "_", name) or _UNNAMED


def read(file: LabelFile, *, video: Video | None, only: str | None) -> Annotations:
    """The poses of one video (or class) in a dataset; PwarpError names the file and line of what is wrong."""
    path = _description(file)
    if path is None:
        raise file.error(f"has no {DESCRIPTION}; give the folder of a YOLO-pose dataset, or its {DESCRIPTION}")
    description = _parsed(LabelFile.open(path))
    classes, keypoints, dims = _classes(file, description)
    named = {c for c, name in classes.items() if name == only}
    places = list(_places(file, _root(path.parent, description), description))
    name, frames = _frames(file, places, video, None if named else only)
    count = len(next(iter(keypoints.values())))
    of_frame = [(frame, list(_lines(place.labels, count, dims))) for frame, place in frames]
    used = {int(pose[0]) for _, poses in of_frame for pose in poses}
    for (_, place), (_, poses) in zip(frames, of_frame, strict=True):
        if odd := [int(pose[0]) for pose in poses if pose[0] not in classes]:
            known = ", ".join(map(str, sorted(classes)))
            raise LabelFile.open(place.labels).error(f"has class {odd[0]}, and names in data.yaml has {known} only")
    chosen = named or used or set(classes)
    if len(chosen) > 1 and (used or len({keypoints[c] for c in chosen}) > 1):
        known = ", ".join(classes[c] for c in sorted(chosen))
        how = "--only, and the video with --video" if only else "--only"
        raise file.error(f"holds several classes; choose one with {how}: {known}")
    first = min(chosen)
    skeleton = _skeleton(file, classes[first], keypoints[first], description)
    width, height = _size(file, [place.picture for _, place in frames], video)
    scale = np.array([width, height], np.float64)
    tracks: list[Track] = []
    background = False
    for frame, poses in of_frame:
        poses = [pose for pose in poses if int(pose[0]) in chosen]
        background |= not poses
        for pose in poses:
            tracks.append(_pose(len(tracks), frame, pose, dims, scale))
    labelled = np.array([frame for frame, _ in frames], dtype=np.int64) if background else None
    return Annotations(skeleton, VideoIdentity(name, width, height), tuple(tracks), labelled)


def _parsed(file: LabelFile) -> Entry:
    """data.yaml, of bounded size; raises PwarpError for what is no mapping in YAML."""
    import yaml

    if len(file.content) > _LARGEST_TEXT:
        raise file.error("is larger than 4 MiB, no description of a dataset is")
    try:
        # A few lines of them stand for lists of any length.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(file.content, yaml.SafeLoader)):
            raise file.error("has aliases (*name), which no description of a dataset needs; write out what they mean")
        document = yaml.safe_load(file.content)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise file.error(f"is no YAML that can be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(document, dict):
        raise file.error("is no description of a dataset; expected names, kpt_shape and train")
    return document


def _classes(file: LabelFile, description: Entry) -> tuple[dict[int, str], dict[int, tuple[str, ...]], int]:
    """Names of the classes, keypoint names of each, and whether a keypoint has 2 or 3 numbers."""
    shape = description.get("kpt_shape")
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(n) is int for n in shape)):
        raise file.error("kpt_shape is not [keypoints, 2 or 3]; is it a dataset for poses?")
    count, dims = shape
    if not 1 <= count <= _MOST_KEYPOINTS or dims not in (2, 3):
        raise file.error(f"kpt_shape is [{count}, {dims}], expected [keypoints, 2 or 3]")
    names = description.get("names")
    table = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(table, dict) or not table or not all(type(c) is int and c >= 0 for c in table):
        raise file.error(f"names is {shown(names)}, expected the classes by their number")
    classes = {c: str(name)[:200] for c, name in table.items()}
    given = description.get("kpt_names")
    given = given if isinstance(given, dict) else {}
    keypoints = {}
    for c in classes:
        value = given.get(c)
        if value is None:
            value = list(COCO_17.keypoints) if count == len(COCO_17) else [f"keypoint_{k}" for k in range(count)]
        if not isinstance(value, list) or len(value) != count or not all(isinstance(n, str) for n in value):
            raise file.error(f"kpt_names of class {c} are not {count} texts")
        keypoints[c] = tuple(value)
    return classes, keypoints, dims


def _skeleton(file: LabelFile, name: str, keypoints: tuple[str, ...], description: Entry) -> Skeleton:
    skeleton = Skeleton.from_names(name, keypoints)
    flip = description.get("flip_idx")
    if flip is None:
        return skeleton
    count = len(keypoints)
    if not (isinstance(flip, list) and len(flip) == count and all(type(i) is int and 0 <= i < count for i in flip)):
        raise file.error(f"flip_idx is {shown(flip)}, expected {count} numbers of keypoints")
    return with_flips(skeleton, flip)


def _places(file: LabelFile, root: Path, description: Entry) -> Iterator[_Place]:
    """The pictures and label files of all parts of the dataset, each once."""
    seen: set[Path] = set()
    for part in _PARTS:
        value: Any = description.get(part)
        for folder in value if isinstance(value, list) else [value]:
            if folder is None:
                continue
            if not isinstance(folder, str):
                raise file.error(f"{part} is {shown(folder)}, expected a folder")
            images, labels = _inside(file, root, part, folder)
            if images in seen:
                continue
            seen.add(images)
            if images.is_file():
                raise file.error(f"{part} is the list '{folder[:80]}'; only folders of pictures are read")
            entries = _entries(images)
            if inner := next((p for p in entries if p.is_dir() and any(map(_is_picture, _entries(p)))), None):
                raise file.error(f"{inner.name} in {part}: pictures in folders of their own are not read; move them up")
            pictures = {p.stem: p for p in entries if _is_picture(p)}
            texts = {p.stem: p for p in _entries(labels) if p.suffix == ".txt"}
            if len(pictures) + len(texts) > 2 * _MOST_PICTURES:
                raise file.error(f"holds more than {_MOST_PICTURES} pictures; split it, one video a dataset")
            for stem in sorted(pictures.keys() | texts.keys()):
                yield _Place(pictures.get(stem, images / f"{stem}.jpg"), texts.get(stem, labels / f"{stem}.txt"))


def _root(folder: Path, description: Entry) -> Path:
    """The folder that the parts lie in: `path`, where there is one of that name beside data.yaml. Mostly it is where
    the dataset once lay on somebody's machine."""
    value = description.get("path")
    if not isinstance(value, str) or len(value.encode(errors="replace")) > _LONGEST_NAME:
        return folder
    path = PurePosixPath(value.replace("\\", "/"))
    found = folder / path
    there = not path.is_absolute() and found.is_dir()
    return found if there and found.resolve().is_relative_to(folder.resolve()) else folder


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _PICTURES


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [check_inside(folder, p) for p in folder.iterdir() if not p.name.startswith(".")]


def _inside(file: LabelFile, root: Path, part: str, folder: str) -> tuple[Path, Path]:
    """The folders of a part's pictures and labels. Ultralytics reads '../train' as 'train' where the former is not."""
    path = PurePosixPath(folder.replace("\\", "/").removeprefix("../"))
    if path.is_absolute() or ".." in path.parts or "\0" in folder:
        raise file.error(f"{part} is '{folder[:80]}', which is not below {root}; name it relative to {DESCRIPTION}")
    if len(folder.encode(errors="replace")) > _LONGEST_NAME:
        raise file.error(f"{part} is '{folder[:80]}...', which is longer than names of folders are")
    parts = list(path.parts)
    if "images" in parts:
        at = len(parts) - 1 - parts[::-1].index("images")
        parts[at] = "labels"
    return root.joinpath(path), root.joinpath(*parts)


def _frames(
    file: LabelFile, places: Sequence[_Place], video: Video | None, only: str | None
) -> tuple[str | None, list[tuple[int, _Place]]]:
    """What the video is called, and its frames in rising order: by their place in a folder, or the number in names."""
    names = video.names if video is not None else None
    by_stem = {} if names is None else {PurePosixPath(name).stem: i for i, name in enumerate(names)}
    if places and only is None and all(place.name in by_stem for place in places):
        return None, _once(file, [(by_stem[place.name], place) for place in places])
    groups: dict[str, list[tuple[int, _Place]]] = {}
    for place in places:
        found = _NUMBERED.fullmatch(place.name)
        if found is None or int(found[2]) > LAST_FRAME:
            raise file.error(
                f"picture '{place.name[:80]}' has no frame number at the end of its name; "
                "give the folder that the pictures came from as the video"
            )
        groups.setdefault(found[1], []).append((int(found[2]), place))
    if only is not None:
        groups = {name: group for name, group in groups.items() if name == only}
        if not groups:
            raise file.error(f"holds no video and no class '{only}'")
    if video is not None and len(groups) > 1:
        groups = {n: g for n, g in groups.items() if n == stem_of(str(video.path))} or groups
    if len(groups) != 1:
        known = ", ".join(sorted(groups)[:20])
        wrong = "pictures of several videos; choose one with --only: " + known if groups else "no pictures"
        raise file.error(f"holds {wrong}")
    (name, group), *_ = groups.items()
    return None if name in ("", _UNNAMED) else name, _once(file, group)


def _once(file: LabelFile, frames: list[tuple[int, _Place]]) -> list[tuple[int, _Place]]:
    """The frames in rising order; raises PwarpError where two pictures are the same frame."""
    frames.sort(key=lambda pair: (pair[0], str(pair[1].labels)))
    for (a, one), (b, other) in pairwise(frames):
        if a == b:
            raise file.error(f"pictures '{one.name}' and '{other.name}' are both frame {a}; keep one")
    return frames


def _size(file: LabelFile, pictures: Sequence[Path], video: Video | None) -> tuple[int, int]:
    """Width and height of the pictures, read from their heads where the video does not say."""
    if video is not None:
        return video.width, video.height
    from PIL import Image

    sizes: dict[tuple[int, int], Path] = {}
    for path in pictures:
        if not path.is_file():
            continue
        try:
            with Image.open(path) as image:
                turned = image.getexif().get(0x0112) in _TURNED
                sizes.setdefault(image.size[::-1] if turned else image.size, path)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise file.error(f"{path.name} is no picture that can be read ({error})") from error
    if len(sizes) > 1:
        (one, a), (other, b), *_ = sizes.items()
        raise file.error(
            f"{a.name} is {one[0]}x{one[1]}, {b.name} is {other[0]}x{other[1]}; "
            "pictures of one video have one size, choose a video with --only"
        )
    if not sizes:
        raise file.error("has none of its pictures, whose size turns parts into pixels; give the video with --video")
    return next(iter(sizes))


def _lines(path: Path, keypoints: int, dims: int) -> Iterator[list[float]]:
    """The numbers of each line of a label file, checked; none where there is no file, which says: nobody here."""
    if not path.is_file():
        return
    file = LabelFile.open(path)
    if path.stat().st_size > _LARGEST_TEXT:
        raise file.error("larger than 4 MiB; no label file of one picture is")
    expected = 5 + keypoints * dims
    for number, line in enumerate(file.content.decode("utf-8-sig", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != expected:
            raise file.error(
                f"line {number}: {len(words)} numbers, expected {expected} (box and {keypoints} keypoints)"
            )
        try:
            values = [float(word) for word in words]
        except ValueError:
            raise file.error(f"line {number}: not all of it are numbers") from None
        if not np.isfinite(values).all() or values[0] != int(values[0]) or max(map(abs, values[1:])) > 1e6:
            raise file.error(f"line {number}: a number that can be no class, place or visibility")
        if dims == 3 and set(values[7::3]) - {0.0, 1.0, 2.0}:
            raise file.error(f"line {number}: a visibility is none of 0, 1, 2")
        yield values


def _pose(id: int, frame: int, values: Sequence[float], dims: int, scale: Any) -> Track:
    """A line as a track of one pose."""
    centre, extent = np.array(values[1:3]) * scale, np.array(values[3:5]) * scale
    table = np.array(values[5:]).reshape(-1, dims)
    seen = table[:, 2] if dims == 3 else np.where(table.any(axis=1), 2, 0)
    return Track.make(
        id,
        [frame],
        np.round(table[np.newaxis, :, :2] * scale, PIXEL_DECIMALS),
        seen[np.newaxis].astype(np.uint8),
        boxes=np.round(np.concatenate([centre - extent / 2, centre + extent / 2]), PIXEL_DECIMALS)[np.newaxis],
        identified=False,
    )

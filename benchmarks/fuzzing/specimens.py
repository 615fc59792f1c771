"""Valid files of every kind that pwarp opens, small, for `mutations` to spoil."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from pwarp import formats
from pwarp.annotations import Annotations, Replaced, Source, Track, VideoIdentity
from pwarp.skeleton import COCO_17, JHMDB_15, MPII_16, PENN_13, POSETRACK_17, Skeleton

FRAMES, WIDTH, HEIGHT = 12, 160, 120


@dataclass(frozen=True)
class Specimen:
    """Files by their path in a folder. entry: the path to open; "" is the folder. spoilt: the files to spoil."""

    files: Mapping[str, bytes]
    entry: str
    spoilt: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "spoilt", self.spoilt or tuple(self.files))


def single(name: str, content: bytes) -> Specimen:
    """A file that stands alone."""
    return Specimen({name: content}, name)


def made_by(write: Callable[[Path], object], entry: str, spoilt: tuple[str, ...] = ()) -> Specimen:
    """What a function puts into a folder."""
    with tempfile.TemporaryDirectory(prefix="pwarp-specimen-") as name:
        folder = Path(name)
        write(folder)
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return Specimen(files, entry, spoilt)


ANIMAL = Skeleton("animal", ("head_top", "left_paw", "right_paw"), ((0, 1),), ((1, 2),), (0.1, 0.2, 0.3), (0, 1))


def labels(skeleton: Skeleton, *, people: int = 2, rich: bool = True) -> Annotations:
    """Annotations of a short video with everything that can be known of it."""
    count = len(skeleton)
    tracks = []
    for id in range(people):
        frames = np.array([1, 2, 5, 8])
        xy = 20.0 + 4 * id + frames[:, None, None] + np.stack([np.arange(count), 2 * np.arange(count)], axis=1)
        source = np.full((4, count), Source.MANUAL)
        if rich:
            source[1:3] = Source.PROPAGATED
        estimated = source == Source.PROPAGATED
        visibility = np.full((4, count), 2)
        visibility[0, 1] = 1
        if rich:
            visibility[3, 0] = 0
        source[visibility == 0] = Source.NONE
        tracks.append(
            Track.make(
                *(id, frames, xy + 0.25, visibility),
                source=source,
                score=np.where(estimated, 0.75, np.nan),
                origin=np.where(estimated[..., None], np.array([1, 8]), -1) if rich else None,
                boxes=np.tile([10.0, 10.0, 90.0, 100.0], (4, 1)),
                head_boxes=np.tile([12.0, 12.0, 30.0, 40.0], (4, 1)) if rich else None,
                person_score=[0.5, np.nan, 1.0, 0.25] if rich else None,
                absent=[(10, 11)] if rich else (),
                replaced=[Replaced(2, 1, 3.5, 4.5, 2)] if rich else (),
            )
        )
    video = VideoIdentity("dog.mp4", WIDTH, HEIGHT, FRAMES, Fraction(30000, 1001), None)
    regions = {5: (np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]),)} if rich else {}
    return Annotations(skeleton, video, tuple(tracks), [1, 2, 5, 8, 9] if rich else None, regions)


def written(format: str, name: str, annotations: Annotations) -> Specimen:
    """Annotations as pwarp writes them in a format."""
    return made_by(lambda folder: formats.write(annotations, folder / name, format=format), name)


def coco_results() -> Specimen:
    """A bare list of detected people."""
    row = {"image_id": 3, "category_id": 1, "keypoints": [1.5, 2, 0.5] * 17, "score": 0.9, "track_id": 1}
    return single("results.json", json.dumps([row, {**row, "image_id": 4}]).encode())


def coco_document() -> dict[str, Any]:
    """COCO's own layout: two pictures, three people, one of them a crowd."""
    person: dict[str, Any] = {
        "category_id": 1, "keypoints": [20, 30, 2, 0, 0, 0, 40.5, 50, 1] + [7, 8, 2] * 14, "num_keypoints": 16,
        "bbox": [10, 20, 60, 70], "area": 4200.5, "iscrowd": 0, "segmentation": [[1, 2, 3, 4, 5, 6]],
    }  # fmt: skip
    crowd = person | {"iscrowd": 1, "keypoints": [0] * 51, "segmentation": {"counts": [3, 4], "size": [7, 1]}}
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints), "skeleton": [[16, 14], [14, 12]]}
    names = {139: "000000000139.jpg", 785: "000000000785.jpg"}
    return {
        "images": [{"id": id, "file_name": name, "width": 160, "height": 120} for id, name in names.items()],
        "annotations": [
            person | {"id": 1, "image_id": 139},
            person | {"id": 2, "image_id": 785},
            crowd | {"id": 3, "image_id": 139},
        ],
        "categories": [category],
    }


def posetrack18_document() -> dict[str, Any]:
    """PoseTrack18's layout: opaque ids, the frame in the file name."""
    images = [
        {
            "file_name": f"images/val/000342_mpii_test/{n:06d}.jpg", "id": 10003420000 + n, "vid_id": "000342",
            "frame_id": 10003420000 + n, "nframes": 3, "is_labeled": n != 1,
            "ignore_regions_x": [[1, 30, 5]], "ignore_regions_y": [[2, 4, 60]],
        }
        for n in range(3)
    ]  # fmt: skip
    row = {
        "id": 1, "image_id": 10003420002, "track_id": 5, "category_id": 1,
        "keypoints": list(chain.from_iterable([10 + 2 * k, 90 - k, 1] for k in range(17))),
        "bbox": [10, 20, 30, 50], "bbox_head": [11, 21, 6, 8], "scores": [0.5] * 17,
    }  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.keypoints), "skeleton": [[16, 14]]}
    return {"images": images, "annotations": [row, {**row, "id": 2, "image_id": 10003420000}], "categories": [category]}


def posetrack17_document() -> dict[str, Any]:
    """PoseTrack17's layout, in which every number is in a list."""
    points = [{"id": [k], "x": [10 + k], "y": [20.5], "is_visible": [k % 2], "score": [0.5]} for k in (0, 4, 9)]
    person = {"track_id": [3], "x1": [1], "y1": [2], "x2": [3], "y2": [4], "annopoints": [{"point": points}]}
    region = {"point": [{"x": [1], "y": [2]}, {"x": [30], "y": [4]}, {"x": [5], "y": [60.5]}]}
    frames = [{"image": [{"name": f"images/val/342/{n:08d}.jpg"}], "annorect": [person]} for n in (11, 12, 13)]
    return {"annolist": [frames[0] | {"is_labeled": [1], "ignore_regions": [region]}, *frames[1:]]}


LABEL_STUDIO_MIN = [
    {
        "id": 7, "video": "/data/upload/1/dog.mp4", "annotator": 1,
        "pose": [
            {
                "framesCount": 12, "duration": 0.5, "labels": ["animal"], "meta": {"text": ["left"]},
                "sequence": [
                    {
                        "frame": n, "enabled": n < 9, "time": n / 24, "closed": False,
                        "vertices": [
                            {"id": f"v{k}", "prevPointId": None, "x": 10.5 + k, "y": 20, "isBezier": False}
                            for k in range(3)
                        ],
                    }
                    for n in (1, 5, 9)
                ],
            }
        ],
        "box": [
            {
                "framesCount": 12, "labels": ["animal"],
                "sequence": [{"frame": 1, "enabled": True, "x": 1, "y": 2, "width": 30, "height": 40, "rotation": 0}],
            }
        ],
    }
]  # fmt: skip

DLC_LABELS = """scorer,,,anna,anna,anna,anna,anna,anna,anna,anna
individuals,,,mouse1,mouse1,mouse1,mouse1,mouse2,mouse2,mouse2,mouse2
bodyparts,,,snout,snout,tail,tail,snout,snout,tail,tail
coords,,,x,y,x,y,x,y,x,y
labeled-data,cage,img0003.png,1.5,2.5,,,3,4,5,6
labeled-data,cage,img0012.png,1,2,3,4,,,,
"""
DLC_PREDICTIONS = """scorer,net,net,net,net,net,net
bodyparts,snout,snout,snout,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood
0,1.5,2.5,0.99,3,4,0.25
1,,,,5,6,1
2,,,,,,
"""


def dlc_predictions_h5() -> Specimen:
    """What pandas writes with format="table": the columns' names stand in a pickle of the oldest kind."""
    import h5py

    names = [("net", "snout", coord) for coord in ("x", "y", "likelihood")]
    listed = "".join(f"(V{a}\nV{b}\nV{c}\ntp{n + 1}\na" for n, (a, b, c) in enumerate(names))
    rows = np.zeros(3, np.dtype([("index", "<i8"), ("values_block_0", "<f8", (3,))]))
    rows["index"], rows["values_block_0"] = np.arange(3), [1.5, 2.5, 0.75]
    buffer = BytesIO()
    with h5py.File(buffer, "w") as handle:
        group = handle.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_(b"frame_table")
        table = group.create_dataset("table", data=rows)
        table.attrs["values_block_0_kind"] = np.bytes_(f"(lp0\n{listed}.".encode())
    return single("predictions.h5", buffer.getvalue())


def yolo() -> Specimen:
    """A dataset folder: two pictures with their labels."""
    line = "0 0.5 0.5 0.25 0.5 0.25 0.5 2 0.1 0.2 1 0 0 0\n"
    return Specimen(
        {
            "data.yaml": b"path: .\ntrain: images/train\nval: images/val\nkpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\n"
            b"names:\n  0: animal\n  1: ball\n"
            b"kpt_names:\n  0: [nose, left_paw, right_paw]\n  1: [nose, left_paw, right_paw]\n",
            "images/train/dog_0003.png": picture("png"),
            "images/val/dog_0007.jpg": picture("jpg"),
            "labels/train/dog_0003.txt": (line * 2).encode(),
            "labels/val/dog_0007.txt": line.encode(),
        },
        "",
    )


def picture(kind: str, number: int = 0) -> bytes:
    """A small picture in a format that OpenCV writes."""
    import cv2

    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.stack([x + number, y, x + y], axis=2).astype(np.uint8)
    return bytes(cv2.imencode(f".{kind}", pixels)[1])


def mat(**variables: Any) -> bytes:
    """A Matlab file."""
    from scipy.io import savemat

    out = BytesIO()
    savemat(out, variables, do_compression=True)
    return out.getvalue()


def penn_mat(frames: int = 4) -> bytes:
    """A label file of Penn Action."""
    x = 20 + np.arange(frames)[:, np.newaxis] + 3.0 * np.arange(len(PENN_13))
    return mat(
        x=x, y=30 + x / 2, visibility=np.ones(x.shape, np.uint8), train=np.int32(1), action="jump", pose="front",
        bbox=np.tile([10.0, 20.0, 80.0, 100.0], (frames, 1)), dimensions=np.array([[HEIGHT, WIDTH, frames]], np.uint16),
        nframes=np.uint8(frames),
    )  # fmt: skip


def jhmdb_mat(frames: int = 4) -> bytes:
    """A label file of JHMDB."""
    x = 40 + 5 * np.arange(len(JHMDB_15))[:, np.newaxis] + np.arange(frames)
    return mat(pos_img=np.stack([x, 110 - x / 2]), pos_world=np.stack([x, x]) / 100, scale=1.0, viewpoint="E")


def structures(*items: Mapping[str, Any]) -> Any:
    """A 1 x n structure array of Matlab's."""
    names = sorted({name for item in items for name in item})
    array = np.zeros((1, len(items)), dtype=[(name, object) for name in names])
    for at, item in enumerate(items):
        array[0, at] = tuple(item.get(name, np.zeros((0, 0))) for name in names)
    return array


def mpii_mat() -> bytes:
    """MPII's file with one picture of one person."""
    points = structures(*({"id": k, "x": 50.0 + k, "y": 60.5, "is_visible": k % 2} for k in range(len(MPII_16))))
    head = {"x1": 101.0, "y1": 51.0, "x2": 131.0, "y2": 91.0}
    place = {"scale": 1.5, "objpos": structures({"x": 301.0, "y": 201.0})}
    person = structures(head | place | {"annopoints": structures({"point": points})})
    picture = {"image": structures({"name": "a.jpg"}), "annorect": person}
    alone = np.empty((1, 1), dtype=object)
    alone[0, 0] = 1
    release = {"annolist": structures(picture), "img_train": np.array([[1]]), "single_person": alone, "version": "12"}
    return mat(RELEASE=structures(release))


def clip(name: str, codec: str, pix_fmt: str = "yuv420p", *, sound: bool = False) -> Specimen:
    """A video of eight frames, 64x48, with a key frame every four; with a second of silence beside it."""
    import av

    def write(folder: Path) -> None:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
            stream.options = {"x264-params": "keyint=4:bframes=1"} if codec == "libx264" else {}
            stream.codec_context.gop_size = 4
            audio = container.add_stream("aac" if name.endswith("mp4") else "mp3", rate=44100) if sound else None
            y, x = np.mgrid[:48, :64]
            for n in range(8):
                pixels = np.stack([x * 4 + 9 * n, y * 5, (x + y) * 2 + 30 * n], axis=2).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
            if audio is not None:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152 * 8), np.float32), format="fltp", layout="mono")
                silence.rate = 44100
                container.mux(audio.encode(silence))
                container.mux(audio.encode(None))

    return made_by(write, name)


def pictures() -> Specimen:
    """A folder of pictures of every kind."""
    return Specimen(
        {f"{n}.{kind}": picture(kind, n) for n, kind in enumerate(("png", "jpg", "bmp", "tif", "webp", "ppm"))}, ""
    )

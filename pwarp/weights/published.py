"""Weights that authors have published, and what must be known to use them.

Nothing of it is on this project's servers: `where` says where the authors keep it. A licence is that of the repository;
most weights were trained on pictures that have licences of their own.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pwarp.errors import PwarpError
from pwarp.heatmaps import Codec
from pwarp.skeleton import COCO_17, POSETRACK_17, Skeleton

Layout = Literal["official", "mmpose"]


@dataclass(frozen=True)
class Published:
    """One checkpoint of somebody else's.

    name: ours. what: in a line, with the figure that its authors state. model: config of the network. codec: crop size
    and heatmaps that it was trained with. layout: how its parameters are called. repository: the authors'. where: how
    to get the file. file: what it is called there, if it has a name. licence: of the repository. url: of the file
    itself, where the authors publish one. digest: how the SHA-256 of the file begins, or "" where nobody said.
    bgr: whether it was trained on pictures in OpenCV's order of colours.
    """

    name: str
    what: str
    model: Mapping[str, Any]
    codec: Codec
    skeleton: Skeleton
    layout: Layout
    repository: str
    where: str
    licence: str
    file: str = ""
    url: str = ""
    digest: str = ""
    bgr: bool = False
    notes: str = ""


_SIZES = {"256x192": Codec("msra", (192, 256), 4, 2.0), "384x288": Codec("msra", (288, 384), 4, 3.0)}
_COCO = "COCO val2017, detected boxes, flip test: AP"
_ZOO = "by hand, from the model zoo on Google Drive or OneDrive that the README links"
_HRNET = "https://github.com/HRNet/deep-high-resolution-net.pytorch"
_SIMPLE = "https://github.com/microsoft/human-pose-estimation.pytorch"
_POSEWARPER = "https://github.com/facebookresearch/PoseWarper"
_DCPOSE = "https://github.com/Pose-Group/DCPose"
_MMPOSE = "https://github.com/open-mmlab/mmpose"
_MMPOSE_FILES = "https://download.openmmlab.com/mmpose/top_down"
_SUPPLEMENT = "https://www.dropbox.com/s/ygfy6r8nitoggfq/PoseWarper_supp_files.zip"

_HRNET_AP = {("w32", "256x192"): 74.4, ("w32", "384x288"): 75.8, ("w48", "256x192"): 75.1, ("w48", "384x288"): 76.3}
_SIMPLE_AP = {
    ("50", "256x192"): 70.4,
    ("50", "384x288"): 72.2,
    ("101", "256x192"): 71.4,
    ("101", "384x288"): 73.6,
    ("152", "256x192"): 72.0,
    ("152", "384x288"): 74.3,
}
# (network, size): (AP, what the file's name ends in: first digits of its SHA-256, and a date)
_MMPOSE_HRNET = {
    ("w32", "256x192"): (74.6, "c78dce93_20200708"),
    ("w32", "384x288"): (76.0, "d9f0d786_20200708"),
    ("w48", "256x192"): (75.6, "b9e0b3ab_20200708"),
    ("w48", "384x288"): (76.7, "314c8528_20200708"),
}
_MMPOSE_SIMPLE = {
    ("50", "256x192"): (71.8, "ec54d7f3_20200709"),
    ("50", "384x288"): (73.1, "e6f795e9_20200709"),
    ("101", "256x192"): (72.6, "6e6babf0_20200708"),
    ("101", "384x288"): (74.8, "8c71bdc9_20200709"),
    ("152", "256x192"): (73.5, "f6e307c2_20200709"),
    ("152", "384x288"): (75.0, "3860d4c9_20200709"),
}


def _official() -> Iterator[Published]:
    for (width, size), ap in _HRNET_AP.items():
        yield Published(
            name=f"hrnet-{width}-coco-{size}",
            what=f"HRNet-{width.upper()} on crops of {size} (height x width). {_COCO} {ap}",
            model={"name": f"hrnet-{width}"},
            codec=_SIZES[size],
            skeleton=COCO_17,
            layout="official",
            repository=_HRNET,
            where=_ZOO,
            licence="MIT",
            file=f"pose_hrnet_{width}_{size}.pth",
        )
    for (depth, size), ap in _SIMPLE_AP.items():
        yield Published(
            name=f"simple-r{depth}-coco-{size}",
            what=f"SimpleBaseline, ResNet-{depth}, on crops of {size}. {_COCO} {ap}",
            model={"name": f"simple-r{depth}"},
            codec=_SIZES[size],
            skeleton=COCO_17,
            layout="official",
            repository=_SIMPLE,
            where=_ZOO,
            licence="MIT",
            file=f"pose_resnet_{depth}_{size}.pth.tar",
            bgr=True,
            notes="trained on BGR pictures; the first convolution is turned round, so that it sees RGB",
        )
    for year, ap in (("17", 81.2), ("18", 79.7)):
        yield Published(
            name=f"posewarper-posetrack{year}",
            what=f"PoseWarper on HRNet-W48, 384x288, aggregating 5 frames. PoseTrack{year} val: mean AP {ap}",
            model={"name": "posewarper", "backbone": {"name": "hrnet-w48"}},
            codec=_SIZES["384x288"],
            skeleton=POSETRACK_17,
            layout="official",
            repository=_POSEWARPER,
            where=f"by hand, from the supplementary files, {_SUPPLEMENT}",
            licence="Apache-2.0",
            file="final_state.pth",
        )
    for year, ap in (("17", 82.8), ("18", 80.9)):
        yield Published(
            name=f"dcpose-posetrack{year}",
            what=f"DCPose on HRNet-W48, 384x288, 3 frames. PoseTrack{year} val: mean AP {ap}",
            model={"name": "dcpose", "backbone": {"name": "hrnet-w48"}},
            codec=_SIZES["384x288"],
            skeleton=POSETRACK_17,
            layout="official",
            repository=_DCPOSE,
            where="by hand, as the README says",
            licence="none stated: ask the authors",
        )


def _mmpose() -> Iterator[Published]:
    for (width, size), (ap, tail) in _MMPOSE_HRNET.items():
        what = f"HRNet-{width.upper()} trained by MMPose on crops of {size}. {_COCO} {ap}"
        file = f"hrnet/hrnet_{width}_coco_{size}-{tail}.pth"
        yield _by_mmpose(f"hrnet-{width}-coco-{size}", what, {"name": f"hrnet-{width}"}, size, COCO_17, file)
    for (depth, size), (ap, tail) in _MMPOSE_SIMPLE.items():
        what = f"SimpleBaseline, ResNet-{depth}, trained by MMPose on crops of {size}. {_COCO} {ap}"
        file = f"resnet/res{depth}_coco_{size}-{tail}.pth"
        yield _by_mmpose(f"simple-r{depth}-coco-{size}", what, {"name": f"simple-r{depth}"}, size, COCO_17, file)
    yield _by_mmpose(
        "posewarper-posetrack18",
        "PoseWarper on HRNet-W48 trained by MMPose, 384x288. PoseTrack18 val, detected boxes: mean AP 79.8",
        {"name": "posewarper", "backbone": {"name": "hrnet-w48"}},
        "384x288",
        POSETRACK_17,
        "posewarper/hrnet_w48_posetrack18_384x288_posewarper_stage2-4abf88db_20211130.pth",
    )


def _by_mmpose(name: str, what: str, model: Mapping[str, Any], size: str, skeleton: Skeleton, path: str) -> Published:
    """An entry of MMPose's own model zoo, whose file names end in the first digits of their SHA-256 and a date."""
    return Published(
        name=f"mmpose-{name}",
        what=what,
        model=model,
        codec=_SIZES[size],
        skeleton=skeleton,
        layout="mmpose",
        repository=_MMPOSE,
        where=f"'pwarp weights download mmpose-{name}'",
        licence="Apache-2.0",
        file=path.rpartition("/")[2],
        url=f"{_MMPOSE_FILES}/{path}",
        digest=path.rpartition("-")[2].partition("_")[0],
    )


PUBLISHED: dict[str, Published] = {entry.name: entry for entry in (*_official(), *_mmpose())}


def published(name: str) -> Published:
    """An entry by name; raises PwarpError with the likely one for another."""
    if name not in PUBLISHED:
        close = difflib.get_close_matches(name, PUBLISHED, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise PwarpError(f"no weights '{name}'; {hint}'pwarp weights list' names all")
    return PUBLISHED[name]


def of_model(name: str) -> list[Published]:
    """The weights that were published for a registered backbone or model, be it alone or inside."""
    return [entry for entry in PUBLISHED.values() if entry.model["name"] == name]

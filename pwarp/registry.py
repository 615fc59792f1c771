"""Names of exchangeable parts and where they live.

Adding a part is one file and one line here; nothing is imported before it is asked for by name, so that
`pwarp --help` loads neither torch nor OpenCV.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

from pwarp.errors import PwarpError

PARTS: dict[str, dict[str, str]] = {
    # A format module has NAME, SUFFIXES, sniff(file), read(file, video, only) and write(annotations, path, video);
    # a file is a pwarp.formats.label_file.LabelFile, and write returns what it had to rename. Files are sniffed in
    # this order, so a format stands before the more general one that it is a case of. One that may write a folder
    # also has writes_folder(path) and ENTRIES; one that is written for a certain command has next_step(path).
    "format": {
        "jsonl": "pwarp.formats.jsonl",
        "pwarp": "pwarp.formats.native",
        "cvat": "pwarp.formats.cvat",
        "label-studio": "pwarp.formats.label_studio",
        "posetrack18": "pwarp.formats.posetrack18",
        "coco": "pwarp.formats.coco",
        "posetrack17": "pwarp.formats.posetrack17",
        "penn": "pwarp.formats.penn",
        "jhmdb": "pwarp.formats.jhmdb",
        "csv": "pwarp.formats.csv_table",
        "yolo-pose": "pwarp.formats.yolo_pose",
        "sleap": "pwarp.formats.sleap",
        "dlc": "pwarp.formats.dlc",
    },
    # An engine is a frozen dataclass of its settings with a method fill; see pwarp.propagation.engine.
    "engine": {
        "auto": "pwarp.propagation.auto:Auto",
        "copy": "pwarp.propagation.interpolate:Copy",
        "linear": "pwarp.propagation.interpolate:Linear",
        "pchip": "pwarp.propagation.interpolate:Pchip",
        "farneback": "pwarp.propagation.flow:FarnebackFlow",
        "flow": "pwarp.propagation.flow:DisFlow",
        "posewarper": "pwarp.propagation.warp:WarpEngine",
    },
    # A detector is a function (model, wanted) -> Detector; see pwarp.detection.base.
    "detector": {
        "yolo": "pwarp.detection.yolo:open_yolo",
        "onnx": "pwarp.detection.onnx:open_onnx",
        "torchvision": "pwarp.detection.torchvision:open_torchvision",
        "hog": "pwarp.detection.hog:open_hog",
    },
    # A dataset is a subclass of pwarp.datasets.base.Dataset: the folder layout of one published dataset.
    "dataset": {
        "posetrack17": "pwarp.datasets.posetrack17:PoseTrack17",
        "posetrack18": "pwarp.datasets.posetrack18:PoseTrack18",
        "penn": "pwarp.datasets.penn:PennAction",
        "jhmdb": "pwarp.datasets.jhmdb:JHMDB",
        "sub-jhmdb": "pwarp.datasets.jhmdb:SubJHMDB",
        "mpii": "pwarp.datasets.mpii:MPII",
        "mpii-hrnet": "pwarp.datasets.mpii_hrnet:MPIIHRNet",
        "coco": "pwarp.datasets.coco:CocoKeypoints",
    },
    # A metric is a subclass of pwarp.evaluation.metric.Metric: evidence of a video, and figures of many.
    "metric": {
        "posetrack-ap": "pwarp.evaluation.posetrack:PoseTrackAp",
        "mota": "pwarp.evaluation.mota:Mota",
        "oks-ap": "pwarp.evaluation.oks:OksAp",
        "pck": "pwarp.evaluation.pck:Pck",
        "pckh": "pwarp.evaluation.pck:Pckh",
        "auc": "pwarp.evaluation.pck:AreaUnderCurve",
        "error": "pwarp.evaluation.errors:PixelError",
        "jitter": "pwarp.evaluation.jitter:Jitter",
        "calibration": "pwarp.evaluation.calibration:Calibration",
    },
    # A backbone is a subclass of pwarp.models.backbone.Backbone: a crop in, heatmaps out.
    "backbone": {
        "hrnet-w32": "pwarp.models.hrnet:HRNet",
        "hrnet-w48": "pwarp.models.hrnet:HRNet",
        "simple-r18": "pwarp.models.simple_baseline:SimpleBaseline",
        "simple-r34": "pwarp.models.simple_baseline:SimpleBaseline",
        "simple-r50": "pwarp.models.simple_baseline:SimpleBaseline",
        "simple-r101": "pwarp.models.simple_baseline:SimpleBaseline",
        "simple-r152": "pwarp.models.simple_baseline:SimpleBaseline",
        "simple-mobilenet": "pwarp.models.simple_baseline:MobileSimpleBaseline",
        "duc-r18": "pwarp.models.duc:ResNetDUC",
        "duc-mobilenet": "pwarp.models.duc:MobileNetDUC",
    },
    # A model of several frames: pwarp.models.window (frames around the current) or a recurrent one.
    "model": {
        "posewarper": "pwarp.models.posewarper:PoseWarper",
        "dcpose": "pwarp.models.dcpose:DCPose",
        "glpose": "pwarp.models.glpose:GLPose",
        "ppn": "pwarp.models.ppn:PPN",
        "dkd": "pwarp.models.dkd:DKD",
    },
}


def names(kind: str) -> list[str]:
    """The names registered for one kind of part, in their listed order."""
    return list(PARTS[kind])


def load(kind: str, name: str) -> Any:
    """Import one part by name; raises PwarpError with the names there are (and the likely one) for another."""
    table = PARTS[kind]
    if name not in table:
        close = difflib.get_close_matches(name, table, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise PwarpError(f"unknown {kind} '{name}'; {hint}known: {', '.join(table)}")
    module, _, attribute = table[name].partition(":")
    part = import_module(module)
    return getattr(part, attribute) if attribute else part

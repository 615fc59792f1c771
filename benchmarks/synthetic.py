"""How real rendered people are to a detector, an estimator and interpolation.

    python -m benchmarks.synthetic --data DIR [--clips 20] [--size 640x360]

DIR holds weights/yolox_nano.onnx and weights/ultralight_simplepose.onnx. Printed are, over clips of fixed seeds:
the share of unoccluded people that the detector finds, the estimator's PCK on true boxes and on found ones, how far
linear and PCHIP interpolation between key frames get, and the rendering speed.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from pwarp.annotations import Annotations, Track
from pwarp.synthetic import MOTIONS, Scene, SceneConfig

Array = NDArray[np.floating]
GAPS = (7, 15, 30)


class Detector:
    """YOLOX: people in a picture."""

    SIDE = 416

    def __init__(self, weights: Path) -> None:
        self._net = cv2.dnn.readNetFromONNX(str(weights))
        cells, strides = [], []
        for stride in (8, 16, 32):
            count = self.SIDE // stride
            y, x = np.mgrid[:count, :count]
            cells.append(np.stack([x, y], axis=2).reshape(-1, 2))
            strides.append(np.full((count * count, 1), stride))
        self._cell, self._stride = np.concatenate(cells), np.concatenate(strides)

    def people(self, picture: NDArray[np.uint8], least: float = 0.3) -> tuple[Array, Array]:
        """Boxes (N, 4) x1 y1 x2 y2 in pixels and scores (N,) of people in an RGB picture."""
        height, width = picture.shape[:2]
        scale = self.SIDE / max(height, width)
        small = cv2.resize(picture, (round(width * scale), round(height * scale)))
        square = np.full((self.SIDE, self.SIDE, 3), 114, np.float32)
        square[: small.shape[0], : small.shape[1]] = small[..., ::-1]
        self._net.setInput(np.ascontiguousarray(square.transpose(2, 0, 1)[None]))
        out = self._net.forward()[0]
        centre = (out[:, :2] + self._cell) * self._stride / scale
        extent = np.exp(out[:, 2:4]) * self._stride / scale
        score = out[:, 4] * out[:, 5]
        boxes = np.concatenate([centre - extent / 2, centre + extent / 2], axis=1)
        corner_size = np.concatenate([boxes[:, :2], extent], axis=1)
        kept = np.asarray(cv2.dnn.NMSBoxes(corner_size.tolist(), score.tolist(), least, 0.45), dtype=int).reshape(-1)
        return boxes[kept], score[kept]


class Estimator:
    """SimplePose: COCO's 17 keypoints of a person in a box."""

    def __init__(self, weights: Path) -> None:
        self._net = cv2.dnn.readNetFromONNX(str(weights))
        # OpenCV 4.13 fuses layers of this network wrongly: heatmaps come out uncorrelated with the right ones.
        self._net.enableFusion(False)

    def pose(self, picture: NDArray[np.uint8], box: Array) -> Array:
        """(17, 2) pixels."""
        centre = (box[:2] + box[2:]) / 2
        extent = box[2:] - box[:2]
        height = 1.25 * max(extent[1], extent[0] * 256 / 192)
        scale = 256 / height
        matrix = np.array([[scale, 0, 95.5 - scale * centre[0]], [0, scale, 127.5 - scale * centre[1]]])
        crop = cv2.warpAffine(picture, matrix, (192, 256)).astype(np.float32) / 255
        crop = (crop - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        self._net.setInput(np.ascontiguousarray(crop.transpose(2, 0, 1)[None], dtype=np.float32))
        heat = self._net.forward()[0]
        row, column = np.unravel_index(heat.reshape(len(heat), -1).argmax(axis=1), heat.shape[1:])
        at = (np.stack([column, row], axis=1) + 0.5) * 4 - 0.5
        return (at - matrix[:, 2]) / scale


def overlap(a: Array, b: Array) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.maximum(high - low, 0))
    return float(both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both))


def torso(track: Track) -> Array:
    """(F,) left shoulder to right hip, pixels; NaN where one of them is out of the picture."""
    return np.linalg.norm(track.xy[:, 5] - track.xy[:, 12], axis=1)


def interpolation_hits(truth: Annotations, gap: int, method: str) -> list[bool]:
    """Whether each visible keypoint between key frames is met within 0.1 torso."""
    hits: list[bool] = []
    count = truth.video.frame_count or 0
    keys = np.unique(np.append(np.arange(0, count, gap), count - 1))
    for track in truth.tracks:
        length = torso(track)
        key_row = np.isin(track.frames, keys)
        for k in range(track.xy.shape[1]):
            known = key_row & (track.visibility[:, k] > 0)
            asked = ~key_row & (track.visibility[:, k] == 2) & (length > 1)
            # Only between key labels of this keypoint: nobody interpolates beyond them.
            asked &= (track.frames > track.frames[known][:1].min(initial=count)) & (
                track.frames < track.frames[known][-1:].max(initial=-1)
            )
            if known.sum() < 2 or not asked.any():
                continue
            at, wanted = track.frames[known], track.frames[asked]
            for_each = PchipInterpolator(at, track.xy[known, k]) if method == "pchip" else None
            found = (
                for_each(wanted)
                if for_each is not None
                else np.stack([np.interp(wanted, at, track.xy[known, k, i]) for i in (0, 1)], axis=1)
            )
            miss = np.linalg.norm(found - track.xy[asked, k], axis=1)
            hits += (miss <= 0.1 * length[asked]).tolist()
    return hits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--step", type=int, default=15, help="pictures are shown to the networks every STEP frames")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    width, height = (int(v) for v in options.size.split("x"))
    detector = Detector(options.data / "weights" / "yolox_nano.onnx")
    estimator = Estimator(options.data / "weights" / "ultralight_simplepose.onnx")
    found: list[bool] = []
    pose_hits: dict[str, list[bool]] = defaultdict(list)
    by_keypoint: dict[str, list[bool]] = defaultdict(list)
    filled: dict[tuple[str, int], list[bool]] = defaultdict(list)
    rendered, spent = 0, 0.0
    for clip in range(options.clips):
        scene = Scene(SceneConfig(seed=clip, width=width, height=height, people=options.people))
        truth, share = scene.annotations, scene.visible_share
        for gap in GAPS:
            for method in ("linear", "pchip"):
                filled[method, gap] += interpolation_hits(truth, gap, method)
        for frame in range(0, scene.config.frames, options.step):
            began = time.process_time()
            picture = scene.frame(frame)
            spent, rendered = spent + time.process_time() - began, rendered + 1
            boxes, _ = detector.people(picture)
            for track in truth.tracks:
                row = track.at(frame)
                if row is None or not (track.visibility[row] > 0).all() or share[frame, track.id] < 0.9:
                    continue
                overlaps = [overlap(box, track.boxes[row]) for box in boxes]
                best = int(np.argmax(overlaps)) if overlaps else -1
                found.append(best >= 0 and overlaps[best] >= 0.5)
                length, seen = torso(track)[row], track.visibility[row] == 2
                for name, box in (("true", track.boxes[row]), ("found", boxes[best] if found[-1] else None)):
                    if box is None:
                        continue
                    miss = np.linalg.norm(estimator.pose(picture, box) - track.xy[row], axis=1)
                    pose_hits[name] += (miss <= 0.2 * length)[seen].tolist()
                    if name == "true":
                        for k in np.flatnonzero(seen):
                            by_keypoint[truth.skeleton.keypoints[k]].append(bool(miss[k] <= 0.2 * length))
    print(f"{options.clips} clips of {width}x{height}, {options.people} people, motions {', '.join(MOTIONS)}")
    print(f"detector: {np.mean(found):.2f} of {len(found)} unoccluded people found (IoU 0.5)")
    for name, hits in pose_hits.items():
        print(f"estimator on {name} boxes: PCK@0.2 torso {np.mean(hits):.2f} of {len(hits)} visible keypoints")
    print("  on true boxes: " + ", ".join(f"{k} {np.mean(v):.2f}" for k, v in by_keypoint.items()))
    for method in ("linear", "pchip"):
        line = " / ".join(f"{100 * np.mean(filled[method, gap]):.1f}" for gap in GAPS)
        print(f"{method}: PCK@0.1 torso at k = {' / '.join(map(str, GAPS))}: {line}")
    print(f"rendering: {rendered / spent:.1f} frames per second of CPU time (one thread)")


if __name__ == "__main__":
    main()

"""Detectors: one contract for all, and the geometry and the families of YOLO worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from walkers import Street, Walker

from pwarp import formats, registry
from pwarp.annotations import Source
from pwarp.detection import Detections, Detector, Wanted, best_detector, detect, open_detector
from pwarp.detection.base import skeleton_for
from pwarp.detection.categories import COCO_80, class_names, class_of
from pwarp.detection.hog import open_hog
from pwarp.detection.letterbox import Letterbox
from pwarp.detection.onnx import OnnxDetector, open_onnx
from pwarp.detection.suppress import suppressed
from pwarp.detection.torchvision import TorchvisionDetector, open_torchvision
from pwarp.detection.yolo import YoloDetector, open_yolo
from pwarp.detection.yolo_outputs import Layout
from pwarp.errors import PwarpError
from pwarp.onnx import Header, read_header
from pwarp.onnx.network import OpenCVNetwork, RuntimeNetwork
from pwarp.skeleton import COCO_17, Skeleton

SIZE = (96, 64)  # width, height of a network's input
CELLS = 12 * 8 + 6 * 4 + 3 * 2


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    """(H, W, 3) noise."""
    rng = np.random.default_rng(5)
    return [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for w, h in sizes]


class FindsBright:
    """A network of a family that finds the bright rectangle in its input, as red as it is."""

    def __init__(self, family: str, shape: tuple[int | None, ...] = (None, 3, 64, 96), **metadata: str) -> None:
        self.header = Header(shape, metadata)
        self.family = family
        self.batches: list[int] = []

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        self.batches.append(len(pixels))
        return np.stack([self.one(p) for p in pixels]).astype(np.float32)

    def one(self, pixels: np.ndarray) -> np.ndarray:
        white = 255 if self.family.startswith("yolox") else 1
        blue_first = pixels[::-1] if self.family.startswith("yolox") else pixels
        ys, xs = np.nonzero((pixels > 0.7 * white).any(axis=0))
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) if len(xs) else np.zeros(4)
        red = blue_first[0][ys, xs].mean() / white if len(xs) else 0.0
        middle, side = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        if self.family == "end to end":
            rows = np.zeros((5, 6))
            rows[0] = [*box, red, 0]
            return rows
        found = [*middle, *side]
        if self.family == "yolov8":
            rows = np.zeros((CELLS, 4 + 2 + 6))
            rows[40] = [*found, red, 0.9, *middle, 0.8, *box[:2], 0.3]
            return rows.T
        rows = np.zeros((CELLS if "yolox" in self.family else 3 * CELLS, 5 + 80))
        rows[40, :6] = [*found, 0.95, red / 0.95]
        if self.family == "yolox":  # raw: cell 40 of the first grid, 12 across, is in column 4 of row 3
            rows[40, :4] = [middle[0] / 8 - 4, middle[1] / 8 - 3, *np.log(np.maximum(side, 1e-3) / 8)]
        if self.family == "yolox decoded":
            rows[:, 0] = np.where(rows[:, 0] == 0, np.linspace(0, 96, len(rows)), rows[:, 0])
        return rows


@pytest.mark.parametrize("family", ["yolox", "yolox decoded", "yolov5", "yolov8", "end to end"])
def test_every_family_finds_the_rectangle_where_it_is(family: str) -> None:
    more = {"names": "{0: 'person', 1: 'dog'}", "kpt_shape": "[2, 3]"} if family == "yolov8" else {}
    detector = OnnxDetector("x.onnx", FindsBright(family, **more), Wanted(min_score=0.5))
    wide = np.zeros((80, 240, 3), np.uint8)  # scaled by 0.4, with a border above and below
    wide[20:60, 100:200] = (255, 0, 0)
    (found,) = detector([wide])
    np.testing.assert_allclose(found.boxes, [[100, 20, 200, 60]], atol=1.5)
    assert found.score == pytest.approx([1.0], abs=0.02)
    if family == "yolov8":
        assert len(detector.skeleton) == 2
        np.testing.assert_allclose(found.xy[0, 0], [150, 40], atol=1.5)
        assert np.isnan(found.xy[0, 1]).all()  # scored 0.3
        assert found.keypoint_score[0] == pytest.approx([0.8, np.nan], nan_ok=True)
    else:
        assert detector.skeleton == COCO_17
        assert np.isnan(found.xy).all()


@pytest.mark.parametrize(("size", "batches"), [(None, [1, 3, 1]), (1, [1, 1, 1, 1, 1]), (2, [2, 2, 2, 2])])
def test_pictures_come_in_the_batches_that_the_network_takes(size: int | None, batches: list[int]) -> None:
    network = FindsBright("end to end", (size, 3, 64, 96))
    detector = OnnxDetector("x.onnx", network, Wanted(min_score=0.1))
    some = [np.full((64, 96, 3), (250, 0, 0), np.uint8)] * 3
    assert [len(found) for found in detector(some)] == [1, 1, 1]
    assert len(detector(some[:1])) == 1
    assert network.batches == batches


def test_a_network_of_any_size_gets_the_usual_one() -> None:
    seen = []

    class Any(FindsBright):
        def one(self, pixels: np.ndarray) -> np.ndarray:
            seen.append(pixels.shape)
            return super().one(pixels)

    OnnxDetector("x.onnx", Any("end to end", (None, 3, None, None)), Wanted())
    assert seen == [(3, 640, 640)]


@pytest.mark.parametrize(
    ("shape", "keypoints", "family"),
    [
        ((1, CELLS, 85), 0, "yolox"),
        ((1, 3 * CELLS, 85), 0, "yolov5"),
        ((1, 84, CELLS), 0, "yolov8"),
        ((4, 56, CELLS), 17, "yolov8"),
        ((1, 300, 6), 0, "end to end"),
        ((1, 300, 57), 17, "end to end"),
        ((1, CELLS, 6), 0, "yolox"),  # one class
    ],
)
def test_the_shape_tells_the_family(shape: tuple[int, ...], keypoints: int, family: str) -> None:
    assert Layout.of(shape, SIZE, keypoints).family == family


@pytest.mark.parametrize("shape", [(1, 1000), (1, 17, 16, 24), (1, 300, 7), (1, 85, 100), (1, 300, 57)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PwarpError, match="x".join(map(str, shape))):
        Layout.of(shape, SIZE)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("size", [(96, 64), (50, 200), (333, 100), (7, 3)])
def test_a_letterbox_keeps_the_shape_and_finds_back(size: tuple[int, int], centred: bool) -> None:
    (picture,) = pictures(size)
    box = Letterbox.fit(picture, SIZE, centred=centred)
    out = box.apply(picture)
    assert out.shape == (64, 96, 3)
    corners = np.array([(0, 0), size], dtype=float) * box.scale + (box.left, box.top)
    assert (corners[1] <= np.array(SIZE) + 0.5).all()
    assert (np.isclose(corners[1] - corners[0], SIZE, atol=0.5)).any()
    np.testing.assert_allclose(box.back(corners), [(0, 0), size], atol=1e-9)
    assert centred or (box.left, box.top) == (0, 0)
    outside = np.ones(out.shape[:2], np.bool_)
    x0, y0, x1, y1 = np.round(corners).astype(int).reshape(-1)
    outside[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1] = False
    assert (out[outside] == 114).all()


def test_suppression_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4.9], [50, 50, 60, 60], [np.nan] * 4])
    assert suppressed(boxes, np.array([0.8, 0.9, 0.7, 0.3, 1.0]), 0.3).tolist() == [1, 3]
    assert suppressed(boxes, np.array([0.8, 0.9, 0.7, 0.3, 1.0]), 0.3, overlap=0.95).tolist() == [1, 0, 2, 3]
    assert suppressed(boxes, np.zeros(5), 0.1).tolist() == []


def test_detections_are_cut_off_and_sorted() -> None:
    found = Detections.make(
        [[-5, 2, 20, 30], [1, 1, 1, 9], [0, 0, 5, 5], [90, 0, 200, 9], [0, 0, 4, 4]],
        [0.5, 0.9, 0.7, 1.2, 0.1],
        (100, 20),
        3,
        min_score=0.3,
    )
    assert found.boxes.tolist() == [[90, 0, 100, 9], [0, 0, 5, 5], [0, 2, 20, 20]]
    assert found.score.tolist() == [1, 0.7, 0.5]
    assert found.xy.shape == (3, 3, 2)


def test_categories() -> None:
    assert len(COCO_80) == len(set(COCO_80)) == 80
    assert class_of("dog", COCO_80, "x") == 16
    assert class_of("mouse", ("rodent",), "x") == 0
    with pytest.raises(PwarpError, match=r"knows no category 'persn'.*person"):
        class_of("persn", COCO_80, "x")
    assert skeleton_for("cow") == Skeleton("cow", ("centre",))
    assert class_names({"names": "{0: 'a', 1: 'b'}"}) == ("a", "b")
    assert class_names({"names": "__import__('os')"}) is None
    assert class_names({}) is None


# --- real files ---


@pytest.fixture(scope="module")
def yolo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pose model of Ultralytics with random weights, biased so that it finds something everywhere."""
    folder = tmp_path_factory.mktemp("yolo")
    patch = pytest.MonkeyPatch()
    patch.setenv("YOLO_CONFIG_DIR", str(folder))
    patch.setenv("YOLO_OFFLINE", "true")
    patch.setenv("ULTRALYTICS_SAFE_LOAD", "true")
    ultralytics = pytest.importorskip("ultralytics")
    torch.manual_seed(2)
    model = ultralytics.YOLO("yolo11n-pose.yaml")
    model.model.names = dict(enumerate(COCO_80))
    for branch in model.model.model[-1].cv3:
        branch[-1].bias.data[:] = 1.0
    model.save(folder / "random-pose.pt")
    patch.undo()
    return folder / "random-pose.pt"


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An end-to-end network whose one detection is as sure as its input is bright."""
    onnx = pytest.importorskip("onnx")
    h, t = onnx.helper, onnx.TensorProto
    nodes = [
        h.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
        h.make_node("Reshape", ["mean", "one"], ["level"]),
        h.make_node("Mul", ["level", "weight"], ["scaled"]),
        h.make_node("Add", ["scaled", "box"], ["output"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "one"),
        onnx.numpy_helper.from_array(np.array([[[0, 0, 0, 0, 1, 0]]], np.float32), "weight"),
        onnx.numpy_helper.from_array(np.array([[[24, 16, 72, 48, 0, 0]]], np.float32), "box"),
    ]
    graph = h.make_graph(
        nodes,
        "bright",
        [h.make_tensor_value_info("images", t.FLOAT, [1, 3, 64, 96])],
        [h.make_tensor_value_info("output", t.FLOAT, [1, 1, 6])],
        constants,
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
    model.metadata_props.add(key="names", value="{0: 'person'}")
    path = tmp_path_factory.mktemp("onnx") / "bright.onnx"
    onnx.save(model, path)
    return path


def random_torchvision(wanted: Wanted) -> TorchvisionDetector:
    from torchvision.models import get_model

    torch.manual_seed(0)
    network = get_model(
        "ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=3, topk_candidates=20
    )
    return TorchvisionDetector("random", network, ("background", "person", "dog"), COCO_17, wanted)


def small(detector: YoloDetector) -> YoloDetector:
    """The detector with a small input, for speed."""
    detector._options["imgsz"] = 96
    return detector


@pytest.fixture(scope="module")
def running(yolo_file: Path, onnx_file: Path) -> dict[str, Callable[[Wanted], Detector]]:
    """Every registered detector in a form that needs no network."""
    return {
        "yolo": lambda wanted: small(open_yolo(str(yolo_file), wanted)),
        "onnx": lambda wanted: open_onnx(str(onnx_file), wanted),
        "torchvision": random_torchvision,
        "hog": lambda wanted: open_hog(None, wanted),
    }


@pytest.mark.parametrize("name", registry.names("detector"))
def test_a_batch_gives_what_its_pictures_give_one_by_one(
    name: str, running: dict[str, Callable[[Wanted], Detector]]
) -> None:
    detector = running[name](Wanted(min_score=0.05))
    some = [*pictures((96, 64), (96, 64), (150, 130)), np.full((64, 96, 3), 200, np.uint8)]
    together = detector(some)
    assert len(together) == len(some)
    total = 0
    for picture, found in zip(some, together, strict=True):
        (alone,) = detector([picture])
        total += len(found)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(found.score, alone.score, atol=1e-5)
        np.testing.assert_allclose(found.xy, alone.xy, atol=1e-3)
        assert found.xy.shape == (len(found), len(detector.skeleton), 2)
        assert (found.score >= 0.05).all()
        assert (np.diff(found.score) <= 0).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes[:, 2:] <= (picture.shape[1], picture.shape[0])).all()
    assert total > 0 or name == "hog"  # noise is nobody to a detector of people


def test_hog_finds_a_person(data_dir: Path) -> None:
    from pwarp.video import open_video

    with open_video(data_dir / "bonn" / "images") as video:
        (found,) = open_hog(None, Wanted())([video.frame(0)])
    assert len(found) >= 3


def test_yolo_pose_fills_keypoints(yolo_file: Path) -> None:
    detector = open_yolo(str(yolo_file), Wanted(min_score=0.05))
    assert detector.skeleton == COCO_17
    assert detector.name == "yolo random-pose.pt"


def test_results_of_ultralytics_are_read_as_they_are() -> None:
    results = pytest.importorskip("ultralytics.engine.results")
    nowhere = (0.0, 0.0, 0.2)
    keypoints = torch.tensor([[(20.0, 30, 0.9), (25, 35, 0.6), nowhere], [(1, 2, 0.9), nowhere, nowhere]])
    result = results.Results(
        np.zeros((60, 80, 3), np.uint8),
        "image.jpg",
        {0: "mouse"},
        boxes=torch.tensor([[10.0, 20, 40, 50, 0.4, 0], [5, 5, 99, 30, 0.8, 0]]),
        keypoints=keypoints,
    )
    inner = SimpleNamespace(kpt_shape=(3, 3), kpt_names={0: ["nose", "ear", "tail"]}, yaml={})
    asked = []

    def predict(pictures: list[np.ndarray], **options: Any) -> list[Any]:
        asked.append((pictures[0][0, 0].tolist(), options))
        return [result]

    model = SimpleNamespace(names={0: "mouse"}, task="pose", model=inner, predict=predict)
    detector = YoloDetector("yolo mouse.pt", model, Wanted("mouse", 0.3))
    assert detector.skeleton.keypoints == ("nose", "ear", "tail")
    (found,) = detector([np.full((60, 80, 3), (1, 2, 3), np.uint8)])
    assert asked == [([3, 2, 1], {"conf": 0.3, "classes": [0], "verbose": False})]
    assert found.boxes.tolist() == [[5, 5, 80, 30], [10, 20, 40, 50]]
    assert found.xy[0].tolist()[0] == [1, 2]
    assert np.isnan(found.xy[0, 1:]).all()
    assert found.xy[1, :2].tolist() == [[20, 30], [25, 35]]
    assert found.keypoint_score[1] == pytest.approx([0.9, 0.6, np.nan], nan_ok=True)


def test_both_runtimes_agree(onnx_file: Path) -> None:
    pytest.importorskip("onnxruntime")
    header = read_header(onnx_file)
    assert header == Header((1, 3, 64, 96), {"names": "{0: 'person'}"})
    pixels = np.random.default_rng(0).random((1, 3, 64, 96), dtype=np.float32)
    a, b = RuntimeNetwork(onnx_file, header)(pixels), OpenCVNetwork(onnx_file, header)(pixels)
    np.testing.assert_allclose(a, b, atol=2e-3)  # OpenCV adds up less exactly
    assert a[0, 0, 4] == pytest.approx(pixels.mean(), abs=1e-4)


def test_onnx_needs_nothing_but_opencv(onnx_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwarp.onnx.network.find_spec", lambda _: None)
    (found,) = open_onnx(str(onnx_file), Wanted())([np.full((64, 96, 3), 204, np.uint8)])
    assert found.boxes.tolist() == [[24, 16, 72, 48]]
    assert found.score == pytest.approx([0.8], abs=2e-3)


@pytest.mark.parametrize("opencv", [False, True])
def test_yolox_finds_the_people_of_bonn(data_dir: Path, opencv: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from pwarp.tracking.affinity import iou
    from pwarp.video import open_video

    if opencv:
        monkeypatch.setattr("pwarp.onnx.network.find_spec", lambda _: None)
    truth = formats.read(data_dir / "bonn" / "truth.json")
    detector = open_onnx(str(data_dir / "weights" / "yolox_nano.onnx"), Wanted())
    with open_video(data_dir / "bonn" / "images") as video:
        frames = [0, 5]
        found = detector([video.frame(f) for f in frames])
    people = [(i, t.boxes[t.at(f)]) for t in truth.tracks for i, f in enumerate(frames) if t.at(f) is not None]
    hits = [max(iou(person, box) for box in found[i].boxes) >= 0.5 for i, person in people]
    assert len(hits) == 8
    assert sum(hits) >= 7


def test_torchvision_takes_weights_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import get_model

    monkeypatch.setattr("pwarp.detection.torchvision._ON_CPU", "ssdlite320_mobilenet_v3_large")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    network = get_model("ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=91)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    detector = open_torchvision(str(tmp_path / "w.pth"), Wanted())
    assert detector.name == "torchvision ssdlite320_mobilenet_v3_large"
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(PwarpError, match=r"other.pth: is no weights file of torchvision's ssdlite"):
        open_torchvision(str(tmp_path / "other.pth"), Wanted())


class Bomb:
    """What a stranger's pickle may hold."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("the pickle was executed",))


def test_weights_of_strangers_execute_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "bomb.pth").write_bytes((tmp_path / "bomb.pt").read_bytes())
    with pytest.raises(PwarpError, match=r"bomb.pth"):
        open_torchvision(str(tmp_path / "bomb.pth"), Wanted())
    pytest.importorskip("ultralytics")
    with pytest.raises(PwarpError, match=r"bomb.pt"):
        open_yolo(str(tmp_path / "bomb.pt"), Wanted())
    assert "executed" not in "".join(capfd.readouterr())


# --- what cannot be done ---


def cut_off(path: Path) -> bytes:
    return path.read_bytes()[:100]


@pytest.mark.parametrize(
    "content", [b"", b"not a network", b"\x0a\xff\xff\xff\xff\x0f", b"\x00" * 40, b"\xff" * 80, None]
)
def test_what_is_no_network_is_refused(content: bytes | None, tmp_path: Path, onnx_file: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(cut_off(onnx_file) if content is None else content)
    with pytest.raises(PwarpError, match=r"x.onnx"):
        open_onnx(str(tmp_path / "x.onnx"), Wanted())


@pytest.mark.parametrize(
    ("spec", "weights", "message"),
    [
        ("yolov9000", None, "unknown detector 'yolov9000'.*known: yolo, onnx, torchvision, hog"),
        ("onnx", None, "onnx needs a file"),
        ("onnx:", None, "nothing after the colon"),
        ("onnx:nowhere.onnx", None, "nowhere.onnx: no such file"),
        ("onnx:a.onnx", "b.onnx", "give one of them"),
        ("hog", "w.onnx", "hog takes no weights"),
        ("torchvision:resnet9", None, "no detector 'resnet9'; it has: .*ssdlite"),
        ("torchvision", "nowhere.pth", "nowhere.pth: no such file"),
        ("yolo", "w.onnx", "onnx:FILE"),
        ("yolo", "nowhere/w.pt", "nowhere/w.pt: no such file"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(spec: str, weights: str | None, message: str) -> None:
    with pytest.raises(PwarpError, match=message) as caught:
        open_detector(spec, Wanted(), weights)
    assert "\n" not in str(caught.value)


def test_other_things_and_other_scores_are_refused() -> None:
    with pytest.raises(PwarpError, match="hog finds people only"):
        open_hog(None, Wanted("cow"))
    with pytest.raises(PwarpError, match=r"outside 0..1"):
        Wanted(min_score=1.5)
    with pytest.raises(PwarpError, match="not pictures"):
        OnnxDetector("x", FindsBright("yolox", (1, 17)), Wanted())
    with pytest.raises(PwarpError, match=r"x: an output of shape 1x5x6 .*640x640"):
        OnnxDetector("x", FindsBright("end to end", (1, 3, None, None), kpt_shape="[4, 3]"), Wanted())


def test_auto_takes_the_best_that_runs_and_says_why(monkeypatch: pytest.MonkeyPatch, onnx_file: Path) -> None:
    def cannot(_model: str | None, _wanted: Wanted) -> Detector:
        raise PwarpError("no network; buy a cable")

    monkeypatch.setattr("pwarp.detection.yolo.open_yolo", cannot)
    monkeypatch.setattr("pwarp.detection.torchvision.open_torchvision", cannot)
    detector, why = open_detector("auto", Wanted())
    assert detector.name == "hog"
    assert why == "the best that runs here; yolo: no network; torchvision: no network"
    with pytest.raises(PwarpError, match=r"no detector can run here: yolo: .*; hog: hog finds people only"):
        best_detector(Wanted("cow"))
    detector, why = open_detector("auto", Wanted(), str(onnx_file))
    assert (detector.name, why) == ("bright.onnx", f"by its weights {onnx_file}")


# --- detections of a video ---


class FindsFrames:
    """Finds as many things in a picture as its number says, with keypoints in every second one."""

    name = "counts"
    skeleton = Skeleton("thing", ("a", "b", "c"))

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.frame = 0

    def __call__(self, pictures: list[np.ndarray]) -> list[Detections]:
        self.batches.append(len(pictures))
        return [self.one(p) for p in pictures]

    def one(self, picture: np.ndarray) -> Detections:
        count = self.frame % 3
        self.frame += 1
        xy = np.full((count, 3, 2), np.nan)
        xy[1::2, :2] = (7, 8)
        boxes = [[10 * i, 5, 10 * i + 8, 30] for i in range(count)]
        return Detections.make(boxes, [0.9 - 0.1 * i for i in range(count)], (192, 128), 3, xy, xy[..., 0] / 10)


def test_detections_become_lone_labels_that_survive_the_file(tmp_path: Path) -> None:
    street = Street({0: Walker(lambda _: (50, 60))}, 11)
    counts, progress = FindsFrames(), []
    found = detect(street, counts, every=2, batch=4, advance=progress.append)
    assert counts.batches == progress == [4, 2]
    assert found.labelled is not None
    assert found.labelled.tolist() == [0, 2, 4, 6, 8, 10]
    assert [t.frames.tolist() for t in found.tracks] == [[2], [4], [4], [8], [10], [10]]
    assert not any(t.identified for t in found.tracks)
    one, other = found.tracks[1], found.tracks[2]
    assert one.person_score.tolist() == [0.9]
    assert one.boxes.tolist() == [[0, 5, 8, 30]]
    assert not one.labelled.any()
    assert other.source.tolist() == [[Source.DETECTED, Source.DETECTED, Source.NONE]]
    assert other.score[0] == pytest.approx([0.7, 0.7, np.nan], nan_ok=True)
    assert not any(t.by_person.any() for t in found.tracks)
    loss = formats.write(found, tmp_path / "boxes.json", video=street)
    assert not loss
    assert formats.read(tmp_path / "boxes.json", video=street).same_as(found)

"""Estimators: what they are told, poses in boxes, and what of the labels is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pwarp.annotations import Annotations, Replaced, Source, Track
from pwarp.checkpoints import IMAGENET_MEAN, IMAGENET_STD, Card, save
from pwarp.crops import boxes_around
from pwarp.errors import PwarpError
from pwarp.estimation import Crops, Estimation, Estimator, estimate, estimate_poses, open_estimator
from pwarp.estimation.filling import left_behind
from pwarp.estimation.onnx import OnnxEstimator
from pwarp.formats import read, write
from pwarp.heatmaps import Codec, Kind
from pwarp.models import build, configure
from pwarp.progress import unheard
from pwarp.skeleton import COCO_17, Skeleton
from pwarp.video import Video, open_video

DOTS = Skeleton("dots", ("left_dot", "right_dot", "blue"), flip_pairs=((0, 1),))
SIZE = (48, 64)


class DotFinder(Estimator):
    """Finds dots by colour: a red and a green one, which trade names in a mirror, and a blue one."""

    name = "dots"
    skeleton = DOTS

    def __init__(self, kind: Kind = "dark") -> None:
        self.codec = Codec(kind, SIZE, 4, 2.0)
        self.batches: list[int] = []

    def heatmaps(self, crops: Crops) -> Tensor:
        self.batches.append(len(crops))
        # A mirrored picture shows a person whose left is right: told by the white edge that only one side has.
        values = torch.from_numpy(crops.astype(np.float32))
        mass = values.sum(dim=(1, 2)).clamp_min(1)
        rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
        x = (values * columns[None, ..., None]).sum(dim=(1, 2)) / mass
        y = (values * rows[None, ..., None]).sum(dim=(1, 2)) / mass
        seen = (values.sum(dim=(1, 2)) > 50).float()
        return self.codec.encode(torch.stack([x, y], dim=2), seen)[0]


def picture_of(*dots: tuple[int, int, int]) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """(72, 96, 3) with dots (x, y, channel) of 3 x 3 pixels."""
    picture = np.zeros((72, 96, 3), np.uint8)
    for x, y, channel in dots:
        picture[y - 1 : y + 2, x - 1 : x + 2, channel] = 250
    return picture


@pytest.mark.parametrize("kind", ["dark", "udp", "msra"])
def test_keypoints_are_found_where_they_are(kind: Kind) -> None:
    picture = picture_of((30, 40, 0), (44, 30, 1), (38, 44, 2), (80, 20, 0))
    xy, score = estimate_poses(DotFinder(kind), picture, np.array([[24, 22, 52, 56], [70, 8, 92, 34]]))
    # Cells of msra are 4 crop pixels, of which 48 show 42.5 pixels of the picture.
    tolerance = 2.0 if kind == "msra" else 0.3
    np.testing.assert_allclose(xy[0], [[30, 40], [44, 30], [38, 44]], atol=tolerance)
    np.testing.assert_allclose(xy[1, 0], [80, 20], atol=tolerance)
    assert (score[0] > 0.8).all()
    assert score[1, 1:].tolist() == [0, 0]


def test_batches_and_pictures_of_many_frames_change_nothing() -> None:
    pictures = [picture_of((20 + 3 * i, 40, 0), (50, 30 + 2 * i, 1)) for i in range(5)]
    boxes = np.array([[10, 20, 60, 60 - i] for i in range(5)])
    finder = DotFinder()
    xy, score = estimate_poses(finder, pictures, boxes, batch=2)
    assert finder.batches == [2, 2, 1]
    for i in range(5):
        alone = estimate_poses(finder, pictures[i], boxes[i : i + 1])
        np.testing.assert_array_equal(xy[i], alone[0][0])
        np.testing.assert_array_equal(score[i], alone[1][0])
    assert estimate_poses(finder, pictures[0], np.empty((0, 4)))[0].shape == (0, 3, 2)


def test_flipping_brings_left_and_right_back() -> None:
    """The blue dot is its own mirror image; red and green found in the mirror are taken for each other."""
    picture = picture_of((38, 44, 2))
    finder = DotFinder("udp")
    xy, _ = estimate_poses(finder, picture, np.array([[24, 22, 52, 56]]), flip=True)
    np.testing.assert_allclose(xy[0, 2], [38, 44], atol=0.1)
    assert finder.batches == [1, 1]
    one_sided = picture_of((30, 40, 0))
    _, score = estimate_poses(finder, one_sided, np.array([[24, 22, 52, 56]]), flip=True)
    # What the mirror shows as the left dot is half a vote for the right one.
    assert score[0, 0] == pytest.approx(score[0, 1], abs=0.05)


# --- in a video ---

BOX = (24.0, 22.0, 52.0, 56.0)
NAN4 = (np.nan,) * 4


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures in which the red dot moves right and the green one stands still."""
    import cv2

    folder = tmp_path_factory.mktemp("frames")
    for i in range(7):
        rgb = picture_of((28 + 2 * i, 40, 0), (44, 30, 1))
        cv2.imwrite(str(folder / f"{i:03d}.png"), rgb[..., ::-1])
    return folder


@pytest.fixture
def video(frames: Path) -> Video:
    return open_video(frames)


def labels(track: Track, skeleton: Skeleton = DOTS) -> Annotations:
    return Annotations(skeleton, tracks=(track,))


def boxed(keypoints: int = 3, **more: object) -> Track:
    """A track with a box in frames 1, 2, 4 and 5; none in 3."""
    return Track.make(
        4,
        [1, 2, 3, 4, 5],
        more.pop("xy", np.full((5, keypoints, 2), np.nan)),
        boxes=[BOX, BOX, NAN4, BOX, BOX],
        person_score=[0.5, 0.6, 0.7, 0.8, 0.9],
        **more,  # type: ignore[arg-type]
    )


def test_every_box_gets_a_pose(video: Video) -> None:
    counts: list[int] = []
    found = estimate(video, labels(boxed()), DotFinder(), batch=3, started=counts.append, advance=counts.append)
    assert counts[0] == sum(counts[1:]) == 4
    track = found.track(4)
    assert track.visibility.tolist() == [[2, 2, 0], [2, 2, 0], [0, 0, 0], [2, 2, 0], [2, 2, 0]]
    assert (track.source[track.labelled] == Source.DETECTED).all()
    assert np.isfinite(track.score).tolist() == track.labelled.tolist()
    np.testing.assert_allclose(track.xy[[0, 1, 3, 4], 0, 0], [30, 32, 36, 38], atol=0.3)
    np.testing.assert_allclose(track.xy[[0, 1, 3, 4], 1], [[44, 30]] * 4, atol=0.3)
    assert track.person_score.tolist() == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert found.video.frame_count == 7


def test_the_same_poses_in_batches_of_any_size(video: Video) -> None:
    one, many = (estimate(video, labels(boxed()), DotFinder(), batch=b) for b in (1, 50))
    assert one.same_as(many)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupted_estimation_goes_on_with_the_next_batch(after: int, video: Video, tmp_path: Path) -> None:
    class Tired(DotFinder):
        def heatmaps(self, crops: Crops) -> Tensor:
            if len(self.batches) == after:
                raise KeyboardInterrupt
            return super().heatmaps(crops)

    planned = Estimation(video, labels(boxed()), Tired(), batch=1)
    journal = planned.journal(tmp_path / "partial", resume=False)
    with pytest.raises(KeyboardInterrupt):
        planned.run(0.0, unheard, journal)
    journal.close(done=False)
    finder, told = DotFinder(), list[int]()
    planned = Estimation(video, labels(boxed()), finder, batch=1)
    journal = planned.journal(tmp_path / "partial", resume=True)
    found = planned.run(0.0, told.append, journal)
    journal.close(done=True)
    assert found.same_as(estimate(video, labels(boxed()), DotFinder(), batch=1))
    assert finder.batches == [1] * (4 - after)
    assert (told[0], sum(told)) == (after, 4)
    assert list(tmp_path.iterdir()) == []


def test_what_a_person_set_stays_bit_for_bit(video: Video) -> None:
    xy = np.full((5, 3, 2), np.nan)
    xy[1, 0], xy[3, 0], xy[3, 2] = (11.25, 12.5), (13, 14), (15, 16)
    source = np.zeros((5, 3), np.uint8)
    source[1, 0], source[3, 0], source[3, 2] = Source.MANUAL, Source.CORRECTED, Source.PROPAGATED
    track = estimate(video, labels(boxed(xy=xy, source=source)), DotFinder()).track(4)
    assert track.xy[1, 0].tolist() == [11.25, 12.5]
    assert track.xy[3, 0].tolist() == [13, 14]
    assert np.isnan(track.score[[1, 3], 0]).all()
    assert track.source[:, 0].tolist() == [Source.DETECTED, Source.MANUAL, 0, Source.CORRECTED, Source.DETECTED]
    # What was only propagated makes room, here for nothing: there is no blue dot.
    assert track.visibility[3].tolist() == [2, 2, 0]


def test_nothing_is_looked_at_that_a_person_saw_to(video: Video) -> None:
    """All is set in one frame, all set or taken away in another; in a third, one keypoint is left to find."""
    xy = np.full((5, 3, 2), np.nan)
    xy[0], xy[1, :2], xy[3, :2] = (11.25, 12.5), (13, 14), (15, 16)
    finder = DotFinder()
    gone = [Replaced(2, 2, 44, 30, 2, Source.PROPAGATED)]
    estimate(video, labels(boxed(xy=xy, replaced=gone)), finder)
    assert sum(finder.batches) == 2


def test_what_a_person_took_away_is_not_found_again(video: Video) -> None:
    """In a frame that has another keypoint, in one that has none, and in one without a row."""
    xy = np.full((5, 3, 2), np.nan)
    xy[1, 0] = (11.25, 12.5)
    taken = [Replaced(2, 1, 44, 30, 2, Source.PROPAGATED), Replaced(4, 0, 36, 40, 2), Replaced(6, 0, 36, 40, 2)]
    track = estimate(video, labels(boxed(xy=xy, replaced=taken)), DotFinder()).track(4)
    assert track.visibility.tolist() == [[2, 2, 0], [2, 0, 0], [0, 0, 0], [0, 2, 0], [2, 2, 0]]
    assert track.replaced == tuple(taken)


def test_a_persons_skeleton_is_filled_by_name(video: Video) -> None:
    theirs = Skeleton("theirs", ("tail", "right_dot", "left_dot", "blue"))
    xy = np.full((5, 4, 2), np.nan)
    xy[0, 0] = xy[1, 2] = (5, 6)
    found = estimate(video, labels(boxed(xy=xy), theirs), DotFinder())
    assert found.skeleton == theirs
    track = found.track(4)
    assert track.visibility.tolist() == [[2, 2, 2, 0], [0, 2, 2, 0], [0] * 4, [0, 2, 2, 0], [0, 2, 2, 0]]
    np.testing.assert_allclose(track.xy[4, 1:3], [[44, 30], [38, 40]], atol=0.3)
    assert track.xy[1, 2].tolist() == [5, 6]
    nobody = Skeleton("cow", ("horn", "tail", "hoof"))
    with pytest.raises(PwarpError, match="'cow' has no keypoint of 'dots'"):
        estimate(video, labels(boxed(xy=xy[:, :3]), nobody), DotFinder())


def test_another_skeleton_that_nobody_labelled_makes_room(video: Video) -> None:
    found = estimate(video, labels(boxed(17, absent=[(6, 6)]), COCO_17), DotFinder())
    assert found.skeleton == DOTS
    assert found.track(4).absent.tolist() == [[6, 6]]
    assert found.track(4).labelled.sum() == 8


def test_frames_without_a_box_keep_what_the_estimator_has_a_name_for(video: Video) -> None:
    theirs = Skeleton("theirs", ("tail", "blue", "left_dot"))
    xy = np.full((5, 3, 2), np.nan)
    xy[2], xy[3] = (5, 6), (7, 8)
    taken = [Replaced(2, 0, 1, 2, 2), Replaced(4, 2, 36, 40, 2)]
    given = labels(boxed(xy=xy, source=np.where(np.isnan(xy[..., 0]), 0, Source.PROPAGATED), replaced=taken), theirs)
    found = estimate(video, given, DotFinder())
    assert found.skeleton == DOTS
    track = found.track(4)
    assert track.visibility.tolist() == [[2, 2, 0], [2, 2, 0], [2, 0, 2], [2, 2, 0], [2, 2, 0]]
    assert (track.xy[2, [0, 2]] == (5, 6)).all()
    assert track.source[2].tolist() == [Source.PROPAGATED, 0, Source.PROPAGATED]
    assert track.replaced == (Replaced(4, 0, 36, 40, 2),)
    assert left_behind(given, found, video.width, video.height) == 1  # the tail


def test_boxes_without_area_and_absences_are_left_alone(video: Video) -> None:
    boxes = [BOX, (5, 5, 5, 9), (-30, 0, -2, 9), (96, 0, 120, 9), BOX]
    track = Track.make(1, range(5), np.full((5, 3, 2), np.nan), boxes=boxes, absent=[(4, 6)])
    found = estimate(video, labels(track), DotFinder()).track(1)
    assert found.labelled.any(axis=1).tolist() == [True, False, False, False, False]
    with pytest.raises(PwarpError, match="no box of 1 tracks has a part in the picture; are they pixels of this video"):
        estimate(video, labels(track.rows(np.array([1, 2, 3, 4]))), DotFinder())


def test_people_without_boxes_are_a_mistake(video: Video) -> None:
    track = Track.make(1, [0], np.full((1, 3, 2), np.nan))
    with pytest.raises(PwarpError, match="no box to look into in 1 tracks; 'pwarp detect' finds boxes"):
        estimate(video, labels(track), DotFinder())


def test_nobody_detected_is_a_result_like_any_other(video: Video) -> None:
    found = estimate(video, Annotations(COCO_17), DotFinder())
    assert (found.tracks, found.skeleton) == ((), DOTS)


def test_weak_keypoints_and_keypoints_outside_the_picture(video: Video) -> None:
    class Outside(DotFinder):
        def heatmaps(self, crops: Crops) -> Tensor:
            """At the crop's left border, outside the picture; the second too weak."""
            xy = torch.tensor([[4.0, 32.0], [24.0, 32.0], [24.0, 30.0]]).expand(len(crops), 3, 2)
            return self.codec.encode(xy, torch.ones(len(crops), 3))[0] * torch.tensor([0.9, 0.2, 0.4])[:, None, None]

    track = Track.make(1, [0], np.full((1, 3, 2), np.nan), boxes=[(0, 20, 20, 50)])
    found = estimate(video, labels(track), Outside(), min_score=0.3).track(1)
    assert found.visibility.tolist() == [[1, 0, 2]]
    assert found.xy[0, 0, 0] < -0.5


# --- files ---

COW = Skeleton("cow", ("nose", "left_horn", "right_horn", "tail", "hoof"), flip_pairs=((1, 2),))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = configure("duc-mobilenet", keypoints=5, widths=(8, 8))
    path = tmp_path_factory.mktemp("weights") / "cow.safetensors"
    save(path, build(model), Card(model, COW, Codec("dark", (64, 96), 8, 1.5), padding=1.1))
    return path


def test_a_checkpoint_says_what_it_is(checkpoint: Path) -> None:
    estimator = open_estimator(checkpoint, "cpu")
    assert (estimator.name, estimator.skeleton, estimator.size) == ("cow.safetensors", COW, (64, 96))
    assert (estimator.codec.kind, estimator.padding) == ("dark", 1.1)


def test_a_checkpoint_sees_normalised_rgb(checkpoint: Path) -> None:
    from pwarp.checkpoints import load

    estimator = open_estimator(checkpoint, "cpu")
    crops = np.random.default_rng(0).integers(0, 256, (3, 96, 64, 3), dtype=np.uint8)
    module, _ = load(checkpoint)
    inputs = torch.tensor((crops / 255 - IMAGENET_MEAN) / IMAGENET_STD).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = module(inputs)
    found = estimator.heatmaps(crops)
    assert found.shape == (3, 5, 12, 8)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    half = open_estimator(checkpoint, "cpu", precision="bf16").heatmaps(crops)
    assert half.dtype == torch.float32
    assert 0 < float((half - expected).abs().max()) < 0.05 * float(expected.abs().max())


def test_the_estimator_in_a_posewarper_is_its_backbone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = configure("duc-mobilenet", keypoints=5, widths=(8, 8))
    model = configure("posewarper", backbone=backbone, channels=4, blocks=1)
    module = build(model).eval()
    save(tmp_path / "w.safetensors", module, Card(model, COW, Codec("msra", (64, 96), 8)))
    crops = np.random.default_rng(0).integers(0, 256, (2, 96, 64, 3), dtype=np.uint8)
    estimator = open_estimator(tmp_path / "w.safetensors")
    inputs = torch.tensor((crops / 255 - IMAGENET_MEAN) / IMAGENET_STD).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = module.backbone(inputs)  # type: ignore[operator]
    torch.testing.assert_close(estimator.heatmaps(crops).cpu(), expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("device", "says"), [("tpu3", "no kind of device 'tpu3'"), ("cuda:99", "no device 'cuda:99'")])
def test_a_device_that_is_not_there(checkpoint: Path, device: str, says: str) -> None:
    with pytest.raises(PwarpError, match=says) as error:
        open_estimator(checkpoint, device)
    assert "\n" not in str(error.value)


def onnx_file(
    path: Path, *, keypoints: int = 17, batch: int | str = "n", size: tuple[int, int] | None = (16, 24)
) -> Path:
    """A network that means 4 x 4 pixels of the red channel and repeats them for each keypoint, times its index + 1."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    width, height = size or ("w", "h")
    weight = np.zeros((keypoints, 3, 4, 4), np.float32)
    weight[:, 0] = (np.arange(keypoints) + 1)[:, None, None] / 16
    node = helper.make_node("Conv", ["x", "weight"], ["y"], strides=[4, 4], kernel_shape=[4, 4])
    float_, names = onnx.TensorProto.FLOAT, (batch, keypoints, "a", "b")
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", float_, (batch, 3, height, width))],
        [helper.make_tensor_value_info("y", float_, names)],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


@pytest.fixture(params=["onnxruntime", "opencv"])
def runner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "opencv":
        monkeypatch.setattr("pwarp.onnx.network.find_spec", lambda _: None)
    else:
        pytest.importorskip("onnxruntime")
    return str(request.param)


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("batch", ["n", 1, 2])
def test_an_onnx_network_of_any_batch(tmp_path: Path, batch: int | str) -> None:
    estimator = open_estimator(f"onnx:{onnx_file(tmp_path / 'net.onnx', batch=batch)}")
    assert estimator.skeleton == COCO_17
    assert estimator.codec == Codec("msra", (16, 24), 4, 2.0)
    assert estimator.padding == 1.25
    crops = np.random.default_rng(0).integers(0, 256, (3, 24, 16, 3), dtype=np.uint8)
    red = (crops[..., 0] / 255 - IMAGENET_MEAN[0]) / IMAGENET_STD[0]
    mean = red.reshape(3, 6, 4, 4, 4).mean(axis=(2, 4))
    expected = mean[:, None] * (np.arange(17) + 1)[:, None, None]
    np.testing.assert_allclose(estimator.heatmaps(crops).numpy(), expected, atol=1e-4)


def test_what_stands_beside_an_onnx_file_is_heeded(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "cow.onnx", keypoints=3, size=None)
    with pytest.raises(PwarpError, match=r'takes crops of any size; name one as "size": \[w, h\] in cow.onnx.json'):
        open_estimator(f"onnx:{path}")
    said = {"size": [32, 40], "codec": "udp", "sigma": 1.5, "padding": 1.5, "mean": [0, 0, 0], "std": [1, 1, 1]}
    (tmp_path / "cow.onnx.json").write_text(json.dumps(said))
    estimator = open_estimator(f"onnx:{path}")
    assert estimator.codec == Codec("udp", (32, 40), 4, 1.5)
    assert estimator.padding == 1.5
    assert estimator.skeleton.keypoints == ("keypoint 1", "keypoint 2", "keypoint 3")
    assert float(estimator.heatmaps(np.full((1, 40, 32, 3), 255, np.uint8))[0, 2, 3, 3]) == pytest.approx(3)
    named = {"name": "cow", "keypoints": ["left_horn", "right_horn", "tail"]}
    (tmp_path / "cow.onnx.json").write_text(json.dumps({**said, "skeleton": named}))
    assert open_estimator(f"onnx:{path}").skeleton == Skeleton("cow", tuple(named["keypoints"]), flip_pairs=((0, 1),))


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ({"skelton": 1}, "unknown field 'skelton'; known: codec"),
        ({"mean": [1, 2]}, "'mean' is .*, expected 3 numbers"),
        ({"std": [1, 0, 1]}, "'std' is .*, expected 3 numbers above 0"),
        ({"padding": "wide"}, "'padding' is 'wide', expected a number above 0"),
        ({"size": [1.5, 8]}, "expected whole numbers"),
        ({"size": [32, 24]}, "takes crops of 16x24"),
        ({"codec": "best"}, "unknown heatmap codec 'best'"),
        ({"skeleton": "coco-18"}, "unknown skeleton 'coco-18'; built in: coco-17"),
        ({"skeleton": "penn-13"}, "gives 17 heatmaps, skeleton 'penn-13' has 13 keypoints"),
        ({"skeleton": {"names": []}}, "skeleton must be a name or"),
    ],
)
def test_nonsense_beside_an_onnx_file_is_refused(tmp_path: Path, said: object, says: str) -> None:
    path = onnx_file(tmp_path / "net.onnx")
    (tmp_path / "net.onnx.json").write_text(said if isinstance(said, str) else json.dumps(said))
    with pytest.raises(PwarpError, match=says) as error:
        open_estimator(f"onnx:{path}")
    assert "\n" not in str(error.value)


def test_an_onnx_network_of_crops_that_fill_the_memory_is_not_run(tmp_path: Path) -> None:
    """Whoever says so: the network itself, the file beside it, or the card in it."""
    onnx = pytest.importorskip("onnx")
    path = onnx_file(tmp_path / "net.onnx", size=(40000, 40000))
    with pytest.raises(PwarpError, match=r"net\.onnx: crops of 40000x40000 pixels"):
        open_estimator(f"onnx:{path}")
    path = onnx_file(tmp_path / "any.onnx", size=None)
    (tmp_path / "any.onnx.json").write_text(json.dumps({"size": [4096, 4096]}))
    with pytest.raises(PwarpError, match=r"any\.onnx: crops of 4096x4096 pixels"):
        open_estimator(f"onnx:{path}")
    (tmp_path / "any.onnx.json").unlink()
    card = Card(configure("duc-r18", keypoints=17), COCO_17, Codec()).to_json().replace(b"[192,256]", b"[19200,25600]")
    model = onnx.load(str(path))
    model.metadata_props.add(key="pwarp", value=card.decode())
    onnx.save(model, str(path))
    with pytest.raises(PwarpError, match=r"any\.onnx: crops of 19200x25600 pixels.*export it again"):
        open_estimator(f"onnx:{path}")


def test_specs_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"nothing like it")
    for spec, says in (
        ("onnx:nowhere.onnx", "nowhere.onnx: no such file"),
        (f"onnx:{tmp_path / 'net.onnx'}", "is no ONNX file, or a damaged one"),
        ("nowhere.safetensors", "nowhere.safetensors: no such file"),
        (str(tmp_path / "net.onnx"), "an ONNX file, no checkpoint of pwarp; options that take ONNX want onnx:"),
    ):
        with pytest.raises(PwarpError, match=says):
            open_estimator(spec)
    with pytest.raises(PwarpError, match="device and precision are for checkpoints"):
        open_estimator("onnx:x", "cuda")


@pytest.mark.usefixtures("runner")
def test_a_real_network_finds_real_people_without_bias(data_dir: Path) -> None:
    """Human truth: hips, knees and ankles of the demo clip, which both skeletons name alike."""
    estimator = open_estimator(f"onnx:{data_dir / 'weights' / 'ultralight_simplepose.onnx'}")
    truth = read(data_dir / "bonn" / "truth.json")
    names = [n for n in truth.skeleton.keypoints if n.split("_")[-1] in ("hip", "knee", "ankle", "shoulder", "elbow")]
    mine, theirs = ([s.keypoints.index(n) for n in names] for s in (estimator.skeleton, truth.skeleton))
    errors = []
    with open_video(data_dir / "bonn" / "images") as video:
        for frame in (0, 20, 40):
            for track in truth.tracks:
                row = track.at(frame)
                if row is None or not np.isfinite(track.boxes[row]).all():
                    continue
                xy, _ = estimate_poses(estimator, video.frame(frame), track.boxes[row])
                seen = track.visibility[row, theirs] == 2
                height = track.boxes[row, 3] - track.boxes[row, 1]
                errors += list((xy[0, mine] - track.xy[row, theirs])[seen] / height)
    near = np.linalg.norm(errors, axis=1) < 0.1
    assert len(errors) > 60
    assert near.mean() > 0.9
    # A cell of the heatmap is 0.02 of the box's height: half a cell of bias would show.
    assert np.abs(np.median(np.array(errors)[near], axis=0)).max() < 0.01


# --- the command ---


@pytest.fixture
def here(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "frames").symlink_to(frames)
    onnx_file(tmp_path / "net.onnx", keypoints=3)
    (tmp_path / "net.onnx.json").write_text('{"mean": [0, 0, 0], "std": [1, 1, 1]}')
    with open_video(frames) as video:
        write(Annotations(DOTS, video.identity, (boxed(),)), tmp_path / "boxes.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


Pwarp = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pwarp(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pwarp:
    import io
    import sys

    from pwarp_cli.main import run

    def call(*arguments: object, given: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pwarp", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as end:
            run()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def test_the_command_writes_poses_and_says_so(here: Path, pwarp: Pwarp) -> None:
    code, out, err = pwarp("estimate", "frames", "boxes.json", "--model", "onnx:net.onnx", "-o", "poses.json", "--json")
    assert (code, err) == (0, "")
    values = json.loads(out)
    assert (values["frames"], values["poses"], values["boxes_left_out"]) == (4, 4, 0)
    found = read("poses.json").track(4)
    assert (found.source == Source.DETECTED).sum() == values["keypoints"] > 0
    code, out, err = pwarp(
        *("estimate", "frames", "-", "--model", "onnx:net.onnx", "-o", "again.json"),
        given=(here / "boxes.json").read_bytes(),
    )
    assert (here / "again.json").read_bytes() == (here / "poses.json").read_bytes()
    assert out.startswith("again.json: 4 poses of 3 keypoints by net.onnx in 4 frames, ")


def test_the_command_goes_on_after_an_interruption(here: Path, pwarp: Pwarp, monkeypatch: pytest.MonkeyPatch) -> None:
    call = ("estimate", "frames", "boxes.json", "--model", "onnx:net.onnx", "--batch", "1", "-o")
    heatmaps, looks = OnnxEstimator.heatmaps, 0

    def counted(self: OnnxEstimator, crops: Crops, most: int = 99) -> Tensor:
        nonlocal looks
        if looks == most:
            raise KeyboardInterrupt
        looks += 1
        return heatmaps(self, crops)

    assert pwarp(*call, "whole.json")[0] == 0
    monkeypatch.setattr(OnnxEstimator, "heatmaps", lambda self, crops: counted(self, crops, 3))
    code, out, err = pwarp(*call, "poses.json")
    assert (code, out, err, looks) == (130, "", "pwarp: interrupted\n", 3)
    assert not (here / "poses.json").exists() and (here / "poses.json.partial").exists()
    looks = 0
    monkeypatch.setattr(OnnxEstimator, "heatmaps", counted)
    code, _, err = pwarp(*call, "poses.json", "--resume", "--flip")
    assert (code, looks) == (1, 0)
    assert "left by a run with other labels, video or options; run without --resume" in err
    code, _, err = pwarp(*call, "poses.json", "--resume")
    assert (code, err, looks) == (0, "", 1)
    assert (here / "poses.json").read_bytes() == (here / "whole.json").read_bytes()
    assert not (here / "poses.json.partial").exists()
    code, _, err = pwarp(*call, "-", "--resume")
    assert code == 2 and "--resume needs an output file" in err


def test_the_command_says_which_keypoints_go(here: Path, pwarp: Pwarp) -> None:
    given = read("boxes.json")
    xy = np.full((5, 2, 2), np.nan)
    xy[2] = (5, 6)
    theirs = Skeleton("theirs", ("tail", "fin"))
    track = boxed(xy=xy, source=np.where(np.isnan(xy[..., 0]), 0, Source.PROPAGATED))
    write(Annotations(theirs, given.video, (track,)), here / "fish.json")
    code, _, err = pwarp("estimate", "frames", "fish.json", "--model", "onnx:net.onnx", "-o", "poses.json")
    says = "pwarp: 2 keypoints in frames without a usable box are left out: net.onnx has none of their names\n"
    assert (code, err) == (0, says)


def test_the_command_looks_around_keypoints_that_have_no_boxes(here: Path, pwarp: Pwarp) -> None:
    """Of animals, by formats that hold none; what comes out has none, either."""
    dots = {"name": "dots", "keypoints": DOTS.keypoints}
    (here / "net.onnx.json").write_text(json.dumps({"mean": [0, 0, 0], "std": [1, 1, 1], "skeleton": dots}))
    given = read("boxes.json")
    xy = np.full((5, 3, 2), np.nan)
    xy[:4, 0], xy[:4, 1] = (30, 20), (60, 50)
    source = np.where(np.isnan(xy[..., 0]), Source.NONE, Source.DETECTED)
    source[1, 0] = Source.MANUAL
    track = Track.make(4, range(5), xy, source=source)
    write(Annotations(DOTS, given.video, (track,)), here / "dog.json")
    code, out, err = pwarp("estimate", "frames", "dog.json", "--model", "onnx:net.onnx", "-o", "poses.json")
    assert (code, err) == (0, "pwarp: no boxes: looked around the keypoints of 4 poses instead\n")
    assert out.startswith("poses.json: 4 poses of 3 keypoints by net.onnx in 4 frames, ")
    found = read("poses.json").track(4)
    assert np.isnan(found.boxes).all() and not found.labelled[4].any()
    assert found.xy[1, 0].tolist() == [30, 20] and (found.source[0] == Source.DETECTED).all()
    boxes = boxes_around(track.xy, track.labelled, (96, 72))
    assert boxes[0].tolist() == [25.5, 15.5, 64.5, 54.5] and np.isnan(boxes[4]).all()
    framed = Track.make(4, range(5), xy, source=source, boxes=boxes)
    write(Annotations(DOTS, given.video, (framed,)), here / "boxed.json")
    assert pwarp("estimate", "frames", "boxed.json", "--model", "onnx:net.onnx", "-o", "again.json")[0] == 0
    np.testing.assert_array_equal(read("again.json").track(4).xy, found.xy)


@pytest.mark.usefixtures("here")
def test_the_command_refuses_in_one_line(pwarp: Pwarp) -> None:
    good = ("estimate", "frames", "boxes.json", "--model", "onnx:net.onnx", "-o")
    code, out, err = pwarp(*good, "boxes.json")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "boxes.json: is an input, which nothing may replace" in err
    code, _, err = pwarp("estimate", "frames", "boxes.json", "--model", "missing.safetensors", "-o", "p.json")
    assert (code, err) == (1, "pwarp: missing.safetensors: no such file; check the path\n")
    assert pwarp("estimate", "frames", "boxes.json", "-o", "p.json")[0] == 2
    assert not Path("p.json").exists()

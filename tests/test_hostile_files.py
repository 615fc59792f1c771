"""Files made to do harm: to grow in memory, to lead out of their folder, or to run something. Each is one line."""

from __future__ import annotations

import io
import json
import pickle
import re
import resource
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
import torch

from benchmarks.fuzzing import specimens
from benchmarks.fuzzing.mutations import HUGE
from pwarp import formats, registry
from pwarp.annotations import Annotations
from pwarp.augment.pairs import pair
from pwarp.batch import find_videos, make_tasks
from pwarp.batch.task import Settings
from pwarp.checkpoints import load
from pwarp.datasets import open_dataset
from pwarp.errors import PwarpError
from pwarp.evaluation.matching import find_labels
from pwarp.onnx import read_header
from pwarp.propagation import Options
from pwarp.skeleton import POSETRACK_17
from pwarp.training.sources import Places, find_clips
from pwarp.video import open_video
from pwarp.weights.convert import read_tensors

GIGABYTE = 10**9


@pytest.fixture(autouse=True)
def a_gigabyte() -> Iterator[None]:
    """What a test may take in addition; whatever asks for more gets a MemoryError."""
    now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(now.split()[1]) * 1024 + GIGABYTE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


def refused(read: Callable[[], object]) -> str:
    """The one line with which something is refused."""
    with pytest.raises(PwarpError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 1000
    return message


def laid_out(specimen: specimens.Specimen, folder: Path) -> Path:
    for name, content in specimen.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / specimen.entry


class TestBombs:
    """Small files that stand for gigabytes."""

    def test_hdf5_of_zeros(self, tmp_path: Path) -> None:
        specimen = specimens.written("dlc", "labels.h5", specimens.labels(specimens.ANIMAL, rich=False))
        path = laid_out(specimen, tmp_path)
        with h5py.File(path, "r+") as handle:
            del handle["df_with_missing/block0_values"]
            shape = (1 << 20, 127)
            handle.create_dataset("df_with_missing/block0_values", shape, "u1", chunks=(1 << 14, 127), compression=9)
        assert path.stat().st_size < 1 << 20
        assert "claims 1016 MiB" in refused(lambda: formats.read(path))

    def test_matlab_of_zeros(self, tmp_path: Path) -> None:
        size = 1 << 28
        flags, dims = struct.pack("<6I", 6, 8, 9, 0, 5, 12), struct.pack("<3iI", 2, 15, size // 30, 0)
        name = struct.pack("<II", 1, 7) + b"pos_img\0"
        head = struct.pack("<II", 14, 56 + size) + flags + dims + name + struct.pack("<II", 2, size)
        packer = zlib.compressobj(9)
        parts = [packer.compress(head), *(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()]
        packed = b"".join(parts)
        header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
        path = tmp_path / "joint_positions.mat"
        path.write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
        assert path.stat().st_size < 1 << 20
        assert "larger than 64 MiB when decompressed" in refused(lambda: formats.read(path, format="jhmdb"))

    def test_torch_archive_of_zeros(self, tmp_path: Path) -> None:
        out = io.BytesIO()
        torch.save({"a": torch.zeros(3)}, out)
        with (
            zipfile.ZipFile(out) as source,
            zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for item in source.namelist():
                target.writestr(item, bytes(1 << 28) if item.endswith("data/0") else source.read(item))
        assert (tmp_path / "w.pth").stat().st_size < 1 << 20
        assert "unpacks to more than its" in refused(lambda: read_tensors(tmp_path / "w.pth"))

    @pytest.mark.parametrize("magic", [b"PK\x03\x04", b"\x1f\x8b\x08\x00"])
    def test_archives_are_never_unpacked_for_labels(self, tmp_path: Path, magic: bytes) -> None:
        """CVAT and Label Studio export archives; whoever unpacks them sees what is in them."""
        path = tmp_path / "labels.zip"
        path.write_bytes(magic + bytes(1000))
        assert "archive; unpack it first" in refused(lambda: formats.read(path))

    def test_yaml_aliases(self, tmp_path: Path) -> None:
        folder = laid_out(specimens.yolo(), tmp_path)
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
        (folder / "data.yaml").write_text("\n".join([*lines, "kpt_shape: [3, 3]", "names: [*a11]", "train: images"]))
        assert "has aliases (*name)" in refused(lambda: formats.read(folder))

    @pytest.mark.parametrize("where", ["<annotations>", "svg"])
    def test_xml_entities(self, tmp_path: Path, where: str) -> None:
        content = laid_out(specimens.written("cvat", "l.xml", specimens.labels(specimens.ANIMAL)), tmp_path).read_text()
        entities = '<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]>'
        if where == "svg":
            assert "<svg>" in content
            content = content.replace("<svg>", f"<svg>{entities.replace('&', '&amp;').replace('<', '&lt;')}&amp;b;", 1)
        else:
            content = content.replace(where, entities + where, 1)
        (tmp_path / "bomb.xml").write_text(content)
        assert "bomb.xml" in refused(lambda: formats.read(tmp_path / "bomb.xml"))

    def test_pictures_of_one_colour(self, tmp_path: Path) -> None:
        """A few kilobytes of PNG."""
        side = 16384
        raw = zlib.compress(bytes(side // 8 + 1) * side, 9)

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
        png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(png)
        assert len(png) < 1 << 18
        assert "claims too many pixels" in refused(lambda: open_video(tmp_path / "a.png"))

    @pytest.mark.parametrize("kind", ["csv", "cvat", "label-studio"])
    def test_many_poses_of_many_keypoints_with_hardly_a_point(self, tmp_path: Path, kind: str) -> None:
        """Each pose names another keypoint: 5,000 x 5,000 places for 5,000 points."""
        count = 5000
        if kind == "csv":
            text = "frame,keypoint,x,y\n" + "".join(f"{n},k{n},1,2\n" for n in range(count))
        elif kind == "cvat":
            points = '<points label="k{0}" keyframe="1" outside="0" occluded="0" points="1,2"/>'
            shapes = "".join(f'<skeleton frame="{n}" keyframe="1">{points.format(n)}</skeleton>' for n in range(count))
            text = f'<annotations><track id="0" label="dog" source="manual">{shapes}</track></annotations>'
        else:
            keys = [{"frame": n + 1, "vertices": [{"id": f"k{n}", "x": 1, "y": 2}]} for n in range(count)]
            size = {"pwarp": {"video": {"width": 64, "height": 48}}}
            value = {"labels": ["dog"], "framesCount": count, "sequence": keys}
            result = {"id": "a", "type": "videovectorlabels", "value": value}
            text = json.dumps([{"data": size, "annotations": [{"result": [result]}]}])
        path = tmp_path / "labels"
        path.write_text(text)
        message = refused(lambda: formats.read(path, format=kind))
        assert f"{count} poses of {count} keypoints" in message

    def test_instances_that_share_their_points(self, tmp_path: Path) -> None:
        path = laid_out(specimens.written("sleap", "l.slp", specimens.labels(specimens.ANIMAL)), tmp_path)
        with h5py.File(path, "r+") as handle:
            table = handle["instances"][:]
            table["point_id_start"], table["point_id_end"] = 0, len(handle["points"])
            handle["instances"][:] = table
        assert "its instances claim more points than" in refused(lambda: formats.read(path))

    def test_videos_of_one_colour(self, tmp_path: Path) -> None:
        """20 kB that decode to 100 MB a frame, of which a decoder holds several, and 200 MB in colour."""
        side = 8208
        with av.open(str(tmp_path / "grey.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = side, side, "yuv420p"
            frame = av.VideoFrame(side, side, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        message = refused(lambda: open_video(tmp_path / "grey.mp4"))
        assert f"its pictures have {side}x{side} pixels, more than" in message


# The last labelled frame, 8, as each format says it.
FRAME_PLACES = {
    "jsonl": ('"frame":8', '"frame":{}'),
    "pwarp": ('"frame_id":8', '"frame_id":{}'),
    "coco": ('"frame_id":8', '"frame_id":{}'),
    "posetrack18": ("/000008.jpg", "/{}.jpg"),
    "posetrack17": ("/00000009.jpg", "/{}.jpg"),
    "cvat": ('frame="8"', 'frame="{}"'),
    "label-studio": ('"frame":9', '"frame":{}'),
    "csv": ("8,0,", "{},0,"),
    "dlc": ("img8.png", "img{}.png"),
}


@pytest.mark.parametrize("frame", [HUGE, 10**9 - 1])
@pytest.mark.parametrize("format", FRAME_PLACES)
def test_a_frame_far_beyond_every_video_takes_no_memory(tmp_path: Path, format: str, frame: int) -> None:
    """What needs no row for every frame before it is written, and the rest refused."""
    skeleton = POSETRACK_17 if format.startswith("posetrack") else specimens.ANIMAL
    labels = specimens.labels(skeleton, people=1, rich=False)
    labels = replace(labels, video=replace(labels.video, frame_count=None))
    path = laid_out(specimens.written(format, "labels", labels), tmp_path)
    before, after = FRAME_PLACES[format]
    text = re.sub(r',"imgnum":\[\d+\]', "", path.read_text())
    text = text.replace(" ", "") if format == "label-studio" else text
    changed = text.replace(before, after.format(frame))
    assert changed != text
    path.write_text(changed)
    if frame == HUGE:
        assert str(path) in refused(lambda: formats.read(path, format=format))
        return
    read = formats.read(path, format=format)
    for other in registry.names("format"):
        target = tmp_path / f"{other}.json"
        try:
            formats.write(read, target, format=other, video=None)
        except PwarpError as error:
            assert "\n" not in str(error)


# COCO's field, the place in it, and what the message says.
COORDINATES = {
    "keypoint": ("keypoints", 0, "coordinates .* lie beyond"),
    "box": ("bbox", 2, "box .* lies beyond"),
}


@pytest.mark.parametrize("number", [-1.7e308, 1e10])
@pytest.mark.parametrize("what", COORDINATES)
def test_coordinates_with_which_nobody_can_compute_are_refused(tmp_path: Path, what: str, number: float) -> None:
    """Finite, but their differences are not, and whole pixels of them overflow."""
    labels = specimens.labels(specimens.ANIMAL, people=1, rich=False)
    path = laid_out(specimens.written("coco", "labels", labels), tmp_path)
    document = json.loads(path.read_text())
    field, at, expected = COORDINATES[what]
    document["annotations"][1][field] = [5.0, 5.0, 5.0, 5.0] if what == "box" else document["annotations"][1][field]
    document["annotations"][1][field][at] = number
    path.write_text(json.dumps(document))
    message = refused(lambda: formats.read(path))
    assert re.search(rf"^{re.escape(str(path))}: .*frame \d+.*{expected} 1e\+09 pixels", message), message


def test_regions_to_ignore_are_as_near() -> None:
    corners = np.array([[0.0, 0.0], [2e9, 0.0], [0.0, 9.0]])
    assert "frame 7" in refused(lambda: Annotations(POSETRACK_17, ignore_regions={7: (corners,)}))


class TestWaysOut:
    """Links and names that lead out of the folder which a person gave."""

    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        labels = specimens.written("pwarp", "dog.json", specimens.labels(specimens.ANIMAL))
        laid_out(labels, folder)
        (folder / "0.png").write_bytes(specimens.picture("png"))
        (folder / "dog.mp4").write_bytes(b"not looked at")
        laid_out(specimens.yolo(), folder / "yolo")
        (folder / "0001.mat").write_bytes(specimens.penn_mat())
        return folder

    @pytest.fixture
    def given(self, tmp_path: Path) -> Path:
        folder = tmp_path / "given"
        folder.mkdir()
        return folder

    @pytest.mark.parametrize(
        ("name", "use"),
        [
            ("0.png", open_video),
            ("dog.mp4", lambda folder: find_videos([str(folder)])),
            ("dog.json", lambda folder: make_tasks([], folder, folder / "out", Settings(Options("linear")))),
            ("dog.json", lambda folder: pair(folder, folder)),
            ("dog.json", lambda folder: find_labels(str(folder))),
            ("dog.json", lambda folder: find_clips(Places((str(folder),)))),
        ],
        ids=["pictures", "videos of run", "labels of run", "augment", "eval", "train"],
    )
    def test_a_link_in_a_folder(self, secret: Path, given: Path, name: str, use: Callable[[Path], object]) -> None:
        (given / name).symlink_to(secret / name)
        assert f"{name}: is a link that leads out of its folder" in refused(lambda: use(given))

    def test_a_link_within_the_folder_is_a_file(self, given: Path) -> None:
        (given / "a.png").write_bytes(specimens.picture("png"))
        (given / "b.png").symlink_to("a.png")
        with open_video(given) as video:
            assert video.frame_count == 2

    def test_what_the_command_line_names_may_be_a_link(self, secret: Path, given: Path) -> None:
        (given / "dog.json").symlink_to(secret / "dog.json")
        (given / "pictures").symlink_to(secret)
        assert len(formats.read(given / "dog.json").tracks) == 2
        assert open_video(given / "pictures").frame_count == 1

    @pytest.mark.parametrize("name", ["images/train/dog_0003.png", "labels/train/dog_0003.txt"])
    def test_links_in_a_yolo_data_set(self, secret: Path, given: Path, name: str) -> None:
        laid_out(specimens.yolo(), given)
        (given / name).unlink()
        (given / name).symlink_to(secret / "yolo" / name)
        assert "is a link that leads out of its folder" in refused(lambda: formats.read(given, only="animal"))

    def test_links_in_other_data_sets(self, secret: Path, given: Path) -> None:
        (given / "labels").mkdir()
        (given / "labels/0001.mat").symlink_to(secret / "0001.mat")
        for read in (lambda: list(open_dataset(given).samples("train")), lambda: formats.read(given, format="penn")):
            assert "is a link that leads out of its folder" in refused(read)
        (given / "annotations").mkdir()
        (given / "annotations/person_keypoints_val2017.json").write_text(json.dumps(specimens.coco_document()))
        (given / "val2017").mkdir()
        (given / "val2017/000000000139.jpg").symlink_to(secret / "0.png")
        dataset = open_dataset(given, dataset="coco")
        assert "is a link that leads out of its folder" in refused(lambda: list(dataset.samples("val2017")))

    @pytest.mark.parametrize("name", ["../elsewhere/0.png", "{}/0.png", "..", "a/../../elsewhere", "C:\\x.png", "a\0b"])
    def test_names_in_labels(self, secret: Path, given: Path, name: str) -> None:
        document = specimens.coco_document()
        document["images"][0]["file_name"] = name.format(secret)
        (given / "annotations").mkdir()
        path = given / "annotations/person_keypoints_val2017.json"
        path.write_text(json.dumps(document))
        message = refused(lambda: list(open_dataset(given).samples("val2017")))
        assert "points outside the dataset" in message and message.startswith(str(path))

    @pytest.mark.parametrize("name", ["../elsewhere", "{}", ".."])
    def test_the_video_that_labels_name_is_not_looked_for_elsewhere(self, secret: Path, given: Path, name: str) -> None:
        document = json.loads((secret / "dog.json").read_text())
        document["videos"][0]["name"] = name.format(secret)
        (given / "dog.json").write_text(json.dumps(document))
        assert "is not beside it" in refused(lambda: find_clips(Places((str(given / "dog.json"),))))


class Harm:
    """What a stranger's pickle may hold."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.pth", read_tensors),
        ("a.pth", load),
        ("a.safetensors", load),
        ("a.safetensors", read_tensors),
        ("a.json", formats.read),
        ("a.h5", formats.read),
        ("a.slp", formats.read),
        ("0001.mat", formats.read),
        ("a.onnx", read_header),
        ("a.png", open_video),
        ("a.mp4", open_video),
    ],
)
def test_a_pickle_under_any_name_is_not_run(
    tmp_path: Path, name: str, read: Callable[[Path], object], protocol: int
) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"state_dict": Harm(tmp_path / "ran")}, protocol))
    refused(lambda: read(tmp_path / name))
    out = io.BytesIO()
    torch.save({"state_dict": Harm(tmp_path / "ran")}, out, pickle_protocol=max(protocol, 2))
    (tmp_path / name).write_bytes(out.getvalue())
    refused(lambda: read(tmp_path / name))
    assert not (tmp_path / "ran").exists()

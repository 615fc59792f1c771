"""Who opens a stranger's file: what each is given, and what it does with a file that it accepts."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import entry_points
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.fuzzing import binaries, mutations, specimens
from benchmarks.fuzzing.mutations import Mutation
from benchmarks.fuzzing.specimens import ANIMAL, HEIGHT, WIDTH, Specimen, single
from pwarp import formats, registry
from pwarp.annotations import Annotations
from pwarp.errors import PwarpError
from pwarp.skeleton import POSETRACK_15, POSETRACK_17
from pwarp.video import Color, Picture, Video

MUTATIONS: dict[str, Mutation] = {
    ".json": mutations.spoil_json,
    ".jsonl": mutations.spoil_lines(mutations.spoil_json),
    ".xml": mutations.spoil_xml,
    ".csv": mutations.spoil_lines(mutations.spoil_words(",")),
    ".txt": mutations.spoil_lines(mutations.spoil_words(" ")),
    ".yaml": mutations.spoil_lines(mutations.spoil_words(" :[],")),
    ".toml": mutations.spoil_lines(mutations.spoil_words(' =[],"')),
    ".slp": binaries.spoil_hdf5,
    ".h5": binaries.spoil_hdf5,
    ".mat": binaries.spoil_mat,
    ".safetensors": binaries.spoil_safetensors,
    ".pth": binaries.spoil_zip,
}


@dataclass(frozen=True)
class Reader:
    """A reader and what it is tried with.

    read: opens a path and returns what it made of it; the generator lets it choose among its options. again: raises
    AssertionError where what was read cannot be written and read once more.
    """

    name: str
    specimens: Callable[[], list[Specimen]]
    read: Callable[[Path, Random], Any]
    again: Callable[[Any, Path, Random], None] | None = None

    @property
    def all_specimens(self) -> list[Specimen]:
        """The specimens, made once."""
        return _specimens(self)

    def spoilt(self, number: int, seed: int = 0) -> tuple[Specimen, Mapping[str, bytes]]:
        """A specimen, and the files of it that were spoilt; the same for the same number and seed."""
        draw = Random(f"{self.name} {seed} {number}")
        specimen = draw.choice(self.all_specimens)
        name = draw.choice(specimen.spoilt)
        content = specimen.files[name]
        if draw.randrange(60) == 0:  # under the wrong name
            content = draw.choice([c for each in draw.choice(_FAST).all_specimens for c in each.files.values()])
            return specimen, {name: content}
        spoil = MUTATIONS.get(Path(name).suffix)
        # Libraries that change a part of a file must find it sound, so bytes come last.
        for _ in range(draw.choice((0, 1, 1, 1, 2, 3)) if spoil else 0):
            content = spoil(draw, content)
        if spoil is None or content == specimen.files[name] or draw.randrange(8) == 0:
            for _ in range(draw.choice((1, 1, 2, 5))):
                content = mutations.spoil_bytes(draw, content)
        return specimen, {name: content}


@cache
def _specimens(reader: Reader) -> list[Specimen]:
    return reader.specimens()


class Blank(Video):
    """A video of grey pictures, of the size that the specimens' labels say."""

    def __init__(self) -> None:
        self.path, self.width, self.height, self.frame_count = "dog.mp4", WIDTH, HEIGHT, specimens.FRAMES
        self.fps, self.names, self.damage, self.variable_rate, self.rotation = None, None, (), False, 0
        self.times = np.arange(self.frame_count, dtype=np.float64)

    def _fingerprint_source(self) -> bytes:
        return b"blank"

    def _read(self, ordinal: int, color: Color) -> Picture:
        return np.full((HEIGHT, WIDTH, 3) if color == "rgb" else (HEIGHT, WIDTH), ordinal, np.uint8)

    def _read_in_order(self, ordinals: range, color: Color) -> Iterator[Picture]:
        return (self._read(i, color) for i in ordinals)


def read_labels(format: str, path: Path, draw: Random) -> tuple[str, Annotations]:
    """Labels as the commands read them: mostly without the name of the format, sometimes with a video."""
    chosen = draw.choice((None, None, format))
    video = Blank() if format == "label-studio" or draw.randrange(4) == 0 else None
    only = draw.choice((None, None, None, "dog.mp4", "animal"))
    return format, formats.read(path, format=chosen, video=video, only=only)


def labels_again(read: tuple[str, Annotations], folder: Path, draw: Random) -> None:
    """pwarp's own JSON holds all that was read, bit for bit; so does every format that says so."""
    own, annotations = read
    _there_and_back(annotations, folder / "again.json", "pwarp", lossless=True, twice=draw.randrange(4) == 0)
    if draw.randrange(8) == 0:
        format = draw.choice((own, own, draw.choice(registry.names("format"))))
        _there_and_back(annotations, folder / f"own-{format}", format, lossless=False)


def _there_and_back(annotations: Annotations, path: Path, format: str, *, lossless: bool, twice: bool = True) -> None:
    """Write labels, which reads them back and tells what was lost; twice: and see for ourselves."""
    video = Blank() if format == "yolo-pose" else None
    if path.is_dir():
        shutil.rmtree(path)
    try:
        report = formats.write(annotations, path, format=format, force=True, video=video)
    except PwarpError as refusal:
        if lossless:
            raise AssertionError(f"what was read cannot be written: {refusal}") from refusal
        return
    assert not (lossless and report), f"lost in {format}: {report.lines()}"
    if twice and not report and format != "yolo-pose":
        back = formats.read(path, format=format)
        assert _by_id(back).same_as(_by_id(annotations)), f"{format} gives back something else"


def _by_id(annotations: Annotations) -> Annotations:
    return replace(annotations, tracks=tuple(sorted(annotations.tracks, key=lambda track: track.id)))


def _of_format(name: str, *others: Callable[[], Specimen], skeleton: Any = ANIMAL, file: str = "") -> Reader:
    def made() -> list[Specimen]:
        own = [specimens.written(name, file, specimens.labels(skeleton, rich=rich)) for rich in (True, False) if file]
        return [*own, *(other() for other in others)]

    return Reader(name, made, partial(read_labels, name), labels_again)


def _document(value: Any) -> Specimen:
    return single("labels.json", json.dumps(value).encode())


def _formats() -> list[Reader]:
    s = specimens
    return [
        _of_format("jsonl", file="labels.jsonl"),
        _of_format("pwarp", file="labels.json"),
        _of_format("cvat", file="labels.xml"),
        _of_format("label-studio", lambda: _document(s.LABEL_STUDIO_MIN), file="labels.json"),
        _of_format(
            "posetrack18", lambda: _document(s.posetrack18_document()), skeleton=POSETRACK_17, file="labels.json"
        ),
        _of_format("coco", s.coco_results, file="labels.json"),
        _of_format(
            "posetrack17", lambda: _document(s.posetrack17_document()), skeleton=POSETRACK_15, file="labels.json"
        ),
        _of_format("penn", lambda: single("0001.mat", s.penn_mat())),
        _of_format("jhmdb", lambda: single("joint_positions.mat", s.jhmdb_mat())),
        _of_format("csv", file="labels.csv"),
        _of_format("yolo-pose", s.yolo),
        _of_format("sleap", file="labels.slp"),
        _of_format(
            "dlc",
            lambda: single("a.csv", s.DLC_LABELS.encode()),
            lambda: single("b.csv", s.DLC_PREDICTIONS.encode()),
            s.dlc_predictions_h5,
            file="labels.h5",
        ),
    ]


def read_dataset(name: str, path: Path, _: Random) -> list[Annotations]:
    """The annotations of every sample of every split; once where a sample is in several, as JHMDB's are."""
    from pwarp.datasets import open_dataset

    dataset = open_dataset(path, dataset=name)
    samples = [sample for split in dataset.splits for sample in dataset.samples(split)]
    return [sample.annotations for sample in {(each.name, each.labels): each for each in samples}.values()]


def dataset_again(read: list[Annotations], folder: Path, draw: Random) -> None:
    """pwarp's own JSON holds any sample; a data set has many, most of them alike."""
    for each in draw.sample(read, min(2, len(read))):
        _there_and_back(each, folder / "again.json", "pwarp", lossless=True, twice=draw.randrange(4) == 0)


def _datasets() -> list[Reader]:
    s = specimens

    def json_at(path: str, document: Callable[[], Any]) -> Specimen:
        return Specimen({path: json.dumps(document()).encode()}, "")

    def jhmdb(lists: str) -> Specimen:
        video = "golf/swing"
        masks = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        masks[30:90, 50:121, :3] = 1
        return Specimen(
            {
                f"joint_positions/{video}/joint_positions.mat": s.jhmdb_mat(),
                f"puppet_mask/{video}/puppet_mask.mat": s.mat(part_mask=masks),
                f"{lists}/golf_test_split{'_' * (lists == 'sub_splits')}1.txt": b"swing.avi 2\n",
            },
            "",
        )

    def mpii_hrnet() -> Specimen:
        person = {
            "image": "a.jpg", "joints": [[10.0 + k, 20.5] for k in range(16)], "joints_vis": [1] * 15 + [0],
            "center": [30.0, 40.0], "scale": 1.5,
        }  # fmt: skip
        heads = np.ones((2, 2, 1))
        return Specimen(
            {"annot/valid.json": json.dumps([person]).encode(), "annot/gt_valid.mat": s.mat(headboxes_src=heads)}, ""
        )

    made: dict[str, Callable[[], Specimen]] = {
        "posetrack17": lambda: json_at("annotations/val/a.json", s.posetrack17_document),
        "posetrack18": lambda: json_at("annotations/val/a.json", s.posetrack18_document),
        "penn": lambda: Specimen({"labels/0001.mat": s.penn_mat()}, ""),
        "jhmdb": lambda: jhmdb("splits"),
        "sub-jhmdb": lambda: jhmdb("sub_splits"),
        "mpii": lambda: Specimen({"mpii_human_pose_v1_u12_1.mat": s.mpii_mat()}, ""),
        "mpii-hrnet": mpii_hrnet,
        "coco": lambda: json_at("annotations/person_keypoints_val2017.json", s.coco_document),
    }
    return [
        Reader(f"dataset {name}", lambda make=made[name]: [make()], partial(read_dataset, name), dataset_again)
        for name in registry.names("dataset")
    ]


def _read_mat(path: Path, _: Random) -> Any:
    from pwarp.formats.matlab import read_mat

    return read_mat(path, ["x", "RELEASE"][path.name == "mpii.mat" :][:1])


def _truth_and_results(path: Path, _: Random) -> Any:
    """Both sides of an evaluation; which file was spoilt is as it comes."""
    from pwarp.evaluation.matching import find_labels, match
    from pwarp.evaluation.measure import make_metrics, measure
    from pwarp.evaluation.metric import Settings

    truth, found = (find_labels(str(path / name)) for name in ("truth.json", "found.json"))
    metrics = ["oks-ap"] if (path / "coco").exists() else ["posetrack-ap", "mota"]
    pairs = match(truth, found).pairs
    return measure(pairs, make_metrics(metrics, Settings())) if pairs else None


def _evaluated() -> list[Reader]:
    def coco() -> list[Specimen]:
        truth = specimens.coco_document()
        keys = ("image_id", "category_id", "keypoints", "bbox")
        results = [{**{k: row[k] for k in keys}, "score": 0.5} for row in truth["annotations"]]
        files = {"truth.json": json.dumps(truth).encode(), "found.json": json.dumps(results).encode(), "coco": b""}
        return [Specimen(files, "", ("truth.json", "found.json"))]

    def posetrack() -> list[Specimen]:
        content = json.dumps(specimens.posetrack18_document()).encode()
        return [Specimen({"truth.json": content, "found.json": content}, "")]

    return [
        Reader("evaluation coco", coco, _truth_and_results),
        Reader("evaluation posetrack18", posetrack, _truth_and_results),
    ]


def _read_checkpoint(path: Path, _: Random) -> Any:
    from pwarp.checkpoints import load

    return load(path)


def _checkpoint_again(held: Any, folder: Path, _: Random) -> None:
    import torch

    from pwarp.checkpoints import load, save

    module, card = held
    save(folder / "again.safetensors", module, card, force=True)
    other, same = load(folder / "again.safetensors")
    assert same == card, "the card is another one"
    values = other.state_dict()
    assert all(torch.equal(value, values[name]) for name, value in module.state_dict().items()), "other numbers"


def _networks() -> list[Reader]:
    def made(name: str) -> list[Specimen]:
        from benchmarks.fuzzing import networks

        return list(getattr(networks, name)())

    def weights(path: Path, _: Random) -> Any:
        from pwarp.weights.convert import read_tensors

        return read_tensors(path)

    def onnx(path: Path, _: Random) -> Any:
        from pwarp.estimation.onnx import open_onnx

        return open_onnx(path).skeleton

    return [
        Reader("checkpoint", partial(made, "checkpoints"), _read_checkpoint, _checkpoint_again),
        Reader("weights", partial(made, "published"), weights),
        Reader("onnx", partial(made, "onnx_networks"), onnx),
    ]


CONFIG = b"""# What pwarp --config reads.
[propagate]
engine = "flow"
max-gap = 60
force = true

[train.estimator]
steps = 5000
size = "128x96"

[eval]
metric = ["pck", "mota"]
"""


@cache
def _command() -> Callable[[], None]:
    """`pwarp`, as it is installed."""
    (command,) = entry_points(group="console_scripts", name="pwarp")
    run: Callable[[], None] = command.load()
    return run


def _read_config(path: Path, _: Random) -> None:
    """As the command reads it; it prints help where it has nothing to say against the file."""
    run, said = _command(), StringIO()
    sys.argv = ["pwarp", "--config", str(path), "propagate", "--help"]
    try:
        with redirect_stdout(StringIO()), redirect_stderr(said):
            run()
    except SystemExit as end:
        if end.code:
            message = said.getvalue().removesuffix("\n")
            assert message.startswith("pwarp: ") and "\n" not in message, message
            raise PwarpError(message) from None


def _read_calibration(path: Path, _: Random) -> Any:
    from pwarp.propagation.scores import read_calibration

    return read_calibration(path)


def _calibration_again(calibration: Any, folder: Path, _: Random) -> None:
    from pwarp.propagation.scores import read_calibration, write_calibration

    write_calibration(calibration, folder / "again.json", force=True)
    assert read_calibration(folder / "again.json") == calibration, "another calibration"


def _read_manifest(path: Path, _: Random) -> Any:
    from pwarp.batch.manifest import Manifest

    return Manifest(path)


def _read_journal(path: Path, _: Random) -> Any:
    from pwarp.propagation.journal import SpanJournal

    journal = SpanJournal(path, "abc", resume=True)
    journal.close(done=False)
    return journal.finished()


def _settings() -> list[Reader]:
    def calibration() -> list[Specimen]:
        from pwarp.propagation.scores import Calibration, ScoreMap, calibration_file

        maps = {name: ScoreMap((0.1, 0.5, 0.9), (0.2, 0.5, 0.8), 40) for name in ("auto", "flow")}
        return [single("calibration.json", calibration_file(Calibration("torso:1-8", 0.1, maps)))]

    def manifest() -> list[Specimen]:
        rows = [{"output": "a.json", "key": "k1"}, {"output": "a.json", "key": "k1", "digest": "d1"}]
        content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        return [Specimen({"pwarp-run.jsonl": content}, "")]

    def journal() -> list[Specimen]:
        fill = {
            "track": 1,
            "start": 2,
            "xy": [[[1.5, 2.5]], [[3, None]]],
            "visibility": [[2], [0]],
            "score": [[0.5], [None]],
        }
        rows = [{"run": "abc"}, {"first": 1, "last": 4, "fills": [fill]}, {"first": 4, "last": 9, "fills": []}]
        return [single("run.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in rows))]

    return [
        Reader("config", lambda: [single("project.toml", CONFIG)], _read_config),
        Reader("calibration", calibration, _read_calibration, _calibration_again),
        Reader("manifest", manifest, _read_manifest),
        Reader("journal", journal, _read_journal),
    ]


def _read_video(path: Path, draw: Random) -> None:
    """Every frame in order, then one of them by itself, which must be the same."""
    from pwarp.video import open_video

    with open_video(path) as video:
        wanted, kept = draw.randrange(video.frame_count), None
        count = 0
        for ordinal, picture in video.frames():
            assert picture.shape == (video.height, video.width, 3), "a frame of another size"
            kept = picture if ordinal == wanted else kept
            count += 1
        assert count == video.frame_count, f"{count} of {video.frame_count} frames"
        assert np.array_equal(video.frame(wanted), kept), f"frame {wanted} is another one when sought"


def _videos() -> list[Reader]:
    kinds = {
        "mp4": partial(specimens.clip, "clip.mp4", "libx264", sound=True),
        "mkv": partial(specimens.clip, "clip.mkv", "libx264", sound=True),
        "avi mpeg4": partial(specimens.clip, "clip.avi", "mpeg4", sound=True),
        "avi mjpeg": partial(specimens.clip, "clip.avi", "mjpeg", "yuvj420p"),
        "webm": partial(specimens.clip, "clip.webm", "libvpx"),
        "pictures": specimens.pictures,
    }
    return [Reader(f"video {kind}", lambda make=make: [make()], _read_video) for kind, make in kinds.items()]


_FAST = _formats()
READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        *_FAST,
        *_datasets(),
        Reader(
            "mat",
            lambda: [single("penn.mat", specimens.penn_mat()), single("mpii.mat", specimens.mpii_mat())],
            _read_mat,
        ),
        *_evaluated(),
        *_networks(),
        *_settings(),
        *_videos(),
    )
}

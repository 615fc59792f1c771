"""DeepLabCut: its CSV and HDF5 as its own tools lay them out, and pickles that are not run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labels import Blank

from pwarp import formats
from pwarp.annotations import Annotations, Source, Track, VideoIdentity
from pwarp.errors import PwarpError
from pwarp.formats.pickled_names import names_in
from pwarp.skeleton import Skeleton

h5py = pytest.importorskip("h5py")

COLLECTED = """scorer,,,anna,anna,anna,anna,anna,anna,anna,anna
individuals,,,mouse1,mouse1,mouse1,mouse1,mouse2,mouse2,mouse2,mouse2
bodyparts,,,snout,snout,base tail,base tail,snout,snout,base tail,base tail
coords,,,x,y,x,y,x,y,x,y
labeled-data,cage,img0012.png,1.5,2.0,3.0,4.25,,,,
labeled-data,cage,img0007.png,5.0,6.0,,,7.0,8.0,9.0,10.0
"""
OLD = """scorer,anna,anna,anna,anna
bodyparts,snout,snout,tail,tail
coords,x,y,x,y
labeled-data/cage/img03.png,1.5,2.0,,
labeled-data/box/img04.png,5.0,6.0,7.0,8.0
"""
PREDICTED = """scorer,net,net,net,net,net,net
bodyparts,snout,snout,snout,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood
0,1.5,2.0,0.99,3.0,4.0,0.25
1,,,,5.0,6.0,0.5
2,,,,,,
"""


def read(folder: Path, text: str, **options: Any) -> Annotations:
    (folder / "table.csv").write_text(text)
    return formats.read(folder / "table.csv", **options)


class TestCsv:
    def test_labels_of_several_animals(self, tmp_path: Path) -> None:
        labels = read(tmp_path, COLLECTED)
        assert formats.sniff(tmp_path / "table.csv") == "dlc"
        assert labels.skeleton.keypoints == ("snout", "base tail")  # in the order of the file
        assert labels.video.path == "cage"
        assert [(t.id, t.frames.tolist()) for t in labels.tracks] == [(1, [7, 12]), (2, [7])]
        assert labels.tracks[0].visibility.tolist() == [[2, 0], [2, 2]]
        assert labels.tracks[0].xy[1].tolist() == [[1.5, 2], [3, 4.25]]
        assert labels.tracks[0].by_person[1].all()

    def test_labels_of_one_animal_with_paths_in_one_column(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match="holds 2 videos; choose one with --only: cage, box"):
            read(tmp_path, OLD)
        labels = read(tmp_path, OLD, only="box")
        assert [(t.id, t.frames.tolist()) for t in labels.tracks] == [(0, [4])]
        assert [t.frames.tolist() for t in read(tmp_path, OLD, video=Blank(path="a/cage.mp4")).tracks] == [[3]]

    def test_predictions(self, tmp_path: Path) -> None:
        (track,) = read(tmp_path, PREDICTED).tracks
        assert track.frames.tolist() == [0, 1]  # nothing is known of frame 2
        assert track.score[0].tolist() == [0.99, 0.25]
        assert track.source.tolist() == [[Source.DETECTED] * 2, [Source.NONE, Source.DETECTED]]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("scorer,a,a\ncoords,x,y\n0,1,2\n", "has no header row 'bodyparts'"),
            ("scorer,a,a\nbodyparts,n,n\n0,1,2\n", "does not begin with DeepLabCut's rows"),
            ("scorer,a,a\nbodyparts,n,n\ncoords,x,z\n0,1,2\n", "has a column for 'z'"),
            ("scorer,a,a\nbodyparts,n,n\ncoords,x,x\n0,1,2\n", "has two columns for n x"),
            ("scorer,a,a\nbodyparts,n,n\ncoords,x,y\n0,1\n", "line 4: 2 fields, the header has 3"),
            ("scorer,a,a\nbodyparts,n,n\ncoords,x,y\n0,1,q\n", "line 4: 'q' is no number"),
            ("scorer,a,a\nbodyparts,n,n\ncoords,x,y\n0,1,inf\n", "holds a number that is not finite"),
            ("scorer,a,a\nbodyparts,n,n\ncoords,x,y\n0,1,2\n0,1,2\n", "has two rows for frame 0"),
            ("scorer,a,a\nbodyparts,n,n\ncoords,x,y\na/cam.png,1,2\n", "picture 'a/cam.png' has no frame number"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(PwarpError, match=message):
            read(tmp_path, text, format="dlc")

    @pytest.mark.parametrize("text", [COLLECTED, PREDICTED])
    def test_what_is_read_is_written_the_same_way(self, tmp_path: Path, text: str) -> None:
        labels = read(tmp_path, text)
        assert formats.write(labels, tmp_path / "o.csv", format="dlc").losses == ()
        written = (tmp_path / "o.csv").read_text()
        for ours, theirs in {"pwarp": "anna", "individual1": "mouse1", "individual2": "mouse2"}.items():
            written = written.replace(ours, theirs)
        written = written.replace("img07", "img0007").replace("img12", "img0012")
        # Frames in which nothing is known end the one table; rows of the other stand in the order of frames.
        expected = text.replace("net", "anna").removesuffix("2,,,,,,\n")
        assert sorted(written.splitlines()) == sorted(expected.splitlines())


class TestHdf5:
    @pytest.mark.parametrize("text", [COLLECTED, PREDICTED])
    def test_holds_what_the_csv_holds(self, tmp_path: Path, text: str) -> None:
        labels = read(tmp_path, text)
        assert formats.format_for("x.h5") == "dlc"
        assert formats.write(labels, tmp_path / "o.h5").losses == ()
        assert formats.sniff(tmp_path / "o.h5") == "dlc"
        assert formats.read(tmp_path / "o.h5").same_as(labels)

    def test_pandas_reads_it(self, tmp_path: Path) -> None:
        pytest.importorskip("tables")
        pandas = pytest.importorskip("pandas")
        formats.write(read(tmp_path, PREDICTED), tmp_path / "o.h5")
        frame = pandas.read_hdf(tmp_path / "o.h5", "df_with_missing")
        assert list(frame.columns.names) == ["scorer", "bodyparts", "coords"]
        assert frame["pwarp"]["tail"]["x"].tolist() == [3, 5]

    def table(self, path: Path, names: bytes, rows: int = 2) -> Path:
        """What pandas writes with format="table", the layout of DeepLabCut's predictions."""
        kind = np.dtype([("index", "<i8"), ("values_block_0", "<f8", (3,))])
        with h5py.File(path, "w") as handle:
            group = handle.create_group("df_with_missing")
            group.attrs["pandas_type"] = np.bytes_(b"frame_table")
            values = np.zeros(rows, kind)
            values["index"], values["values_block_0"] = np.arange(rows), [1.5, 2.5, 0.75]
            dataset = group.create_dataset("table", data=values)
            dataset.attrs["values_block_0_kind"] = np.bytes_(names)
        return path

    def test_the_layout_of_predictions(self, tmp_path: Path) -> None:
        names = [("net", "snout", "x"), ("net", "snout", "y"), ("net", "snout", "likelihood")]
        (track,) = formats.read(self.table(tmp_path / "p.h5", pickle.dumps(names, 0))).tracks
        assert track.frames.tolist() == [0, 1]
        assert (track.xy[1, 0].tolist(), track.score[1, 0]) == ([1.5, 2.5], 0.75)

    def test_a_pickle_is_never_run(self, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> Any:
                return Path.touch, (tmp_path / "ran",)

        path = self.table(tmp_path / "p.h5", pickle.dumps([Evil()], 0))
        with pytest.raises(PwarpError, match="a pickle with more in it than names"):
            formats.read(path)
        assert not (tmp_path / "ran").exists()

    def test_links_and_claims_are_refused(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "link.h5", "w") as handle:
            handle["df_with_missing"] = h5py.ExternalLink("other.h5", "/x")
        with h5py.File(tmp_path / "claim.h5", "w") as handle:
            handle.create_dataset("df_with_missing", (1 << 40,), "f8", chunks=(1024,))
        with h5py.File(tmp_path / "raw.h5", "w") as handle:
            handle.create_dataset("df_with_missing", (4,), "u1", external=[("/etc/hostname", 0, 4)])
        with h5py.File(tmp_path / "soft.h5", "w") as handle:
            handle["df_with_missing"] = h5py.SoftLink("/")
        for name, message in {
            "link": "a link 'df_with_missing' that leads elsewhere",
            "soft": "a link 'df_with_missing' that leads elsewhere",
            "claim": "claims 8388608 MiB",
            "raw": "that is stored elsewhere",
        }.items():
            with pytest.raises(PwarpError, match=message):
                formats.read(tmp_path / f"{name}.h5", format="dlc")

    def test_a_count_that_is_none_is_refused(self, tmp_path: Path) -> None:
        formats.write(read(tmp_path, COLLECTED), tmp_path / "o.h5")
        with h5py.File(tmp_path / "o.h5", "r+") as handle:
            handle["df_with_missing"].attrs["nblocks"] = np.inf
        with pytest.raises(PwarpError, match="is no table of DeepLabCut that can be read"):
            formats.read(tmp_path / "o.h5", format="dlc")

    @pytest.mark.parametrize("format", ["dlc", "sleap"])
    def test_damaged_files_end_in_one_line(self, tmp_path: Path, format: str) -> None:
        formats.write(read(tmp_path, COLLECTED), tmp_path / "o.h5")
        content = (tmp_path / "o.h5").read_bytes()
        random = np.random.default_rng(3)
        for _ in range(25):
            broken = bytearray(content[: random.integers(9, len(content))] if random.random() < 0.5 else content)
            for at in random.integers(8, len(broken), 20):
                broken[at] = random.integers(256)
            (tmp_path / "broken.h5").write_bytes(broken)
            try:
                formats.read(tmp_path / "broken.h5", format=format)
            except PwarpError as refusal:
                assert str(refusal).startswith(str(tmp_path / "broken.h5")) and "\n" not in str(refusal)


class TestWriting:
    PAIR = Skeleton("pair", ("nose", "tail"))

    def test_estimates_make_it_predictions_with_a_row_for_every_frame(self, tmp_path: Path) -> None:
        source = [[Source.MANUAL, Source.PROPAGATED], [Source.PROPAGATED] * 2]
        score = [[np.nan, 0.5], [0.25, np.nan]]
        track = Track.make(0, [1, 3], np.ones((2, 2, 2)), source=source, score=score)
        report = formats.write(Annotations(self.PAIR, tracks=(track,)), tmp_path / "o.csv", format="dlc")
        lines = (tmp_path / "o.csv").read_text().splitlines()
        assert lines[2] == "coords,x,y,likelihood,x,y,likelihood"
        assert lines[3:] == ["0,,,,,,", "1,1.0,1.0,1.0,1.0,1.0,0.5", "2,,,,,,", "3,1.0,1.0,0.25,1.0,1.0,"]
        assert {loss.what for loss in report.losses} == {
            *("the name of the skeleton", "scores of keypoints", "sources of keypoints")
        }
        formats.write(Annotations(self.PAIR, tracks=(track,)), tmp_path / "v.csv", format="dlc", video=Blank())
        assert len((tmp_path / "v.csv").read_text().splitlines()) == 3 + 41

    def test_what_it_cannot_hold_is_named(self, tmp_path: Path) -> None:
        track = Track.make(5, [2], np.ones((1, 2, 2)), [[1, 2]], boxes=[[1, 2, 3, 4]])
        labels = Annotations(self.PAIR, VideoIdentity("my clip.mp4"), (track,))
        found = {loss.what for loss in formats.write(labels, tmp_path / "o.csv", format="dlc").losses}
        assert {"occluded keypoints (read back as visible)", "boxes", "the name of the video"} <= found
        assert "labeled-data,my clip,img2.png" in (tmp_path / "o.csv").read_text()

    def test_an_id_too_long_to_be_read_is_not_cut_short(self, tmp_path: Path) -> None:
        tracks = tuple(Track.make(id, [2], np.ones((1, 2, 2))) for id in (4, 2**53))
        report = formats.write(Annotations(self.PAIR, tracks=tracks), tmp_path / "o.csv", format="dlc")
        assert [track.id for track in formats.read(tmp_path / "o.csv").tracks] == [0, 1]
        assert "track ids" in {loss.what for loss in report.losses}
        assert "tracks" not in {loss.what for loss in report.losses}

    def test_nothing_labelled_is_nothing_to_write(self, tmp_path: Path) -> None:
        with pytest.raises(PwarpError, match="no poses to write"):
            formats.write(Annotations(self.PAIR), tmp_path / "o.h5")


@pytest.mark.parametrize("value", [[("a", "b"), ("ü", "c\nd")], ["x"], []])
def test_names_out_of_pickles(value: list[Any]) -> None:
    assert names_in(pickle.dumps(value, 0)) == [v if isinstance(v, tuple) else (v,) for v in value]


@pytest.mark.parametrize("bad", [b"", b"(lp0", b"a.", b"g7\n.", b"cos\nsystem\n(S'ls'\ntR.", pickle.dumps({"a": 1}, 0)])
def test_anything_else_in_a_pickle_is_refused(bad: bytes) -> None:
    with pytest.raises((ValueError, IndexError, KeyError)):
        names_in(bad)

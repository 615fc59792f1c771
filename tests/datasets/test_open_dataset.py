"""Finding out which dataset a folder is, and what is said where it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from pwarp import registry
from pwarp.annotations import Annotations
from pwarp.datasets.base import Dataset, Sample, inside, open_dataset, sniffed
from pwarp.errors import PwarpError
from pwarp.skeleton import PENN_13


def test_every_registered_dataset_goes_by_its_registered_name() -> None:
    for name in registry.names("dataset"):
        part = registry.load("dataset", name)
        assert issubclass(part, Dataset)
        assert part.name == name


def test_unknown_folders_names_and_options(tmp_path: Path) -> None:
    with pytest.raises(PwarpError, match="is in the layout of no known dataset"):
        open_dataset(tmp_path)
    with pytest.raises(PwarpError, match="no such folder"):
        open_dataset(tmp_path / "absent")
    with pytest.raises(PwarpError, match="unknown dataset 'pen'; did you mean 'penn'"):
        open_dataset(tmp_path, dataset="pen")
    with pytest.raises(PwarpError, match="dataset 'penn' has no option 'swap'; it has: swap_sides, keep_defaults"):
        open_dataset(tmp_path, dataset="penn", swap=True)
    with pytest.raises(PwarpError, match="dataset 'coco' has no option 'swap_sides'; it has: none"):
        open_dataset(tmp_path, dataset="coco", swap_sides=True)


@pytest.mark.parametrize("name", registry.names("dataset"))
def test_an_empty_folder_is_no_dataset_and_has_no_samples(tmp_path: Path, name: str) -> None:
    assert sniffed(tmp_path) == []
    dataset = open_dataset(tmp_path, dataset=name)
    with pytest.raises(PwarpError, match=str(tmp_path)):
        list(dataset.samples("train"))
    with pytest.raises(PwarpError, match=f"{name} has no split 'holidays'; there are:"):
        dataset.samples("holidays")


@pytest.mark.parametrize("name", registry.names("dataset"))
def test_a_file_is_no_dataset(tmp_path: Path, name: str) -> None:
    path = tmp_path / "labels.json"
    path.touch()
    with pytest.raises(PwarpError, match=r"labels\.json: no such folder"):
        open_dataset(path, dataset=name)


def test_errors_of_a_sample_name_its_label_file(tmp_path: Path) -> None:
    def load() -> Annotations:
        return Annotations(PENN_13, tracks=(1,))  # type: ignore[arg-type]

    def complain() -> Annotations:
        raise PwarpError("track 3: labelled twice in frame 5")

    sample = Sample("a", tmp_path / "a", tmp_path / "a.mat", complain)
    with pytest.raises(PwarpError, match=r"a\.mat: track 3: labelled twice in frame 5"):
        _ = sample.annotations
    with pytest.raises(AttributeError):  # a defect of pwarp stays one
        _ = Sample("a", tmp_path / "a", tmp_path / "a.mat", load).annotations


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../a.jpg", "a/../../b", "..\\a.jpg", "C:\\a.jpg", "a\0.jpg"])
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    with pytest.raises(PwarpError, match=r"labels\.json: file name .* points outside the dataset"):
        inside(Path("root"), name, "labels.json")


def test_names_below_the_folder_are_paths() -> None:
    assert inside(Path("root"), "images/a..b/1.jpg", "labels.json") == Path("root/images/a..b/1.jpg")

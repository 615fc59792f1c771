"""OKS AP is the same number whichever way the same pictures come in: as files, roots, lists or one folder's labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from crowds import labels

from pwarp.annotations import Annotations, VideoIdentity
from pwarp.evaluation.matching import find_labels, match
from pwarp.evaluation.measure import make_metrics, measure
from pwarp.evaluation.metric import Settings
from pwarp.skeleton import COCO_17

SIZE = {"width": 640, "height": 480}
CATEGORIES = [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints)}]
# Two people, nobody, one person beside a person of whom only the box is known and a crowd, and one missed person.
PICTURES = (21, 4, 13, 8)


def person(image: int, x: float, *, wrong: int = 0) -> dict[str, Any]:
    """Somebody in a box of 60 x 60 pixels, `wrong` of their keypoints far off."""
    triples = [(x + 10 * (k % 5) + 200 * (k < wrong), 100 + 10 * (k // 5), 2) for k in range(17)]
    keypoints = [value for triple in triples for value in triple]
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "bbox": [x - 5, 95, 60, 60]}


def truth() -> dict[str, Any]:
    people = [
        person(21, 100) | {"num_keypoints": 17, "iscrowd": 0},
        person(21, 300) | {"num_keypoints": 17, "iscrowd": 0},
        person(13, 100) | {"num_keypoints": 17, "iscrowd": 0},
        person(13, 300) | {"num_keypoints": 0, "iscrowd": 0, "keypoints": [0] * 51},
        person(13, 500) | {"num_keypoints": 0, "iscrowd": 1, "keypoints": [0] * 51},
        person(8, 100) | {"num_keypoints": 17, "iscrowd": 0},
    ]
    people = [{"id": number, "area": 3600, **each} for number, each in enumerate(people, start=1)]
    images = [{"id": image, "file_name": f"{image}.jpg", **SIZE} for image in PICTURES]
    return {"images": images, "annotations": people, "categories": CATEGORIES}


def found() -> list[dict[str, Any]]:
    """Right and half right people, and one each in the empty picture, in the box, in the crowd and nowhere."""
    people = [
        person(21, 100), person(21, 300, wrong=7), person(4, 100), person(13, 100, wrong=4), person(13, 300),
        person(13, 500), person(13, 200),
    ]  # fmt: skip
    return [{**each, "score": 0.35 + 0.08 * (5 * at % 7)} for at, each in enumerate(people)]


def of_pictures(people: list[dict[str, Any]], **other: Any) -> dict[str, Any]:
    """A prediction as a COCO file."""
    images = [{"id": image, "file_name": f"{image}.jpg", **SIZE} for image in PICTURES]
    people = [{"id": number, **each} for number, each in enumerate(people, start=1)]
    return {"images": images, "annotations": people, "categories": CATEGORIES, **other}


def of_folder(people: list[dict[str, Any]]) -> dict[str, Any]:
    """A prediction as pwarp writes it of a folder of pictures: frames of one video."""
    frame = {image: at for at, image in enumerate(sorted(PICTURES, key=str))}
    document = of_pictures([{**each, "image_id": frame[each["image_id"]]} for each in people])
    document["images"] = [
        {"id": at, "frame_id": at, "file_name": f"val2017/{image}.jpg", **SIZE, "nframes": 4, "video_id": 1}
        for image, at in frame.items()
    ]
    video = {"id": 1, "name": "val2017", **SIZE, "frame_count": 4, "fingerprint": "0123456789abcdef"}
    return document | {"info": {"format": "pwarp", "version": 1}, "videos": [video], "tracks": []}


def placed(folder: Path, name: str, document: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def figures(prediction: Path, true: Path) -> dict[str, float]:
    matching = match(find_labels(str(true)), find_labels(str(prediction)))
    assert matching.complete
    (measured,) = measure(matching.pairs, make_metrics(["oks-ap"], Settings()))
    return {figure.name: figure.value for figure in measured.figures}


@pytest.fixture
def official(tmp_path: Path) -> dict[str, float]:
    """What pycocotools says of the truth's file and the results list."""
    expected = figures(placed(tmp_path, "found.json", found()), placed(tmp_path, "truth.json", truth()))
    assert 0 < expected["AP"] < expected["AP50"] < 100  # so that every picture and every person counts
    return expected


@pytest.mark.parametrize("kind", [lambda people: people, of_pictures, of_folder], ids=["list", "coco", "folder"])
def test_a_root_gives_what_its_file_gives(tmp_path: Path, official: dict[str, float], kind: Any) -> None:
    placed(tmp_path, "root/annotations/person_keypoints_val2017.json", truth())
    prediction = placed(tmp_path, "prediction.json", kind(found()))
    assert figures(prediction, tmp_path / "root") == pytest.approx(official, nan_ok=True)


def test_a_video_gives_what_a_list_gives(tmp_path: Path, official: dict[str, float]) -> None:
    true = truth()
    for image in true["images"]:
        image |= {"frame_id": image["id"], "is_labeled": True}
    prediction = of_pictures(found(), images=true["images"])
    paths = placed(tmp_path, "p.json", prediction), placed(tmp_path, "t.json", true)
    assert figures(*paths) == pytest.approx(official, nan_ok=True)


def test_pictures_that_a_list_does_not_name_are_pictures_in_which_nobody_was_found(tmp_path: Path) -> None:
    root = placed(tmp_path, "root/annotations/person_keypoints_val2017.json", truth()).parents[1]
    one = placed(tmp_path, "one.json", found()[:1])
    assert figures(one, root) == pytest.approx(figures(one, placed(tmp_path, "truth.json", truth())), nan_ok=True)
    assert figures(placed(tmp_path, "none.json", []), root)["AP"] == 0


def test_a_root_of_one_picture_finds_it_in_a_list(tmp_path: Path) -> None:
    true = truth()
    true["images"], true["annotations"] = true["images"][3:], true["annotations"][5:]
    root = placed(tmp_path, "root/annotations/person_keypoints_val2017.json", true).parents[1]
    assert figures(placed(tmp_path, "found.json", [{**person(8, 100), "score": 0.4}]), root)["AP"] == pytest.approx(100)


def test_a_list_of_other_pictures_is_left_whole(tmp_path: Path) -> None:
    (prediction,) = find_labels(str(placed(tmp_path, "found.json", found())))
    truth = [labels(Annotations(COCO_17, VideoIdentity()), name) for name in ("walk", "jump")]
    assert match(truth, [prediction]).only_prediction == (prediction,)

"""Reference lengths: their names and what they measure."""

from __future__ import annotations

import numpy as np
import pytest

from pwarp.errors import PwarpError
from pwarp.evaluation import lengths
from pwarp.evaluation.parts import parts_of
from pwarp.skeleton import COCO_17, JHMDB_15, PENN_13, Skeleton

NAN = np.nan
THREE = Skeleton("three", ("a-b", "c", "d"))
XY = np.array([[[0.0, 0.0], [3.0, 4.0], [NAN, NAN]], [[10.0, 10.0], [10.2, 10.0], [22.0, 15.0]]])
BOXES = np.array([[0.0, 0.0, 30.0, 20.0], [NAN] * 4])
HEADS = np.array([[1.0, 1.0, 4.0, 5.0], [NAN] * 4])


def of(text: str, predicted: np.ndarray | None = None) -> list[float]:
    return lengths.parse(text, THREE).of(XY, BOXES, HEADS, predicted).tolist()


def test_each_length_by_hand() -> None:
    assert of("body") == pytest.approx([30, NAN], nan_ok=True)
    assert of("head") == pytest.approx([0.6 * 5, NAN], nan_ok=True)
    assert of("diag:0.4") == pytest.approx([0.4 * 5, 0.4 * 13])
    assert of("torso:0-1") == pytest.approx([5, 0.2])
    assert of("torso:0-2") == pytest.approx([NAN, 13], nan_ok=True)
    assert of("pixels") == [1, 1]


def test_predicted_torso_stands_in_where_the_true_ends_coincide() -> None:
    predicted = XY + np.array([0.0, 1.0])
    predicted[1, 1] = [10.0, 18.0]
    assert of("torso:0-1", predicted) == pytest.approx([5, 7])
    predicted[1, 1] = NAN
    assert of("torso:0-1", predicted) == pytest.approx([5, 0])


def test_ends_by_name_or_number_have_one_canonical_name() -> None:
    for text in ("torso:a-b-c", "torso:0-1", "torso:a-b-1", "torso: 0 - c"):
        assert lengths.parse(text, THREE).text == "torso:0-1"
    assert lengths.parse("torso:left_shoulder-right_hip", PENN_13).text == "torso:1-8"
    assert lengths.parse("torso:1-8", PENN_13).meaning == "left_shoulder to right_hip"
    assert lengths.parse("diag:.40", THREE).text == "diag:0.4"


@pytest.mark.parametrize("text", ["torso", "torso:", "torso:1", "torso:a-b-c"])
def test_a_torso_must_say_which(text: str) -> None:
    with pytest.raises(PwarpError) as caught:
        lengths.parse(text, PENN_13)
    assert "torso:1-8 (left_shoulder to right_hip) or torso:2-7 (right_shoulder to left_hip)" in str(caught.value)


def test_a_keypoint_that_is_none_is_named_with_the_likely_one() -> None:
    with pytest.raises(PwarpError, match=r"no keypoint 'left_sholder' in penn-13; did you mean 'left_shoulder'\?"):
        lengths.parse("torso:left_sholder-right_hip", PENN_13)
    with pytest.raises(PwarpError, match=r"no keypoint '99' in penn-13; it has: head, left_shoulder"):
        lengths.parse("torso:1-99", PENN_13)


@pytest.mark.parametrize("text", ["", "bodies", "body:2", "diag", "diag:0", "diag:-1", "diag:nan", "diag:x", "head:1"])
def test_unknown_lengths_name_the_known(text: str) -> None:
    with pytest.raises(PwarpError, match="diag"):
        lengths.parse(text, PENN_13)


def test_torso_of_a_skeleton_without_shoulders_lists_its_keypoints() -> None:
    with pytest.raises(PwarpError, match="a-b, c, d"):
        lengths.parse("torso", THREE)
    with pytest.raises(PwarpError, match="same keypoint"):
        lengths.parse("torso:1-1", THREE)


def test_default_is_always_named() -> None:
    assert lengths.default(PENN_13) == "torso:1-8"
    assert lengths.default(JHMDB_15) == "torso:4-5"
    assert lengths.default(THREE) == "diag:0.4"


def test_parts_join_left_and_right() -> None:
    assert [(p.name, p.keypoints) for p in parts_of(PENN_13)][:3] == [
        ("head", (0,)), ("shoulder", (1, 2)), ("elbow", (3, 4))
    ]  # fmt: skip
    assert [p.name for p in parts_of(COCO_17)][:4] == ["nose", "eye", "ear", "shoulder"]
    assert sum(len(p.keypoints) for p in parts_of(JHMDB_15)) == len(JHMDB_15)


def test_a_keypoint_in_the_middle_is_not_the_two_at_its_sides() -> None:
    rat = Skeleton.from_names("rat", ("nose", "left_hip", "right_hip", "hip"))
    assert [(p.name, p.keypoints) for p in parts_of(rat)] == [
        ("nose", (0,)), ("left_hip/right_hip", (1, 2)), ("hip", (3,))
    ]  # fmt: skip


def test_parts_of_twins_without_a_common_name() -> None:
    skeleton = Skeleton("s", ("paw_l", "x1", "paw_r", "x2"), flip_pairs=((0, 2), (3, 1)))
    assert [(p.name, p.keypoints) for p in parts_of(skeleton)] == [("paw", (0, 2)), ("x1/x2", (1, 3))]

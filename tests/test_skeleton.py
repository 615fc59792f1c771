"""Skeletons: which names are twins, and what no skeleton can say."""

from __future__ import annotations

import pytest

from pwarp.errors import PwarpError
from pwarp.skeleton import BUILTIN, Skeleton, flip_pairs_from_names


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_ear", "right_ear"),
        ("LeftEar", "RightEar"),
        ("l_ear", "r_ear"),
        ("ear_l", "ear_r"),
        ("ear-L", "ear-R"),
        ("ear.L", "ear.R"),
        ("L ear", "R ear"),
        ("forepaw L", "forepaw R"),
        ("LShoulder", "RShoulder"),
        ("earL", "earR"),
        ("paw2L", "paw2R"),
    ],
)
def test_names_that_differ_by_their_side_are_twins(left: str, right: str) -> None:
    assert flip_pairs_from_names(["nose", right, left]) == ((2, 1),)
    assert flip_pairs_from_names(["nose", left]) == ()


def test_words_that_only_begin_or_end_so_are_none() -> None:
    assert flip_pairs_from_names(["lear", "rear", "tail", "tair", "LED", "RED", "L", "R"]) == ()


def test_no_keypoint_has_two_twins() -> None:
    names = ("left_right", "right_left", "right_right")
    assert flip_pairs_from_names(names) == ((0, 2),)
    assert flip_pairs_from_names(("l_left_toe", "l_right_toe", "r_right_toe")) == ((0, 1),)
    with pytest.raises(PwarpError, match="'right_right' trades places with 'left_right' and with 'right_left'"):
        Skeleton("odd", names, flip_pairs=((0, 2), (2, 1)))
    assert Skeleton("even", names, flip_pairs=((0, 2), (2, 0), (1, 1))).flip_pairs == ((0, 2), (2, 0), (1, 1))


def test_built_in_skeletons_know_theirs() -> None:
    for skeleton in BUILTIN.values():
        sides = sum("left" in name for name in skeleton.keypoints)
        assert len(skeleton.flip_pairs) == sides > 0

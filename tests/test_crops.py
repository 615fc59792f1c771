"""Crop geometry: HRNet's conventions by hand, and the algebra that holds for every window."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwarp.crops import Window, cut, invert, transform
from pwarp.errors import PwarpError

SIZE = (192, 256)
numbers = st.floats(-500, 500)
windows = st.builds(
    Window,
    centre=st.tuples(numbers, numbers),
    size=st.tuples(st.floats(1, 900), st.floats(1, 900)),
    angle=st.floats(-180, 180),
    flipped=st.booleans(),
)


def test_a_tall_box_is_widened_to_the_aspect_and_enlarged() -> None:
    # 40 x 120 at 3:4 becomes 90 x 120, and a quarter more.
    window = Window.around((10, 20, 50, 140), SIZE)
    assert window.centre == (30, 80)
    assert window.size == (112.5, 150)
    assert Window.around((10, 20, 50, 140), (3, 4), padding=1).size == (90, 120)


def test_a_wide_box_is_heightened() -> None:
    assert Window.around((0, 0, 120, 30), SIZE).size == (150, 200)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 9, 9, 5), (0, 0, np.nan, 3), (0, 0, np.inf, 3)])
def test_a_box_without_area_is_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(PwarpError, match="has no area; boxes are x1 y1 x2 y2"):
        Window.around(box, SIZE)


@pytest.mark.parametrize("change", [{"size": (0, 4)}, {"size": (3, -1)}, {"centre": (np.nan, 0)}, {"angle": np.inf}])
def test_a_window_without_meaning_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PwarpError, match="check the box"):
        Window(**{"centre": (0.0, 0.0), "size": (3.0, 4.0), **change})  # type: ignore[arg-type]


def test_the_centre_goes_to_half_the_size_not_to_the_middle_pixel() -> None:
    window = Window((30, 80), (48, 64))
    np.testing.assert_allclose(window.matrix(SIZE), [[4, 0, 96 - 120], [0, 4, 128 - 320]])
    np.testing.assert_allclose(transform(np.array([30, 80]), window.matrix(SIZE, unbiased=True)), (95.5, 127.5))


def test_unbiased_windows_end_on_the_outermost_pixels() -> None:
    matrix = Window((30, 80), (48, 64)).matrix(SIZE, unbiased=True)
    np.testing.assert_allclose(transform(np.array([[6, 48], [54, 112]]), matrix), [[0, 0], [191, 255]])


def test_a_turned_window_turns_its_up_direction_up() -> None:
    # Turned by 90 degrees clockwise, the window's up is the picture's right.
    matrix = Window((30, 80), (48, 64), angle=90).matrix(SIZE)
    np.testing.assert_allclose(transform(np.array([[40, 80], [30, 90]]), matrix), [[96, 88], [136, 128]], atol=1e-12)


def test_the_published_construction_by_three_points() -> None:
    """HRNet's recipe: centre, the point half a width above it, and a right angle; solved by OpenCV."""
    window, (w, h) = Window((31.5, 77.25), (50, 66.7), angle=33), (288, 384)
    turn = np.deg2rad(33)
    up = np.array([np.sin(turn), -np.cos(turn)]) * 25
    there = [window.centre, window.centre + up]
    here = [np.array([w, h]) / 2, np.array([w, h]) / 2 - [0, w / 2]]
    for points in (there, here):
        difference = np.subtract(points[0], points[1])
        points.append(points[1] + np.array([-difference[1], difference[0]]))
    expected = cv2.getAffineTransform(np.float32(there), np.float32(here))  # type: ignore[arg-type]
    np.testing.assert_allclose(window.matrix((w, h)), expected, atol=1e-4)


def test_a_flipped_window_is_the_window_of_the_mirrored_picture() -> None:
    """As in HRNet's training: mirror picture and centre, then turn and scale."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    flipped = Window((30, 24), (21, 28), angle=20, flipped=True)
    mirrored = Window((70 - 30 - 1, 24), (21, 28), angle=20)
    expected = cut(np.ascontiguousarray(picture[:, ::-1]), mirrored, (42, 56)).astype(int)
    # OpenCV rounds sampling positions to a 32nd of a pixel.
    assert np.abs(cut(picture, flipped, (42, 56)).astype(int) - expected).max() <= 16
    points = np.array([[30.0, 24.0], [36.5, 11.0]])
    other = np.array([[39.0, 24.0], [32.5, 11.0]])
    np.testing.assert_allclose(transform(points, flipped.matrix((42, 56))), transform(other, mirrored.matrix((42, 56))))


@pytest.mark.parametrize("unbiased", [False, True])
def test_pixels_land_where_points_land(unbiased: bool) -> None:
    """A bright dot is found in the crop where its centre is mapped, with rotation and flip."""
    picture = np.zeros((90, 120, 3), np.uint8)
    picture[41, 67] = 255
    window = Window((60, 45), (30, 40), angle=-25, flipped=True)
    crop = cut(picture, window, SIZE, unbiased=unbiased)[..., 0].astype(float)
    assert crop.shape == (256, 192)
    rows, columns = np.mgrid[:256, :192]
    centroid = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    expected = transform(np.array([67, 41]), window.matrix(SIZE, unbiased))
    np.testing.assert_allclose(centroid, expected, atol=0.15)


def test_outside_the_picture_is_black() -> None:
    crop = cut(np.full((8, 8, 3), 200, np.uint8), Window((0, 4), (8, 8)), (16, 16))
    assert not crop[:, :5].any()
    assert (crop[2:13, 10:] == 200).all()


@given(windows, st.booleans(), numbers, numbers)
def test_there_and_back(window: Window, unbiased: bool, x: float, y: float) -> None:
    matrix = window.matrix(SIZE, unbiased)
    back = transform(transform(np.array([x, y]), matrix), invert(matrix))
    np.testing.assert_allclose(back, (x, y), atol=1e-6)


def test_many_matrices_at_once() -> None:
    matrices = np.stack([Window((3, 4), (6, 8)).matrix((12, 16)), Window((9, 1), (3, 4), 30).matrix((12, 16))])
    points = np.arange(12.0).reshape(2, 3, 2)
    points[1, 2] = np.nan
    moved = transform(points, matrices[:, None])
    for i in range(2):
        np.testing.assert_array_equal(moved[i], transform(points[i], matrices[i]))
    assert np.isnan(moved[1, 2]).all()
    np.testing.assert_allclose(transform(moved[:, :2], invert(matrices)[:, None]), points[:, :2], atol=1e-9)


def test_a_flat_map_has_no_inverse() -> None:
    with pytest.raises(ValueError, match="no inverse"):
        invert(np.array([[1.0, 2, 0], [2, 4, 0]]))

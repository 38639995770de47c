from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifoldconv.plot.camera import Camera, View

angles = st.floats(-180, 180)


@given(angles, st.floats(-89, 89), st.sampled_from(["y", "z"]))
def test_axes_are_a_right_handed_orthonormal_frame(
    azimuth: float, elevation: float, up: Literal["y", "z"]
) -> None:
    axes = Camera(azimuth, elevation, up).axes()
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-14)  # a few roundings
    assert np.linalg.det(axes) > 0


@pytest.mark.parametrize(("up", "direction"), [("y", [0, 1, 0]), ("z", [0, 0, 1])])
def test_upward_points_to_lower_rows_and_stays_in_its_column(
    up: Literal["y", "z"], direction: list[int]
) -> None:
    points = np.random.default_rng(0).normal(size=(50, 3))
    view = View.fit(Camera(35, 20, up), points, 300, 200)
    low, high = view.project(view.centre[None]), view.project(view.centre + 0.01 * np.array([direction]))
    assert high[0, 1] < low[0, 1]
    assert high[0, 0] == pytest.approx(low[0, 0], abs=1e-9)  # pixels


@given(angles, st.floats(-80, 80), st.integers(20, 900), st.integers(20, 900))
def test_a_fitted_view_holds_every_point_and_wastes_nothing(
    azimuth: float, elevation: float, width: int, height: int
) -> None:
    points = np.random.default_rng(1).normal(size=(40, 3)) * [1, 2, 3]
    camera = Camera(azimuth, elevation, margin=0.05)
    pixels = View.fit(camera, points, width, height).project(points)[:, :2]
    size = np.array([width, height])
    share = (pixels.max(axis=0) - pixels.min(axis=0)) / size
    assert (pixels >= 0.05 * size - 1e-6).all()
    assert (pixels <= 0.95 * size + 1e-6).all()
    assert share.max() == pytest.approx(0.9)
    np.testing.assert_allclose(pixels.max(axis=0) + pixels.min(axis=0), size)  # in the middle


def test_nearness_is_linear_over_a_segment_of_the_picture() -> None:
    a, b = np.array([0.0, 0, 0]), np.array([1.0, 0.5, 3])
    view = View.fit(Camera(field_of_view=60), np.stack([a, b, [-2, 1, 0]]), 100, 100)
    segment = view.project(a + np.linspace(0, 1, 7)[:, None] * (b - a))
    t = (segment[:, 0] - segment[0, 0]) / (segment[-1, 0] - segment[0, 0])
    np.testing.assert_allclose(
        segment[:, 2], segment[0, 2] + t * (segment[-1, 2] - segment[0, 2]), rtol=1e-12
    )
    assert not np.allclose(t, np.linspace(0, 1, 7), atol=1e-2)  # the perspective is a real one


def test_nearer_points_have_more_nearness() -> None:
    view = View.fit(Camera(), np.eye(3), 10, 10)
    near = view.project(view.centre + np.outer([-0.5, 0, 0.5], view.axes[2]))[:, 2]
    assert near[0] < near[1] < near[2]


def test_a_single_point_can_be_fitted() -> None:
    view = View.fit(Camera(), np.ones((1, 3)), 40, 20)
    np.testing.assert_allclose(view.project(np.ones((1, 3)))[0, :2], [20, 10])

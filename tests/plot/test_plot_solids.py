from __future__ import annotations

import numpy as np
import pytest

from manifoldconv.plot.solids import Solid, arrows, ball, balls, join, tube


def volume(solid: Solid) -> float:
    """By the divergence theorem; the sign says whether the faces are wound outward."""
    a, b, c = (solid[0][solid[1][:, i]] for i in range(3))
    return float(np.sum(np.cross(a, b) * c) / 6)


def test_balls_have_the_volume_and_the_places_of_balls() -> None:
    exact = 4 / 3 * np.pi
    # A sphere of 2n meridians loses about (1 - sin(h)/h) with h = 15 degrees, twice.
    assert volume(ball()) == pytest.approx(exact, rel=0.03)
    vertices, _ = solid = balls(np.array([[0.0, 0, 0], [5, 0, 0]]), 0.5)
    assert volume(solid) == pytest.approx(2 * 0.125 * exact, rel=0.03)
    nearest = np.minimum(np.linalg.norm(vertices, axis=1), np.linalg.norm(vertices - [5, 0, 0], axis=1))
    np.testing.assert_allclose(nearest, 0.5)


def test_a_straight_tube_is_a_cylinder_with_round_ends() -> None:
    path = np.linspace([0.0, 0, 0], [3, 0, 0], 7)
    vertices, faces = tube(path, 0.1)
    along = np.clip(vertices[:, 0], 0, 3)
    away = np.linalg.norm(vertices - np.stack([along, 0 * along, 0 * along], axis=1), axis=1)
    ring = slice(0, 7 * 10)  # after these come the two balls, half inside
    np.testing.assert_allclose(away[ring], 0.1)
    np.testing.assert_allclose(away[(vertices[:, 0] < 0) | (vertices[:, 0] > 3)], 0.1)
    assert away.max() <= 0.1 + 1e-12
    assert vertices[:, 0].min() < -0.09
    assert vertices[:, 0].max() > 3.09
    assert faces.min() == 0
    assert faces.max() == len(vertices) - 1


def test_a_closed_tube_is_a_ring_without_ends() -> None:
    turn = np.linspace(0, 2 * np.pi, 101)
    vertices, faces = tube(np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1), 0.05)
    away = np.hypot(np.hypot(vertices[:, 0], vertices[:, 1]) - 1, vertices[:, 2])
    np.testing.assert_allclose(away, 0.05, atol=1e-12)
    assert len(faces) == 100 * 10 * 2  # ends would add two balls


@pytest.mark.parametrize("path", [[[0, 0, 0]], [[1, 2, 3], [1, 2, 3]]])
def test_a_path_without_length_is_a_ball(path: list[list[float]]) -> None:
    vertices, _ = tube(np.array(path, dtype=float), 0.1)
    np.testing.assert_allclose(np.linalg.norm(vertices - np.array(path[0]), axis=1), 0.1)


def test_a_path_that_turns_back_on_itself_stays_finite() -> None:
    vertices, _ = tube(np.array([[0.0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]), 0.1)
    assert np.isfinite(vertices).all()


@pytest.mark.parametrize("length", [0.01, 1.0])
def test_an_arrow_reaches_from_its_start_to_its_end(length: float) -> None:
    start, direction = np.array([1.0, 2, 3]), np.array([2.0, -1, 2]) / 3
    vertices, _ = solid = arrows(start[None], length * direction[None], 0.02)
    along = (vertices - start) @ direction
    assert along.min() == pytest.approx(0, abs=1e-12)
    assert along.max() == pytest.approx(length)
    assert abs(volume(solid)) > 0


def test_null_vectors_and_empty_lists_show_nothing() -> None:
    assert len(arrows(np.zeros((2, 3)), np.zeros((2, 3)), 0.1)[1]) == 0
    assert join([])[1].shape == (0, 3)

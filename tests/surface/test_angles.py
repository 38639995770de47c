"""Angles without calls, against the mathematical library."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest

from manifoldconv.surface.angles import cos_sin, heading


@numba.njit
def headings(x, y):  # type: ignore[no-untyped-def]
    out = np.empty(len(x))
    for i in range(len(x)):
        out[i] = heading(x[i], y[i])
    return out


@numba.njit
def turned(angle):  # type: ignore[no-untyped-def]
    out = np.empty((len(angle), 2))
    for i in range(len(angle)):
        out[i, 0], out[i, 1] = cos_sin(angle[i])
    return out


@pytest.mark.parametrize("length", [1e-150, 1.0, 1e150])
def test_heading_is_atan2(length: float) -> None:
    """Round the whole circle, and closely round the directions where the formula changes."""
    edges = np.arange(-8, 9) * (math.pi / 8)
    angle = np.concatenate([np.linspace(-3.14159, 3.14159, 100_001), edges + 1e-15, edges - 1e-15, edges])
    x, y = length * np.cos(angle), length * np.sin(angle)
    assert np.abs(headings(x, y) - np.arctan2(y, x)).max() <= 4.5e-16  # one unit in the last place of π


def test_heading_along_the_axes() -> None:
    x, y = np.array([1.0, 0.0, -1.0, 0.0]), np.array([0.0, 1.0, 0.0, -1.0])
    assert headings(x, y).tolist() == [0.0, math.pi / 2, math.pi, -math.pi / 2]


def test_cos_and_sin_over_half_a_turn() -> None:
    angle = np.linspace(0.0, math.pi, 200_001)
    gap = turned(angle) - np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert np.abs(gap).max() <= 8e-16

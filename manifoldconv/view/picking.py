"""Where a line of sight meets a surface."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from manifoldconv.surface.points import SurfacePoint

Array = NDArray[np.float64]

# Barycentric coordinates of a hit are kept this far inside, so that it lies in its face and not on its rim.
INSIDE = 1e-6


def first_hit(
    vertices: ArrayLike, faces: NDArray[np.int64], origin: ArrayLike, direction: ArrayLike
) -> SurfacePoint | None:
    """The nearest point of a triangle mesh on the half-line from `origin` along `direction`, seen from either side.

    With the edges a = B - A, b = C - A of a face and p = d × b, the line meets its plane at

        u = (o - A)·p / a·p,   w = d·((o - A) × a) / a·p,   t = b·((o - A) × a) / a·p

    (Möller and Trumbore, "Fast, minimum storage ray/triangle intersection", 1997).

    Args:
        vertices: `(V, 3)`. faces: `(F, 3)`. origin, direction: `(3,)`, in the space of the vertices.

    Returns:
        A point inside a face, or None where the line misses.

    >>> point = first_hit(np.eye(3), np.array([[0, 1, 2]]), [1, 1, 1], [-1, -1, -1])
    >>> point.face, [round(b, 6) for b in point.barycentric.tolist()]
    (tensor(0), [0.333333, 0.333333, 0.333333])
    """
    corner = np.asarray(vertices, dtype=np.float64)[faces]
    eye, ray = np.asarray(origin, dtype=np.float64), np.asarray(direction, dtype=np.float64)
    first = corner[:, 1] - corner[:, 0]
    second = corner[:, 2] - corner[:, 0]
    away = eye - corner[:, 0]
    beside = np.cross(ray, second)
    around = np.cross(away, first)
    scale = (first * beside).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (away * beside).sum(axis=1) / scale
        w = (around @ ray) / scale
        t = (second * around).sum(axis=1) / scale
        hit = np.flatnonzero((u >= 0) & (w >= 0) & (u + w <= 1) & (t > 0) & np.isfinite(t))
    if len(hit) == 0:
        return None
    face = int(hit[np.argmin(t[hit])])
    weights = np.clip([1 - u[face] - w[face], u[face], w[face]], INSIDE, None)
    return SurfacePoint(torch.tensor(face), torch.from_numpy(weights / weights.sum()))


def line_of_sight(
    screen: tuple[float, float], rotation: ArrayLike, field_of_view: float, aspect: float
) -> Array:
    """The direction `(3,)` of the pixel at (x, y) in [0, 1]², (0, 0) upper left, of a camera.

    Args:
        rotation: `(3, 3)`, its columns the camera's right, down and forward in space.
        field_of_view: vertical, in radians. aspect: width ÷ height.

    >>> line_of_sight((0.5, 0.5), np.eye(3), 1.0, 1.5).tolist()
    [0.0, 0.0, 1.0]
    """
    half = math.tan(field_of_view / 2)
    local = np.array([(2 * screen[0] - 1) * half * aspect, (2 * screen[1] - 1) * half, 1.0])
    return np.asarray(rotation, dtype=np.float64) @ local

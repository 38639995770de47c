"""Normals at the corners of faces: smooth over rounded parts, sharp at creases."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]


def smooth_normals(vertices: Array, faces: NDArray[np.int64], crease: float) -> Array:
    """Unit normals at the corners of each face, `(F, 3, 3)`; edges sharper than `crease` degrees stay."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    products = np.cross(b - a, c - a)
    normals = np.asarray(
        products / np.maximum(np.linalg.norm(products, axis=1, keepdims=True), 1e-300), dtype=np.float64
    )
    order = np.argsort(faces.ravel(), kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(faces.ravel(), minlength=len(vertices)))])
    return _mean_normals(normals, _corner_angles(a, b, c), order, starts, float(np.cos(np.radians(crease))))


def _corner_angles(a: Array, b: Array, c: Array) -> Array:
    def between(u: Array, v: Array) -> Array:
        return np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), np.sum(u * v, axis=1))

    return np.stack([between(b - a, c - a), between(c - b, a - b), between(a - c, b - c)], axis=1)


@njit(cache=True)
def _mean_normals(
    face_normals: Array,
    angles: Array,
    corner_order: NDArray[np.int64],
    starts: NDArray[np.int64],
    least_cosine: float,
) -> Array:
    """Normals at the corners `(F, 3, 3)`: means over the faces round a vertex that meet smoothly there.

    Faces whose normals differ by more than the crease angle do not smooth each other. A face that is wound
    the other way round counts with its normal turned over, so the result is right on surfaces without
    orientation too: each corner's normal agrees with its own face.
    """
    normals = np.zeros((len(face_normals), 3, 3))
    for vertex in range(len(starts) - 1):
        for i in range(starts[vertex], starts[vertex + 1]):
            face, corner = corner_order[i] // 3, corner_order[i] % 3
            own = face_normals[face]
            total = np.zeros(3)
            for j in range(starts[vertex], starts[vertex + 1]):
                other = corner_order[j] // 3
                normal = face_normals[other]
                cosine = own[0] * normal[0] + own[1] * normal[1] + own[2] * normal[2]
                if abs(cosine) >= least_cosine:
                    weight = angles[other, corner_order[j] % 3]
                    total += math.copysign(weight, cosine) * normal
            size = math.sqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2)
            normals[face, corner] = total / size if size > 0.0 else own
    return normals

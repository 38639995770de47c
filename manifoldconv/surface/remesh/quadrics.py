"""Quadrics: the summed squared distances from planes, as functions of a point (Garland and Heckbert 1997).

A quadric of ten numbers (A by rows of its upper half, b, c) is Q(x) = xᵀ A x + 2 bᵀ x + c.
"""

from __future__ import annotations

import numba
import numpy as np

# The part of each face's weight that draws vertices towards where they were. It decides where planes leave a choice
# (in flat regions, along straight creases), and keeps the triangles there in shape.
ATTACHMENT = 1e-3

# How much heavier than a face's plane the planes are that stand upright on boundary edges and keep the rim in place.
RIM = 10.0


@numba.njit(cache=True)
def cross(a, b):  # type: ignore[no-untyped-def]
    """a × b; numba's own takes seconds to compile."""
    result = np.empty(3)
    result[0] = a[1] * b[2] - a[2] * b[1]
    result[1] = a[2] * b[0] - a[0] * b[2]
    result[2] = a[0] * b[1] - a[1] * b[0]
    return result


@numba.njit(cache=True)
def add_plane(quadric, normal, point, weight):  # type: ignore[no-untyped-def]
    """Add weight times the squared distance from the plane through a point with a unit normal."""
    offset = -(normal[0] * point[0] + normal[1] * point[1] + normal[2] * point[2])
    k = 0
    for i in range(3):
        for j in range(i, 3):
            quadric[k] += weight * normal[i] * normal[j]
            k += 1
    for i in range(3):
        quadric[6 + i] += weight * offset * normal[i]
    quadric[9] += weight * offset * offset


@numba.njit(cache=True)
def add_point(quadric, point, weight):  # type: ignore[no-untyped-def]
    """Add weight times the squared distance from a point."""
    quadric[0] += weight
    quadric[3] += weight
    quadric[5] += weight
    for i in range(3):
        quadric[6 + i] -= weight * point[i]
        quadric[9] += weight * point[i] * point[i]


@numba.njit(cache=True)
def value(quadric, x):  # type: ignore[no-untyped-def]
    """Q(x), at least 0."""
    q = quadric
    total = q[0] * x[0] * x[0] + q[3] * x[1] * x[1] + q[5] * x[2] * x[2] + q[9]
    total += 2.0 * (q[1] * x[0] * x[1] + q[2] * x[0] * x[2] + q[4] * x[1] * x[2])
    total += 2.0 * (q[6] * x[0] + q[7] * x[1] + q[8] * x[2])
    return max(total, 0.0)


@numba.njit(cache=True)
def minimum(quadric):  # type: ignore[no-untyped-def]
    """The point where Q is least, by Cramer's rule; the attachment makes A positive definite."""
    a, b, c, d, e, f = quadric[0], quadric[1], quadric[2], quadric[3], quadric[4], quadric[5]
    x, y, z = -quadric[6], -quadric[7], -quadric[8]
    m0, m1, m2 = d * f - e * e, c * e - b * f, b * e - c * d
    m3, m4, m5 = a * f - c * c, b * c - a * e, a * d - b * b
    determinant = a * m0 + b * m1 + c * m2
    result = np.empty(3)
    result[0] = (m0 * x + m1 * y + m2 * z) / determinant
    result[1] = (m1 * x + m3 * y + m4 * z) / determinant
    result[2] = (m2 * x + m4 * y + m5 * z) / determinant
    return result


@numba.njit(cache=True)
def vertex_quadrics(vertices, faces, twin):  # type: ignore[no-untyped-def]
    """`(V, 10)`: for each vertex its faces' planes by area, the upright planes of its boundary edges, itself."""
    result = np.zeros((len(vertices), 10))
    for face in range(len(faces)):
        corner = vertices[faces[face]]
        normal = cross(corner[1] - corner[0], corner[2] - corner[0])
        size = np.sqrt(np.dot(normal, normal))
        normal /= size
        for i in range(3):
            vertex = faces[face, i]
            add_plane(result[vertex], normal, corner[0], size / 6)
            add_point(result[vertex], vertices[vertex], ATTACHMENT * size / 6)
            if twin[3 * face + i] < 0:
                along = corner[(i + 1) % 3] - corner[i]
                squared = np.dot(along, along)
                upright = cross(along / np.sqrt(squared), normal)
                for end in (vertex, faces[face, (i + 1) % 3]):
                    add_plane(result[end], upright, corner[i], RIM * squared / 2)
    return result

"""Transport along straight segments inside one face: between a vertex and a point of the face, or its centroid.

These are what interpolation needs: the value that a vertex holds, in the vertex's frame, is carried to a point of
an adjacent face along the segment between them.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from manifoldconv.compiled import inlined_leaf, leaf
from manifoldconv.surface.angles import cos_sin, heading


@inlined_leaf
def segment_heading(tables, corner, head, apex):  # type: ignore[no-untyped-def]
    """Angle and unit vector, in the chart of `corner`, from its vertex to the point with weights (head, apex).

    At the vertex itself, where the segment has no direction, the bisector of the corner.
    """
    x = head * tables.chart[corner, 0] + apex * tables.chart[corner, 1]
    y = apex * tables.chart[corner, 2]
    square = x * x + y * y
    if square <= 1e-30 * tables.chart[corner, 0] ** 2:
        angle = 0.5 * tables.angle[corner]
        dx, dy = cos_sin(angle)
        return angle, dx, dy
    length = math.sqrt(square)
    return heading(x, y), x / length, y / length


@inlined_leaf
def vertex_to_face(tables, corner, angle, dx, dy):  # type: ignore[no-untyped-def]
    """The transport from the frame of a corner's vertex to that of its face, as its four entries by rows.

    Along the segment that leaves the vertex at `angle` in the corner's chart, there with direction (dx, dy).
    """
    slot = tables.fan_slot[corner]
    sense = tables.fan_sense[slot]
    inside = angle if sense > 0 else tables.angle[corner] - angle
    at_vertex = (tables.fan_angle[slot] + inside) * tables.scale[tables.tail[corner]]
    opposite = at_vertex > math.pi
    wx, wy = cos_sin(at_vertex - math.pi if opposite else at_vertex)
    if opposite:
        wx, wy = -wx, -wy
    c, s, sign = tables.direction[corner, 0], tables.direction[corner, 1], tables.face_sign[corner // 3]
    ux, uy = c * dx - sign * s * dy, s * dx + sign * c * dy
    side = sense * sign
    return (
        ux * wx + side * uy * wy,
        ux * wy - side * uy * wx,
        uy * wx - side * ux * wy,
        uy * wy + side * ux * wx,
    )


def vertex_stencil(tables, face, barycentric, vertex):  # type: ignore[no-untyped-def]
    """Piecewise linear interpolation from the corners of each point's face.

    Returns index `(N, 3)`, weight `(N, 3)`, transport `(N, 3, 2, 2)` from the vertices' frames to the point's.
    """
    count = len(face)
    stencil = np.empty((count, 3), dtype=np.int64), np.empty((count, 3)), np.empty((count, 3, 2, 2))
    _vertex_stencils(tables, face, barycentric, vertex, *stencil)
    return stencil


@numba.njit(cache=True, error_model="numpy", parallel=True)
def _vertex_stencils(tables, face, barycentric, vertex, index, weight, transport):  # type: ignore[no-untyped-def]
    for point in numba.prange(len(face)):
        _vertex_stencil(tables, face, barycentric, vertex, np.int64(point), index, weight, transport)


@leaf
def _vertex_stencil(tables, face, barycentric, vertex, point, index, weight, transport):  # type: ignore[no-untyped-def]
    at = vertex[point]
    if at >= 0:  # that vertex alone
        for i in range(3):
            index[point, i], weight[point, i] = (at, 1.0) if i == 0 else (0, 0.0)
            transport[point, i, 0, 0], transport[point, i, 0, 1] = 1.0, 0.0
            transport[point, i, 1, 0], transport[point, i, 1, 1] = 0.0, 1.0
        return
    tail, head, apex = barycentric[point, 0], barycentric[point, 1], barycentric[point, 2]
    for i in range(3):
        corner = 3 * face[point] + i
        index[point, i], weight[point, i] = tables.tail[corner], tail
        angle, dx, dy = segment_heading(tables, corner, head, apex)
        a, b, c, d = vertex_to_face(tables, corner, angle, dx, dy)
        transport[point, i, 0, 0], transport[point, i, 0, 1] = a, b
        transport[point, i, 1, 0], transport[point, i, 1, 1] = c, d
        tail, head, apex = head, apex, tail


@numba.njit(cache=True, error_model="numpy", parallel=True)
def centroid_transport(tables, face, vertex):  # type: ignore[no-untyped-def]
    """`(N, 2, 2)` from the frame of each face to that of one of its vertices, along the segment from the centroid."""
    count = len(face)
    transport = np.empty((count, 2, 2))
    for point in numba.prange(count):
        corner = 3 * face[point]
        while tables.tail[corner] != vertex[point]:
            corner += 1
        angle, dx, dy = segment_heading(tables, corner, 1 / 3, 1 / 3)
        a, b, c, d = vertex_to_face(tables, corner, angle, dx, dy)
        transport[point, 0, 0], transport[point, 0, 1] = a, c
        transport[point, 1, 0], transport[point, 1, 1] = b, d
    return transport


@numba.njit(cache=True, error_model="numpy")
def _corner_of(tables, face, barycentric):  # type: ignore[no-untyped-def]
    """The half-edge at the corner where a point lies; -1 for points elsewhere."""
    for i in range(3):
        if barycentric[i] >= 1 - 1e-9:
            return 3 * face + i
    return -1


@numba.njit(cache=True, error_model="numpy")
def across(tables, h, out):  # type: ignore[no-untyped-def]
    """Write the transport from the face of h to the face on the other side of its edge."""
    other = tables.twin[h]
    turn = 1.0 if tables.flip[h] else -1.0  # the edge's direction in the other face
    c, s = tables.direction[h, 0], tables.direction[h, 1]
    oc, os = turn * tables.direction[other, 0], turn * tables.direction[other, 1]
    side = tables.face_sign[h // 3] * tables.face_sign[other // 3] * -turn
    out[0, 0], out[0, 1] = oc * c + side * os * s, oc * s - side * os * c
    out[1, 0], out[1, 1] = os * c - side * oc * s, os * s + side * oc * c


@numba.njit(cache=True, error_model="numpy")
def _corner_frame(tables, corner, out):  # type: ignore[no-untyped-def]
    """Write the transport from the frame of a corner's vertex to that of its face, along the bisector."""
    angle = 0.5 * tables.angle[corner]
    dx, dy = cos_sin(angle)
    out[0, 0], out[0, 1], out[1, 0], out[1, 1] = vertex_to_face(tables, corner, angle, dx, dy)


@numba.njit(cache=True, error_model="numpy")
def reframe_points(tables, face, barycentric, vertex, to_face, to_barycentric, to_vertex):  # type: ignore[no-untyped-def]
    """`(N, 2, 2)` between the frames of two writings of each point; NaN where they are not one point (to 1e-9)."""
    count = len(face)
    result = np.full((count, 2, 2), np.nan)
    first, second = np.empty((2, 2)), np.empty((2, 2))
    for point in range(count):
        a, b = vertex[point], to_vertex[point]
        if a == b and (a >= 0 or face[point] == to_face[point]):
            result[point] = np.eye(2)
            continue
        from_corner = _corner_of(tables, face[point], barycentric[point]) if a < 0 else -1
        to_corner = _corner_of(tables, to_face[point], to_barycentric[point]) if b < 0 else -1
        at = a if a >= 0 else (tables.tail[from_corner] if from_corner >= 0 else -1)
        arrive = b if b >= 0 else (tables.tail[to_corner] if to_corner >= 0 else -1)
        if at >= 0 and at == arrive:  # by way of the vertex
            first[:] = np.eye(2)
            second[:] = np.eye(2)
            if a < 0:
                _corner_frame(tables, from_corner, first)
            if b < 0:
                _corner_frame(tables, to_corner, second)
            result[point] = second @ first.T
        elif a < 0 and b < 0:
            for i in range(3):
                h = 3 * face[point] + i
                on_edge = barycentric[point, (i + 2) % 3] <= 1e-9
                if on_edge and tables.twin[h] >= 0 and tables.twin[h] // 3 == to_face[point]:
                    across(tables, h, first)
                    result[point] = first
    return result

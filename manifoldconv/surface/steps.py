"""Single steps on a mesh: from vertex to vertex along an edge, from face to face across one, and the gradient."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.segments import across, centroid_transport

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Steps(NamedTuple):
    """K steps between neighbouring sites.

    Attributes:
        half_edge: `(K,)` which half-edge is walked along, or across from its face to the other one.
        tail, head: `(K,)` the sites.
        matrix: `(K, 2, 2)` orthogonal, the transport from the frame at the tail to that at the head.
        side: `(K,)` ±1, determinant of the map from the frame at the head to the charts of the half-edge's face.
        length: `(K,)`.
    """

    half_edge: Integers
    tail: Integers
    head: Integers
    matrix: Floats
    side: Floats
    length: Floats


def edge_steps(tables: Tables) -> Steps:
    """Along every half-edge, in its order: transport that keeps the angle to the edge, in scaled angles."""
    here = np.arange(len(tables.twin))
    there = here - here % 3 + (here + 1) % 3
    leaving = _vertex_angle(tables, here, np.zeros(len(here)))
    arriving = _vertex_angle(tables, there, tables.angle[there]) + math.pi
    side_here, side = (tables.fan_sense[tables.fan_slot[corner]] for corner in (here, there))
    same = side_here * side
    # The direction at angle `leaving` goes to `arriving`, and its left side to the left side, as the face sees it.
    turn = arriving - same * leaving
    c, s = np.cos(turn), np.sin(turn)
    matrix = np.stack([np.stack([c, -same * s], axis=-1), np.stack([s, same * c], axis=-1)], axis=-2)
    return Steps(here, tables.tail, tables.tail[there], matrix, side, tables.chart[:, 0])


def face_steps(tables: Tables) -> Steps:
    """Across every inner half-edge, from its face to the other one; the length is that between the centroids."""
    h = np.flatnonzero(tables.twin >= 0)
    other = tables.twin[h]
    flip = tables.flip[h]
    side = np.where(flip, -1.0, 1.0) * tables.face_sign[other // 3]
    x, y = _centroid(tables, h)
    ox, oy = _centroid(tables, other)
    ox = np.where(flip, ox, tables.chart[h, 0] - ox)
    return Steps(h, h // 3, other // 3, _across_all(tables, h), side, np.hypot(x - ox, y + oy))


def face_gradient(tables: Tables, values: Floats) -> Floats:
    """`(F, 2)`, in the frames of the faces: the gradient of the piecewise linear function with values `(V,)`."""
    corner = values[tables.tail].reshape(-1, 3)
    length, apex_x, apex_y = tables.chart[::3].T
    along = (corner[:, 1] - corner[:, 0]) / length
    across_it = (corner[:, 2] - corner[:, 0] - along * apex_x) / apex_y * tables.face_sign
    c, s = tables.direction[::3].T
    return np.stack([c * along - s * across_it, s * along + c * across_it], axis=1)


def to_vertices(tables: Tables, vectors: Floats) -> Floats:
    """Vectors `(F, 2)` on the faces as vectors `(V, 2)` on the vertices: means over the faces, weighted by area."""
    face = np.arange(len(tables.twin)) // 3
    carried = (centroid_transport(tables, face, tables.tail) @ vectors[face][:, :, None])[:, :, 0]
    return mean_at_vertices(tables, carried)


def mean_at_vertices(tables: Tables, corners: Floats) -> Floats:
    """Values `(3F, ...)` at the corners of faces, as means `(V, ...)` at the vertices, weighted by the faces' areas."""
    area = np.repeat(tables.chart[::3, 0] * tables.chart[::3, 2], 3)
    flat = corners.reshape(len(corners), -1)
    count = len(tables.total_angle)
    total = np.stack([np.bincount(tables.tail, area * column, minlength=count) for column in flat.T], axis=1)
    weight = np.bincount(tables.tail, area, minlength=count)
    mean = total / np.where(weight > 0, weight, 1.0)[:, None]
    return mean.reshape(count, *corners.shape[1:])


def _vertex_angle(tables: Tables, corner: Integers, heading: Floats) -> Floats:
    """The angle, in the frame of a corner's vertex, of the direction at `heading` in the corner's chart."""
    slot = tables.fan_slot[corner]
    inside = np.where(tables.fan_sense[slot] > 0, heading, tables.angle[corner] - heading)
    return (tables.fan_angle[slot] + inside) * tables.scale[tables.tail[corner]]


def _centroid(tables: Tables, h: Integers) -> tuple[Floats, Floats]:
    """The centroid of the face of h, in the chart of h."""
    return (tables.chart[h, 0] + tables.chart[h, 1]) / 3, tables.chart[h, 2] / 3


@numba.njit(cache=True)
def _across_all(tables, half_edges):  # type: ignore[no-untyped-def]
    result = np.empty((len(half_edges), 2, 2))
    for k in range(len(half_edges)):
        across(tables, half_edges[k], result[k])
    return result

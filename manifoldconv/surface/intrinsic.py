"""The intrinsic geometry of a mesh: charts of its triangles, angles round its vertices, and frames.

Each half-edge h has a chart: the plane in which its tail is the origin, its head is (length, 0) and the third corner
of its face, the apex, has y > 0. Everything that geodesics and transport need is read from these charts, so
a mesh may be given by edge lengths alone.

The frame of a face has its first axis along the longest edge. The frame of a vertex has its angle 0 along the
longest outgoing edge (on the boundary: along the boundary edge), with the angle round the vertex scaled so that its
sum Θ becomes 2π (on the boundary only where Θ > 2π; Polthier and Schmies 1998, section 3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from manifoldconv.errors import GeometryError
from manifoldconv.surface.fans import Fans
from manifoldconv.surface.mesh import Connectivity, Describe

Floats = NDArray[np.float64]

# Edges whose lengths differ by less than this fraction count as equal when a reference edge is chosen, so that
# rounding (a rigid motion, another unit) can't choose differently.
TIE = 1e-9

# 2 x area below this fraction of the longest edge squared: the triangle is degenerate.
DEGENERATE = 1e-10

# The longest edge that a mesh may have: up to the tenth power of lengths is computed (fits of quadratic functions).
SHORTEST, LONGEST = 1e-30, 1e30


class Tables(NamedTuple):
    """Plain arrays for the compiled routines; h over half-edges, k over fan slots, f faces, v vertices.

    Attributes:
        chart: `(3F, 3)` length, apex x, apex y in the chart of h.
        angle: `(3F,)` the angle of the corner at the tail of h, in radians.
        direction: `(3F, 2)` the unit vector along h in the frame of its face.
        face_sign: `(F,)` ±1, determinant of the map from the charts of f to the frame of f.
        twin, flip, tail: see `Connectivity`.
        fan_start, fan_corner, fan_sense, open_fan: see `Fans`; slot 0 of a vertex is its reference edge.
        fan_angle: `(3F,)` the true angle from the reference edge to the start of the slot.
        fan_slot: `(3F,)` the slot of the corner at the tail of h.
        total_angle: `(V,)` Θ, the sum of the angles at v.
        scale: `(V,)` angle in the frame ÷ true angle.
    """

    chart: Floats
    angle: Floats
    direction: Floats
    face_sign: Floats
    twin: NDArray[np.int64]
    flip: NDArray[np.bool_]
    tail: NDArray[np.int64]
    fan_start: NDArray[np.int64]
    fan_corner: NDArray[np.int64]
    fan_sense: Floats
    fan_angle: Floats
    fan_slot: NDArray[np.int64]
    open_fan: NDArray[np.bool_]
    total_angle: Floats
    scale: Floats


def charts_from_vertices(vertices: Floats, faces: NDArray[np.int64], describe: Describe) -> Floats:
    """The charts `(3F, 3)` of an embedded mesh; raises `GeometryError` for degenerate faces."""
    corner = vertices[faces]
    along = np.roll(corner, -1, axis=1) - corner
    to_apex = np.roll(corner, -2, axis=1) - corner
    length = np.linalg.norm(along, axis=2)
    _refuse_far_units(length)
    double_area = np.linalg.norm(np.cross(along, to_apex), axis=2).max(axis=1)
    _refuse_degenerate(length, double_area, describe)
    apex_x = (along * to_apex).sum(axis=2) / length
    apex_y = double_area[:, None] / length
    return np.ascontiguousarray(np.stack([length, apex_x, apex_y], axis=2).reshape(-1, 3))


def charts_from_lengths(length: Floats, describe: Describe) -> Floats:
    """The charts `(3F, 3)` from edge lengths `(F, 3)`, edge i from corner i to i + 1.

    2 x area by Kahan's formula, which is stable for needles. Raises `GeometryError` where the triangle inequality
    fails or a face is degenerate.
    """
    ordered = np.sort(length, axis=1)
    c, b, a = ordered[:, 0], ordered[:, 1], ordered[:, 2]
    broken = np.flatnonzero(~((c > 0) & (c - (a - b) > 0)))
    if len(broken):
        face = int(broken[0])
        raise GeometryError(
            f"{describe(face)} has edge lengths {length[face].tolist()}, which make no triangle "
            f"(each must be positive and less than the sum of the others)"
        )
    _refuse_far_units(length)
    double_area = 0.5 * np.sqrt((a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c)))
    _refuse_degenerate(length, double_area, describe)
    opposite, other = np.roll(length, -1, axis=1), np.roll(length, -2, axis=1)
    apex_x = 0.5 * (length + (other - opposite) * ((other + opposite) / length))
    apex_y = double_area[:, None] / length
    return np.ascontiguousarray(np.stack([length, apex_x, apex_y], axis=2).reshape(-1, 3))


def _refuse_far_units(length: Floats) -> None:
    """Raise `GeometryError` where lengths are so large or small that their products leave the range of numbers."""
    longest = float(length.max(initial=0.0))
    if longest and not SHORTEST <= longest <= LONGEST:
        raise GeometryError(
            f"the longest edge has length {longest:.3g}; products of lengths can be computed where it lies between "
            f"{SHORTEST:g} and {LONGEST:g}: give the mesh in other units"
        )


def _refuse_degenerate(length: Floats, double_area: Floats, describe: Describe) -> None:
    longest = length.max(axis=1)
    degenerate = np.flatnonzero(~(double_area > DEGENERATE * longest**2))
    if len(degenerate):
        face = int(degenerate[0])
        more = "" if len(degenerate) == 1 else f" (and {len(degenerate) - 1} more faces like it)"
        raise GeometryError(
            f"{describe(face)} is degenerate: its area is {0.5 * double_area[face]:.3g} with a longest edge of "
            f"{longest[face]:.3g}{more}; remove it or merge its corners"
        )


def check_edge_lengths(length: Floats, mesh: Connectivity, describe: Describe) -> None:
    """Both faces of an edge must give it the same length (to 1e-9 of it)."""
    flat = length.reshape(-1)
    inner = mesh.twin >= 0
    gap = np.abs(flat[inner] - flat[mesh.twin[inner]]) / flat[inner]
    if len(gap) and gap.max() > 1e-9:
        h = int(np.flatnonzero(inner)[gap.argmax()])
        raise GeometryError(
            f"{describe(h // 3)} and {describe(int(mesh.twin[h]) // 3)} give their common edge different lengths: "
            f"{flat[h]} and {flat[mesh.twin[h]]}"
        )


def build_tables(mesh: Connectivity, fans: Fans, chart: Floats) -> Tables:
    """Angles, fans turned to their reference edges, frames: all that tracing needs."""
    angle = np.arctan2(chart[:, 2], chart[:, 1])
    corner, sense = _turn_to_reference(fans.start, fans.corner, fans.sense, fans.open, chart[:, 0], TIE)
    twisted = np.zeros(mesh.n_vertices, dtype=np.bool_)
    twisted[mesh.tail] = ~mesh.component_orientable[np.repeat(mesh.face_component, 3)]
    _choose_orientation(fans.start, corner, sense, twisted, chart[:, 0], TIE)
    fan_angle, total = _accumulate(fans.start, corner, angle)
    slot = np.empty(len(corner), dtype=np.int64)
    slot[corner] = np.arange(len(corner))
    with np.errstate(divide="ignore"):
        closed_scale = 2 * math.pi / total
    scale = np.where(fans.open & (total <= 2 * math.pi), 1.0, closed_scale)
    scale[total == 0] = 1.0
    sign = mesh.face_sign.astype(np.float64)
    return Tables(
        chart=chart,
        angle=angle,
        direction=_edge_directions(chart, sign),
        face_sign=sign,
        twin=mesh.twin,
        flip=mesh.flip,
        tail=np.ascontiguousarray(mesh.tail),
        fan_start=fans.start,
        fan_corner=corner,
        fan_sense=sense.astype(np.float64),
        fan_angle=fan_angle,
        fan_slot=slot,
        open_fan=fans.open,
        total_angle=total,
        scale=scale,
    )


def reference_half_edges(length: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The longest edge of each face, `(F,)` half-edges, and whether the first axis runs against it.

    The axis points away from the corner where the longest and the second longest edge meet: an intrinsic choice that
    does not ask in which order, or in which orientation, the corners were listed.
    """
    by_face = length.reshape(-1, 3)
    rounded = by_face / by_face.max(axis=1, keepdims=True)
    longest = np.argmax(rounded >= 1 - TIE, axis=1)
    rows = np.arange(len(by_face))
    after, before = rounded[rows, (longest + 1) % 3], rounded[rows, (longest + 2) % 3]
    return 3 * rows + longest, after > before + TIE


def _edge_directions(chart: Floats, sign: Floats) -> Floats:
    """The unit vectors of the half-edges in the frame of their face, `(3F, 2)`."""
    reference, against = reference_half_edges(chart[:, 0])
    # Angle of half-edge i + 1 in the chart of half-edge i: π minus the angle at corner i + 1.
    turn = np.pi - np.roll(np.arctan2(chart[:, 2], chart[:, 1]).reshape(-1, 3), -1, axis=1)
    heading = np.stack([np.zeros(len(turn)), turn[:, 0], turn[:, 0] + turn[:, 1]], axis=1)
    zero = heading.reshape(-1)[reference] + np.where(against, np.pi, 0.0)
    relative = sign[:, None] * (heading - zero[:, None])
    return np.ascontiguousarray(np.stack([np.cos(relative), np.sin(relative)], axis=2).reshape(-1, 2))


@numba.njit(cache=True)
def _turn_to_reference(start, corner, sense, is_open, length, tie):  # type: ignore[no-untyped-def]
    """Turn each closed fan so that it starts at the longest edge (ties: the next edges round; then the order)."""
    new_corner, new_sense = corner.copy(), sense.copy()
    for vertex in range(len(start) - 1):
        first, count = start[vertex], start[vertex + 1] - start[vertex]
        if count == 0 or is_open[vertex]:
            continue
        lengths = np.empty(count)
        for k in range(count):
            lengths[k] = _starting_length(corner[first + k], sense[first + k], length)
        margin = tie * lengths.max()
        best, best_corner = 0, _starting_edge(corner[first], sense[first])
        for candidate in range(1, count):
            verdict = 0
            for step in range(count):
                gap = lengths[(candidate + step) % count] - lengths[(best + step) % count]
                if gap > margin:
                    verdict = 1
                    break
                if gap < -margin:
                    verdict = -1
                    break
            edge = _starting_edge(corner[first + candidate], sense[first + candidate])
            if verdict > 0 or (verdict == 0 and edge < best_corner):
                best, best_corner = candidate, edge
        for k in range(count):
            new_corner[first + k] = corner[first + (best + k) % count]
            new_sense[first + k] = sense[first + (best + k) % count]
    return new_corner, new_sense


@numba.njit(cache=True)
def _choose_orientation(start, corner, sense, twisted, length, tie):  # type: ignore[no-untyped-def]
    """Turn over the fans of `twisted` vertices whose edges, read backwards, are the longer ones first.

    Where a component has no orientation, its vertices would else take that of whichever face is listed first.
    """
    for vertex in range(len(start) - 1):
        first, last = start[vertex], start[vertex + 1] - 1
        if last < first or not twisted[vertex]:
            continue
        count = last - first + 1
        forth, back = np.empty(count), np.empty(count)
        for k in range(count):
            forth[k] = _starting_length(corner[first + k], sense[first + k], length)
            # Seen the other way round, a corner starts at the edge where it ended.
            back[k] = _starting_length(corner[last - k], -sense[last - k], length)
        margin = tie * max(forth.max(), back.max())
        for k in range(count):
            if abs(back[k] - forth[k]) > margin:
                if back[k] > forth[k]:
                    corner[first : last + 1] = corner[first : last + 1][::-1].copy()
                    sense[first : last + 1] = -sense[first : last + 1][::-1]
                break


@numba.njit(cache=True)
def _starting_edge(corner, sense):  # type: ignore[no-untyped-def]
    """The half-edge on the clockwise side of a corner."""
    return corner if sense > 0 else corner - corner % 3 + (corner + 2) % 3


@numba.njit(cache=True)
def _starting_length(corner, sense, length):  # type: ignore[no-untyped-def]
    return length[_starting_edge(corner, sense)]


@numba.njit(cache=True)
def _accumulate(start, corner, angle):  # type: ignore[no-untyped-def]
    fan_angle = np.zeros(len(corner))
    total = np.zeros(len(start) - 1)
    for vertex in range(len(start) - 1):
        running = 0.0
        for k in range(start[vertex], start[vertex + 1]):
            fan_angle[k] = running
            running += angle[corner[k]]
        total[vertex] = running
    return fan_angle, total

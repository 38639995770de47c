"""Fields read along straight rays: each ray is walked once, and the field is read at every radius on the way.

A polar rule has many nodes on each ray, and a ray to the outermost runs through all others. Where only the response to
one field is wanted, and no operator that would serve for others, that is all there is to do: nothing is stored for each
node. The readings are those of `MeshSurface.geodesic` and the stencils of `sites("vertices")`, which tests hold.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.compiled import inlined_leaf, leaf
from manifoldconv.errors import GeometryError
from manifoldconv.surface.angles import heading
from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.trace import MAX_STEPS
from manifoldconv.surface.walk import (
    ARRIVED,
    AT_VERTEX,
    COMPLETE,
    end_at_corner,
    next_of,
    previous_of,
    set_out,
    step,
    weights_in_face,
)
from manifoldconv.threads import threads_for

Floats = NDArray[np.float64]

# Sites that a thread takes at a time: enough to outweigh handing them out, few enough that none waits for long.
RUN = 32
# Radians up to which the first terms of the series of sine and cosine are right to 1e-14.
SMALL_TURN = 0.15


def sweep_scalars(
    tables: Tables, points: SurfacePoint, directions: Tensor, radii: Tensor, factors: Tensor, values: Tensor
) -> Tensor:
    """Weighted sums of a scalar field over polar nodes: `(P, B)`.

        out[p, b] = Σ_{j, a} factors[j, a, b] f(exp_p(r_j u_{p, a})),  f = 0 off the surface

    Args:
        points: `(P,)`.
        directions: `(P, A, 2)` unit vectors u in the frames at the points.
        radii: `(J,)`, ascending and positive.
        factors: `(J, A, B)`.
        values: `(N,)` at the vertices, linear on each face.

    Raises:
        GeometryError: for a ray that crosses too many edges to trace.
    """
    out = np.zeros((len(points), factors.shape[2]))
    given = (*points.arrays(), *_plain(directions, radii, factors, values), out)
    with threads_for(len(points), few=RUN):
        lost = _scalars(tables, *given)
    return _unless_lost(lost, out)


def sweep_vectors(
    tables: Tables, points: SurfacePoint, directions: Tensor, radii: Tensor, factors: Tensor, vectors: Tensor
) -> Tensor:
    """The same for a vector field, carried back to the points: `(P, 2)` in the frames there.

        out[p] = Σ_{j, a} factors[j, a] T⁻¹ f(exp_p(r_j u_{p, a})),  T the transport along the ray

    Args:
        points, directions, radii: as for scalars.
        factors: `(J, A)`.
        vectors: `(N, 2)` in the frames of the vertices; in a face each is carried along the segment from its vertex.
    """
    out = np.zeros((len(points), 2))
    plain = _plain(directions, radii, factors, vectors)
    given = (*points.arrays(), *plain, vectors_at_corners(tables, plain[-1]), out)
    with threads_for(len(points), few=RUN):
        lost = _vectors(tables, *given)
    return _unless_lost(lost, out)


def _plain(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(t.detach().to(torch.float64).contiguous().numpy() for t in tensors)


def _unless_lost(lost: int, out: np.ndarray) -> Tensor:
    if lost:
        raise GeometryError(f"{lost} rays cross too many edges to trace")
    return torch.from_numpy(out)


@numba.njit(cache=True, error_model="numpy", parallel=True)
def _scalars(tables, face, barycentric, vertex, directions, radii, factors, values, out):  # type: ignore[no-untyped-def]
    lost = 0
    for run in numba.prange((len(face) + RUN - 1) // RUN):
        first = np.int64(run) * RUN
        last = min(first + RUN, len(face))
        lost += _scalar_run(
            tables, face, barycentric, vertex, directions, radii, factors, values, first, last, out
        )
    return lost


@numba.njit(cache=True, error_model="numpy", parallel=True)
def _vectors(tables, face, barycentric, vertex, directions, radii, factors, vectors, corners, out):  # type: ignore[no-untyped-def]
    lost = 0
    for run in numba.prange((len(face) + RUN - 1) // RUN):
        first = np.int64(run) * RUN
        last = min(first + RUN, len(face))
        lost += _vector_run(
            tables, face, barycentric, vertex, directions, radii, factors, vectors, corners, first, last, out
        )
    return lost


@inlined_leaf
def _is_lost(tables, vertex):  # type: ignore[no-untyped-def]
    """Whether a point is a vertex of no face."""
    return vertex >= 0 and tables.fan_start[vertex] == tables.fan_start[vertex + 1]


@leaf
def _scalar_run(  # type: ignore[no-untyped-def]
    tables, face, barycentric, vertex, directions, radii, factors, values, first, last, out
):
    """The sites from `first` to `last`; how many rays were too long to trace."""
    count, functions, lost = len(radii), factors.shape[2], 0
    whole = radii[count - 1]
    for p in range(first, last):
        if _is_lost(tables, vertex[p]):
            continue
        b0, b1, b2 = barycentric[p, 0], barycentric[p, 1], barycentric[p, 2]
        for a in range(directions.shape[1]):
            state, h, at, x, y, dx, dy, side, remaining = set_out(
                tables,
                face[p],
                b0,
                b1,
                b2,
                vertex[p],
                whole * directions[p, a, 0],
                whole * directions[p, a, 1],
                False,
            )
            node = steps = 0
            while True:
                # The last piece of the way ends at (x, y) in the chart of h, or at a vertex if that is its end.
                walked = whole - remaining
                reached = walked + ARRIVED * tables.chart[h, 0]
                while node < count and (state == COMPLETE or radii[node] <= reached):
                    if at >= 0:
                        read = values[at]
                    else:
                        back = walked - radii[node]
                        at_tail, at_head, at_apex = weights_in_face(
                            tables.chart, h, x - back * dx, y - back * dy
                        )
                        read = (
                            at_tail * values[tables.tail[h]]
                            + at_head * values[tables.tail[next_of(h)]]
                            + at_apex * values[tables.tail[previous_of(h)]]
                        )
                    for b in range(functions):
                        out[p, b] += factors[node, a, b] * read
                    node += 1
                if node == count or state >= COMPLETE:
                    break
                if steps == MAX_STEPS:
                    lost += 1
                    break
                state, h, at, x, y, dx, dy, side, remaining = step(
                    tables, state, h, at, x, y, dx, dy, side, remaining, False
                )
                steps += 1
    return lost


@leaf
def _vector_run(  # type: ignore[no-untyped-def]
    tables, face, barycentric, vertex, directions, radii, factors, vectors, corners, first, last, out
):
    """The same for vectors: their parts along the ray and across it are what transport keeps."""
    count, lost = len(radii), 0
    whole = radii[count - 1]
    for p in range(first, last):
        if _is_lost(tables, vertex[p]):
            continue
        b0, b1, b2 = barycentric[p, 0], barycentric[p, 1], barycentric[p, 2]
        for a in range(directions.shape[1]):
            wx, wy = directions[p, a, 0], directions[p, a, 1]
            state, h, at, x, y, dx, dy, side, remaining = set_out(
                tables, face[p], b0, b1, b2, vertex[p], whole * wx, whole * wy, False
            )
            node = steps = 0
            along = across = 0.0
            while True:
                walked = whole - remaining
                reached = walked + ARRIVED * tables.chart[h, 0]
                while node < count and (state == COMPLETE or radii[node] <= reached):
                    back = walked - radii[node]
                    ahead, aside = _read_vector(
                        tables, vectors, corners, h, at, x - back * dx, y - back * dy, dx, dy, side
                    )
                    along += factors[node, a] * ahead
                    across += factors[node, a] * aside
                    node += 1
                if node == count or state >= COMPLETE:
                    break
                if steps == MAX_STEPS:
                    lost += 1
                    break
                state, h, at, x, y, dx, dy, side, remaining = step(
                    tables, state, h, at, x, y, dx, dy, side, remaining, False
                )
                steps += 1
            out[p, 0] += along * wx - across * wy
            out[p, 1] += along * wy + across * wx
    return lost


@inlined_leaf
def _read_vector(tables, vectors, corners, h, at, x, y, dx, dy, side):  # type: ignore[no-untyped-def]
    """The field's parts along the ray and to its left, as its first frame has them, at (x, y) of the chart of h."""
    if at < 0:
        at_tail, at_head, at_apex = weights_in_face(tables.chart, h, x, y)
        if max(at_tail, at_head, at_apex) >= 1 - AT_VERTEX:
            h, at, dx, dy, side = end_at_corner(tables, h, dx, dy, side, at_tail, at_head)
        else:
            second, third = next_of(h), previous_of(h)
            fx, fy = _from_corner(tables.chart, corners, h, at_tail, at_head, at_apex)
            gx, gy = _from_corner(tables.chart, corners, second, at_head, at_apex, at_tail)
            kx, ky = _from_corner(tables.chart, corners, third, at_apex, at_tail, at_head)
            fx, fy = fx + gx + kx, fy + gy + ky
            # The direction of travel in the frame of the face.
            sign = tables.face_sign[h // 3]
            c, s = tables.direction[h, 0], tables.direction[h, 1]
            ux, uy = c * dx - sign * s * dy, s * dx + sign * c * dy
            return fx * ux + fy * uy, side * sign * (fy * ux - fx * uy)
    fx, fy = vectors[at, 0], vectors[at, 1]
    return fx * dx + fy * dy, side * (fy * dx - fx * dy)


def vectors_at_corners(tables: Tables, vectors: Floats) -> Floats:
    """`(3F, 3)`: for each corner the vector at its vertex, carried into its face along the corner's own half-edge, in
    the frame of the face; and how fast that turns as the segment into the face turns away from the half-edge.

    Along a segment at angle φ of the half-edge's chart the vertex's angle differs by φ scale, the face's by φ: the
    carried vector turns by ±φ (1 - scale), the sign that of the face's frame against its charts. It stays where the
    surface is flat at the vertex. (`segments.vertex_to_face`, prepared for many points.)
    """
    vertex, slot = tables.tail, tables.fan_slot
    scale, sense = tables.scale[vertex], tables.fan_sense[slot]
    sign = np.repeat(tables.face_sign, 3)
    # Complex numbers; a turn of the other sense conjugates.
    at_edge = (tables.fan_angle[slot] + np.where(sense < 0, tables.angle, 0.0)) * scale
    relative = (vectors[vertex, 0] + 1j * vectors[vertex, 1]) * np.exp(-1j * at_edge)
    in_face = (tables.direction[:, 0] + 1j * tables.direction[:, 1]) * np.where(
        sense * sign > 0, relative, relative.conj()
    )
    return np.stack([in_face.real, in_face.imag, sign * (1.0 - scale)], axis=1)


@inlined_leaf
def _from_corner(chart, corners, corner, weight, at_head, at_apex):  # type: ignore[no-untyped-def]
    """The vector at a corner's vertex, carried to the point of its face with these weights at head and apex, times
    its own weight; in the frame of the face."""
    fx, fy, turn = weight * corners[corner, 0], weight * corners[corner, 1], corners[corner, 2]
    if turn == 0.0:
        return fx, fy
    towards = turn * heading(
        at_head * chart[corner, 0] + at_apex * chart[corner, 1], at_apex * chart[corner, 2]
    )
    if abs(towards) <= SMALL_TURN:  # nearly always, where the surface is finely divided
        z = towards * towards
        c = 1 - z / 2 * (1 - z / 12 * (1 - z / 30 * (1 - z / 56)))
        s = towards * (1 - z / 6 * (1 - z / 20 * (1 - z / 42 * (1 - z / 72))))
    else:
        c, s = math.cos(towards), math.sin(towards)
    return c * fx - s * fy, s * fx + c * fy

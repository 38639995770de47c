"""Many geodesics on a triangle mesh with the parallel transport along them: what goes in, what comes out, in what turn.

How one ray walks is in `walk`. Its transport maps the first direction, in the first frame, to the last one in the last
frame; it is a reflection where the number of orientation changes is odd.

On the CPU the rays of a run take their steps in turn, one each: what a ray does next depends on what it just did, what
the next ray does does not, so a processor works on several at once. On a GPU (`trace_cuda`) each thread has a ray.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from manifoldconv.compiled import inlined_leaf, leaf
from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.walk import (
    ARRIVES,
    AT_BOUNDARY,
    AT_VERTEX,
    COMPLETE,
    CROSSES,
    LEAVES,
    end_at_corner,
    set_out,
    step,
    weights_in_face,
)

MAX_STEPS = 10_000_000
# Rays that take their steps in turn; their states fit the first cache.
RUN = 64
# How else than by `COMPLETE` and `AT_BOUNDARY` a ray can end.
TOO_LONG, NOT_FINITE = 2, 3


class Rays(NamedTuple):
    """Where N rays start: face `(N,)`, barycentric `(N, 3)`, vertex `(N,)` or -1, and velocity `(N, 2)` in the frame
    of the vertex or face."""

    face: NDArray[np.int64]
    barycentric: NDArray[np.float64]
    vertex: NDArray[np.int64]
    velocity: NDArray[np.float64]


class Ends(NamedTuple):
    """Where they end: a point as in `Rays`, transport `(N, 2, 2)`, length `(N,)`, status `(N,)`.

    The status is COMPLETE, AT_BOUNDARY, TOO_LONG or, where the velocity is not finite, NOT_FINITE; the rest of such a
    row is undefined.
    """

    face: NDArray[np.int64]
    barycentric: NDArray[np.float64]
    vertex: NDArray[np.int64]
    transport: NDArray[np.float64]
    length: NDArray[np.float64]
    status: NDArray[np.uint8]

    @classmethod
    def empty(cls, count: int) -> Ends:
        """Rows for as many rays, not filled."""
        return cls(
            np.empty(count, dtype=np.int64),
            np.empty((count, 3)),
            np.empty(count, dtype=np.int64),
            np.empty((count, 2, 2)),
            np.empty(count),
            np.empty(count, dtype=np.uint8),
        )


def trace_rays(tables: Tables, rays: Rays, reflect: bool) -> Ends:
    """Trace N rays in parallel; at the boundary they stop, or are reflected (the doubled surface)."""
    # Allocated by NumPy, which asks for huge pages where compiled code does not: small ones cost a quarter of the time.
    ends = Ends.empty(len(rays.face))
    threads = numba.get_num_threads()
    _trace_runs(
        tables, rays, reflect, ends, np.empty((threads, RUN, 6)), np.empty((threads, RUN, 4), dtype=np.int64)
    )
    return ends


@numba.njit(cache=True, error_model="numpy", parallel=True)
def _trace_runs(tables, rays, reflect, ends, moving, held):  # type: ignore[no-untyped-def]
    for run in numba.prange((len(rays.face) + RUN - 1) // RUN):
        first = np.int64(run) * RUN
        thread = numba.get_thread_id()
        _trace_run(
            tables,
            rays,
            reflect,
            ends,
            first,
            min(first + RUN, len(rays.face)),
            moving[thread],
            held[thread],
        )


@leaf
def _trace_run(tables, rays, reflect, ends, first, last, moving, held):  # type: ignore[no-untyped-def]
    """Trace successive rays, in turn. The states of those that have not ended: `moving` `(RUN, 6)` x, y, dx, dy, side
    and what remains, `held` `(RUN, 4)` state, half-edge, vertex and ray."""
    live = 0
    for ray in range(first, last):
        if stays(tables, rays, ends, ray):
            continue
        state, h, at, x, y, dx, dy, side, remaining = start(tables, rays, ray, reflect)
        moving[live, 0], moving[live, 1], moving[live, 2] = x, y, dx
        moving[live, 3], moving[live, 4], moving[live, 5] = dy, side, remaining
        held[live, 0], held[live, 1], held[live, 2], held[live, 3] = state, h, at, ray
        live += 1
    steps = 0
    while live > 0:
        kept = 0
        for i in range(live):
            x, y, dx = moving[i, 0], moving[i, 1], moving[i, 2]
            dy, side, remaining = moving[i, 3], moving[i, 4], moving[i, 5]
            state, h, at, ray = held[i, 0], held[i, 1], held[i, 2], held[i, 3]
            if state < COMPLETE and steps < MAX_STEPS:
                state, h, at, x, y, dx, dy, side, remaining = step(
                    tables, state, h, at, x, y, dx, dy, side, remaining, reflect
                )
            if state >= COMPLETE or steps == MAX_STEPS:
                finish(tables, rays, ends, ray, state, h, at, x, y, dx, dy, side, remaining)
            else:
                moving[kept, 0], moving[kept, 1], moving[kept, 2] = x, y, dx
                moving[kept, 3], moving[kept, 4], moving[kept, 5] = dy, side, remaining
                held[kept, 0], held[kept, 1], held[kept, 2], held[kept, 3] = state, h, at, ray
                kept += 1
        live = kept
        steps += 1


@inlined_leaf
def trace_ray(tables, rays, reflect, ends, ray):  # type: ignore[no-untyped-def]
    """Trace one ray from start to end: what a thread of a GPU does."""
    if stays(tables, rays, ends, ray):
        return
    state, h, at, x, y, dx, dy, side, remaining = start(tables, rays, ray, reflect)
    steps = 0
    while state < COMPLETE and steps < MAX_STEPS:
        state, h, at, x, y, dx, dy, side, remaining = step(
            tables, state, h, at, x, y, dx, dy, side, remaining, reflect
        )
        steps += 1
    finish(tables, rays, ends, ray, state, h, at, x, y, dx, dy, side, remaining)


@inlined_leaf
def stays(tables, rays, ends, ray):  # type: ignore[no-untyped-def]
    """Whether a ray has nowhere to go; then its row of `ends` is filled."""
    vx, vy = rays.velocity[ray, 0], rays.velocity[ray, 1]
    at = rays.vertex[ray]
    if not abs(vx) + abs(vy) < math.inf:
        ends.status[ray] = NOT_FINITE
        return True
    lost = at >= 0 and tables.fan_start[at] == tables.fan_start[at + 1]  # a vertex of no face
    if lost or (vx == 0.0 and vy == 0.0):
        ends.face[ray], ends.vertex[ray] = rays.face[ray], at
        for i in range(3):
            ends.barycentric[ray, i] = rays.barycentric[ray, i]
        ends.transport[ray, 0, 0], ends.transport[ray, 0, 1] = 1.0, 0.0
        ends.transport[ray, 1, 0], ends.transport[ray, 1, 1] = 0.0, 1.0
        ends.length[ray] = 0.0
        ends.status[ray] = AT_BOUNDARY if lost else COMPLETE
        return True
    return False


@inlined_leaf
def start(tables, rays, ray, reflect):  # type: ignore[no-untyped-def]
    """The first state of a ray (see `walk.step`)."""
    b0, b1, b2 = rays.barycentric[ray, 0], rays.barycentric[ray, 1], rays.barycentric[ray, 2]
    vx, vy = rays.velocity[ray, 0], rays.velocity[ray, 1]
    return set_out(tables, rays.face[ray], b0, b1, b2, rays.vertex[ray], vx, vy, reflect)


@inlined_leaf
def finish(tables, rays, ends, ray, state, h, at, x, y, dx, dy, side, remaining):  # type: ignore[no-untyped-def]
    """Write the row of a ray whose last state this is."""
    at_tail, at_head, at_apex = 1.0, 0.0, 0.0
    if at < 0:
        at_tail, at_head, at_apex = weights_in_face(tables.chart, h, x, y)
        if state == COMPLETE and max(at_tail, at_head, at_apex) >= 1 - AT_VERTEX:
            h, at, dx, dy, side = end_at_corner(tables, h, dx, dy, side, at_tail, at_head)
            at_tail, at_head, at_apex = 1.0, 0.0, 0.0
    here = h // 3
    corner = h - 3 * here
    ends.face[ray], ends.vertex[ray] = here, at
    ends.barycentric[ray, corner] = at_tail
    ends.barycentric[ray, (corner + 1) % 3] = at_head
    ends.barycentric[ray, (corner + 2) % 3] = at_apex
    vx, vy = rays.velocity[ray, 0], rays.velocity[ray, 1]
    speed = math.sqrt(vx * vx + vy * vy)
    ends.length[ray] = speed - remaining
    ends.status[ray] = TOO_LONG if state < COMPLETE else state
    ux, uy = dx, dy
    if at < 0:
        c, s = tables.direction[h, 0], tables.direction[h, 1]
        sign = tables.face_sign[here]
        ux, uy = c * dx - sign * s * dy, s * dx + sign * c * dy
        side *= sign
    # T = R(u) diag(1, side) R(v)ᵀ: the direction of travel goes to the direction of travel.
    wx, wy = vx / speed, vy / speed
    ends.transport[ray, 0, 0] = ux * wx + side * uy * wy
    ends.transport[ray, 0, 1] = ux * wy - side * uy * wx
    ends.transport[ray, 1, 0] = uy * wx - side * ux * wy
    ends.transport[ray, 1, 1] = uy * wy + side * ux * wx


@leaf
def crossings_of(tables, face, barycentric, vertex, vx, vy, record):  # type: ignore[no-untyped-def]
    """Write what one ray crosses to `record` `(M, 5)`, as far as its rows reach; the others become NaN.

    (0, half-edge left through, 0, 0, orientation of its face's chart) and
    (1, vertex run through, true angle of the way back, true angle of the way on, orientation of its frame).
    """
    record[:] = np.nan
    if vx == 0.0 and vy == 0.0:
        return
    row = 0
    state, h, at, x, y, dx, dy, side, remaining = set_out(
        tables, face, barycentric[0], barycentric[1], barycentric[2], vertex, vx, vy, False
    )
    while state < COMPLETE and row < len(record):
        before, edge, place, arriving, orientation = state, h, at, x, side
        state, h, at, x, y, dx, dy, side, remaining = step(
            tables, state, h, at, x, y, dx, dy, side, remaining, False
        )
        if before == CROSSES and state != ARRIVES and tables.twin[edge] >= 0:
            record[row, 0], record[row, 1] = 0.0, edge
            record[row, 2], record[row, 3], record[row, 4] = 0.0, 0.0, orientation
            row += 1
        elif before == ARRIVES and state == LEAVES:
            record[row, 0], record[row, 1] = 1.0, place
            record[row, 2], record[row, 3], record[row, 4] = arriving, x, orientation
            row += 1

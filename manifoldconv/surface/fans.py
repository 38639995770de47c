"""The corners round each vertex, in counterclockwise order: the vertex's fan.

A fan lists the corners of a vertex so that each shares an edge with the next; across an edge whose faces
disagree in orientation the sense in which a face is seen turns over (`sense`). A corner is named by the
half-edge that leaves the vertex in its face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from manifoldconv.errors import GeometryError
from manifoldconv.surface.mesh import Connectivity, Describe


@dataclass(frozen=True)
class Fans:
    """Corners round vertices in compressed rows: the fan of v is `corner[start[v]:start[v + 1]]`.

    Attributes:
        start: `(V + 1,)` int64.
        corner: `(3F,)` int64, half-edges that leave the vertex, counterclockwise.
        sense: `(3F,)` int64, +1 where the face, seen with the vertex's orientation, is counterclockwise.
        open: `(V,)` bool, True on the boundary; the fan then starts at the boundary edge.
    """

    start: NDArray[np.int64]
    corner: NDArray[np.int64]
    sense: NDArray[np.int64]
    open: NDArray[np.bool_]


def build_fans(mesh: Connectivity, describe: Describe | None = None) -> Fans:
    """Order the corners round every vertex.

    The vertex takes the orientation of its component where that is orientable, else that of its first face
    (until edge lengths are known, see `intrinsic.build_tables`).
    Raises `GeometryError` where the faces of a vertex form more than one fan (a pinched vertex).
    """
    counts = np.bincount(mesh.tail, minlength=mesh.n_vertices)
    start = np.concatenate([[0], np.cumsum(counts)])
    first = np.full(mesh.n_vertices, -1, dtype=np.int64)
    first[mesh.tail[::-1]] = np.arange(3 * len(mesh.faces))[::-1]
    corner, sense, is_open, filled = _walk_fans(mesh.twin, mesh.flip, mesh.face_sign, start, first)
    pinched = np.flatnonzero(filled != counts)
    if len(pinched):
        place = describe or (lambda face: f"face {face}")
        vertex = int(pinched[0])
        inside = set((corner[start[vertex] : start[vertex] + filled[vertex]] // 3).tolist())
        outside = min(set((np.flatnonzero(mesh.tail == vertex) // 3).tolist()) - inside)
        more = "" if len(pinched) == 1 else f" (and {len(pinched) - 1} more vertices like it)"
        raise GeometryError(
            f"vertex {vertex} is pinched: {place(min(inside))} and {place(outside)} meet there in no common fan of "
            f"faces{more}; split the vertex so that each fan has its own"
        )
    return Fans(start, corner, sense, is_open)


@numba.njit(cache=True)
def _turn(twin, flip, corner, sense, direction):  # type: ignore[no-untyped-def]
    """The corner after (direction +1) or before (-1) one, counterclockwise; -1 beyond the boundary."""
    face = corner - corner % 3
    leaving = (
        direction * sense < 0
    )  # the edge to cross leaves the vertex (the corner itself), else it arrives
    edge = corner if leaving else face + (corner + 2) % 3
    other = twin[edge]
    if other < 0:
        return -1, sense
    # The twin of an arriving edge leaves the vertex, and the other way round, unless the faces disagree.
    leaves = (not leaving) != flip[edge]
    if not leaves:
        other = other - other % 3 + (other + 1) % 3
    return other, -sense if flip[edge] else sense


@numba.njit(cache=True)
def _walk_fans(twin, flip, face_sign, start, first):  # type: ignore[no-untyped-def]
    n_vertices = len(start) - 1
    corner = np.full(start[-1], -1, dtype=np.int64)
    sense = np.ones(start[-1], dtype=np.int64)
    is_open = np.zeros(n_vertices, dtype=np.bool_)
    filled = np.zeros(n_vertices, dtype=np.int64)
    for vertex in range(n_vertices):
        origin = first[vertex]
        if origin < 0:
            continue
        here, side = origin, face_sign[origin // 3]
        while True:  # clockwise, to the boundary or all the way round
            before, before_side = _turn(twin, flip, here, side, -1)
            if before < 0:
                is_open[vertex] = True
                break
            if before == origin:
                here, side = origin, face_sign[origin // 3]
                break
            here, side = before, before_side
        begin = here
        slot = start[vertex]
        while True:  # counterclockwise
            corner[slot], sense[slot] = here, side
            slot += 1
            here, side = _turn(twin, flip, here, side, 1)
            if here < 0 or here == begin:
                break
        filled[vertex] = slot - start[vertex]
    return corner, sense, is_open, filled

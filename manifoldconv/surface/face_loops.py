"""Closed strips of faces: the loops along which transport on a mesh is exact.

A loop of faces is given by the half-edges that it crosses: half-edge h leaves face h // 3 for the face of its twin.
Unfolding the strip gives the transport once round, without any choice of a curve inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.segments import across

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FaceLoop:
    """A closed strip of faces.

    Attributes:
        start: the face where it starts and ends.
        half_edges: `(k,)` what it crosses, in order; empty for the loop that stays in its face.
    """

    start: int
    half_edges: Integers

    @property
    def faces(self) -> list[int]:
        """The faces in order, first = last: what `MeshSurface.holonomy(loop, kind="faces")` takes."""
        return [*(self.half_edges // 3).tolist(), self.start]

    def __len__(self) -> int:
        """The number of edges that it crosses."""
        return len(self.half_edges)

    def transports(self, tables: Tables) -> Floats:
        """`(k + 1, 2, 2)`: the transport from the first face to each face of the strip, the last one once round."""
        return _transports(tables, self.half_edges)

    def started_at(self, place: int) -> FaceLoop:
        """The same loop, started at the face before its crossing number `place`."""
        turned = np.roll(self.half_edges, -place)
        return FaceLoop(int(turned[0]) // 3, turned)


@numba.njit(cache=True)
def _transports(tables, half_edges):  # type: ignore[no-untyped-def]
    steps = np.zeros((len(half_edges) + 1, 2, 2))
    steps[0, 0, 0] = steps[0, 1, 1] = 1.0
    step = np.empty((2, 2))
    for k in range(len(half_edges)):
        across(tables, half_edges[k], step)
        for i in range(2):
            for j in range(2):
                steps[k + 1, i, j] = step[i, 0] * steps[k, 0, j] + step[i, 1] * steps[k, 1, j]
    return steps


def loop_round(tables: Tables, inside: NDArray[np.bool_], first: int) -> FaceLoop | None:
    """The strip of faces that separates the vertices `inside` `(V,)` from the others; round one vertex: its fan.

    Every face with vertices of both kinds has two edges between the kinds, so that such faces form closed strips. The
    answer is the one through half-edge `first`, which joins the two kinds. None where it does not close.
    """
    crossed, h = [first], int(first)
    while True:
        h = int(tables.twin[h])
        if h < 0:
            return None
        face = h - h % 3
        mixed = [
            e for e in range(face, face + 3) if e != h and inside[tables.tail[e]] != inside[_head(tables, e)]
        ]
        if len(mixed) != 1:
            return None
        h = mixed[0]
        if h == first:
            return FaceLoop(int(first) // 3, np.array(crossed, dtype=np.int64))
        crossed.append(h)


def loop_round_vertex(tables: Tables, vertex: int) -> FaceLoop:
    """The fan of an inner vertex, counterclockwise in the orientation of the vertex's frame."""
    slots = slice(int(tables.fan_start[vertex]), int(tables.fan_start[vertex + 1]))
    corner, sense = tables.fan_corner[slots], tables.fan_sense[slots]
    # Counterclockwise one leaves a face by the spoke before its corner; in a face seen from below, by the corner's own.
    before = corner - corner % 3 + (corner + 2) % 3
    crossed = np.where(sense > 0, before, corner)
    return FaceLoop(int(corner[0]) // 3, crossed)


def boundary_loops(tables: Tables) -> list[FaceLoop]:
    """For each boundary curve the strip of faces along it: the fans of its vertices, one after another."""
    following = _along_boundary(tables)
    loops, done = [], set()
    for start in np.flatnonzero(tables.twin < 0).tolist():
        if start in done:
            continue
        # On a surface without orientation a walk sees each boundary edge from one side only: it is an annulus.
        crossed: list[int] = []
        h, forth = start, True
        while True:
            done.add(h)
            h, forth, fan = following(h, forth)
            crossed += fan
            if h == start:
                break
        loops.append(FaceLoop(start // 3, np.array(crossed, dtype=np.int64)))
    return loops


Step = Callable[[int, bool], tuple[int, bool, list[int]]]


def _along_boundary(tables: Tables) -> Step:
    """The step from a boundary half-edge, walked forth or back, to the next one and what is crossed in between."""
    twin, flip = tables.twin.tolist(), tables.flip.tolist()

    def step(h: int, forth: bool) -> tuple[int, bool, list[int]]:
        crossed: list[int] = []
        while True:
            # Turn about the vertex ahead: to the next edge of the face there.
            h = h - h % 3 + (h + (1 if forth else 2)) % 3
            if twin[h] < 0:
                return h, forth, crossed
            crossed.append(h)
            # Edges point away from the vertex ahead where forth; their twins point to it, unless the faces disagree.
            forth = forth != flip[h]
            h = twin[h]

    return step


def _head(tables: Tables, h: int) -> int:
    return int(tables.tail[h - h % 3 + (h + 1) % 3])

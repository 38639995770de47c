"""Loops of faces that generate the fundamental group of a mesh, together with the loops round its vertices.

A tree of faces (the cotree) reaches every face from the first of its component; a tree of edges that the first tree
does not cross reaches every vertex, where each boundary curve counts as one. Every edge in neither closes a loop of
faces, and there are 2 - χ - b of these for b boundary curves: 2 · genus where the surface is orientable (Eppstein 2003,
"Dynamic generators of topologically embedded graphs"). The edges of the second tree are the fewest that the loops round
vertices and boundary curves account for, so all these loops together generate the fundamental group of the surface
without its vertices.

The tree of faces is that of shortest paths, and the tree of edges the one whose edges would close the longest loops, so
that short loops are left (Erickson and Whittlesey 2005, "Greedy optimal homotopy and homology generators").
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from manifoldconv.surface.face_loops import FaceLoop
from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.segments import across

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FaceTree:
    """Shortest paths over faces, from centroid to centroid, from the first face of each component.

    Attributes:
        entered: `(F,)` the half-edge by which the path enters a face (it lies in the face before); -1 at a root.
        distance: `(F,)`.
        carried: `(F, 2, 2)` transport along the path, from the frame of the root to that of the face.
    """

    entered: Integers
    distance: Floats
    carried: Floats

    def path_to(self, face: int) -> list[int]:
        """The half-edges that are crossed from the root to a face."""
        crossed = []
        while self.entered[face] >= 0:
            crossed.append(int(self.entered[face]))
            face = crossed[-1] // 3
        return crossed[::-1]


def shortest_paths(tables: Tables, roots: Integers) -> FaceTree:
    """The tree of shortest paths from root faces, one for each component."""
    return FaceTree(*_dijkstra(tables, roots, centroid_distances(tables)))


def homotopy_basis(tables: Tables, tree: FaceTree) -> list[FaceLoop]:
    """For each edge in neither tree the loop of faces that it closes, without the way there and back; by its edge.

    There are 2 · genus of them on an orientable component, and 2 - χ - b on any, for b boundary curves.
    """
    inner = np.flatnonzero(tables.twin > np.arange(len(tables.twin)))
    other = tables.twin[inner]
    entered = np.zeros(len(tables.twin), dtype=bool)
    entered[tree.entered[tree.entered >= 0]] = True
    free = ~entered[inner] & ~entered[other]
    inner, other = inner[free], other[free]
    length = tree.distance[inner // 3] + tree.distance[other // 3] + centroid_distances(tables)[inner]
    longest_first = inner[np.argsort(-length, kind="stable")]
    left = _left_of_the_tree(tables, longest_first)
    return [_closed_by(tables, tree, h) for h in np.sort(left).tolist()]


def _closed_by(tables: Tables, tree: FaceTree, h: int) -> FaceLoop:
    """The loop of faces from the root to the edge, across it and back, without what its two legs share."""
    there, back = tree.path_to(h // 3), tree.path_to(int(tables.twin[h]) // 3)
    shared = 0
    while shared < min(len(there), len(back)) and there[shared] == back[shared]:
        shared += 1
    homeward = [int(tables.twin[e]) for e in reversed(back[shared:])]
    crossed = [*there[shared:], h, *homeward]
    return FaceLoop(crossed[0] // 3, np.array(crossed, dtype=np.int64))


def centroid_distances(tables: Tables) -> Floats:
    """`(3F,)` the distance between the centroids of the two faces of each edge, unfolded; 0 on the boundary."""
    length, apex_x, apex_y = tables.chart.T
    x, y = (length + apex_x) / 3, apex_y / 3
    other = np.maximum(tables.twin, 0)
    # The twin's chart runs the other way along the edge, unless the two faces disagree.
    across_x = np.where(tables.flip, x[other], length - x[other])
    return np.where(tables.twin >= 0, np.hypot(across_x - x, y + y[other]), 0.0)


@numba.njit(cache=True)
def _dijkstra(tables, roots, weight):  # type: ignore[no-untyped-def]
    count = len(tables.face_sign)
    entered = np.full(count, -1, dtype=np.int64)
    distance = np.full(count, np.inf)
    carried = np.zeros((count, 2, 2))
    settled = np.zeros(count, dtype=np.bool_)
    step = np.empty((2, 2))
    queue = [(0.0, np.int64(roots[0]))]
    for k in range(1, len(roots)):
        queue.append((0.0, np.int64(roots[k])))
    distance[roots] = 0.0
    while len(queue):
        _, face = heapq.heappop(queue)
        if settled[face]:
            continue
        settled[face] = True
        if entered[face] < 0:
            carried[face, 0, 0] = carried[face, 1, 1] = 1.0
        else:
            before = entered[face] // 3
            across(tables, entered[face], step)
            for i in range(2):
                for j in range(2):
                    carried[face, i, j] = (
                        step[i, 0] * carried[before, 0, j] + step[i, 1] * carried[before, 1, j]
                    )
        for h in range(3 * face, 3 * face + 3):
            if tables.twin[h] < 0:
                continue
            other = tables.twin[h] // 3
            through = distance[face] + weight[h]
            if through < distance[other]:
                distance[other] = through
                entered[other] = h
                heapq.heappush(queue, (through, other))
    return entered, distance, carried


@numba.njit(cache=True)
def _left_of_the_tree(tables, half_edges):  # type: ignore[no-untyped-def]
    """The half-edges, taken in order, whose ends are joined already; each boundary curve is joined from the start."""
    leader = np.arange(len(tables.total_angle))
    for h in range(len(tables.twin)):
        if tables.twin[h] < 0:
            leader[_leader(leader, tables.tail[h])] = _leader(leader, tables.tail[h - h % 3 + (h + 1) % 3])
    left = np.zeros(len(half_edges), dtype=np.bool_)
    for k in range(len(half_edges)):
        h = half_edges[k]
        a, b = _leader(leader, tables.tail[h]), _leader(leader, tables.tail[h - h % 3 + (h + 1) % 3])
        left[k] = a == b
        leader[a] = b
    return half_edges[left]


@numba.njit(cache=True)
def _leader(leader, vertex):  # type: ignore[no-untyped-def]
    while leader[vertex] != vertex:
        leader[vertex] = leader[leader[vertex]]
        vertex = leader[vertex]
    return vertex

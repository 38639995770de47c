"""Parallel transport over the faces of a mesh: frames carried along a spanning tree, and the loops that it leaves out.

A tree of faces joined across edges avoids all vertices, where the curvature is. Carrying one frame over the tree gives
every face a frame; every edge outside the tree closes a loop, and the transports round these loops generate the
holonomy group, since the loops generate the fundamental group of the surface without its vertices.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.segments import across

Floats = NDArray[np.float64]


def tree_of_faces(tables: Tables, weights: Floats | None = None) -> NDArray[np.bool_] | None:
    """Half-edges `(3F,)` that a spanning tree of faces may cross: the lightest one, for weights of the half-edges.

    None (for no weights) leaves the choice to the breadth-first walk.
    """
    if weights is None:
        return None
    inner = np.flatnonzero(tables.twin >= 0)
    count = len(tables.face_sign)
    # Weights must be positive: csgraph takes 0 for "no edge".
    graph = coo_array((weights[inner], (inner // 3, tables.twin[inner] // 3)), shape=(count, count))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    joined = set(zip(tree.row.tolist(), tree.col.tolist(), strict=True))
    allowed = np.zeros(len(tables.twin), dtype=bool)
    for h in inner.tolist():
        pair = (h // 3, int(tables.twin[h]) // 3)
        allowed[h] = pair in joined or pair[::-1] in joined
    return allowed


def carry_over_faces(
    tables: Tables, roots: NDArray[np.int64], allowed: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Carry the frames of root faces (one a component) over all faces.

    Returns:
        `(F, 2, 2)`, the transport from the root of its component to each face, in their frames; and `(k, 2, 2)`, the
        transport from the root round the loop that each edge outside the tree closes, in the frame of the root.
    """
    everywhere = np.ones(len(tables.twin), dtype=bool) if allowed is None else allowed
    return _carry(tables, roots, everywhere)


@numba.njit(cache=True)
def _carry(tables, roots, allowed):  # type: ignore[no-untyped-def]
    count = len(tables.face_sign)
    carried = np.zeros((count, 2, 2))
    reached = np.zeros(count, dtype=np.bool_)
    in_tree = np.zeros(3 * count, dtype=np.bool_)
    queue = np.empty(count, dtype=np.int64)
    step = np.empty((2, 2))
    last = 0
    for root in roots:
        carried[root, 0, 0] = carried[root, 1, 1] = 1.0
        reached[root] = True
        queue[last] = root
        last += 1
    first = 0
    while first < last:
        face = queue[first]
        first += 1
        for h in range(3 * face, 3 * face + 3):
            other = tables.twin[h]
            if other < 0 or not allowed[h] or reached[other // 3]:
                continue
            across(tables, h, step)
            _product(step, carried[face], carried[other // 3])
            reached[other // 3] = True
            in_tree[h] = in_tree[other] = True
            queue[last] = other // 3
            last += 1
    loops = 0
    for h in range(3 * count):
        if tables.twin[h] > h and not in_tree[h]:
            loops += 1
    round_loop = np.empty((loops, 2, 2))
    over = np.empty((2, 2))
    loop = 0
    for h in range(3 * count):
        other = tables.twin[h]
        if other > h and not in_tree[h]:
            across(tables, h, step)
            _product(step, carried[h // 3], over)
            _product(carried[other // 3].T, over, round_loop[loop])
            loop += 1
    return carried, round_loop


@numba.njit(cache=True)
def _product(a, b, out):  # type: ignore[no-untyped-def]
    for i in range(2):
        for j in range(2):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j]

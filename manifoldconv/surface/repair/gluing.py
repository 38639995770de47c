"""Which half-edges lie on one edge, whatever their number, and which corners of a vertex hang together.

Half-edge h = 3 f + i runs from corner i of face f to the next; corner h is its tail. Faces that name a vertex
twice have no edges here and are glued to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from manifoldconv.surface.repair.edit import Edit, identity_pairs
from manifoldconv.surface.repair.remove import repeated_indices

Array = np.ndarray


@dataclass(frozen=True)
class Edges:
    """The edges of any triangles: `half_edges[start[e]:start[e + 1]]` lie on edge e, in ascending order."""

    half_edges: Array
    start: Array

    @property
    def counts(self) -> Array:
        """`(E,)` the number of faces on each edge."""
        return np.diff(self.start)

    def on(self, edge: int) -> Array:
        """The half-edges of one edge."""
        return self.half_edges[self.start[edge] : self.start[edge + 1]]

    def pairs(self) -> Array:
        """`(n, 2)` the half-edges of the edges with exactly two faces."""
        first = self.start[:-1][self.counts == 2]
        return np.stack([self.half_edges[first], self.half_edges[first + 1]], axis=1)

    def crowded(self) -> Array:
        """The edges with more than two faces, ascending by their first half-edge."""
        edges = np.flatnonzero(self.counts > 2)
        return edges[np.argsort(self.half_edges[self.start[edges]])]


def following(h: Array) -> Array:
    """The next half-edge of the same face."""
    return h - h % 3 + (h + 1) % 3


def find_edges(faces: Array) -> Edges:
    """Group the half-edges of the faces `(F, 3)` by their two vertices."""
    tail, head = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    proper = np.ones(len(faces), dtype=bool)
    proper[repeated_indices(faces)] = False
    half_edges = np.flatnonzero(np.repeat(proper, 3))
    low, high = np.minimum(tail, head)[half_edges], np.maximum(tail, head)[half_edges]
    key = low * np.int64(faces.max(initial=0) + 1) + high
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    return Edges(half_edges[order], np.append(first, len(order)))


def fans(faces: Array, glued: Array) -> Array:
    """`(3F,)` a label for each corner; equal where glued half-edges `(n, 2)` lead from one to the other."""
    left, right = glued[:, 0], glued[:, 1]
    tail = faces.reshape(-1)
    same_way = tail[left] == tail[right]
    ends = np.where(same_way, right, following(right)), np.where(same_way, following(right), right)
    a, b = np.concatenate([left, following(left)]), np.concatenate(ends)
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(len(tail),) * 2)
    return connected_components(graph, directed=False)[1].astype(np.int64)


def split_fans(vertices: Array, faces: Array, label: Array) -> Edit:
    """Give each fan of a vertex its own vertex: the fan of the first corner keeps it, the others get copies.

    The copies follow after the old vertices, in the order of the fans' first corners. Faces that name a
    vertex twice stay with the old vertices.
    """
    tail = faces.reshape(-1)
    free = np.ones(len(faces), dtype=bool)
    free[repeated_indices(faces)] = False
    corners = np.flatnonzero(np.repeat(free, 3))
    _, first, fan = np.unique(label[corners], return_index=True, return_inverse=True)
    order = np.argsort(first)
    owner = tail[corners[first[order]]]
    _, keeps = np.unique(owner, return_index=True)
    extra = np.ones(len(order), dtype=bool)
    extra[keeps] = False
    number = np.where(extra, len(vertices) - 1 + np.cumsum(extra), owner)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    new = tail.copy()
    new[corners] = number[rank[fan]]
    origin = np.concatenate([np.arange(len(vertices)), owner[extra]])
    pairs = np.stack([origin, np.arange(len(origin))], axis=1)
    return Edit(
        vertices[origin],
        new.reshape(-1, 3),
        pairs[np.argsort(origin, kind="stable")],
        identity_pairs(len(faces)),
        np.unique(owner[extra]),
    )

"""Vertices at one place, as seams and exports face by face leave them."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from manifoldconv.surface.repair.edit import Edit, kept_pairs
from manifoldconv.surface.repair.gluing import find_edges
from manifoldconv.surface.repair.remove import repeated_indices
from manifoldconv.surface.repair.sheets import split_nonmanifold_edges, split_pinched_vertices

Array = np.ndarray


def first_at_place(vertices: Array, tolerance: float = 0.0) -> Array:
    """`(V,)` for each vertex the first one that has its position.

    With a `tolerance`, in units of the mesh: that is no further away, or is linked to it by a chain of such
    steps.
    """
    count = len(vertices)
    if tolerance == 0.0:
        order = np.lexsort(vertices.T)
        new = np.append(True, (vertices[order][1:] != vertices[order][:-1]).any(axis=1))[:count]
        first = np.empty(count, dtype=np.int64)
        first[order] = order[np.flatnonzero(new)][
            np.cumsum(new) - 1
        ]  # the sort is stable: the least comes first
        return first
    near = cKDTree(vertices).query_pairs(tolerance, output_type="ndarray")
    return _first_linked(near[:, 0], near[:, 1], count)


def first_joined(vertices: Array, faces: Array, tolerance: float = 0.0) -> Array:
    """`(V,)` for each vertex the first one at its place whose faces hang together with its own there.

    Two sheets that only touch there stay apart, at a point (two cones, tip to tip) or along an edge of more than two
    faces: one vertex for both would be pinched. Faces that are joined stay so; so what was split is not merged again.
    Vertices of no proper face belong to the first that has one.
    """
    first = first_at_place(vertices, tolerance)
    own = np.arange(len(vertices))
    if (first == own).all():
        return own
    merged = first[faces]
    edges = split_nonmanifold_edges(vertices, merged, find_edges(faces).pairs())
    sheets = split_pinched_vertices(edges.vertices, edges.faces)
    proper = np.ones(len(faces), dtype=bool)
    proper[repeated_indices(merged)] = False
    old, new = faces[proper].reshape(-1), sheets.faces[proper].reshape(-1)
    used = np.zeros(len(vertices), dtype=bool)
    used[old] = True
    representative = first.copy()
    representative[first[old[::-1]]] = old[::-1]
    free = own[~used]
    size = len(vertices) + len(sheets.vertices)
    left, right = (
        np.concatenate([old, free]),
        np.concatenate([new + len(vertices), representative[first[free]]]),
    )
    return _first_linked(left, right, size)[: len(vertices)]


def _first_linked(left: Array, right: Array, count: int) -> Array:
    """`(count,)` the least item that each is linked to by pairs, itself included."""
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    label = connected_components(graph, directed=False)[1]
    return np.unique(label, return_index=True)[1][label]


def duplicate_vertices(vertices: Array, faces: Array, tolerance: float = 0.0) -> Array:
    """The vertices that `merge_duplicate_vertices` merges with an earlier one, ascending."""
    return np.flatnonzero(first_joined(vertices, faces, tolerance) != np.arange(len(vertices)))


def touching_vertices(vertices: Array, faces: Array, tolerance: float = 0.0) -> Array:
    """The vertices at the place of an earlier one whose faces only touch its own there, ascending."""
    own = np.arange(len(vertices))
    earlier = first_at_place(vertices, tolerance) != own
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    return np.flatnonzero(earlier & used & (first_joined(vertices, faces, tolerance) == own))


def merge_duplicate_vertices(vertices: Array, faces: Array, tolerance: float = 0.0) -> Edit:
    """One vertex, the first, for those at one place that belong together (`first_joined`): this closes seams.

    Faces that lose a corner by it had no area, and are removed.
    """
    first = first_joined(vertices, faces, tolerance)
    keep = first == np.arange(len(vertices))
    number = (np.cumsum(keep) - 1)[first]
    merged = number[faces]
    stays = np.ones(len(faces), dtype=bool)
    stays[np.setdiff1d(repeated_indices(merged), repeated_indices(faces))] = False
    pairs = np.stack([np.arange(len(vertices)), number], axis=1)
    return Edit(vertices[keep], merged[stays], pairs, kept_pairs(stays), np.flatnonzero(~keep))

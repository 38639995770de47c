"""One repair: the new vertices and faces, and which old ones each of them comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Edit:
    """What one repair did to a mesh of V vertices and F faces.

    Attributes:
        vertices: `(V', 3)` float64.
        faces: `(F', 3)` int64.
        vertex_pairs: `(P, 2)` int64, rows (old, new), ordered by old: the vertices that stand for each other.
            Several rows with one new vertex: a merge; several with one old vertex: a split; none with an old
            one: dropped.
        face_pairs: the same for faces.
        touched: the old vertices or faces that the repair was about, ascending.
    """

    vertices: Array
    faces: Array
    vertex_pairs: Array
    face_pairs: Array
    touched: Array


def identity_pairs(count: int) -> Array:
    """Pairs `(count, 2)` that say that nothing changed."""
    return np.repeat(np.arange(count)[:, None], 2, axis=1)


def kept_pairs(keep: Array) -> Array:
    """Pairs for the items where the mask `keep` holds, renumbered without gaps."""
    old = np.flatnonzero(keep)
    return np.stack([old, np.arange(len(old))], axis=1)


def unchanged(vertices: Array, faces: Array) -> Edit:
    """The repair that does nothing."""
    none = np.empty(0, dtype=np.int64)
    return Edit(vertices, faces, identity_pairs(len(vertices)), identity_pairs(len(faces)), none)


def with_faces(vertices: Array, faces: Array, keep: Array) -> Edit:
    """The repair that removes the faces where the mask `keep` `(F,)` does not hold."""
    pairs = kept_pairs(keep)
    return Edit(vertices, faces[keep], identity_pairs(len(vertices)), pairs, np.flatnonzero(~keep))


def composed(first: Array, second: Array, middle: int) -> Array:
    """The pairs of two repairs, one after the other; `middle` items are in between."""
    order = np.argsort(second[:, 0], kind="stable")
    second = second[order]
    start = np.searchsorted(second[:, 0], np.arange(middle + 1))
    sizes = np.diff(start)[first[:, 1]]
    rows = np.repeat(np.arange(len(first)), sizes)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pairs = np.stack([first[rows, 0], second[start[first[rows, 1]] + place, 1]], axis=1)
    return np.unique(pairs, axis=0).reshape(-1, 2)

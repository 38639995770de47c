"""Faces that are none, or are there twice; vertices of no face."""

from __future__ import annotations

import numpy as np

from manifoldconv.surface.repair.edit import Edit, identity_pairs, kept_pairs, with_faces

Array = np.ndarray


def repeated_indices(faces: Array) -> Array:
    """The faces that name a vertex twice, ascending."""
    return np.flatnonzero((faces == np.roll(faces, -1, axis=1)).any(axis=1))


def remove_repeated_indices(vertices: Array, faces: Array) -> Edit:
    """Remove the faces that name a vertex twice."""
    return with_faces(vertices, faces, _all_but(repeated_indices(faces), len(faces)))


def duplicate_faces(faces: Array) -> Array:
    """The faces on the same three vertices as an earlier one, whichever way round, ascending.

    Two faces back to back that share their edges with no third are a closed surface (a flat pillow), not
    duplicates. Faces that name a vertex twice are left to `repeated_indices`.
    """
    corners = np.sort(faces, axis=1)
    order = np.lexsort(corners.T[::-1])
    same = (corners[order][1:] == corners[order][:-1]).all(axis=1)
    later = order[1:][same]  # the sort is stable: the first of equal faces has the lowest number
    pillow = _pillows(faces, order, same)
    later = np.setdiff1d(later, repeated_indices(faces))
    return later[~pillow[later]]


def _pillows(faces: Array, order: Array, same: Array) -> Array:
    """`(F,)` mask of the faces of pairs that lie back to back and touch no third face along an edge."""
    mask = np.zeros(len(faces), dtype=bool)
    if not same.any():
        return mask
    tail, head = faces, np.roll(faces, -1, axis=1)
    key = np.minimum(tail, head) * np.int64(faces.max() + 1) + np.maximum(tail, head)
    _, edge, count = np.unique(key, return_inverse=True, return_counts=True)
    alone = (count[edge.reshape(-1, 3)] == 2).all(axis=1)
    first, second = order[:-1][same], order[1:][same]
    runs = faces[first][:, :2]
    again = np.stack([faces[second], np.roll(faces[second], -1, axis=1)], axis=2)
    same_way = (again == runs[:, None, :]).all(axis=2).any(axis=1)
    good = alone[first] & alone[second] & ~same_way
    mask[first[good]] = mask[second[good]] = True
    return mask


def remove_duplicate_faces(vertices: Array, faces: Array) -> Edit:
    """Of faces on the same three vertices keep the first."""
    return with_faces(vertices, faces, _all_but(duplicate_faces(faces), len(faces)))


def unreferenced_vertices(faces: Array, n_vertices: int) -> Array:
    """The vertices of no face, ascending."""
    return np.flatnonzero(np.bincount(faces.reshape(-1), minlength=n_vertices) == 0)


def drop_unreferenced_vertices(vertices: Array, faces: Array) -> Edit:
    """Drop the vertices of no face; the others keep their order."""
    dropped = unreferenced_vertices(faces, len(vertices))
    keep = _all_but(dropped, len(vertices))
    number = np.cumsum(keep) - 1
    return Edit(vertices[keep], number[faces], kept_pairs(keep), identity_pairs(len(faces)), dropped)


def _all_but(items: Array, count: int) -> Array:
    mask = np.ones(count, dtype=bool)
    mask[items] = False
    return mask

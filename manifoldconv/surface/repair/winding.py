"""Faces that are wound against their neighbours."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from manifoldconv.surface.repair.edit import Edit, identity_pairs
from manifoldconv.surface.repair.gluing import find_edges

Array = np.ndarray


def _sheets(faces: Array) -> tuple[Array, Array]:
    """`(2, F)` components of the oriented faces (as wound, turned round); and `(F,)` those of the faces.

    Faces are neighbours across edges of exactly two faces.
    """
    pairs = find_edges(faces).pairs()
    a, b = pairs[:, 0] // 3, pairs[:, 1] // 3
    tail, count = faces.reshape(-1), len(faces)
    disagree = (tail[pairs[:, 0]] == tail[pairs[:, 1]]).astype(np.int64)
    ends = np.concatenate([b + count * disagree, b + count * (1 - disagree)])
    graph = coo_array(
        (np.ones(len(ends), np.int8), (np.concatenate([a, a + count]), ends)), shape=(2 * count,) * 2
    )
    oriented = connected_components(graph, directed=False)[1].reshape(2, count)
    plain = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    return oriented, connected_components(plain, directed=False)[1]


def nonorientable_faces(faces: Array) -> Array:
    """The first face of each component that no windings make consistent, ascending."""
    oriented, component = _sheets(faces)
    bad = np.flatnonzero(oriented[0] == oriented[1])
    return bad[np.sort(np.unique(component[bad], return_index=True)[1])]


def badly_wound_faces(faces: Array) -> Array:
    """The faces to turn so that each orientable component is wound one way, ascending.

    Of the two ways, the one that turns fewer faces; of equal ones, that of the component's first face.
    """
    oriented, component = _sheets(faces)
    _, first = np.unique(component, return_index=True)
    against = (oriented[0] != oriented[0][first][component]) & (oriented[0] != oriented[1])
    number, turned = np.bincount(component), np.bincount(component, weights=against)
    majority = 2 * turned > number
    orientable = (oriented[0] != oriented[1])[first]
    return np.flatnonzero((against ^ majority[component]) & orientable[component])


def turn_badly_wound_faces(vertices: Array, faces: Array) -> Edit:
    """Wind each orientable component one way; non-orientable ones stay as they are."""
    turned = badly_wound_faces(faces)
    result = faces.copy()
    result[turned] = result[turned][:, [0, 2, 1]]
    return Edit(vertices, result, identity_pairs(len(vertices)), identity_pairs(len(faces)), turned)

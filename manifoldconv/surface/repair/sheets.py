"""Edges of more than two faces and pinched vertices: split so that what is left is a surface.

The rule at an edge of more than two faces: each face goes on in one that runs along the edge the other way
(as consistent windings do), the pair that bends least first, equal bends in the order of the file; where all
run the same way, the pairs that bend least. A face that is left over ends there, at a boundary. Then every
vertex is split into the fans of faces that still hang together round it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from manifoldconv.surface.repair.edit import Edit, composed, unchanged
from manifoldconv.surface.repair.gluing import Edges, fans, find_edges, split_fans

Array = np.ndarray


def nonmanifold_edges(faces: Array) -> tuple[Array, Array]:
    """The vertices `(n, 2)` of the edges with more than two faces, and the first face of each, ascending."""
    edges = find_edges(faces)
    first = edges.half_edges[edges.start[edges.crowded()]]
    tail, head = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    return np.stack([tail[first], head[first]], axis=1), first // 3


def pinched_vertices(faces: Array) -> Array:
    """The vertices whose faces form more than one fan, ascending; all faces of an edge count as one fan."""
    split = _split_pinched(np.zeros((int(faces.max(initial=-1)) + 1, 3)), faces)
    return split.touched


def split_pinched_vertices(vertices: Array, faces: Array) -> Edit:
    """Give each fan of faces of a vertex its own copy of the vertex."""
    return _split_pinched(vertices, faces)


def _split_pinched(vertices: Array, faces: Array) -> Edit:
    edges = find_edges(faces)
    inside = np.ones(len(edges.half_edges), dtype=bool)
    inside[edges.start[:-1]] = False
    later = np.flatnonzero(inside)
    glued = np.stack([edges.half_edges[later - 1], edges.half_edges[later]], axis=1)
    return split_fans(vertices, faces, fans(faces, glued))


def split_nonmanifold_edges(vertices: Array, faces: Array, joined: Array | None = None) -> Edit:
    """Leave at most two faces on each edge, by the rule above; pairs of half-edges `joined` `(n, 2)` stay together.

    The choices at one edge and the next need not agree, and then the faces of an edge can still hang together
    round its ends. There, in a second step, no face goes on in another. That always suffices: a fan of faces
    that is cut at all such edges is a path, and at most its two ends lie on one edge.
    """
    edges = find_edges(faces)
    crowded = edges.crowded()
    if not len(crowded):
        return unchanged(vertices, faces)
    glued = np.concatenate([edges.pairs(), _matched(vertices, faces, edges, crowded, joined)])
    first = split_fans(vertices, faces, fans(faces, glued))
    edges = find_edges(first.faces)
    second = unchanged(first.vertices, first.faces)
    if len(edges.crowded()):
        second = split_fans(first.vertices, first.faces, fans(first.faces, edges.pairs()))
    pairs = composed(first.vertex_pairs, second.vertex_pairs, len(first.vertices))
    split = np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(vertices)) > 1)
    return Edit(second.vertices, second.faces, pairs, first.face_pairs, split)


def _matched(
    vertices: Array, faces: Array, edges: Edges, crowded: Array, joined: Array | None = None
) -> Array:
    """Pairs `(n, 2)` of half-edges of the crowded edges: each goes on in the other."""
    pairs = []
    tail = faces.reshape(-1)
    partner = np.full(len(tail), -1)
    if joined is not None:
        partner[joined[:, 0]], partner[joined[:, 1]] = joined[:, 1], joined[:, 0]
    for edge in crowded:
        here = edges.on(int(edge))
        outward = _outward(vertices, faces, here)
        # Rounded, so that equal bends are equal: -1 is flat.
        bend = np.round(outward @ outward.T, 9)
        candidates = list(combinations(range(len(here)), 2))
        opposite = [(i, j) for i, j in candidates if tail[here[i]] != tail[here[j]]]
        free = {i for i, h in enumerate(here) if partner[h] not in here}
        pairs += [(h, partner[h]) for h in here if h < partner[h] and partner[h] in here]
        for _, i, j in sorted((bend[i, j], i, j) for i, j in opposite or candidates):
            if i in free and j in free:
                free -= {i, j}
                pairs.append((here[i], here[j]))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _outward(vertices: Array, faces: Array, half_edges: Array) -> Array:
    """`(n, 3)` unit vectors in the planes of the faces, orthogonal to the edge; 0 in a face without area."""
    face, corner = half_edges // 3, half_edges % 3
    start, end, apex = (vertices[faces[face, (corner + step) % 3]] for step in range(3))
    along = _unit(end - start)
    return _unit(apex - start - ((apex - start) * along).sum(axis=1, keepdims=True) * along)


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)

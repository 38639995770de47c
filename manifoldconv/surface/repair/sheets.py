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


def split_nonmanifold_edges(vertices: Array, faces: Array) -> Edit:
    """Leave at most two faces on each edge, by the rule above.

    Splitting fans can fail to part an edge, where the faces also hang together round both its ends. There no
    face is glued to another in a second trial, and in a third the faces left over are cut off on all sides.
    """
    total = unchanged(vertices, faces)
    for attempt in range(2 + len(faces)):
        edges = find_edges(total.faces)
        crowded = edges.crowded()
        if not len(crowded):
            break
        matched, left_over = _match(total.vertices, total.faces, edges, crowded)
        glued = edges.pairs() if attempt == 1 else np.concatenate([edges.pairs(), matched])
        label = fans(total.faces, glued)
        if attempt > 1:
            alone = np.repeat(np.unique(left_over // 3), 3) * 3 + np.tile(
                [0, 1, 2], len(np.unique(left_over // 3))
            )
            label[alone] = label.max() + 1 + np.arange(len(alone))
        step = split_fans(total.vertices, total.faces, label)
        pairs = composed(total.vertex_pairs, step.vertex_pairs, len(total.vertices))
        split = np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(vertices)) > 1)
        total = Edit(step.vertices, step.faces, pairs, total.face_pairs, split)
    return total


def _match(vertices: Array, faces: Array, edges: Edges, crowded: Array) -> tuple[Array, Array]:
    """Half-edges `(n, 2)` that stay joined at the crowded edges, and all beyond the first pair of each."""
    pairs, left_over = [], []
    for edge in crowded:
        here = edges.on(int(edge)).tolist()
        tails = {h: int(faces.reshape(-1)[h]) for h in here}
        outward = _outward(vertices, faces, np.array(here))
        bend = np.round(outward @ outward.T, 9)
        candidates = [
            (bend[i, j], i, j)
            for i, j in combinations(range(len(here)), 2)
            if tails[here[i]] != tails[here[j]]
        ]
        candidates = candidates or [(bend[i, j], i, j) for i, j in combinations(range(len(here)), 2)]
        free, chosen = set(range(len(here))), []
        for _, i, j in sorted(candidates):
            if i in free and j in free:
                free -= {i, j}
                chosen.append((here[i], here[j]))
        pairs += chosen
        left_over += [h for h in here if h not in chosen[0]]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(left_over, dtype=np.int64)


def _outward(vertices: Array, faces: Array, half_edges: Array) -> Array:
    """`(n, 3)` unit vectors in the planes of the faces, orthogonal to the edge; 0 in a face without area."""
    face, corner = half_edges // 3, half_edges % 3
    start, end, apex = (vertices[faces[face, (corner + step) % 3]] for step in range(3))
    along = _unit(end - start)
    return _unit(apex - start - ((apex - start) * along).sum(axis=1, keepdims=True) * along)


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)

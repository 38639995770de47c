"""The closest points of a triangle mesh in space: a tree of boxes, and exact distances to triangles."""

from __future__ import annotations

import numba
import numpy as np
import torch

from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.threads import threads_for

Array = np.ndarray

# Triangles in a leaf of the tree.
LEAF = 8

# More than the depth of any tree of halves.
STACK = 128


def closest_points(surface: MeshSurface, positions: Array) -> tuple[SurfacePoint, Array]:
    """The points of an embedded mesh closest to positions `(N, 3)`, and their distances `(N,)`; exact.

    Of several at the same distance any one is taken.
    """
    corners = np.ascontiguousarray(surface.embedding.vertices[surface.faces.numpy()])
    box, child, span, order = _build(corners)
    queries = np.ascontiguousarray(positions)
    with threads_for(len(positions)) as threads:
        face, barycentric, distance = _query(corners, box, child, span, order, queries, threads)
    return SurfacePoint(torch.from_numpy(face), torch.from_numpy(barycentric)), distance


@numba.njit(cache=True)
def _build(corners):  # type: ignore[no-untyped-def]
    """Boxes `(nodes, 2, 3)`, the two children of each (-1: a leaf), its range of triangles, and their order."""
    count = len(corners)
    order = np.arange(count)
    middle = np.empty((count, 3))
    for face in range(count):
        for axis in range(3):
            middle[face, axis] = (
                corners[face, 0, axis] + corners[face, 1, axis] + corners[face, 2, axis]
            ) / 3
    capacity = 2 * (count // (LEAF // 2) + 1)
    box = np.empty((capacity, 2, 3))
    child = np.full((capacity, 2), -1, dtype=np.int64)
    span = np.zeros((capacity, 2), dtype=np.int64)
    span[0, 1] = count
    made = 1
    node = 0
    while node < made:
        first, last = span[node]
        inside = order[first:last]
        for axis in range(3):
            box[node, 0, axis] = corners[inside, :, axis].min()
            box[node, 1, axis] = corners[inside, :, axis].max()
        if last - first > LEAF:
            widest = np.argmax(box[node, 1] - box[node, 0])
            order[first:last] = inside[np.argsort(middle[inside, widest])]
            half = (first + last) // 2
            for side in range(2):
                child[node, side] = made
                span[made, 0], span[made, 1] = (first, half) if side == 0 else (half, last)
                made += 1
        node += 1
    return box[:made], child[:made], span[:made], order


@numba.njit(cache=True)
def _box_distance(box, x):  # type: ignore[no-untyped-def]
    total = 0.0
    for axis in range(3):
        gap = max(box[0, axis] - x[axis], 0.0, x[axis] - box[1, axis])
        total += gap * gap
    return total


@numba.njit(cache=True, parallel=True)
def _query(corners, box, child, span, order, positions, parts):  # type: ignore[no-untyped-def]
    count = len(positions)
    face = np.zeros(count, dtype=np.int64)
    barycentric = np.zeros((count, 3))
    distance = np.zeros(count)
    for part in numba.prange(parts):
        stack = np.empty(STACK, dtype=np.int64)
        weights, best_weights = np.empty(3), np.empty(3)
        for point in range(part * count // parts, (part + 1) * count // parts):
            x = positions[point]
            best = np.inf
            stack[0], depth = 0, 1
            while depth > 0:
                depth -= 1
                node = stack[depth]
                if _box_distance(box[node], x) >= best:
                    continue
                if child[node, 0] < 0:
                    for slot in range(span[node, 0], span[node, 1]):
                        squared = _to_triangle(corners[order[slot]], x, weights)
                        if squared < best:
                            best, face[point] = squared, order[slot]
                            best_weights[:] = weights
                    continue
                left, right = child[node, 0], child[node, 1]
                # The nearer one is taken first, so that it goes on the stack last.
                swap = _box_distance(box[left], x) < _box_distance(box[right], x)
                stack[depth], stack[depth + 1] = (right, left) if swap else (left, right)
                depth += 2
            barycentric[point] = best_weights
            distance[point] = np.sqrt(best)
    return face, barycentric, distance


@numba.njit(cache=True)
def _to_triangle(corner, x, weights):  # type: ignore[no-untyped-def]
    """The squared distance from x to a triangle; writes the barycentric coordinates of the closest point.

    The cases are those of Ericson, "Real-time collision detection" (2005), section 5.1.5.
    """
    ab, ac, ax = corner[1] - corner[0], corner[2] - corner[0], x - corner[0]
    bx, cx = x - corner[1], x - corner[2]
    d1, d2 = np.dot(ab, ax), np.dot(ac, ax)
    d3, d4 = np.dot(ab, bx), np.dot(ac, bx)
    d5, d6 = np.dot(ab, cx), np.dot(ac, cx)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    weights[:] = 0.0
    if d1 <= 0.0 and d2 <= 0.0:
        weights[0] = 1.0
    elif d3 >= 0.0 and d4 <= d3:
        weights[1] = 1.0
    elif d6 >= 0.0 and d5 <= d6:
        weights[2] = 1.0
    elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
        weights[1] = d1 / (d1 - d3)
        weights[0] = 1.0 - weights[1]
    elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
        weights[2] = d2 / (d2 - d6)
        weights[0] = 1.0 - weights[2]
    elif va <= 0.0 and d4 >= d3 and d5 >= d6:
        weights[2] = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        weights[1] = 1.0 - weights[2]
    else:
        total = va + vb + vc
        weights[1], weights[2] = vb / total, vc / total
        weights[0] = max(1.0 - weights[1] - weights[2], 0.0)
    squared = 0.0
    for axis in range(3):
        there = weights[0] * corner[0, axis] + weights[1] * corner[1, axis] + weights[2] * corner[2, axis]
        squared += (x[axis] - there) ** 2
    return squared

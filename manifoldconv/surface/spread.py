"""The logarithm from one vertex to all vertices within a radius: one unfolding for all of them.

The windows are those of `unfold`; every vertex that lies in its window is joined to the source by a straight line, and
the shortest of these is kept.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from manifoldconv.surface.unfold import SEEN, push_windows, segment_distance, unfold_apex
from manifoldconv.surface.walk import next_of, previous_of


@numba.njit(cache=True, error_model="numpy", inline="always")
def _keep(tables, vertex, slot, x, y, best, angle, found, count):  # type: ignore[no-untyped-def]
    """Note a straight line to a vertex that ends at (x, y) in the chart of a corner of the source."""
    far = math.hypot(x, y)
    if far < best[vertex]:
        if best[vertex] == np.inf:
            found[count] = vertex
            count += 1
        corner = tables.fan_corner[slot]
        inside = min(max(math.atan2(y, x), 0.0), tables.angle[corner])
        if tables.fan_sense[slot] < 0:
            inside = tables.angle[corner] - inside
        best[vertex], angle[vertex] = far, tables.fan_angle[slot] + inside
    return count


@numba.njit(cache=True, error_model="numpy")
def _spread(tables, source, radius, best, angle, found):  # type: ignore[no-untyped-def]
    """Fill `best` and `angle` `(V,)` for the vertices seen from a vertex, and list them; returns how many."""
    best[source], angle[source], found[0] = 0.0, 0.0, source
    count = 1
    for slot in range(tables.fan_start[source], tables.fan_start[source + 1]):
        corner = tables.fan_corner[slot]
        length, px, py = tables.chart[corner, 0], tables.chart[corner, 1], tables.chart[corner, 2]
        side = math.hypot(px, py)
        if length <= radius:
            head = tables.tail[next_of(corner)]
            count = _keep(tables, head, slot, length, 0.0, best, angle, found, count)
        if side <= radius:
            apex = tables.tail[previous_of(corner)]
            count = _keep(tables, apex, slot, px, py, best, angle, found, count)
        stack = [(next_of(corner), False, length, 0.0, px, py, 1.0, 0.0, px / side, py / side)]
        while len(stack) > 0:
            edge, tail_left, ax, ay, bx, by, rx, ry, lx, ly = stack.pop()
            h = tables.twin[edge]
            if h < 0 or segment_distance(ax, ay, bx, by) > radius:
                continue
            tail_left = tail_left if tables.flip[edge] else not tail_left
            qx, qy = unfold_apex(tables, h, tail_left, ax, ay, bx, by)
            size = math.hypot(qx, qy)
            ox, oy = qx / size, qy / size
            to_right, to_left = rx * oy - ry * ox, ox * ly - oy * lx
            if size <= radius and to_right >= -SEEN and to_left >= -SEEN:
                apex = tables.tail[previous_of(h)]
                count = _keep(tables, apex, slot, qx, qy, best, angle, found, count)
            push_windows(stack, h, tail_left, ax, ay, bx, by, qx, qy, rx, ry, lx, ly)
    return count


@numba.njit(cache=True, error_model="numpy", parallel=True)
def count_seen(tables, sources, radius, threads):  # type: ignore[no-untyped-def]
    """How many vertices each source vertex sees within the radius, itself included."""
    lengths = np.zeros(len(sources), dtype=np.int64)
    n_vertices = len(tables.fan_start) - 1
    for thread in numba.prange(threads):
        best, angle = np.full(n_vertices, np.inf), np.zeros(n_vertices)
        found = np.empty(n_vertices, dtype=np.int64)
        for row in range(thread, len(sources), threads):
            count = _spread(tables, sources[row], radius, best, angle, found)
            lengths[row] = count
            for k in range(count):
                best[found[k]] = np.inf
    return lengths


@numba.njit(cache=True, error_model="numpy", parallel=True)
def seen_from(tables, sources, radius, start, threads):  # type: ignore[no-untyped-def]
    """The vertices that each source vertex sees within the radius, and the logarithms in the source's frame.

    `start` `(N + 1,)`: where each row begins (`count_seen`). Returns vertices `(nnz,)`, sorted in each row, and
    vectors `(nnz, 2)`.
    """
    vertices = np.empty(start[-1], dtype=np.int64)
    vectors = np.empty((start[-1], 2))
    n_vertices = len(tables.fan_start) - 1
    for thread in numba.prange(threads):
        best, angle = np.full(n_vertices, np.inf), np.zeros(n_vertices)
        found = np.empty(n_vertices, dtype=np.int64)
        for row in range(thread, len(sources), threads):
            source = sources[row]
            count = _spread(tables, source, radius, best, angle, found)
            found[:count].sort()
            for k in range(count):
                vertex = found[k]
                heading = angle[vertex] * tables.scale[source]
                vertices[start[row] + k] = vertex
                vectors[start[row] + k, 0] = best[vertex] * math.cos(heading)
                vectors[start[row] + k, 1] = best[vertex] * math.sin(heading)
                best[vertex] = np.inf
    return vertices, vectors

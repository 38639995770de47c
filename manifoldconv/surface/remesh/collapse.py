"""The compiled loop that contracts edges, cheapest first, without changing the topology or folding faces over."""

from __future__ import annotations

import heapq

import numba
import numpy as np

from manifoldconv.surface.remesh.quadrics import cross, minimum, value

# A face may not turn by more than about 78 degrees, nor get thinner than this (twice its area by its longest edge
# squared; 0.87 is equilateral) unless it becomes better than it was.
LEAST_COSINE = 0.2
THINNEST = 0.05


@numba.njit(cache=True)
def _shape(a, b, c):  # type: ignore[no-untyped-def]
    """The normal of a triangle, of the length of twice its area, and that by its longest edge squared."""
    normal = cross(b - a, c - a)
    double_area = np.sqrt((normal * normal).sum())
    longest = max(((b - a) ** 2).sum(), ((c - b) ** 2).sum(), ((a - c) ** 2).sum())
    return normal, double_area, double_area / longest if longest > 0.0 else 0.0


@numba.njit(cache=True)
def _corners_of(vertex, first, following):  # type: ignore[no-untyped-def]
    """The corners `3 f + i` of the faces round a vertex."""
    found = list(range(0))
    corner = first[vertex]
    while corner >= 0:
        found.append(corner)
        corner = following[corner]
    return found


@numba.njit(cache=True)
def _may_collapse(faces, corners_u, corners_v, u, v, rim, mark, stamp):  # type: ignore[no-untyped-def]
    """The link condition (Dey, Edelsbrunner, Guha and Nekhayev 1999): contracting uv keeps the surface's topology.

    The neighbours that u and v have in common are the apexes of the faces on uv, the two links share no edge, and
    an inner edge does not join two boundary vertices. Also returns the number of faces on the edge.
    """
    shared, apexes = 0, 0
    for corner in corners_u:
        face = corner // 3
        for i in range(3):
            mark[faces[face, i]] = stamp
    for corner in corners_v:
        face = corner // 3
        on_edge = faces[face, 0] == u or faces[face, 1] == u or faces[face, 2] == u
        apexes += on_edge
        for i in range(3):
            w = faces[face, i]
            if w != v and w != u and mark[w] == stamp:
                shared += 1
                mark[w] = stamp + 1
    if shared != apexes or apexes == 0:
        return False, apexes
    if apexes == 1:
        return len(corners_u) > 1 or len(corners_v) > 1, apexes
    # Two apexes c, d: a common link edge cd makes faces ucd and vcd (a tetrahedron, say).
    if _has_face_on(corners_u, faces, mark, stamp + 1) and _has_face_on(corners_v, faces, mark, stamp + 1):
        return False, apexes
    return not (rim[u] and rim[v]), apexes


@numba.njit(cache=True)
def _has_face_on(corners, faces, mark, stamp):  # type: ignore[no-untyped-def]
    """Whether one of the faces has two vertices that are marked so."""
    for corner in corners:
        face, marked = corner // 3, 0
        for i in range(3):
            marked += mark[faces[face, i]] == stamp
        if marked == 2:
            return True
    return False


@numba.njit(cache=True)
def _keeps_faces(vertices, faces, corners, other, place):  # type: ignore[no-untyped-def]
    """Whether the faces round a vertex that moves to `place` stay upright and in shape; those with `other` vanish."""
    for corner in corners:
        face, i = corner // 3, corner % 3
        b, c = faces[face, (i + 1) % 3], faces[face, (i + 2) % 3]
        if other in (b, c):
            continue
        before, size, quality = _shape(vertices[faces[face, i]], vertices[b], vertices[c])
        after, new_size, new_quality = _shape(place, vertices[b], vertices[c])
        if (before * after).sum() < LEAST_COSINE * size * new_size:
            return False
        if new_quality < THINNEST and new_quality <= quality:
            return False
    return True


@numba.njit(cache=True)
def _place(vertices, quadrics, rim, u, v):  # type: ignore[no-untyped-def]
    """Where the vertex goes that u and v become, and what it costs; beside the rim, it stays on the rim."""
    total = quadrics[u] + quadrics[v]
    if rim[u] and not rim[v]:
        place = vertices[u].copy()
    elif rim[v] and not rim[u]:
        place = vertices[v].copy()
    else:
        place = minimum(total)
    return place, value(total, place)


@numba.njit(cache=True)
def _push_edges(heap, vertices, quadrics, rim, version, faces, alive, u, corners):  # type: ignore[no-untyped-def]
    """Put the edges from u, or from the faces round it, on the heap."""
    for corner in corners:
        face, i = corner // 3, corner % 3
        if not alive[face]:
            continue
        for step in (1, 2):
            w = faces[face, (i + step) % 3]
            a, b = min(u, w), max(u, w)
            _, cost = _place(vertices, quadrics, rim, a, b)
            heapq.heappush(heap, (cost, a, b, version[a], version[b]))


@numba.njit(cache=True)
def _contract(faces, alive, first, following, corners_u, corners_v, u, v):  # type: ignore[no-untyped-def]
    """Let u stand for v everywhere; the faces on uv go. Relinks the corners of u and of the apexes."""
    for corner in corners_v:
        face = corner // 3
        if faces[face, 0] == u or faces[face, 1] == u or faces[face, 2] == u:
            alive[face] = False
        else:
            faces[face, corner % 3] = u
    kept = -1
    for corners in (corners_u, corners_v):
        for corner in corners:
            if alive[corner // 3]:
                if kept < 0:
                    first[u] = corner
                else:
                    following[kept] = corner
                kept = corner
    following[kept] = -1
    first[v] = -1
    for corner in corners_v:
        face = corner // 3
        if alive[face]:
            continue
        for i in range(3):
            apex = faces[face, i]
            if apex in (u, v):
                continue
            gone, before, here = 3 * face + i, -1, first[apex]
            while here != gone:
                before, here = here, following[here]
            if before < 0:
                first[apex] = following[gone]
            else:
                following[before] = following[gone]


@numba.njit(cache=True)
def collapse_edges(positions, triangles, quadrics, rim, target):  # type: ignore[no-untyped-def]
    """Contract edges until at most `target` faces are left, or no edge may be contracted.

    Returns the vertices `(V, 3)` where they are now, the faces `(F, 3)` in their order, and which faces are left.
    """
    vertices, faces = positions.copy(), triangles.copy()
    quadrics, rim = quadrics.copy(), rim.copy()
    alive = np.ones(len(faces), dtype=np.bool_)
    first = np.full(len(vertices), -1, dtype=np.int64)
    following = np.full(3 * len(faces), -1, dtype=np.int64)
    for corner in range(3 * len(faces) - 1, -1, -1):
        vertex = faces[corner // 3, corner % 3]
        following[corner] = first[vertex]
        first[vertex] = corner
    version = np.zeros(len(vertices), dtype=np.int64)
    mark = np.zeros(len(vertices), dtype=np.int64)
    left, stamp, progress = len(faces), 0, True
    heap = [(0.0, np.int64(0), np.int64(0), np.int64(0), np.int64(0)) for _ in range(0)]
    while left > target and progress:
        # Once more over all edges: what was refused may be possible after its surroundings have changed.
        progress = False
        for face in range(len(faces)):
            for i in range(3):
                u, v = faces[face, i], faces[face, (i + 1) % 3]
                if alive[face]:
                    a, b = min(u, v), max(u, v)
                    _, cost = _place(vertices, quadrics, rim, a, b)
                    heap.append((cost, a, b, version[a], version[b]))
        heapq.heapify(heap)
        while left > target and len(heap) > 0:
            _, u, v, version_u, version_v = heapq.heappop(heap)
            if version[u] != version_u or version[v] != version_v:
                continue
            corners_u, corners_v = _corners_of(u, first, following), _corners_of(v, first, following)
            stamp += 2
            fits, gone = _may_collapse(faces, corners_u, corners_v, u, v, rim, mark, stamp)
            if not fits:
                continue
            place, _ = _place(vertices, quadrics, rim, u, v)
            if not _keeps_faces(vertices, faces, corners_u, v, place):
                continue
            if not _keeps_faces(vertices, faces, corners_v, u, place):
                continue
            _contract(faces, alive, first, following, corners_u, corners_v, u, v)
            vertices[u] = place
            quadrics[u] += quadrics[v]
            rim[u] = rim[u] or rim[v]
            version[u] += 1
            version[v] = -1
            left -= gone
            progress = True
            around = _corners_of(u, first, following)
            _push_edges(heap, vertices, quadrics, rim, version, faces, alive, u, around)
        heap.clear()
    return vertices, faces, alive

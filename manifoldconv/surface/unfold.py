"""The logarithm on a mesh: the shortest straight line between two points, by unfolding triangles.

From the source, the strip of triangles behind each edge is unfolded into the source's plane; a window is an edge with
the interval of directions that see it. A target that lies within its window is joined to the source by the straight
line of the unfolded strip, which is a geodesic. Windows beyond an upper bound (Dijkstra's distance along edges,
then the best line found) are dropped. (Chen and Han, "Shortest paths on a polyhedron", 1990, without their pruning of
overlapping windows: between near points the bound is enough, and no straight line is lost.)
"""

from __future__ import annotations

import heapq
import math

import numba
import numpy as np

from manifoldconv.surface.walk import AT_VERTEX, next_of, previous_of

# A target this far (radians) outside its window is still seen: lines through a vertex belong to both sides.
SEEN = 1e-10
# Nor does it matter on which side of an edge a target lies at this fraction of the edge's length from the source.
SAME = 1e-13
# A window narrower than this is empty.
EMPTY = 1e-14


@numba.njit(cache=True, error_model="numpy")
def distance_bound(tables, ends, source, target, distance, touched):  # type: ignore[no-untyped-def]
    """An upper bound of the distance: a path along edges, with one straight segment inside the first and last face.

    `source`, `target`: `(3,)` distances to the corners of the two faces (`ends`, `(2,)`), inf where not to be used.
    `distance` is scratch `(V,)`, inf on entry and on return; `touched` is scratch `(V,)`.
    """
    heap = [(np.inf, np.int64(-1)) for _ in range(0)]
    count = 0
    goal = np.inf
    for i in range(3):
        vertex = tables.tail[3 * ends[0] + i]
        if source[i] < distance[vertex]:
            if distance[vertex] == np.inf:
                touched[count] = vertex
                count += 1
            distance[vertex] = source[i]
            heapq.heappush(heap, (source[i], vertex))
    last0, last1, last2 = tables.tail[3 * ends[1]], tables.tail[3 * ends[1] + 1], tables.tail[3 * ends[1] + 2]
    while len(heap) > 0:
        here, vertex = heapq.heappop(heap)
        if here >= goal:
            break
        if here > distance[vertex]:
            continue
        if vertex == last0:
            goal = min(goal, here + target[0])
        if vertex == last1:
            goal = min(goal, here + target[1])
        if vertex == last2:
            goal = min(goal, here + target[2])
        for slot in range(tables.fan_start[vertex], tables.fan_start[vertex + 1]):
            corner = tables.fan_corner[slot]
            for side in range(2):
                edge = corner if side == 0 else previous_of(corner)
                other = tables.tail[next_of(corner)] if side == 0 else tables.tail[edge]
                there = here + tables.chart[edge, 0]
                if there < distance[other]:
                    if distance[other] == np.inf:
                        touched[count] = other
                        count += 1
                    distance[other] = there
                    heapq.heappush(heap, (there, other))
    for k in range(count):
        distance[touched[k]] = np.inf
    return goal


@numba.njit(cache=True, error_model="numpy", inline="always")
def _cross(ax, ay, bx, by):  # type: ignore[no-untyped-def]
    return ax * by - ay * bx


@numba.njit(cache=True, error_model="numpy")
def segment_distance(ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Distance from the origin to a segment."""
    ex, ey = bx - ax, by - ay
    t = -(ax * ex + ay * ey) / (ex * ex + ey * ey)
    t = min(max(t, 0.0), 1.0)
    return math.hypot(ax + t * ex, ay + t * ey)


@numba.njit(cache=True, error_model="numpy", inline="always")
def unfold_apex(tables, h, tail_left, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """Where the apex of the face entered through h lies, h having its right end at a and its left end at b."""
    length, px, py = tables.chart[h, 0], tables.chart[h, 1], tables.chart[h, 2]
    ux, uy = (bx - ax) / length, (by - ay) / length
    if tail_left:
        return bx - px * ux + py * uy, by - px * uy - py * ux
    return ax + px * ux + py * uy, ay + px * uy - py * ux


@numba.njit(cache=True, error_model="numpy", inline="always")
def push_windows(stack, h, tail_left, ax, ay, bx, by, qx, qy, rx, ry, lx, ly):  # type: ignore[no-untyped-def]
    """Put on the stack what of the window between the rays r and l goes on through the two other edges of a face.

    The face was entered through h, with its right end at a, its left end at b and its apex at q.
    """
    size = math.hypot(qx, qy)
    ox, oy = qx / size, qy / size
    to_right, to_left = _cross(rx, ry, ox, oy), _cross(ox, oy, lx, ly)
    # In a mirrored chart (tail on the right) the next half-edge lies on the left.
    right_edge, left_edge = (next_of(h), previous_of(h)) if tail_left else (previous_of(h), next_of(h))
    mirrored = not tail_left
    if to_left > EMPTY:
        cx, cy = (ox, oy) if to_right > 0 else (rx, ry)
        stack.append((left_edge, mirrored, qx, qy, bx, by, cx, cy, lx, ly))
    if to_right > EMPTY:
        cx, cy = (ox, oy) if to_left > 0 else (lx, ly)
        stack.append((right_edge, mirrored, ax, ay, qx, qy, rx, ry, cx, cy))


@numba.njit(cache=True, error_model="numpy")
def shortest_line(tables, start, rightx, righty, leftx, lefty, rx, ry, lx, ly, target, weights, apex, bound):  # type: ignore[no-untyped-def]
    """The shortest straight line through one edge to a target.

    The source is the origin of a plane in which the face with half-edge `start` lies; that half-edge is crossed
    outwards, with its right and left ends (seen from the source) at `right` and `left`, within the rays r and l.
    The target is a point (face `target`, barycentric `weights`) or the vertex `apex` (≥ 0).

    Returns its position in the plane and its distance (inf: none within `bound`).
    """
    best, best_x, best_y = bound, 0.0, 0.0
    found = False
    # half-edge to cross, whether its tail is on the left, its right and left ends, the rays
    stack = [(start, False, rightx, righty, leftx, lefty, rx, ry, lx, ly)]
    while len(stack) > 0:
        edge, tail_left, ax, ay, bx, by, rx, ry, lx, ly = stack.pop()
        h = tables.twin[edge]
        if h < 0 or segment_distance(ax, ay, bx, by) > best:
            continue
        # The twin runs the other way, unless the faces disagree.
        tail_left = tail_left if tables.flip[edge] else not tail_left
        length = tables.chart[h, 0]
        qx, qy = unfold_apex(tables, h, tail_left, ax, ay, bx, by)
        if h // 3 == target or (apex >= 0 and tables.tail[previous_of(h)] == apex):
            if apex >= 0:
                yx, yy = qx, qy
                hit = tables.tail[previous_of(h)] == apex
            else:
                w_tail, w_head, w_apex = weights[h % 3], weights[next_of(h) % 3], weights[previous_of(h) % 3]
                w_left, w_right = (w_tail, w_head) if tail_left else (w_head, w_tail)
                yx = w_right * ax + w_left * bx + w_apex * qx
                yy = w_right * ay + w_left * by + w_apex * qy
                hit = True
            far = math.hypot(yx, yy)
            margin = SEEN * far + SAME * length
            if (
                hit
                and far <= best
                and _cross(rx, ry, yx, yy) >= -margin
                and _cross(yx, yy, lx, ly) >= -margin
            ):
                best, best_x, best_y, found = far, yx, yy, True
        push_windows(stack, h, tail_left, ax, ay, bx, by, qx, qy, rx, ry, lx, ly)
    return best_x, best_y, best if found else np.inf


@numba.njit(cache=True, error_model="numpy")
def _corner_at(barycentric):  # type: ignore[no-untyped-def]
    for i in range(3):
        if barycentric[i] >= 1 - AT_VERTEX:
            return i
    return -1


@numba.njit(cache=True, error_model="numpy")
def corner_distances(tables, face, barycentric, vertex):  # type: ignore[no-untyped-def]
    """Distances from a point to the corners of its face; for a vertex, inf to the other two."""
    result = np.full(3, np.inf)
    for i in range(3):
        h = 3 * face + i
        if vertex >= 0:
            if tables.tail[h] == vertex:
                result[i] = 0.0
        else:
            head, apex = barycentric[next_of(h) % 3], barycentric[previous_of(h) % 3]
            result[i] = math.hypot(
                head * tables.chart[h, 0] + apex * tables.chart[h, 1], apex * tables.chart[h, 2]
            )
    return result


@numba.njit(cache=True, error_model="numpy")
def face_distance(tables, face, first, second):  # type: ignore[no-untyped-def]
    """The distance of two points within one face."""
    length, ax, ay = tables.chart[3 * face, 0], tables.chart[3 * face, 1], tables.chart[3 * face, 2]
    head, apex = second[1] - first[1], second[2] - first[2]
    return math.hypot(head * length + apex * ax, apex * ay)


@numba.njit(cache=True, error_model="numpy")
def log_from_vertex(tables, vertex, target, weights, apex, bound):  # type: ignore[no-untyped-def]
    """The shortest line from a vertex: its true angle in the fan and its length (inf: none)."""
    best, best_angle = bound, 0.0
    found = False
    for slot in range(tables.fan_start[vertex], tables.fan_start[vertex + 1]):
        corner = tables.fan_corner[slot]
        length, px, py = tables.chart[corner, 0], tables.chart[corner, 1], tables.chart[corner, 2]
        yx, yy, far = 0.0, 0.0, np.inf  # the straight segment within the face
        if apex >= 0 and tables.tail[next_of(corner)] == apex:
            yx, yy, far = length, 0.0, length
        elif apex >= 0 and tables.tail[previous_of(corner)] == apex:
            yx, yy, far = px, py, math.hypot(px, py)
        elif apex < 0 and corner // 3 == target:
            head, top = weights[next_of(corner) % 3], weights[previous_of(corner) % 3]
            yx, yy = head * length + top * px, top * py
            far = math.hypot(yx, yy)
        side = math.hypot(px, py)
        zx, zy, beyond = shortest_line(
            tables,
            next_of(corner),
            length,
            0.0,
            px,
            py,
            1.0,
            0.0,
            px / side,
            py / side,
            target,
            weights,
            apex,
            min(far, best),
        )
        if beyond < far:
            yx, yy, far = zx, zy, beyond
        if far <= best:
            inside = min(max(math.atan2(yy, yx), 0.0), tables.angle[corner])
            if tables.fan_sense[slot] < 0:
                inside = tables.angle[corner] - inside
            best, best_angle, found = far, tables.fan_angle[slot] + inside, True
    return best_angle, best if found else np.inf


@numba.njit(cache=True, error_model="numpy")
def log_from_face(tables, face, barycentric, target, weights, apex, bound):  # type: ignore[no-untyped-def]
    """The shortest line from a point inside a face (or on its edges): end in the chart of 3 f about it, and length."""
    length, px, py = tables.chart[3 * face, 0], tables.chart[3 * face, 1], tables.chart[3 * face, 2]
    ox, oy = barycentric[1] * length + barycentric[2] * px, barycentric[2] * py
    corner_x = (-ox, length - ox, px - ox)
    corner_y = (-oy, -oy, py - oy)
    best, best_x, best_y = bound, 0.0, 0.0
    found = False
    if apex < 0 and face == target:  # not always the shortest: by edge lengths, a way round may be shorter
        best_x = weights[0] * corner_x[0] + weights[1] * corner_x[1] + weights[2] * corner_x[2]
        best_y = weights[0] * corner_y[0] + weights[1] * corner_y[1] + weights[2] * corner_y[2]
        best, found = math.hypot(best_x, best_y), True
    for i in range(3):
        if apex >= 0 and tables.tail[3 * face + i] == apex:
            far = math.hypot(corner_x[i], corner_y[i])
            if far <= best:
                best, best_x, best_y, found = far, corner_x[i], corner_y[i], True
    for i in range(3):
        j = (i + 1) % 3
        ax, ay, bx, by = corner_x[i], corner_y[i], corner_x[j], corner_y[j]
        right, left = math.hypot(ax, ay), math.hypot(bx, by)
        yx, yy, far = shortest_line(
            tables,
            3 * face + i,
            ax,
            ay,
            bx,
            by,
            ax / right,
            ay / right,
            bx / left,
            by / left,
            target,
            weights,
            apex,
            best,
        )
        if far <= best:
            best, best_x, best_y, found = far, yx, yy, True
    return best_x, best_y, best if found else np.inf


@numba.njit(cache=True, error_model="numpy")
def _log_one(tables, face, barycentric, vertex, end_face, end_barycentric, end_vertex, bound):  # type: ignore[no-untyped-def]
    """One logarithm in the frame of the source; NaN where no straight line exists within the bound."""
    corner = -1 if vertex >= 0 else _corner_at(barycentric)
    last = end_vertex
    if last < 0:
        at = _corner_at(end_barycentric)
        if at >= 0:
            last = tables.tail[3 * end_face + at]
    if vertex >= 0 or corner >= 0:
        source = vertex if vertex >= 0 else tables.tail[3 * face + corner]
        if source == last:
            return 0.0, 0.0
        angle, far = log_from_vertex(tables, source, end_face, end_barycentric, last, bound)
        if far == np.inf:
            return np.nan, np.nan
        if vertex >= 0:
            heading = angle * tables.scale[vertex]
            return far * math.cos(heading), far * math.sin(heading)
        # From the vertex's true angles to the plane of the face, about the corner's bisector (see `pass_corner`).
        slot = tables.fan_slot[3 * face + corner]
        half = 0.5 * tables.angle[3 * face + corner]
        turned = angle - tables.fan_angle[slot] - half
        if not tables.open_fan[source]:
            total = tables.total_angle[source]
            turned -= total * math.floor(turned / total + 0.5)
        if abs(turned) > math.pi + SEEN and tables.total_angle[source] > 2 * math.pi:
            return np.nan, np.nan  # the plane of the face has 2π of the directions round the vertex only
        heading = half + tables.fan_sense[slot] * turned
        h = 3 * face + corner
        x, y = far * math.cos(heading), far * math.sin(heading)
    else:
        x, y, far = log_from_face(tables, face, barycentric, end_face, end_barycentric, last, bound)
        if far == np.inf:
            return np.nan, np.nan
        h = 3 * face
    c, s, sign = tables.direction[h, 0], tables.direction[h, 1], tables.face_sign[face]
    return c * x - sign * s * y, s * x + sign * c * y


@numba.njit(cache=True, error_model="numpy", parallel=True)
def log_pairs(tables, face, barycentric, vertex, end_face, end_barycentric, end_vertex, threads):  # type: ignore[no-untyped-def]
    """The logarithm for N pairs of points, `(N, 2)`, and an upper bound of the distance, `(N,)`: a path along edges."""
    count = len(face)
    result = np.empty((count, 2))
    bound = np.empty(count)
    n_vertices = len(tables.fan_start) - 1
    for thread in numba.prange(threads):
        distance = np.full(n_vertices, np.inf)
        touched = np.empty(n_vertices, dtype=np.int64)
        ends = np.empty(2, dtype=np.int64)
        for pair in range(thread, count, threads):
            first, last = face[pair], end_face[pair]
            ends[0], ends[1] = first, last
            if first < 0 or last < 0:
                result[pair, 0], result[pair, 1] = np.nan, np.nan
                if vertex[pair] >= 0 and vertex[pair] == end_vertex[pair]:
                    result[pair, 0], result[pair, 1] = 0.0, 0.0
                bound[pair] = np.inf
                continue
            source = corner_distances(tables, first, barycentric[pair], vertex[pair])
            target = corner_distances(tables, last, end_barycentric[pair], end_vertex[pair])
            bound[pair] = distance_bound(tables, ends, source, target, distance, touched)
            if first == last:
                within = face_distance(tables, first, barycentric[pair], end_barycentric[pair])
                bound[pair] = min(bound[pair], within)
            if bound[pair] == np.inf:
                result[pair, 0], result[pair, 1] = np.nan, np.nan
                continue
            result[pair, 0], result[pair, 1] = _log_one(
                tables,
                first,
                barycentric[pair],
                vertex[pair],
                last,
                end_barycentric[pair],
                end_vertex[pair],
                # Points near a corner count as the corner, so the line may be longer than the bound by a little.
                bound[pair] * (1 + 1e-9) + 1e-9 * tables.chart[3 * first, 0],
            )
    return result, bound

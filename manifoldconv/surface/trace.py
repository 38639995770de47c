"""Straightest geodesics on a triangle mesh, with the parallel transport along them: one compiled walk a ray.

A ray walks from triangle to triangle in edge-aligned charts (see `intrinsic`): it enters a face through its half-edge h
at (x, 0) with direction (dx, dy), dy > 0, and leaves through one of the two other edges. Along a geodesic a
transported vector keeps its angle to the direction of travel, so the transport needs no bookkeeping besides the
orientation: it maps the first direction, in the first frame, to the last one in the last frame, and is a reflection
where the number of orientation changes is odd.

Through a vertex the ray goes on with equal true angles on both sides (Polthier and Schmies, "Straightest geodesics on
polyhedral surfaces", 1998). At the boundary it stops, or it is reflected (the doubled surface).
"""

from __future__ import annotations

import math

import numba
import numpy as np

# Functions on the way of every ray are inlined: passing the tables to a call costs as much as three crossings.
# A ray that crosses an edge within this fraction of the edge's length from its end goes through the vertex.
AT_VERTEX = 1e-10
# What is left of a ray's length, as a fraction of an edge, below which the ray has arrived.
ARRIVED = 1e-12
# A ray that starts on an edge at a smaller angle (radians) to it runs along it, whatever the rounding of its direction.
ALONG_EDGE = 1e-12
MAX_CROSSINGS = 10_000_000

COMPLETE, AT_BOUNDARY, TOO_LONG = 0, 1, 2


@numba.njit(cache=True, error_model="numpy", inline="always")
def next_of(h):  # type: ignore[no-untyped-def]
    """The half-edge after h in its face."""
    return h + 1 if h % 3 < 2 else h - 2


@numba.njit(cache=True, error_model="numpy", inline="always")
def previous_of(h):  # type: ignore[no-untyped-def]
    """The half-edge before h in its face."""
    return h - 1 if h % 3 > 0 else h + 2


@numba.njit(cache=True, error_model="numpy", inline="always")
def find_slot(tables, vertex, angle):  # type: ignore[no-untyped-def]
    """The fan slot of a vertex that holds a true angle in [0, Θ]."""
    last = tables.fan_start[vertex + 1] - 1
    slot = tables.fan_start[vertex]
    while slot < last and tables.fan_angle[slot + 1] <= angle:
        slot += 1
    return slot


@numba.njit(cache=True, error_model="numpy", inline="always")
def leave_vertex(tables, vertex, angle):  # type: ignore[no-untyped-def]
    """Half-edge at the vertex, direction in its chart, and orientation, for a true angle in [0, Θ]."""
    slot = find_slot(tables, vertex, angle)
    corner = tables.fan_corner[slot]
    inside = min(max(angle - tables.fan_angle[slot], 0.0), tables.angle[corner])
    sense = tables.fan_sense[slot]
    if sense < 0:
        inside = tables.angle[corner] - inside
    return corner, math.cos(inside), math.sin(inside), sense


@numba.njit(cache=True, error_model="numpy")
def corner_direction(tables, h, dx, dy, corner):  # type: ignore[no-untyped-def]
    """The direction (dx, dy) of the chart of h, in the chart of another half-edge of the same face."""
    if corner == h:
        return dx, dy
    ax, ay = tables.chart[h, 1], tables.chart[h, 2]
    if corner == next_of(h):
        ex, ey = ax - tables.chart[h, 0], ay
    else:
        ex, ey = -ax, -ay
    length = tables.chart[corner, 0]
    return (dx * ex + dy * ey) / length, (dy * ex - dx * ey) / length


@numba.njit(cache=True, error_model="numpy")
def pass_corner(tables, corner, dx, dy):  # type: ignore[no-untyped-def]
    """The true fan angle at which a direction of a corner's chart lies, measured about the corner's bisector.

    Inside the corner this is the angle in the fan; directions outside it go on round the vertex with true angles.
    """
    half = 0.5 * tables.angle[corner]
    slot = tables.fan_slot[corner]
    from_bisector = math.atan2(
        dy * math.cos(half) - dx * math.sin(half), dx * math.cos(half) + dy * math.sin(half)
    )
    return tables.fan_angle[slot] + half + tables.fan_sense[slot] * from_bisector


@numba.njit(cache=True, error_model="numpy")
def continue_at_vertex(tables, vertex, arriving, reflect):  # type: ignore[no-untyped-def]
    """The true angle at which a ray that came from angle `arriving` leaves a vertex; ±1; and whether it can.

    Inside: equal angles on both sides. On the boundary: straight on at angle π where the surface has it on one side
    (along a straight boundary, past a reflex corner), else the ray stops. On the doubled surface, whose total
    angle there is 2 Θ: equal angles, but in a corner of angle π / n with n even back the way it came, since that
    is what a billiard ball does on both sides of it (a ball in the corner of a square bounces twice).
    """
    total = tables.total_angle[vertex]
    if not tables.open_fan[vertex]:
        angle = arriving + 0.5 * total
        return (angle if angle < total else angle - total), 1.0, True
    if reflect:
        n = round(math.pi / total)
        if n > 0 and n % 2 == 0 and abs(n * total - math.pi) <= 1e-9:
            return arriving, 1.0, True
        return min(max(total - arriving, 0.0), total), -1.0, True
    if arriving + math.pi <= total + 1e-9:
        return min(arriving + math.pi, total), 1.0, True
    if arriving - math.pi >= -1e-9:
        return max(arriving - math.pi, 0.0), 1.0, True
    return 0.0, 1.0, False


@numba.njit(cache=True, error_model="numpy")
def onto_fan(tables, vertex, angle, reflect):  # type: ignore[no-untyped-def]
    """A true angle round a vertex brought into [0, Θ]; ±1 where the doubled surface mirrors it; whether it is on it.

    Inside, angles count modulo Θ. On the boundary they count modulo 2π, and those off the surface are folded at
    the nearer boundary edge if the surface is doubled.
    """
    total = tables.total_angle[vertex]
    if not tables.open_fan[vertex]:
        return angle - total * math.floor(angle / total), 1.0, True
    for turns in range(3):
        turned = angle + (0.0, 2 * math.pi, -2 * math.pi)[turns]
        if -1e-12 <= turned <= total + 1e-12:
            return min(max(turned, 0.0), total), 1.0, True
    if not reflect:
        return 0.0, 1.0, False
    angle -= 2 * math.pi * math.floor((angle - 0.5 * total) / (2 * math.pi) + 0.5)
    bounces = math.floor(angle / total)
    rest = angle - bounces * total
    return (rest, 1.0, True) if bounces % 2 == 0 else (total - rest, -1.0, True)


@numba.njit(cache=True, error_model="numpy", inline="always")
def start_angle(tables, vertex, vx, vy, reflect):  # type: ignore[no-untyped-def]
    """True angle of a direction at a vertex; ±1 where the doubled surface mirrors it; whether it is on the surface."""
    heading = math.atan2(vy, vx)
    if heading < -1e-12:
        heading += 2 * math.pi
    return onto_fan(tables, vertex, max(heading, 0.0) / tables.scale[vertex], reflect)


@numba.njit(cache=True, error_model="numpy")
def first_exit(tables, face, b1, b2, dx, dy):  # type: ignore[no-untyped-def]
    """Where a ray from inside a face leaves it: half-edge, fraction along it, distance (chart of half-edge 3 f)."""
    length, ax, ay = tables.chart[3 * face, 0], tables.chart[3 * face, 1], tables.chart[3 * face, 2]
    px, py = b1 * length + b2 * ax, b2 * ay
    corner_x, corner_y = (0.0, length, ax), (0.0, 0.0, ay)
    best, edge, fraction = np.inf, 0, 0.0
    for i in range(3):
        cx, cy = corner_x[i], corner_y[i]
        ex, ey = corner_x[(i + 1) % 3] - cx, corner_y[(i + 1) % 3] - cy
        outwards = dx * ey - dy * ex
        if outwards <= ALONG_EDGE * math.sqrt(ex * ex + ey * ey):
            continue
        distance = max(ex * (py - cy) - ey * (px - cx), 0.0) / outwards
        if distance < best:
            # From the position, not from a ratio of cross products: along an edge those are 0 / 0.
            along = (px + distance * dx - cx) * ex + (py + distance * dy - cy) * ey
            best, edge, fraction = distance, i, along / (ex * ex + ey * ey)
    return 3 * face + edge, fraction, best, px, py


@numba.njit(cache=True, error_model="numpy")
def note(record, row, kind, place, arriving, leaving, side):  # type: ignore[no-untyped-def]
    """Write one row of the record of a walk."""
    record[row, 0], record[row, 1] = kind, place
    record[row, 2], record[row, 3], record[row, 4] = arriving, leaving, side


@numba.njit(cache=True, error_model="numpy", inline="always")
def walk(tables, face, b0, b1, b2, vertex, vx, vy, reflect, record):  # type: ignore[no-untyped-def]
    """Trace one ray; (vx, vy) in the frame of the vertex (vertex ≥ 0) or of the face.

    Returns half-edge h of the last face, end (x, y) and direction (dx, dy) in its chart, the orientation of that chart
    against the first frame, the vertex at which the ray ended (-1: none), the length walked, and a status.

    What the ray crosses on its way is written to `record` `(M, 5)`, as far as its rows reach (M = 0 for none):
    (0, half-edge left through, 0, 0, orientation of its face's chart) and
    (1, vertex run through, true angle of the way back, true angle of the way on, orientation of its frame).
    """
    noted = 0
    remaining = math.sqrt(vx * vx + vy * vy)
    walked = remaining
    at = -1  # the vertex that the ray is at now
    fan = 0.0  # and the true angle at which it leaves that vertex
    side = 1.0
    if vertex >= 0:
        at = vertex
        fan, side, inside = start_angle(tables, vertex, vx, vy, reflect)
        if not inside:
            return (
                tables.fan_corner[tables.fan_start[vertex]],
                0.0,
                0.0,
                1.0,
                0.0,
                1.0,
                vertex,
                0.0,
                AT_BOUNDARY,
            )
        h, x, y, dx, dy = 3 * face, 0.0, 0.0, 1.0, 0.0
    else:
        h = 3 * face
        side = tables.face_sign[face]
        c, s = tables.direction[h, 0], tables.direction[h, 1]
        dx, dy = (c * vx + s * vy) / walked, side * (c * vy - s * vx) / walked
        corner = -1
        if b0 >= 1 - AT_VERTEX:
            corner = h
        elif b1 >= 1 - AT_VERTEX:
            corner = h + 1
        elif b2 >= 1 - AT_VERTEX:
            corner = h + 2
        if corner >= 0:
            at = tables.tail[corner]
            cx, cy = corner_direction(tables, h, dx, dy, corner)
            fan = pass_corner(tables, corner, cx, cy)
            side *= tables.fan_sense[tables.fan_slot[corner]]
            fan, mirror, inside = onto_fan(tables, at, fan, reflect)
            if not inside:
                x, y = tables.chart[h, 0] * b1 + tables.chart[h, 1] * b2, tables.chart[h, 2] * b2
                return h, x, y, dx, dy, tables.face_sign[face], -1, 0.0, AT_BOUNDARY
            side *= mirror
        else:
            edge, fraction, distance, x, y = first_exit(tables, face, b1, b2, dx, dy)
            if distance >= remaining:
                return h, x + remaining * dx, y + remaining * dy, dx, dy, side, -1, walked, COMPLETE
            remaining -= distance
            dx, dy = corner_direction(tables, h, dx, dy, edge)
            h = edge
            along = fraction * tables.chart[h, 0]

    for _ in range(MAX_CROSSINGS):
        if at >= 0:
            h, dx, dy, sense = leave_vertex(tables, at, fan)
            side *= sense
            x = 0.0
            length, ax, ay = tables.chart[h, 0], tables.chart[h, 1], tables.chart[h, 2]
            rightwards = True  # the edge opposite the vertex
            at = -1
        else:
            # The ray leaves through half-edge h, `along` from its tail, with dy ≤ 0 in the chart of h.
            length = tables.chart[h, 0]
            if along <= AT_VERTEX * length or along >= (1 - AT_VERTEX) * length:
                corner = h if along <= AT_VERTEX * length else next_of(h)
                bx, by = corner_direction(tables, h, -dx, -dy, corner)
                slot = tables.fan_slot[corner]
                inside = min(max(math.atan2(by, bx), 0.0), tables.angle[corner])
                sense = tables.fan_sense[slot]
                arriving = tables.fan_angle[slot] + (inside if sense > 0 else tables.angle[corner] - inside)
                at = tables.tail[corner]
                side *= sense
                if remaining <= ARRIVED * length:
                    return end_at_vertex(tables, at, arriving, side, walked, COMPLETE)
                fan, mirror, goes_on = continue_at_vertex(tables, at, arriving, reflect)
                if noted < len(record):
                    note(record, noted, 1.0, float(at), arriving, fan, side)
                    noted += 1
                side *= mirror
                if not goes_on:
                    return end_at_vertex(tables, at, arriving, side, walked - remaining, AT_BOUNDARY)
                continue
            other = tables.twin[h]
            if other < 0 and not reflect:
                status = COMPLETE if remaining <= ARRIVED * length else AT_BOUNDARY
                return h, along, 0.0, dx, dy, side, -1, walked - remaining, status
            if noted < len(record):
                note(record, noted, 0.0, float(h), 0.0, 0.0, side)
                noted += 1
            if other < 0 or tables.flip[h]:
                # The face beyond runs along the edge in the same direction: its chart is the mirror image.
                x, dy, side = along, -dy, -side
                h = h if other < 0 else other
            else:
                x, dx, dy = length - along, -dx, -dy
                h = other
            length, ax, ay = tables.chart[h, 0], tables.chart[h, 1], tables.chart[h, 2]
            rightwards = dx * ay - dy * (ax - x) >= 0  # the apex is on the left: leave between head and apex
        if rightwards:
            edge, cx, cy, ex, ey = next_of(h), length - x, 0.0, ax - length, ay
        else:
            edge, cx, cy, ex, ey = previous_of(h), ax - x, ay, -ax, -ay
        span = dx * ey - dy * ex
        distance = (cx * ey - cy * ex) / span
        if distance >= remaining:
            return h, x + remaining * dx, remaining * dy, dx, dy, side, -1, walked, COMPLETE
        remaining -= distance
        edge_length = tables.chart[edge, 0]
        along = edge_length * (cx * dy - cy * dx) / span
        dx, dy = (dx * ex + dy * ey) / edge_length, (dy * ex - dx * ey) / edge_length
        h = edge
    return h, along, 0.0, dx, dy, side, -1, walked - remaining, TOO_LONG


@numba.njit(cache=True, error_model="numpy")
def end_at_vertex(tables, vertex, arriving, side, length, status):  # type: ignore[no-untyped-def]
    """The end of a ray that arrives at a vertex; `side` is the vertex's orientation against the first frame.

    The direction is that of travel in the vertex's frame: opposite to where the ray came from, in scaled angles.
    """
    heading = arriving * tables.scale[vertex] + math.pi
    corner = tables.fan_corner[tables.fan_start[vertex]]
    return corner, 0.0, 0.0, math.cos(heading), math.sin(heading), side, vertex, length, status


@numba.njit(cache=True, error_model="numpy", inline="always")
def snap_to_vertex(tables, h, x, y, dx, dy, side, length, status):  # type: ignore[no-untyped-def]
    """Barycentric coordinates (from the tail of h) of an end inside a face; at a corner it becomes the vertex."""
    edge, ax, ay = tables.chart[h, 0], tables.chart[h, 1], tables.chart[h, 2]
    at_apex = min(max(y / ay, 0.0), 1.0)
    at_head = min(max((x - ax * at_apex) / edge, 0.0), 1.0)
    at_tail = 1.0 - at_apex - at_head
    if at_tail < 0.0:
        at_head, at_tail = at_head / (at_head + at_apex), 0.0
        at_apex = 1.0 - at_head
    corner = -1
    if at_tail >= 1 - AT_VERTEX:
        corner = h
    elif at_head >= 1 - AT_VERTEX:
        corner = next_of(h)
    elif at_apex >= 1 - AT_VERTEX:
        corner = previous_of(h)
    if corner >= 0 and status == COMPLETE:
        bx, by = corner_direction(tables, h, -dx, -dy, corner)
        arriving = pass_corner(tables, corner, bx, by)
        sense = tables.fan_sense[tables.fan_slot[corner]]
        ended = end_at_vertex(tables, tables.tail[corner], arriving, side * sense, length, status)
        return ended, 1.0, 0.0, 0.0
    return (h, x, y, dx, dy, side, -1, length, status), at_tail, at_head, at_apex


@numba.njit(cache=True, error_model="numpy", parallel=True)
def trace_rays(tables, face, barycentric, vertex, velocity, reflect):  # type: ignore[no-untyped-def]
    """Trace N rays in parallel.

    Args:
        face, vertex: `(N,)`; barycentric `(N, 3)`; velocity `(N, 2)` in the frame of the vertex or face.

    Returns:
        end face `(N,)`, barycentric `(N, 3)`, vertex `(N,)`, transport `(N, 2, 2)`, length `(N,)`, status `(N,)`.
    """
    count = len(face)
    end_face = np.empty(count, dtype=np.int64)
    end_barycentric = np.empty((count, 3))
    end_vertex = np.empty(count, dtype=np.int64)
    transport = np.empty((count, 2, 2))
    length = np.empty(count)
    status = np.empty(count, dtype=np.uint8)
    nothing = np.empty((0, 5))
    for ray in numba.prange(count):
        vx, vy = velocity[ray, 0], velocity[ray, 1]
        speed = math.sqrt(vx * vx + vy * vy)
        at = vertex[ray]
        lost = at >= 0 and tables.fan_start[at] == tables.fan_start[at + 1]  # a vertex of no face
        if speed == 0.0 or lost:
            end_face[ray], end_vertex[ray] = face[ray], at
            for i in range(3):
                end_barycentric[ray, i] = barycentric[ray, i]
            transport[ray, 0, 0], transport[ray, 0, 1] = 1.0, 0.0
            transport[ray, 1, 0], transport[ray, 1, 1] = 0.0, 1.0
            length[ray] = 0.0
            status[ray] = AT_BOUNDARY if lost else COMPLETE
            continue
        b0, b1, b2 = barycentric[ray, 0], barycentric[ray, 1], barycentric[ray, 2]
        ended = walk(tables, face[ray], b0, b1, b2, at, vx, vy, reflect, nothing)
        if ended[6] >= 0:
            at_tail, at_head, at_apex = 1.0, 0.0, 0.0
        else:
            ended, at_tail, at_head, at_apex = snap_to_vertex(
                tables, ended[0], ended[1], ended[2], ended[3], ended[4], ended[5], ended[7], ended[8]
            )
        h, _, _, dx, dy, side, end_at, walked, state = ended
        here = h // 3
        end_face[ray], end_vertex[ray] = here, end_at
        end_barycentric[ray, h % 3] = at_tail
        end_barycentric[ray, next_of(h) % 3] = at_head
        end_barycentric[ray, previous_of(h) % 3] = at_apex
        length[ray], status[ray] = walked, state
        if end_at >= 0:
            ux, uy = dx, dy
        else:
            c, s = tables.direction[h, 0], tables.direction[h, 1]
            sign = tables.face_sign[here]
            ux, uy = c * dx - sign * s * dy, s * dx + sign * c * dy
            side *= sign
        if end_at >= 0 and walked == 0.0:  # did not leave its vertex
            ux, uy, side = vx / speed, vy / speed, 1.0
        # T = R(u) diag(1, side) R(v)ᵀ: the direction of travel goes to the direction of travel.
        wx, wy = vx / speed, vy / speed
        transport[ray, 0, 0] = ux * wx + side * uy * wy
        transport[ray, 0, 1] = ux * wy - side * uy * wx
        transport[ray, 1, 0] = uy * wx - side * ux * wy
        transport[ray, 1, 1] = uy * wy + side * ux * wx
    return end_face, end_barycentric, end_vertex, transport, length, status


@numba.njit(cache=True, error_model="numpy")
def crossings_of(tables, face, barycentric, vertex, vx, vy, record):  # type: ignore[no-untyped-def]
    """Write to `record` `(M, 5)` what one ray crosses (see `walk`); rows that it does not need become NaN."""
    record[:] = np.nan
    if vx != 0.0 or vy != 0.0:
        walk(tables, face, barycentric[0], barycentric[1], barycentric[2], vertex, vx, vy, False, record)

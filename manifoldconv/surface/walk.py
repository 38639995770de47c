"""The walk of a straightest geodesic over a triangle mesh: its start, its steps, its end, as scalar functions.

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

import numpy as np

from manifoldconv.compiled import inlined_leaf, leaf
from manifoldconv.surface.angles import cos_sin, heading

# Functions on the way of every ray are inlined: passing the tables to a call costs as much as three crossings.
# A ray that crosses an edge within this fraction of the edge's length from its end goes through the vertex.
AT_VERTEX = 1e-10
# What is left of a ray's length, as a fraction of an edge, below which the ray has arrived.
ARRIVED = 1e-12
# A ray that starts on an edge at a smaller angle (radians) to it runs along it, whatever the rounding of its direction.
ALONG_EDGE = 1e-12
# What a ray does next (see `step`), how it ended.
CROSSES, ARRIVES, LEAVES = -3, -2, -1
COMPLETE, AT_BOUNDARY = 0, 1


@inlined_leaf
def next_of(h):  # type: ignore[no-untyped-def]
    """The half-edge after h in its face."""
    return h + 1 if h % 3 < 2 else h - 2


@inlined_leaf
def previous_of(h):  # type: ignore[no-untyped-def]
    """The half-edge before h in its face."""
    return h - 1 if h % 3 > 0 else h + 2


@inlined_leaf
def find_slot(tables, vertex, angle):  # type: ignore[no-untyped-def]
    """The fan slot of a vertex that holds a true angle in [0, Θ]."""
    last = tables.fan_start[vertex + 1] - 1
    slot = tables.fan_start[vertex]
    while slot < last and tables.fan_angle[slot + 1] <= angle:
        slot += 1
    return slot


@inlined_leaf
def leave_vertex(tables, vertex, angle):  # type: ignore[no-untyped-def]
    """Half-edge at the vertex, direction in its chart, and orientation, for a true angle in [0, Θ]."""
    slot = find_slot(tables, vertex, angle)
    corner = tables.fan_corner[slot]
    inside = min(max(angle - tables.fan_angle[slot], 0.0), tables.angle[corner])
    sense = tables.fan_sense[slot]
    if sense < 0:
        inside = tables.angle[corner] - inside
    dx, dy = cos_sin(inside)
    return corner, dx, dy, sense


@leaf
def corner_direction(chart, h, dx, dy, corner):  # type: ignore[no-untyped-def]
    """The direction (dx, dy) of the chart of h, in the chart of another half-edge of the same face."""
    if corner == h:
        return dx, dy
    ax, ay = chart[h, 1], chart[h, 2]
    if corner == next_of(h):
        ex, ey = ax - chart[h, 0], ay
    else:
        ex, ey = -ax, -ay
    length = chart[corner, 0]
    return (dx * ex + dy * ey) / length, (dy * ex - dx * ey) / length


@leaf
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


@leaf
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


@leaf
def onto_fan(total, is_open, angle, reflect):  # type: ignore[no-untyped-def]
    """A true angle round a vertex brought into [0, Θ]; ±1 where the doubled surface mirrors it; whether it is on it.

    Inside, angles count modulo Θ. On the boundary they count modulo 2π, and those off the surface are folded at
    the nearer boundary edge if the surface is doubled.
    """
    if not is_open:
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


@inlined_leaf
def start_angle(tables, vertex, vx, vy, reflect):  # type: ignore[no-untyped-def]
    """True angle of a direction at a vertex; ±1 where the doubled surface mirrors it; whether it is on the surface."""
    towards = heading(vx, vy)
    if towards < -1e-12:
        towards += 2 * math.pi
    angle = max(towards, 0.0) / tables.scale[vertex]
    return onto_fan(tables.total_angle[vertex], tables.open_fan[vertex], angle, reflect)


@leaf
def first_exit(chart, face, b1, b2, dx, dy):  # type: ignore[no-untyped-def]
    """Where a ray from inside a face leaves it: half-edge, fraction along it, distance (chart of half-edge 3 f)."""
    length, ax, ay = chart[3 * face, 0], chart[3 * face, 1], chart[3 * face, 2]
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


@inlined_leaf
def set_out(tables, face, b0, b1, b2, vertex, vx, vy, reflect):  # type: ignore[no-untyped-def]
    """The first state of a ray (see `step`); (vx, vy) in the frame of the vertex (vertex ≥ 0) or of the face."""
    remaining = math.sqrt(vx * vx + vy * vy)
    h = 3 * face
    if vertex >= 0:
        fan, side, inside = start_angle(tables, vertex, vx, vy, reflect)
        if inside:
            return LEAVES, h, vertex, fan, 0.0, 1.0, 0.0, side, remaining
        first = tables.fan_corner[tables.fan_start[vertex]]
        return AT_BOUNDARY, first, vertex, 0.0, 0.0, vx / remaining, vy / remaining, 1.0, remaining
    side = tables.face_sign[face]
    c, s = tables.direction[h, 0], tables.direction[h, 1]
    dx, dy = (c * vx + s * vy) / remaining, side * (c * vy - s * vx) / remaining
    corner = -1
    if b0 >= 1 - AT_VERTEX:
        corner = h
    elif b1 >= 1 - AT_VERTEX:
        corner = h + 1
    elif b2 >= 1 - AT_VERTEX:
        corner = h + 2
    if corner >= 0:
        at = tables.tail[corner]
        cx, cy = corner_direction(tables.chart, h, dx, dy, corner)
        fan = pass_corner(tables, corner, cx, cy)
        fan, mirror, inside = onto_fan(tables.total_angle[at], tables.open_fan[at], fan, reflect)
        if inside:
            side *= mirror * tables.fan_sense[tables.fan_slot[corner]]
            return LEAVES, h, at, fan, 0.0, dx, dy, side, remaining
        x, y = tables.chart[h, 0] * b1 + tables.chart[h, 1] * b2, tables.chart[h, 2] * b2
        return AT_BOUNDARY, h, -1, x, y, dx, dy, side, remaining
    edge, fraction, distance, x, y = first_exit(tables.chart, face, b1, b2, dx, dy)
    if distance >= remaining:
        return COMPLETE, h, -1, x + remaining * dx, y + remaining * dy, dx, dy, side, 0.0
    dx, dy = corner_direction(tables.chart, h, dx, dy, edge)
    return CROSSES, edge, -1, fraction * tables.chart[edge, 0], 0.0, dx, dy, side, remaining - distance


@inlined_leaf
def step(tables, state, h, at, x, y, dx, dy, side, remaining, reflect):  # type: ignore[no-untyped-def]
    """Take a ray on: through the next face, or to a vertex or away from it. All arguments but the first and last
    are the ray's state, and so is the answer:

        CROSSES: it leaves through half-edge h, x from its tail, with direction (dx, dy), dy ≤ 0, in the chart of h;
        ARRIVES: it is at the vertex `at`, and the way back is at true angle x there;
        LEAVES: it leaves the vertex `at` at true angle x;
        COMPLETE, AT_BOUNDARY: it has ended, at (x, y) in the chart of h with direction (dx, dy), or at the vertex
            `at` ≥ 0 with direction (dx, dy) in its frame.

    `side` is the orientation of that chart, or of the vertex's frame, against the first frame.
    """
    if state == ARRIVES:
        return pass_vertex(tables, h, at, x, dx, dy, side, remaining, reflect)
    if state == LEAVES:
        h, dx, dy, sense = leave_vertex(tables, at, x)
        side *= sense
        x = 0.0
        length, ax, ay = tables.chart[h, 0], tables.chart[h, 1], tables.chart[h, 2]
        rightwards = True  # the edge opposite the vertex
    else:
        length = tables.chart[h, 0]
        if x <= AT_VERTEX * length or x >= (1 - AT_VERTEX) * length:
            corner = h if x <= AT_VERTEX * length else next_of(h)
            return arrive(tables, h, corner, dx, dy, side, remaining)
        other = tables.twin[h]
        if other < 0 and not reflect:
            ended = COMPLETE if remaining <= ARRIVED * length else AT_BOUNDARY
            return ended, h, -1, x, 0.0, dx, dy, side, remaining
        if other < 0 or tables.flip[h]:
            # The face beyond runs along the edge in the same direction: its chart is the mirror image.
            dy, side = -dy, -side
            h = h if other < 0 else other
        else:
            x, dx, dy = length - x, -dx, -dy
            h = other
        length, ax, ay = tables.chart[h, 0], tables.chart[h, 1], tables.chart[h, 2]
        rightwards = dx * ay - dy * (ax - x) >= 0  # the apex is on the left: leave between head and apex
    # Chosen value by value, without a branch: which way a ray goes cannot be predicted.
    edge = next_of(h) if rightwards else previous_of(h)
    cx = (length if rightwards else ax) - x
    cy = 0.0 if rightwards else ay
    ex = ax - length if rightwards else -ax
    ey = ay if rightwards else -ay
    per_span = 1.0 / (dx * ey - dy * ex)
    distance = (cx * ey - cy * ex) * per_span
    if distance >= remaining:
        return COMPLETE, h, -1, x + remaining * dx, remaining * dy, dx, dy, side, 0.0
    edge_length = tables.chart[edge, 0]
    per_length = 1.0 / edge_length
    x = edge_length * (cx * dy - cy * dx) * per_span
    dx, dy = (dx * ex + dy * ey) * per_length, (dy * ex - dx * ey) * per_length
    return CROSSES, edge, -1, x, 0.0, dx, dy, side, remaining - distance


@leaf
def arrive(tables, h, corner, dx, dy, side, remaining):  # type: ignore[no-untyped-def]
    """A ray in the chart of h that has reached a corner of that face: it is at the vertex."""
    bx, by = corner_direction(tables.chart, h, -dx, -dy, corner)
    slot = tables.fan_slot[corner]
    inside = min(max(math.atan2(by, bx), 0.0), tables.angle[corner])
    sense = tables.fan_sense[slot]
    arriving = tables.fan_angle[slot] + (inside if sense > 0 else tables.angle[corner] - inside)
    return ARRIVES, h, tables.tail[corner], arriving, 0.0, dx, dy, side * sense, remaining


@leaf
def pass_vertex(tables, h, at, arriving, dx, dy, side, remaining, reflect):  # type: ignore[no-untyped-def]
    """A ray at a vertex ends there or goes on."""
    fan, mirror, goes_on = continue_at_vertex(tables, at, arriving, reflect)
    arrived = remaining <= ARRIVED * tables.chart[h, 0]
    if goes_on and not arrived:
        return LEAVES, h, at, fan, 0.0, dx, dy, side * mirror, remaining
    return end_at_vertex(tables, at, arriving, side, remaining, COMPLETE if arrived else AT_BOUNDARY)


@leaf
def end_at_vertex(tables, vertex, arriving, side, remaining, state):  # type: ignore[no-untyped-def]
    """The state of a ray that ended at a vertex; `side` is the vertex's orientation against the first frame.

    The direction is that of travel in the vertex's frame: opposite to where the ray came from, in scaled angles.
    """
    towards = arriving * tables.scale[vertex] + math.pi
    corner = tables.fan_corner[tables.fan_start[vertex]]
    return state, corner, vertex, 0.0, 0.0, math.cos(towards), math.sin(towards), side, remaining


@inlined_leaf
def weights_in_face(chart, h, x, y):  # type: ignore[no-untyped-def]
    """Barycentric coordinates of a point of the chart of h: at its tail, head and apex."""
    length, ax, ay = chart[h, 0], chart[h, 1], chart[h, 2]
    at_apex = min(max(y / ay, 0.0), 1.0)
    at_head = min(max((x - ax * at_apex) / length, 0.0), 1.0)
    at_tail = 1.0 - at_apex - at_head
    if at_tail < 0.0:
        at_head, at_tail = at_head / (at_head + at_apex), 0.0
        at_apex = 1.0 - at_head
    return at_tail, at_head, at_apex


@leaf
def end_at_corner(tables, h, dx, dy, side, at_tail, at_head):  # type: ignore[no-untyped-def]
    """Where a ray ended that ended at a corner of its face: at that vertex. Half-edge, vertex, direction, side."""
    corner = h if at_tail >= 1 - AT_VERTEX else next_of(h) if at_head >= 1 - AT_VERTEX else previous_of(h)
    bx, by = corner_direction(tables.chart, h, -dx, -dy, corner)
    arriving = pass_corner(tables, corner, bx, by)
    side *= tables.fan_sense[tables.fan_slot[corner]]
    _, h, at, _, _, dx, dy, side, _ = end_at_vertex(
        tables, tables.tail[corner], arriving, side, 0.0, COMPLETE
    )
    return h, at, dx, dy, side

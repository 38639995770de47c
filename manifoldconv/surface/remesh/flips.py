"""The compiled loop that flips edges of a mesh given by lengths until it is intrinsically Delaunay.

Half-edge h = 3 f + i runs from corner i of face f to corner i + 1; `twin` and `flip` are those of `Connectivity`.
"""

from __future__ import annotations

import math

import numba
import numpy as np

# An edge whose cotangents sum to less than minus this fraction of their size is flipped. It is above their rounding,
# without which edges with both diagonals equally good (a square) would be flipped for ever.
TIE = 1e-11


@numba.njit(cache=True)
def cotangent(opposite, first, second):  # type: ignore[no-untyped-def]
    """The cotangent of the angle opposite one side of a triangle of three sides: (p² + q² - l²) / 4A."""
    return (first * first + second * second - opposite * opposite) / (
        2.0 * double_area(opposite, first, second)
    )


@numba.njit(cache=True)
def double_area(x, y, z):  # type: ignore[no-untyped-def]
    """Twice the area of a triangle of three sides, by Kahan's formula, which is stable for needles."""
    a, c = max(x, y, z), min(x, y, z)
    b = max(min(x, y), min(max(x, y), z))
    return 0.5 * math.sqrt(max((a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c)), 0.0))


@numba.njit(cache=True)
def cotangent_sum(length, twin, h):  # type: ignore[no-untyped-def]
    """The sum of the two cotangents opposite an edge, and the sum of their sizes."""
    total, size = 0.0, 0.0
    for side in (h, twin[h]):
        face = side - side % 3
        value = cotangent(length[side], length[face + (side + 1) % 3], length[face + (side + 2) % 3])
        total += value
        size += abs(value)
    return total, size


@numba.njit(cache=True)
def is_delaunay(length, twin, h):  # type: ignore[no-untyped-def]
    """Whether the two angles opposite an edge sum to at most π; on the boundary always."""
    if twin[h] < 0:
        return True
    total, size = cotangent_sum(length, twin, h)
    return total >= -TIE * (1.0 + size)


@numba.njit(cache=True)
def _key(a, b, n_vertices):  # type: ignore[no-untyped-def]
    return min(a, b) * n_vertices + max(a, b)


@numba.njit(cache=True)
def _move(length, twin, flip, slots, sources):  # type: ignore[no-untyped-def]
    """Put the sides that stood at `sources` at `slots` (all of other faces' twins follow)."""
    lengths = length[sources].copy()
    twins = twin[sources].copy()
    flips = flip[sources].copy()
    for k in range(len(slots)):
        length[slots[k]], twin[slots[k]], flip[slots[k]] = lengths[k], twins[k], flips[k]
        if twins[k] >= 0:
            twin[twins[k]] = slots[k]


@numba.njit(cache=True)
def _turn_over(tail, length, twin, flip, face):  # type: ignore[no-untyped-def]
    """List a face the other way round: its sides in the order 2, 1, 0, each seen from its other end."""
    first = 3 * face
    tail[first + 1], tail[first + 2] = tail[first + 2], tail[first + 1]
    slots = np.array([first, first + 1, first + 2])
    _move(length, twin, flip, slots, slots[::-1].copy())
    for h in slots:
        if twin[h] >= 0:
            flip[h] = not flip[h]
            flip[twin[h]] = flip[h]


@numba.njit(cache=True)
def _flip(tail, length, twin, flip, h):  # type: ignore[no-untyped-def]
    """Faces abc and bad become adc and bcd; h runs from a to b, and both faces agree in orientation.

    The new length is that of the other diagonal of the quadrilateral a d b c, laid out in the plane.
    """
    t = twin[h]
    f, g = h - h % 3, t - t % 3
    bc, ca = f + (h + 1) % 3, f + (h + 2) % 3
    ad, db = g + (t + 1) % 3, g + (t + 2) % 3
    a, b, c, d = tail[h], tail[t], tail[ca], tail[db]
    base = length[h]
    x_c = 0.5 * (base + (length[ca] - length[bc]) * ((length[ca] + length[bc]) / base))
    x_d = 0.5 * (base + (length[ad] - length[db]) * ((length[ad] + length[db]) / base))
    height = (double_area(base, length[bc], length[ca]) + double_area(base, length[ad], length[db])) / base
    diagonal = math.hypot(x_c - x_d, height)
    _move(length, twin, flip, np.array([f, f + 2, g, g + 2]), np.array([ad, ca, bc, db]))
    tail[f], tail[f + 1], tail[f + 2] = a, d, c
    tail[g], tail[g + 1], tail[g + 2] = b, c, d
    for side, other in ((f + 1, g + 1), (g + 1, f + 1)):
        length[side], twin[side], flip[side] = diagonal, other, False


@numba.njit(cache=True)
def flip_to_delaunay(faces, lengths, twins, flips, n_vertices, limit):  # type: ignore[no-untyped-def]
    """Flip edges whose opposite angles sum to more than π, until there is none that can be flipped.

    Such an edge is the diagonal of a convex quadrilateral, so that it can be flipped in the plane; each flip lowers
    the Dirichlet energy of every function (Rippa 1990), so none comes twice. An edge is left (blocked) where
    the flipped one would join two vertices that an edge joins already; it is tried again after other flips.

    Returns the new faces and lengths `(F, 3)`, the number of flips (-1: more than `limit`) and of blocked edges.
    """
    tail, length = faces.copy().reshape(-1), lengths.copy().reshape(-1)
    twin, flip = twins.copy(), flips.copy()
    joined = set()
    for h in range(len(tail)):
        joined.add(_key(tail[h], tail[h - h % 3 + (h + 1) % 3], n_vertices))
    stack = list(range(len(tail)))
    waiting = np.ones(len(tail), dtype=np.bool_)
    blocked = list(range(0))
    done, done_before = 0, -1
    while done > done_before:
        done_before = done
        while len(stack) > 0:
            h = stack.pop()
            waiting[h] = False
            if is_delaunay(length, twin, h):
                continue
            c = tail[h - h % 3 + (h + 2) % 3]
            t = twin[h]
            d = tail[t - t % 3 + (t + 2) % 3]
            if c == d or _key(c, d, n_vertices) in joined:
                blocked.append(h)
                continue
            if done == limit:
                return tail.reshape(-1, 3), length.reshape(-1, 3), -1, 0
            if flip[h]:
                _turn_over(tail, length, twin, flip, t // 3)
            f, g = h - h % 3, twin[h] - twin[h] % 3
            joined.remove(_key(tail[h], tail[f + (h - f + 1) % 3], n_vertices))
            joined.add(_key(c, d, n_vertices))
            _flip(tail, length, twin, flip, h)
            done += 1
            for side in (f, f + 1, f + 2, g, g + 1, g + 2):
                if not waiting[side]:
                    waiting[side] = True
                    stack.append(side)
        if done > done_before:
            for h in blocked:
                waiting[h] = True
                stack.append(h)
            blocked.clear()
    left = 0
    for h in range(len(tail)):
        if h < twin[h] and not is_delaunay(length, twin, h):
            left += 1
    return tail.reshape(-1, 3), length.reshape(-1, 3), done, left

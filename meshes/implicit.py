"""Well-shaped triangle meshes of implicit surfaces f = 0, and the functions f of the shapes in this folder.

Surface nets (Gibson 1998) give a closed quadrilateral mesh, one vertex in each cell that the surface crosses.
Delaunay edge flips and moves of each vertex towards the centroid of its triangles, tangentially and then back
onto f = 0, make its triangles nearly equilateral. Plain numpy, no random numbers: the same mesh every time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Array = np.ndarray
Implicit = Callable[[Array], Array]  # points (n, 3) -> (n,), negative inside


# functions


def smooth_union(first: Array, second: Array, width: float) -> Array:
    """The smaller of two distances, rounded where they differ by less than `width` (polynomial, C1)."""
    overlap = np.maximum(width - np.abs(first - second), 0.0)
    return np.minimum(first, second) - overlap**2 / (4.0 * width)


def limb(points: Array, spine: Array) -> Array:
    """Distance from a tube of changing radius: `spine` is `(n, 4)`, centres and radii along a polyline."""
    reach = spine[:, 3:].max() + 0.3  # beyond it no smooth union of this file feels the limb
    near = ((points > spine[:, :3].min(axis=0) - reach) & (points < spine[:, :3].max(axis=0) + reach)).all(
        axis=1
    )
    result = np.full(len(points), 1e3)
    result[near] = _near_limb(points[near], spine)
    return result


def _near_limb(points: Array, spine: Array) -> Array:
    nearest = np.full(len(points), np.inf)
    for start, end in itertools.pairwise(spine):
        along = end[:3] - start[:3]
        offset = points - start[:3]
        share = np.clip(offset @ along / max(along @ along, 1e-12), 0.0, 1.0)
        rest = offset - share[:, None] * along
        distance = np.sqrt(np.einsum("ij,ij->i", rest, rest))
        np.minimum(nearest, distance - start[3] - share * (end[3] - start[3]), out=nearest)
    return nearest


def curve(controls: Sequence[Sequence[float]], steps: int = 16) -> Array:
    """A Catmull-Rom spline through rows (x, y, z, radius)."""
    rows = np.array(controls, dtype=np.float64)
    rows = np.concatenate([2 * rows[:1] - rows[1:2], rows, 2 * rows[-1:] - rows[-2:-1]])
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(rows[:-3], rows[1:-2], rows[2:-1], rows[3:], strict=True):
        pieces.append(
            b + (c - a) / 2 * t + (a - 2.5 * b + 2 * c - d / 2) * t**2 + (1.5 * (b - c) + (d - a) / 2) * t**3
        )
    return np.concatenate([*pieces, rows[-2:-1]])


def tori(centers: Sequence[Sequence[float]], large: float, small: float, width: float) -> Implicit:
    """Tori round vertical axes through `centers`, joined smoothly."""

    def value(points: Array) -> Array:
        total = np.full(len(points), np.inf)
        for center in centers:
            x, y, z = (points - np.array([*center, 0.0])).T
            total = smooth_union(total, np.hypot(np.hypot(x, y) - large, z) - small, width)
        return total

    return value


def octopus(points: Array) -> Array:
    """A mantle with two eyes, and eight arms that wind and curl, each in its own way."""
    mantle = curve(
        [(0.0, 0.0, 0.22, 0.26), (0.02, 0.0, 0.5, 0.27), (-0.12, 0.02, 0.85, 0.4), (-0.3, 0.03, 1.18, 0.3)]
    )
    total = limb(points, mantle)
    for side in (-1.0, 1.0):
        eye = np.array([0.22, 0.19 * side, 0.56])
        total = smooth_union(total, np.linalg.norm(points - eye, axis=1) - 0.105, 0.06)
    arms = np.full(len(points), np.inf)
    for number in range(8):
        arms = smooth_union(arms, limb(points, _arm(number)), 0.05)
    return smooth_union(total, arms, 0.16)


def _arm(number: int) -> Array:
    s = np.linspace(0.0, 1.0, 41)
    out = 2 * np.pi * (number + 0.5) / 8
    # All arms wind the same way round, so that neighbours keep their distance.
    heading = (
        out
        + 0.5 * np.sin(2 * np.pi * s * (0.8 + 0.02 * number))
        - (3.1 + 0.35 * np.sin(2.1 * number)) * s**3.5
    )
    step = (1.6 + 0.06 * np.cos(2.3 * number)) / 40
    x = 0.16 * np.cos(out) + step * np.cumsum(np.cos(heading))
    y = 0.16 * np.sin(out) + step * np.cumsum(np.sin(heading))
    radius = 0.125 * (1 - s) + 0.045
    z = (
        radius
        + 0.1 * np.exp(-5 * s)
        + (0.07 + 0.03 * np.sin(1.7 * number)) * s**2 * (1 + np.sin(2.5 * s + number))
    )
    return np.stack([x, y, z, radius], axis=1)


def fox(points: Array) -> Array:
    """A fox at a walk: body, four legs in different phases of a step, neck, head with ears, tail."""
    trunk = curve([(-0.58, 0, 0.8, 0.19), (-0.3, 0, 0.83, 0.2), (0.05, 0, 0.8, 0.215), (0.4, 0, 0.8, 0.25)])
    neck = curve([(0.42, 0, 0.84, 0.22), (0.62, 0.01, 1.06, 0.165), (0.78, 0.03, 1.27, 0.15)])
    total = smooth_union(limb(points, trunk), limb(points, neck), 0.18)
    head = curve(
        [
            (0.8, 0.03, 1.33, 0.17),
            (0.92, 0.04, 1.33, 0.165),
            (1.08, 0.055, 1.27, 0.095),
            (1.3, 0.08, 1.215, 0.052),
        ]
    )
    total = smooth_union(total, limb(points, head), 0.09)
    nose = np.linalg.norm(points - np.array([1.335, 0.083, 1.235]), axis=1) - 0.042
    total = smooth_union(total, nose, 0.03)
    for side in (-1.0, 1.0):
        cheek = np.linalg.norm(points - np.array([0.93, 0.045 + 0.1 * side, 1.27]), axis=1) - 0.1
        ear = curve(
            [
                (0.8, 0.03 + 0.095 * side, 1.42, 0.1),
                (0.765, 0.03 + 0.135 * side, 1.55, 0.062),
                (0.74, 0.03 + 0.165 * side, 1.67, 0.03),
            ]
        )
        total = smooth_union(smooth_union(total, cheek, 0.07), limb(points, ear), 0.06)
    for leg in _legs():
        total = smooth_union(total, limb(points, curve(leg)), 0.14)
    tail = curve(
        [
            (-0.68, 0, 0.86, 0.07),
            (-0.9, -0.03, 0.84, 0.09),
            (-1.15, -0.07, 0.72, 0.135),
            (-1.42, -0.06, 0.68, 0.125),
            (-1.68, 0.0, 0.78, 0.035),
        ]
    )
    return smooth_union(total, limb(points, tail), 0.15)


def _legs() -> list[list[tuple[float, float, float, float]]]:
    """Spines from shoulder or hip to paw; `swing` moves the foot forward, `lift` up."""
    spines = []
    for side, swing, lift in ((1, 0.17, 0.0), (-1, -0.13, 0.07)):
        spines.append(
            [
                (0.4, 0.12 * side, 0.74, 0.15),
                (0.4 + 0.2 * swing, 0.145 * side, 0.5, 0.09),
                (0.42 + 0.7 * swing, 0.14 * side, 0.3 + lift, 0.062),
                (0.39 + swing, 0.14 * side, 0.1 + lift, 0.054),
                (0.48 + swing, 0.14 * side, 0.055 + lift, 0.057),
            ]
        )
    for side, swing, lift in ((1, -0.16, 0.03), (-1, 0.14, 0.0)):
        spines.append(
            [
                (-0.52, 0.1 * side, 0.76, 0.18),
                (-0.44 + 0.5 * swing, 0.14 * side, 0.52, 0.115),
                (-0.6 + 0.9 * swing, 0.14 * side, 0.31 + lift, 0.06),
                (-0.58 + swing, 0.14 * side, 0.1 + lift, 0.052),
                (-0.49 + swing, 0.14 * side, 0.055 + lift, 0.057),
            ]
        )
    return spines


# meshes


def mesh_of(
    value: Implicit, box: tuple[Sequence[float], Sequence[float]], cell: float, rounds: int = 60
) -> tuple[Array, Array]:
    """Vertices `(V, 3)` and outward faces `(F, 3)` of value = 0 inside a box, edges about 1.1 cells long."""
    for attempt in range(20):
        # A grid can graze the surface so that two sheets share a vertex; another position of it will not.
        shifted = np.array(box) + cell * (0.05 * attempt * np.array([1.0, -0.62, 0.38]))
        vertices, faces = surface_nets(value, shifted, cell)
        if is_manifold(faces, len(vertices)):
            break
    else:
        raise ValueError("no position of the grid gives a manifold mesh; take smaller cells")
    vertices = project(value, vertices, cell)
    for _ in range(rounds):
        faces = delaunay(vertices, faces)
        vertices = project(value, _centered(vertices, faces), cell, steps=1)
    vertices = project(value, vertices, cell)
    return vertices, delaunay(vertices, faces)


def is_manifold(faces: Array, vertex_count: int) -> bool:
    """Whether each edge of a closed oriented mesh has two faces, and each vertex one fan of faces."""
    directed = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    key, twin_key = directed @ [vertex_count, 1], directed @ [1, vertex_count]
    order = np.argsort(key)
    if not np.array_equal(key[order], np.sort(twin_key)) or len(np.unique(key)) != len(key):
        return False
    twin = order[np.searchsorted(key[order], twin_key)]
    # Half-edge h and the one after its twin start at the same vertex: their corners belong to one fan.
    after = twin - twin % 3 + (twin + 1) % 3
    size = len(key)
    joined = coo_matrix((np.ones(size), (np.arange(size), after)), shape=(size, size))
    return bool(connected_components(joined)[0] == vertex_count)


def surface_nets(value: Implicit, box: Array, cell: float) -> tuple[Array, Array]:
    """One vertex in each cell that the surface crosses, two triangles across each crossed grid edge."""
    low, high = (np.array(corner, dtype=np.float64) for corner in box)
    shape = np.ceil((high - low) / cell).astype(int) + 1
    nodes = low + cell * np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    inside = _unambiguous(value(nodes.reshape(-1, 3)).reshape(shape))
    if any(np.take(inside, side, axis=axis).any() for axis in range(3) for side in (0, -1)):
        raise ValueError("the box cuts the surface; enlarge it")
    cells = np.ravel_multi_index(np.indices(shape), shape)
    quads = []
    for axis in range(3):
        second, third = (axis + 1) % 3, (axis + 2) % 3
        ahead = np.roll(inside, -1, axis=axis)
        corners = [np.roll(cells, steps, axis=(second, third)) for steps in ((1, 1), (0, 1), (0, 0), (1, 0))]
        for leaving in (True, False):
            crossed = (inside != ahead) & (inside == leaving)
            ring = np.stack([corner[crossed] for corner in corners], axis=1)
            quads.append(ring if leaving else ring[:, ::-1])
    used, quad = np.unique(np.concatenate(quads), return_inverse=True)
    quad = quad.reshape(-1, 4)
    vertices = low + cell * (np.stack(np.unravel_index(used, shape), axis=1) + 0.5)
    # Two quadrilaterals can share two opposite corners; an edge between those would have four faces.
    diagonals = np.sort(np.concatenate([quad[:, [0, 2]], quad[:, [1, 3]]]), axis=1)
    _, which, uses = np.unique(diagonals, axis=0, return_inverse=True, return_counts=True)
    shared = uses[which.reshape(-1)[: len(quad)]] > 1
    quad[shared] = np.roll(quad[shared], 1, axis=1)
    return vertices, np.concatenate([quad[:, [0, 1, 2]], quad[:, [2, 3, 0]]])


def _unambiguous(field: Array) -> Array:
    """The nodes inside, without grid squares that have inside and outside at opposite corners.

    There two sheets of the surface would meet in one edge. The node of the square nearest to the surface
    changes sides; it is nearly on the surface, and `project` puts the vertices right.
    """
    inside = field < 0
    for _ in range(20):
        clean = True
        for axes in ((0, 1), (0, 2), (1, 2)):
            first, second = np.eye(3, dtype=int)[list(axes)]
            square = np.stack([0 * first, first, first + second, second])
            a, b, c, d = (np.roll(inside, tuple(-step), axis=(0, 1, 2)) for step in square)
            for place in np.argwhere((a == c) & (b == d) & (a != b)):
                corners = (place + square) % field.shape
                nearest = tuple(corners[np.argmin(np.abs(field[tuple(corners.T)]))])
                inside[nearest] = not inside[nearest]
                clean = False
        if clean:
            return inside
    raise ValueError("the grid is too coarse for the surface; take smaller cells")


def project(value: Implicit, points: Array, cell: float, steps: int = 5) -> Array:
    """Newton steps along the gradient (forward differences) onto value = 0, none longer than half a cell."""
    for _ in range(steps):
        height = value(points)
        shift = 1e-5 * cell
        slope = np.stack([value(points + e) - height for e in shift * np.eye(3)], axis=1) / shift
        move = height / np.maximum((slope**2).sum(axis=1), 1e-6)
        step = move[:, None] * slope
        length = np.linalg.norm(step, axis=1, keepdims=True)
        points = points - step * np.minimum(1.0, 0.5 * cell / np.maximum(length, 1e-12))
    return points


def _centered(vertices: Array, faces: Array) -> Array:
    """Each vertex moved, in its tangent plane, to the area-weighted mean of the centroids round it."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1, keepdims=True)
    sums = np.zeros((len(vertices), 7))
    for corner in range(3):
        np.add.at(sums, faces[:, corner], np.concatenate([area * (a + b + c) / 3, normal, area], axis=1))
    move = sums[:, :3] / sums[:, 6:] - vertices
    unit = sums[:, 3:6] / np.linalg.norm(sums[:, 3:6], axis=1, keepdims=True)
    return vertices + move - (move * unit).sum(axis=1, keepdims=True) * unit


def delaunay(vertices: Array, faces: Array, rounds: int = 40) -> Array:
    """Flip edges until the two angles opposite each sum to at most π; for a closed, oriented mesh."""
    for _ in range(rounds):
        flipped = _flip_round(vertices, faces)
        if flipped is None:
            break
        faces = flipped
    return faces


def _flip_round(vertices: Array, faces: Array) -> Array | None:
    """One round of flips of which no two touch the same vertex; None where there is nothing to flip."""
    count = len(vertices)
    u, v, w = (np.roll(faces, -shift, axis=1).reshape(-1) for shift in range(3))
    key = u * count + v
    order = np.argsort(key)
    twin = order[np.searchsorted(key, v * count + u, sorter=order)]
    p, q = vertices[u] - vertices[w], vertices[v] - vertices[w]
    angle = np.arctan2(np.linalg.norm(np.cross(p, q), axis=1), (p * q).sum(axis=1))
    total = angle + angle[twin]
    degree = np.bincount(faces.reshape(-1), minlength=count)
    apex = w[twin]
    wanted = (u < v) & (total > np.pi + 1e-4) & (degree[u] > 3) & (degree[v] > 3)
    wanted &= ~np.isin(w * count + apex, key) & ~np.isin(apex * count + w, key)
    old = np.cross(p, q) + np.cross(p, q)[twin]
    first = np.cross(vertices[u] - vertices[w], vertices[apex] - vertices[w])
    second = np.cross(vertices[apex] - vertices[w], vertices[v] - vertices[w])
    wanted &= ((old * first).sum(axis=1) > 0) & ((old * second).sum(axis=1) > 0)
    edges = np.flatnonzero(wanted)
    if len(edges) == 0:
        return None
    edges = edges[np.argsort(-total[edges], kind="stable")]
    claim = np.full(count, len(edges))
    around = np.stack([u, v, w, apex], axis=1)[edges]
    np.minimum.at(claim, around, np.arange(len(edges))[:, None])
    edges = edges[(claim[around] == np.arange(len(edges))[:, None]).all(axis=1)]
    result = faces.copy()
    result[edges // 3] = np.stack([w, u, apex], axis=1)[edges]
    result[twin[edges] // 3] = np.stack([apex, v, w], axis=1)[edges]
    return result

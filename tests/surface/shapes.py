"""Small surfaces with known geometry, and the few things that tests do with all of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Soup = tuple[Floats, Integers]

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "meshes"


# --- platonic and other closed shapes, wound counterclockwise seen from outside ---


def tetrahedron() -> Soup:
    vertices = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
    return vertices, np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])


def cube() -> Soup:
    """The cube [0, 1]³; vertex 4 x + 2 y + z."""
    vertices = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    squares = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return vertices, np.array([face for a, b, c, d in squares for face in ((a, b, c), (a, c, d))])


def octahedron() -> Soup:
    vertices = np.concatenate([np.eye(3), -np.eye(3)])
    faces = [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    return vertices, np.array(faces)


def icosahedron() -> Soup:
    golden = (1 + math.sqrt(5)) / 2
    pairs = [(a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    vertices = np.array([np.roll([0, a, b], k) for k in range(3) for a, b in pairs])
    faces = []
    for i in range(12):
        for j in range(i + 1, 12):
            for k in range(j + 1, 12):
                corners = vertices[[i, j, k]]
                if np.allclose(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1), 2):
                    outward = np.linalg.det(corners) > 0
                    faces.append((i, j, k) if outward else (i, k, j))
    return vertices / math.hypot(1, golden), np.array(faces)


def icosphere(subdivisions: int) -> Soup:
    """Each face in four, `subdivisions` times, on the unit sphere."""
    vertices, faces = icosahedron()
    for _ in range(subdivisions):
        vertices, faces = split_in_four(vertices, faces)
        vertices = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    return vertices, faces


def split_in_four(vertices: Floats, faces: Integers) -> Soup:
    """New vertices at the edges' midpoints; keeps every face's plane and winding."""
    midpoint: dict[tuple[int, int], int] = {}
    points, small = list(vertices), []
    for face in faces.tolist():
        middle = []
        for a, b in zip(face, face[1:] + face[:1], strict=True):
            edge = (min(a, b), max(a, b))
            if edge not in midpoint:
                midpoint[edge] = len(points)
                points.append((vertices[a] + vertices[b]) / 2)
            middle.append(midpoint[edge])
        (a, b, c), (p, q, r) = face, middle
        small += [(a, p, r), (p, b, q), (r, q, c), (p, q, r)]
    return np.array(points), np.array(small)


def bumpy(subdivisions: int = 2, seed: int = 0, size: float = 0.25) -> Soup:
    """An icosphere with random radii: vertices of both signs of curvature, no ties."""
    vertices, faces = icosphere(subdivisions)
    random = np.random.default_rng(seed)
    return vertices * (1 + size * random.uniform(-1, 1, size=(len(vertices), 1))), faces


# --- with a boundary ---


def grid(n_x: int, n_y: int, width: float = 1.0, height: float = 1.0) -> Soup:
    """[0, width] × [0, height] in z = 0, cells split along (1, 1); vertex index i (n_y + 1) + j."""
    x, y = np.meshgrid(np.linspace(0, width, n_x + 1), np.linspace(0, height, n_y + 1), indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    faces = []
    for i in range(n_x):
        for j in range(n_y):
            a, b = i * (n_y + 1) + j, (i + 1) * (n_y + 1) + j
            faces += [(a, b, b + 1), (a, b + 1, a + 1)]
    return vertices, np.array(faces)


def jittered_grid(n: int, seed: int = 0, size: float = 0.3) -> Soup:
    """The unit square in z = 0 with its inner vertices moved by up to `size` cells."""
    vertices, faces = grid(n, n)
    inner = ((vertices[:, :2] > 0) & (vertices[:, :2] < 1)).all(axis=1)
    moved = np.random.default_rng(seed).uniform(-size / n, size / n, size=(len(vertices), 2))
    vertices[inner, :2] += moved[inner]
    return vertices, faces


def cone(total_angle: float, n: int = 12, slant: float = 1.0) -> Soup:
    """n equal triangles round vertex 0 whose angles there sum to total_angle < 2π."""
    side = 2 * slant * math.sin(total_angle / n / 2)
    radius = side / (2 * math.sin(math.pi / n))
    turn = 2 * math.pi * np.arange(n) / n
    height = math.sqrt(slant**2 - radius**2)
    rim = np.stack([radius * np.cos(turn), radius * np.sin(turn), np.zeros(n)], axis=1)
    vertices = np.concatenate([[[0, 0, height]], rim])
    return vertices, np.array([(0, 1 + k, 1 + (k + 1) % n) for k in range(n)])


def wheel(total_angle: float, n: int = 12) -> MeshSurface:
    """n equal isosceles triangles with legs of length 1 round vertex 0, by edge lengths; any total angle."""
    side = 2 * math.sin(total_angle / n / 2)
    faces = [(0, 1 + k, 1 + (k + 1) % n) for k in range(n)]
    return MeshSurface.from_edge_lengths(faces, [[1.0, side, 1.0]] * n)


def saddle(n: int = 8) -> Soup:
    """z = 0.4 (x² - y²) over a jittered square [-1, 1]²; inner vertices of negative curvature."""
    vertices, faces = jittered_grid(n)
    x, y = 2 * vertices[:, 0] - 1, 2 * vertices[:, 1] - 1
    return np.stack([x, y, 0.4 * (x**2 - y**2)], axis=1), faces


def ell(n: int = 2) -> Soup:
    """[-1, 1]² in z = 0 without the open quadrant x > 0 > y: a reflex boundary corner at the origin."""
    vertices, faces = grid(2 * n, 2 * n, 2.0, 2.0)
    vertices = vertices - [1, 1, 0]
    middle = vertices[faces].mean(axis=1)
    return drop_unused(vertices, faces[~((middle[:, 0] > 0) & (middle[:, 1] < 0))])


def drop_unused(vertices: Floats, faces: Integers) -> Soup:
    used, renamed = np.unique(faces, return_inverse=True)
    return vertices[used], renamed.reshape(faces.shape)


# --- by gluing the sides of a grid of cells, with edge lengths ---


def glued(n_x: int, n_y: int, length: float, height: float, twist: bool, close: bool) -> MeshSurface:
    """A flat cylinder, Möbius band (twist), torus (close) or Klein bottle (both), by edge lengths.

    Vertex (i, j) has index i * rows + j; the column n_x is glued to column 0, upside down with `twist`.
    Face 2 (i n_y + j) is the lower right half of cell (i, j), the next one its upper left half; both are
    wound as in the plane.
    """
    rows = n_y if close else n_y + 1

    def vertex(i: int, j: int) -> int:
        if i == n_x:
            i, j = 0, (n_y - j if twist else j)
        return i * rows + (j % n_y if close else j)

    dx, dy = length / n_x, height / n_y
    faces, lengths = [], []
    for i in range(n_x):
        for j in range(n_y):
            a, b, c, d = vertex(i, j), vertex(i + 1, j), vertex(i + 1, j + 1), vertex(i, j + 1)
            faces += [(a, b, c), (a, c, d)]
            lengths += [(dx, dy, math.hypot(dx, dy)), (math.hypot(dx, dy), dx, dy)]
    return MeshSurface.from_edge_lengths(faces, lengths)


def moebius_band(n: int = 24, width: float = 0.8) -> Soup:
    """A Möbius band in space, three strips of cells wide, wound the same way but for the seam."""
    across = 3
    turn = 2 * math.pi * np.arange(n) / n
    height = width * (np.arange(across + 1) / across - 0.5)
    radius = 1 + height[None, :] * np.cos(turn / 2)[:, None]
    z = height[None, :] * np.sin(turn / 2)[:, None]
    vertices = np.stack([radius * np.cos(turn)[:, None], radius * np.sin(turn)[:, None], z], axis=2).reshape(
        -1, 3
    )

    def vertex(i: int, j: int) -> int:
        return i * (across + 1) + j if i < n else across - j

    faces = []
    for i in range(n):
        for j in range(across):
            a, b, c, d = vertex(i, j), vertex(i + 1, j), vertex(i + 1, j + 1), vertex(i, j + 1)
            faces += [(a, b, c), (a, c, d)]
    return vertices, np.array(faces)


# --- changes that must change nothing ---


def turned_over(faces: Integers, chosen: Integers) -> Integers:
    """Some faces listed the other way round."""
    result = faces.copy()
    result[chosen] = result[chosen][:, [0, 2, 1]]
    return result


def rotation(seed: int) -> Floats:
    """A random rotation of space."""
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return matrix * np.sign(np.linalg.det(matrix))


# --- points and vectors ---


def random_points(surface: MeshSurface, count: int, seed: int = 0) -> SurfacePoint:
    """Points inside random faces."""
    random = np.random.default_rng(seed)
    face = random.integers(len(surface.faces), size=count)
    return SurfacePoint(torch.from_numpy(face), torch.from_numpy(random.dirichlet([1, 1, 1], size=count)))


def random_vectors(count: int, longest: float, seed: int = 0) -> Tensor:
    """Directions uniform, lengths uniform in (0, longest)."""
    random = np.random.default_rng(seed + 1000)
    angle = random.uniform(0, 2 * math.pi, size=count)
    length = random.uniform(0, longest, size=(count, 1))
    return torch.from_numpy(length * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def at_angles(angle: float | Tensor | Floats, length: float | Tensor = 1.0) -> Tensor:
    """Vectors of the given angles and lengths, `(..., 2)`."""
    theta = torch.as_tensor(angle, dtype=torch.float64)
    return torch.as_tensor(length, dtype=torch.float64)[..., None] * torch.stack(
        [theta.cos(), theta.sin()], dim=-1
    )


def corner_points(surface: MeshSurface) -> SurfacePoint:
    """Every corner of every face, as a point of that face (3F,), not as a vertex."""
    face = torch.arange(len(surface.faces)).repeat_interleave(3)
    return SurfacePoint(face, torch.eye(3, dtype=torch.float64).repeat(len(surface.faces), 1))


def point_at(surface: MeshSurface, position: list[float] | Tensor) -> SurfacePoint:
    """The points of a flat mesh in z = 0 at plane positions (..., 2), as face points."""
    p = torch.as_tensor(position, dtype=torch.float64)
    corners = surface.vertices[surface.faces][..., :2]
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    double_area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    ap = p[..., None, :] - a
    second = (ap[..., 0] * ac[:, 1] - ap[..., 1] * ac[:, 0]) / double_area
    third = (ab[:, 0] * ap[..., 1] - ab[:, 1] * ap[..., 0]) / double_area
    weights = torch.stack([1 - second - third, second, third], dim=-1)
    face = weights.min(dim=-1).values.argmax(dim=-1)
    chosen = torch.take_along_dim(weights, face[..., None, None], dim=-2)[..., 0, :].clamp(min=0)
    return SurfacePoint(face, chosen / chosen.sum(dim=-1, keepdim=True))


def ambient_transport(surface: MeshSurface, x: SurfacePoint, end: SurfacePoint, transport: Tensor) -> Tensor:
    """A transport between frame coordinates as a map (..., 3, 3) of vectors of space."""
    return surface.frame(end) @ transport @ surface.frame(x).mT

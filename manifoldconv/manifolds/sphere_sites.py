"""Sites on the two-dimensional sphere: the subdivided icosahedron, and the grid of equal angles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.manifolds.checks import whole, whole_numbers
from manifoldconv.sampling import Sites, Stencil

if TYPE_CHECKING:
    from manifoldconv.manifolds.sphere import Sphere


def icosphere(k: int) -> tuple[Tensor, Tensor]:
    """The icosahedron, subdivided k times and projected onto the unit sphere.

    Each triangle (a, b, c) becomes four, in this order: (a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca),
    with ab the middle of the edge, moved out to the sphere. So triangle f of one level has the children
    4f, ..., 4f + 3 in the next, and its great circle edges are theirs: the children tile it exactly. The
    vertices of a level keep their numbers.

    Args:
        k: the number of subdivisions, 0 to 12.

    Returns:
        vertices `(10 · 4^k + 2, 3)` float64, faces `(20 · 4^k, 3)` int64, counterclockwise from outside.

    Raises:
        GeometryError: where k is not a whole number from 0 to 12.

    >>> vertices, faces = icosphere(2)
    >>> len(vertices), len(faces)
    (162, 320)
    """
    vertices, levels = _subdivided(k)
    return vertices, levels[-1]


def _subdivided(k: int) -> tuple[Tensor, list[Tensor]]:
    """The vertices of the last level and the faces of every level."""
    k = whole("the number of subdivisions", k, 0, 12)
    vertices, faces = _icosahedron()
    levels = [faces]
    for _ in range(k):
        edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, inverse = np.unique(edges, axis=0, return_inverse=True)
        middle = vertices[unique].sum(axis=1)
        middle /= np.linalg.norm(middle, axis=1, keepdims=True)
        a, b, c = faces.T
        ab, bc, ca = (len(vertices) + inverse.reshape(-1, 3)).T
        children = [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]
        faces = np.array(children).transpose(2, 0, 1).reshape(-1, 3)
        vertices = np.concatenate([vertices, middle])
        levels.append(faces)
    return torch.from_numpy(vertices), [torch.from_numpy(np.ascontiguousarray(faces)) for faces in levels]


def _icosahedron() -> tuple[np.ndarray, np.ndarray]:
    """The vertices (0, ±1, ±φ) and cyclic permutations, moved to the unit sphere, and the twenty faces."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [
        (-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0),
        (0, -1, golden), (0, 1, golden), (0, -1, -golden), (0, 1, -golden),
        (golden, 0, -1), (golden, 0, 1), (-golden, 0, -1), (-golden, 0, 1),
    ]  # fmt: skip
    faces = [
        (0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11),
        (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8),
        (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9),
        (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1),
    ]  # fmt: skip
    vertices = np.array(corners, dtype=np.float64)
    return vertices / np.linalg.norm(vertices, axis=1, keepdims=True), np.array(faces, dtype=np.int64)


class IcosphereSites(Sites):
    """The vertices of the icosphere, numbered as `icosphere` numbers them.

    A point is interpolated from the triangle that its ray from the centre meets, with the barycentric weights
    of the place where it does: second order in the edge length. The transport runs along the great circle
    from site to point. The area weight is a third of the spherical triangles round the vertex; they sum to
    4π radius².

    Attributes:
        faces: `(20 · 4^k, 3)` int64, the triangles.
    """

    def __init__(self, sphere: Sphere, k: int) -> None:
        self.manifold = sphere
        self.level = k
        directions, levels = _subdivided(k)
        self.points = directions * sphere.radius
        self.faces = levels[-1]
        corners = directions[self.faces]
        third = _solid_angles(corners) * sphere.radius**2 / 3
        self.area = torch.zeros(len(directions), dtype=torch.float64)
        self.area.index_add_(0, self.faces.flatten(), third.repeat_interleave(3))
        self._normals = _edge_normals(corners)
        # Within a triangle's parent, the three planes that cut off its corners: those of the middle child.
        self._roots = _edge_normals(directions[levels[0]]).numpy()
        cuts = [_edge_normals(directions[faces[3::4]]) for faces in levels[1:]]
        self._cuts = torch.cat(cuts).numpy() if cuts else np.zeros((0, 3, 3))

    def __repr__(self) -> str:
        return f"IcosphereSites(k={self.level}, sites={len(self)})"

    def locate(self, points: Tensor) -> Tensor:
        """`(...,)` int64: the triangle that the ray from the centre through each point `(..., 3)` meets."""
        points = float64("points", points, (3,)).detach()
        flat = np.ascontiguousarray(points.reshape(-1, 3).numpy())
        return torch.from_numpy(_descend(flat, self._roots, self._cuts, self.level)).reshape(
            points.shape[:-1]
        )

    def stencil(self, points: Tensor) -> Stencil:
        """The three corners of the triangle round each point `(..., 3)`."""
        points = float64("points", points, (3,))
        face = self.locate(points)
        index = self.faces[face]
        # A corner's weight is the height over the opposite edge's plane. Rounding may put a point beside it.
        weight = (self._normals[face] @ points[..., None])[..., 0].clamp(min=0)
        weight = weight / weight.sum(-1, keepdim=True)
        return Stencil(
            index, weight, self.manifold.transport_between(self.points[index], points[..., None, :])
        )


class EquiangularSites(Sites):
    """A grid of n_lat × n_lon cells of equal angles: site (row, column) has index row * n_lon + column.

    Row r lies at the angle (r + 1/2) π / n_lat from the north pole (0, 0, 1), column c at the longitude
    2π c / n_lon, counterclockwise from the x axis. Interpolation is bilinear in the two angles; beyond a pole
    come the sites of the opposite meridian. The transport runs along the great circle from site to
    point. The area weights are those of the cells, exactly.
    """

    def __init__(self, sphere: Sphere, shape: tuple[int, int]) -> None:
        self.manifold = sphere
        self.shape = rows, columns = whole_numbers("equiangular", shape, 2, 2)
        colatitude = (torch.arange(rows, dtype=torch.float64) + 0.5) * math.pi / rows
        longitude = torch.arange(columns, dtype=torch.float64) * 2 * math.pi / columns
        theta, phi = (grid.flatten() for grid in torch.meshgrid(colatitude, longitude, indexing="ij"))
        directions = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], dim=-1)
        self.points = directions * sphere.radius
        # cos(θ - h/2) - cos(θ + h/2) = 2 sin(θ) sin(h/2)
        height = 2 * theta.sin() * math.sin(math.pi / rows / 2)
        self.area = height * 2 * math.pi / columns * sphere.radius**2

    def __repr__(self) -> str:
        return f"EquiangularSites(n_lat={self.shape[0]}, n_lon={self.shape[1]})"

    def stencil(self, points: Tensor) -> Stencil:
        """Two sites in each of the two rows round every point `(..., 3)`."""
        points = float64("points", points, (3,))
        rows, columns = self.shape
        x, y, z = points.unbind(-1)
        on_axis = (x == 0) & (y == 0)  # there the longitude is any, and atan2 has no derivative
        x = torch.where(on_axis, 1.0, x)
        across = torch.where(on_axis, 0.0, torch.hypot(x, y))
        colatitude = torch.atan2(across, z)
        height = colatitude * rows / math.pi - 0.5
        upper = height.detach().floor()
        index, weight = [], []
        for row, share in ((upper, 1 - (height - upper)), (upper + 1, height - upper)):
            beyond = (row < 0) | (row >= rows)
            position = torch.atan2(y, x) * columns / (2 * math.pi) + beyond.to(torch.float64) * columns / 2
            left = position.detach().floor()
            base = row.clamp(0, rows - 1).to(torch.int64) * columns
            index += [base + (left + step).to(torch.int64) % columns for step in (0, 1)]
            weight += [share * (1 - (position - left)), share * (position - left)]
        sites = torch.stack(index, dim=-1)
        transport = self.manifold.transport_between(self.points[sites], points[..., None, :])
        return Stencil(sites, torch.stack(weight, dim=-1), transport)


def _edge_normals(corners: Tensor) -> Tensor:
    """`(F, 3, 3)`: row i the cross product of the corners i + 1 and i + 2, inward where counterclockwise."""
    return torch.linalg.cross(corners.roll(-1, dims=1), corners.roll(-2, dims=1))


def _solid_angles(corners: Tensor) -> Tensor:
    """The areas of spherical triangles with unit corners `(F, 3, 3)` (Van Oosterom and Strackee 1983)."""
    a, b, c = corners.unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum(-1)
    return 2 * torch.atan2(volume, 1 + (a * b).sum(-1) + (b * c).sum(-1) + (c * a).sum(-1))


@numba.njit(cache=True)
def _descend(points: np.ndarray, roots: np.ndarray, cuts: np.ndarray, level: int) -> np.ndarray:
    """The triangle of the last level that holds each point, found from level to level.

    Row i of a middle child's normals is the plane of its edge opposite its corner i. The middle child
    (ab, bc, ca) has edge bc-ca opposite ab, which cuts off the parent's corner c; so 0 cuts off child 2,
    1 (ca-ab) child 0, and 2 (ab-bc) child 1. A point on an edge belongs to the middle child.
    """
    found = np.empty(len(points), dtype=np.int64)
    for number in range(len(points)):
        x, y, z = points[number, 0], points[number, 1], points[number, 2]
        face, best = 0, -np.inf
        for root in range(20):
            least = np.inf
            for side in range(3):
                normal = roots[root, side]
                least = min(least, normal[0] * x + normal[1] * y + normal[2] * z)
            if least > best:
                face, best = root, least
        offset, count = 0, 20
        for _ in range(level):
            child = 3
            for side in range(3):
                normal = cuts[offset + face, side]
                if normal[0] * x + normal[1] * y + normal[2] * z < 0:
                    child = (side + 2) % 3
            face = 4 * face + child
            offset += count
            count *= 4
        found[number] = face
    return found

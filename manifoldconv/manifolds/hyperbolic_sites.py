"""Sites of the hyperbolic plane: its Delaunay triangulation, of any points or of rings round the origin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numba
import numpy as np
import torch
from scipy.spatial import ConvexHull, QhullError, cKDTree
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds.checks import positive, whole
from manifoldconv.sampling import Sites, Stencil

if TYPE_CHECKING:
    from manifoldconv.manifolds.hyperbolic import HyperbolicPlane

# A point this far outside a triangle, in parts of its heights, lies on its edge.
_ON_EDGE = 1e-11


class HyperbolicSites(Sites):
    """Points of the hyperbolic plane on the triangles of their Delaunay triangulation.

    The triangulation is the part of the convex hull of the sites in R³ that is seen from (0, 0, 0) (Epstein
    and Penner 1988, "Euclidean decompositions of noncompact hyperbolic manifolds"); its edges are geodesics,
    and it covers the convex hull of the sites. A point is interpolated from the triangle that its ray from
    (0, 0, 0) meets, with the barycentric weights of the place where it does: second order in the edge length.
    Outside the hull all weights are 0. The transport runs along the geodesic from site to point. The area
    weight is a third of the triangles round the site; they sum to the area of the hull.

    Attributes:
        faces: `(F, 3)` int64, the triangles, counterclockwise.

    Raises:
        GeometryError: where the points do not span a triangle, or one of them occurs twice.
    """

    def __init__(self, plane: HyperbolicPlane, points: Tensor) -> None:
        self.manifold = self.plane = plane
        self.points = points.detach()
        if self.points.ndim != 2:
            raise GeometryError(f"points must have shape (N, 3); got {tuple(points.shape)}")
        self.faces = torch.from_numpy(_delaunay(self.points.numpy()))
        corners = self.points[self.faces]
        self._normals = torch.linalg.cross(corners.roll(-1, dims=1), corners.roll(-2, dims=1))
        third = _areas(corners) / 3
        self.area = torch.zeros(len(points), dtype=torch.float64)
        self.area.index_add_(0, self.faces.flatten(), third.repeat_interleave(3))
        if not bool((self.area > 0).all()):
            lost = int(torch.nonzero(self.area <= 0)[0, 0])
            raise GeometryError(f"site {lost} belongs to no triangle: is it given twice?")
        self._neighbours, self._start = _adjacency(self.faces.numpy(), len(points))
        self._tree = cKDTree(plane.to_disc(self.points).numpy())

    def __repr__(self) -> str:
        return f"HyperbolicSites(sites={len(self)})"

    def locate(self, points: Tensor) -> Tensor:
        """`(...,)` int64: the triangle that holds each point `(..., 3)`; -1 outside the hull."""
        flat = points.detach().reshape(-1, 3)
        _, nearest = self._tree.query(self.plane.to_disc(flat).numpy())
        found = _walk(flat.numpy(), self._start[nearest], self._normals.numpy(), self._neighbours)
        return torch.from_numpy(found).reshape(points.shape[:-1])

    def stencil(self, points: Tensor) -> Stencil:
        """The three corners of the triangle round each point `(..., 3)`."""
        points = self.plane.exp(points, torch.zeros(2, dtype=torch.float64))  # checked
        face = self.locate(points)
        inside = (face >= 0)[..., None]
        index = torch.where(inside, self.faces[face.clamp(min=0)], 0)
        heights = (self._normals[face.clamp(min=0)] @ points[..., None])[..., 0].clamp(min=0)
        # Outside there may be no height above 0: the sum is replaced before it divides.
        total = torch.where(inside, heights.sum(-1, keepdim=True), 1.0)
        weight = torch.where(inside, heights / total, 0.0)
        return Stencil(index, weight, self.plane.transport_between(self.points[index], points[..., None, :]))


def disc_of_rings(radius: float, n_rings: int) -> Tensor:
    """`(N, 2)`: a = sinh(ρ) (cos, sin) on rings ρ = h, 2h, ..., radius, each with about 2π sinh(ρ) / h
    points.

    Successive rings start half a step apart, which makes the triangles between them nearly equilateral.
    """
    radius, n_rings = positive("radius", radius), whole("n_rings", n_rings, 1)
    if radius > 8:
        raise GeometryError(
            f"radius must be at most 8, a disc of area 9363; got {radius:g}: points at hand are better than rings"
        )
    step = radius / n_rings
    rings = [torch.zeros(1, 2, dtype=torch.float64)]
    for ring in range(1, n_rings + 1):
        size = math.sinh(ring * step)
        count = max(6, math.ceil(2 * math.pi * size / step))
        angle = (torch.arange(count, dtype=torch.float64) + (ring % 2) / 2) * (2 * math.pi / count)
        rings.append(size * torch.stack([angle.cos(), angle.sin()], dim=-1))
    return torch.cat(rings)


def _delaunay(points: np.ndarray) -> np.ndarray:
    """The triangles of the convex hull that are seen from the origin of R³, counterclockwise."""
    if len(points) == 3:
        faces = np.arange(3)[None]  # a plane has no hull in space
    else:
        # The point inside keeps a hull of points in one plane from being flat; it is seen by no face from
        # below.
        above = points.mean(axis=0) * 2
        try:
            hull = ConvexHull(np.concatenate([points, above[None]]))
        except (QhullError, ValueError) as reason:
            raise GeometryError(f"these {len(points)} points span no triangle of the plane") from reason
        seen = hull.equations[:, -1] > 0
        faces = hull.simplices[seen].astype(np.int64)
        faces = faces[(faces < len(points)).all(axis=1)]
    volume = np.linalg.det(points[faces])
    faces = faces[np.abs(volume) > 1e-14 * np.abs(points[faces]).max(axis=(1, 2)) ** 3]
    if not len(faces):
        raise GeometryError(f"these {len(points)} points span no triangle of the plane")
    turned = np.linalg.det(points[faces]) < 0
    faces[turned] = faces[turned][:, ::-1]
    return np.ascontiguousarray(faces)


def _areas(corners: Tensor) -> Tensor:
    """`(F,)`: tan(A / 2) = det(x, y, z) / (1 + cosh + cosh + cosh of the sides), as on the sphere."""
    a, b, c = corners.unbind(1)
    signs = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    cosh = sum(((signs * p * q).sum(-1) for p, q in ((a, b), (b, c), (c, a))), torch.zeros(()))
    return 2 * torch.atan2(torch.linalg.det(corners), 1 + cosh)


def _adjacency(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each face the faces across its edges (opposite corner i; -1: none), and one face for each site."""
    edges = np.sort(np.stack([np.roll(faces, -1, axis=1), np.roll(faces, -2, axis=1)], axis=-1), axis=-1)
    _, inverse = np.unique(edges.reshape(-1, 2), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    pairs = np.nonzero(inverse[order][1:] == inverse[order][:-1])[0]
    one, other = order[pairs], order[pairs + 1]
    neighbours = np.full(faces.size, -1, dtype=np.int64)
    neighbours[one], neighbours[other] = other // 3, one // 3
    start = np.zeros(count, dtype=np.int64)
    start[faces.reshape(-1)] = np.repeat(np.arange(len(faces)), 3)
    return neighbours.reshape(-1, 3), start


@numba.njit(cache=True)
def _walk(points: np.ndarray, starts: np.ndarray, normals: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
    """From a near triangle across the edge that a point lies farthest beyond, until it lies beyond none.

    On a Delaunay triangulation such a walk comes to an end (Edelsbrunner 1990); the bound on its length is
    for rounding on edges of no height.
    """
    found = np.empty(len(points), dtype=np.int64)
    for number in range(len(points)):
        face = starts[number]
        for _ in range(len(normals) + 3):
            worst, side, total = np.inf, 0, 0.0
            for corner in range(3):
                normal = normals[face, corner]
                height = 0.0
                for axis in range(3):
                    height += normal[axis] * points[number, axis]
                total += abs(height)
                if height < worst:
                    worst, side = height, corner
            if worst >= -_ON_EDGE * total:
                break
            face = neighbours[face, side]
            if face < 0:
                break
        found[number] = face
    return found

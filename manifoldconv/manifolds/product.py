"""Products of manifolds: everything in blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, Manifold, check_boundary
from manifoldconv.manifolds.checks import common_batch
from manifoldconv.sampling import Sites, Stencil


@dataclass(frozen=True)
class ProductManifold(Manifold):
    """The Riemannian product of two manifolds: a geodesic is a pair of geodesics, transport is
    block-diagonal.

    Points are the coordinates of both, one after the other, `(..., D1 + D2)`; tangent vectors `(..., d1 +
    d2)` too. A geodesic stops where either part meets the boundary of its factor. Products of more factors
    are nested.

    Args:
        first, second: manifolds whose points are tensors `(..., D)`.

    Raises:
        GeometryError: for a factor whose points are something else, such as a mesh.

    >>> import torch
    >>> from manifoldconv.manifolds import Euclidean, Sphere
    >>> column = ProductManifold(Sphere(), Euclidean(1))
    >>> x = torch.tensor([0.0, 0.0, 1.0, 5.0], dtype=torch.float64)
    >>> column.exp(x, torch.tensor([torch.pi / 2, 0.0, 2.0], dtype=torch.float64)).round(decimals=12).tolist()
    [1.0, 0.0, 0.0, 7.0]
    """

    first: Manifold
    second: Manifold
    dim: int = field(init=False, repr=False)
    point_size: int = field(init=False, repr=False)
    has_boundary: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", self.first.dim + self.second.dim)
        object.__setattr__(self, "point_size", _point_size(self.first) + _point_size(self.second))
        object.__setattr__(self, "has_boundary", self.first.has_boundary or self.second.has_boundary)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The parts `(..., D1)` and `(..., D2)` of points."""
        x = float64("x", x, (self.point_size,))
        return x[..., : _point_size(self.first)], x[..., _point_size(self.first) :]

    def frame(self, x: Tensor) -> Tensor:
        """Both frames in blocks; their ambient coordinates one after the other."""
        one, other = self.split(x)
        return block_diagonal(self.first.frame(one), self.second.frame(other))

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """The pair of geodesics, both up to where the first of them stops."""
        check_boundary(boundary)
        x, v = float64("x", x, (self.point_size,)), float64("v", v, (self.dim,))
        common_batch(x=x.shape[:-1], v=v.shape[:-1])
        one, other = self._geodesics(x, v, boundary)
        length = torch.linalg.vector_norm(v, dim=-1)
        complete = one.complete & other.complete
        if not bool(complete.all()):
            walked = torch.minimum(
                _part_walked(one, v[..., : self.first.dim]), _part_walked(other, v[..., self.first.dim :])
            )
            one, other = self._geodesics(x, walked[..., None] * v, boundary)
            length = walked * length
        end = torch.cat(_same_batch(one.end, other.end), dim=-1)
        transport = block_diagonal(one.transport, other.transport)
        return Geodesic(end, transport, length.expand(complete.shape), complete)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Both logarithms, one after the other."""
        (x_one, x_other), (y_one, y_other) = self.split(x), self.split(y)
        common_batch(x=x_one.shape[:-1], y=y_one.shape[:-1])
        parts = _same_batch(self.first.log(x_one, y_one), self.second.log(x_other, y_other))
        return torch.cat(parts, dim=-1)

    def transport_between(self, x: Tensor, y: Tensor) -> Tensor:
        """`(..., d, d)`: both transports in blocks."""
        (x_one, x_other), (y_one, y_other) = self.split(x), self.split(y)
        return block_diagonal(
            self.first.transport_between(x_one, y_one), self.second.transport_between(x_other, y_other)
        )

    def reframe(self, x: Tensor, y: Tensor) -> Tensor:
        """Both changes of frame in blocks."""
        (x_one, x_other), (y_one, y_other) = self.split(x), self.split(y)
        return block_diagonal(self.first.reframe(x_one, y_one), self.second.reframe(x_other, y_other))

    def carry_frame(self, points: Tensor, base: int | None = None) -> Tensor:
        """Both carried frames in blocks."""
        one, other = self.split(points)
        return block_diagonal(self.first.carry_frame(one, base), self.second.carry_frame(other, base))

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """The root of the sum of squares of the factors' numbers."""
        (x_one, x_other), (y_one, y_other) = self.split(x), self.split(y)
        return torch.hypot(
            self.first.distance_between_points(x_one, y_one),
            self.second.distance_between_points(x_other, y_other),
        )

    def check_path(self, path: Tensor) -> None:
        """Raise `GeometryError` where the path of either factor names no geodesic."""
        one, other = self.split(path)
        self.first.check_path(one)
        self.second.check_path(other)

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """The product of the factors' Jacobians: `(...,)`."""
        one, other = self.split(x)
        v = float64("v", v, (self.dim,))
        return self.first.exp_jacobian(one, v[..., : self.first.dim]) * self.second.exp_jacobian(
            other, v[..., self.first.dim :]
        )

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """The product of both groups, acting in blocks (a loop in the product is a pair of loops)."""
        parts = [factor.holonomy_group(doubled=doubled) for factor in (self.first, self.second)]
        return StructureGroup.product(*parts)

    def sites(self, first: Sites, second: Sites) -> ProductSites:
        """All pairs of a site of the first and one of the second factor, index = first * N2 + second.

        >>> from manifoldconv.manifolds import Euclidean, Sphere
        >>> column = ProductManifold(Sphere(), Euclidean(1))
        >>> len(column.sites(Sphere().sites(icosphere=1), Euclidean(1).sites(shape=(5,))))
        210
        """
        return ProductSites(self, first, second)

    def _geodesics(self, x: Tensor, v: Tensor, boundary: Boundary) -> tuple[Geodesic, Geodesic]:
        one, other = self.split(x)
        return (
            self.first.geodesic(one, v[..., : self.first.dim], boundary=boundary),
            self.second.geodesic(other, v[..., self.first.dim :], boundary=boundary),
        )


class ProductSites(Sites):
    """All pairs of sites of two factors, index = first * N2 + second; areas and weights multiply.

    The stencil of a point has S1 · S2 entries.
    """

    def __init__(self, manifold: ProductManifold, first: Sites, second: Sites) -> None:
        self.manifold, self.first, self.second = manifold, first, second
        pairs = _same_batch(first.points[:, None], second.points[None])
        self.points = torch.cat(pairs, dim=-1).flatten(0, 1)
        if self.points.shape[-1] != manifold.point_size:
            raise GeometryError(
                f"the points of the sites have {self.points.shape[-1]} coordinates together; "
                f"those of the product have {manifold.point_size}"
            )
        self.area = (first.area[:, None] * second.area[None]).flatten()

    def __repr__(self) -> str:
        return f"ProductSites({self.first!r}, {self.second!r})"

    def stencil(self, points: Tensor) -> Stencil:
        """All pairs of entries of the factors' stencils, the second one's running fastest."""
        one, other = (
            sites.stencil(part)
            for sites, part in zip((self.first, self.second), self.manifold.split(points), strict=True)
        )
        index = (one.index[..., :, None] * len(self.second) + other.index[..., None, :]).flatten(-2)
        weight = (one.weight[..., :, None] * other.weight[..., None, :]).flatten(-2)
        transport = block_diagonal(
            one.transport[..., :, None, :, :], other.transport[..., None, :, :, :]
        ).flatten(-4, -3)
        return Stencil(index, weight, transport)


def block_diagonal(first: Tensor, second: Tensor) -> Tensor:
    """`(..., m1 + m2, n1 + n2)` from `(..., m1, n1)` and `(..., m2, n2)`; batch axes broadcast."""
    batch = torch.broadcast_shapes(first.shape[:-2], second.shape[:-2])
    upper = torch.nn.functional.pad(first, (0, second.shape[-1]))
    lower = torch.nn.functional.pad(second, (first.shape[-1], 0))
    return torch.cat([part.expand(*batch, *part.shape[-2:]) for part in (upper, lower)], dim=-2)


def _point_size(manifold: Manifold) -> int:
    if manifold.point_size is None:
        raise GeometryError(
            f"a factor of a product must have points that are tensors (..., D); {manifold!r} hasn't"
        )
    return manifold.point_size


def _same_batch(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Points whose batch axes are broadcast against each other."""
    batch = torch.broadcast_shapes(first.shape[:-1], second.shape[:-1])
    return first.expand(*batch, first.shape[-1]), second.expand(*batch, second.shape[-1])


def _part_walked(geodesic: Geodesic, v: Tensor) -> Tensor:
    """The part in [0, 1] of a geodesic's velocity that was walked."""
    whole = torch.where(geodesic.complete, 1.0, torch.linalg.vector_norm(v, dim=-1))
    return torch.where(geodesic.complete, 1.0, geodesic.length / whole)

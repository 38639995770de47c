"""Euclidean space: the flat case, on which the correlation is the ordinary one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, Manifold, check_boundary
from manifoldconv.manifolds.checks import broadcast, positive, whole, whole_numbers
from manifoldconv.manifolds.grid import GridAxis, GridSites

WindowBorder = Literal["zero", "constant", "mirror", "periodic"]


@dataclass(frozen=True)
class Euclidean(Manifold):
    """Euclidean space of dimension n: exp_x(v) = x + v, and transport is the identity.

    Args:
        n: the dimension, at least 1. Points are coordinates `(..., n)`, the frame is the standard one.

    Raises:
        GeometryError: where n is not a whole number of at least 1.

    >>> import torch
    >>> plane = Euclidean(2)
    >>> plane.exp(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0])).tolist()
    [1.5, 2.0]
    """

    n: int
    dim: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", whole("n", self.n, 1))
        object.__setattr__(self, "point_size", self.dim)

    def frame(self, x: Tensor) -> Tensor:
        """The standard basis at every point: `(..., n, n)`."""
        x = float64("x", x, (self.n,))
        return torch.eye(self.n, dtype=torch.float64).expand(*x.shape, self.n)

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """The straight line x + t v; `boundary` has nothing to act on."""
        check_boundary(boundary)
        x, v = broadcast(x=float64("x", x, (self.n,)), v=float64("v", v, (self.n,)))
        end = x + v
        complete = torch.ones(end.shape[:-1], dtype=torch.bool)
        return Geodesic(end, self.frame(end.detach()), torch.linalg.vector_norm(v, dim=-1), complete)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """y - x."""
        x, y = broadcast(x=float64("x", x, (self.n,)), y=float64("y", y, (self.n,)))
        return y - x

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """|y - x|: `(...,)`."""
        return torch.linalg.vector_norm(self.log(x, y), dim=-1)

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """1: `(...,)`."""
        return torch.ones_like(self.exp(x, v)[..., 0])

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """The trivial group; there is no boundary to double along."""
        return StructureGroup.trivial(self.n)

    def enclosed_curvature(self, loop: Any) -> float | None:
        """0 for every loop of the plane; None in other dimensions."""
        return 0.0 if self.n == 2 else None

    def sites(self, shape: Sequence[int], spacing: float = 1.0, border: WindowBorder = "zero") -> GridSites:
        """A window of pixels, and how its field goes on outside.

        Args:
            shape: the numbers of pixels in C order, (n_y, n_x) in the plane: the last one counts along the
                first coordinate. Pixel (row, column) has index row * n_x + column and lies at
                (x, y) = (column, row) * spacing.
            spacing: the distance of neighbouring pixels.
            border: what the samples outside are. "zero": 0, the zero padding of an ordinary convolution. "constant":
                the last sample. "mirror": the samples backwards, from the last one on (SciPy's "reflect"), the
                components of vectors across the border with the other sign. "periodic": the first sample again.

        Returns:
            `GridSites` with multilinear interpolation. With "zero", corners outside the window have weight 0, so that
            the weights sum to less than 1 there, which is what the boundary policy of a `Pullback` acts on. With
            the others the field is defined everywhere, and there is nothing outside.

        Raises:
            GeometryError: where the shape, the spacing or the border is not as said.

        >>> sites = Euclidean(2).sites(shape=(4, 6))
        >>> sites.points[1 * 6 + 2].tolist()
        [2.0, 1.0]
        """
        spacing = positive("spacing", spacing)
        counts = whole_numbers("shape", shape, self.n, 1)
        if border not in get_args(WindowBorder):
            raise GeometryError(f"border must be one of {', '.join(get_args(WindowBorder))}; got {border!r}")
        return GridSites([GridAxis(count, 0.0, spacing, border) for count in reversed(counts)], self)

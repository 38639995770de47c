"""Sites on SE(2): a grid of positions times equal angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.manifolds.checks import positive, whole_numbers
from manifoldconv.manifolds.euclidean import Euclidean
from manifoldconv.manifolds.grid import GridAxis, GridSites
from manifoldconv.sampling import Sites, Stencil

if TYPE_CHECKING:
    from manifoldconv.homogeneous.se2 import SE2

GridBorder = Literal["zero", "periodic"]


def check_border(border: str) -> None:
    """Raise `GeometryError` unless `border` is "zero" or "periodic"."""
    if border not in get_args(GridBorder):
        raise GeometryError(f'border must be "zero" or "periodic"; got {border!r}')


def plane_sites(shape: Sequence[int], spacing: float = 1.0, border: GridBorder = "zero") -> GridSites:
    """The positions of `SE2Sites` alone: a grid of pixels on the plane.

    Args:
        shape: (n_y, n_x); the pixel of row r and column c has index r · n_x + c and lies at (c, r) · spacing.
        spacing: the distance of neighbouring pixels.
        border: "zero", as in `Euclidean.sites`, or "periodic": the field goes on periodically.

    >>> len(plane_sites((4, 6), border="periodic"))
    24
    """
    check_border(border)
    rows, columns = whole_numbers("shape", shape, 2, 1)
    spacing = positive("spacing", spacing)
    return GridSites(
        [GridAxis(columns, 0.0, spacing, border), GridAxis(rows, 0.0, spacing, border)], Euclidean(2)
    )


class SE2Sites(Sites):
    """n_y × n_x positions times n_theta angles: index = (row · n_x + column) · n_theta + j.

    A field `(..., N, C)` is thus `(..., n_y, n_x, n_theta, C)`. Interpolation is linear in x, y and θ, with eight sites
    round a point; θ goes round, and x and y do with `border="periodic"`. A window with `border="zero"` has
    samples that are 0 beyond it. The area weights are the Haar measure of a cell, spacing² · 2π / n_theta.

    With a periodic square grid, quarter turns about a site and translations by whole steps permute the sites; with a
    square window, quarter turns about its centre do (where 4 divides n_theta).

    Attributes:
        shape: (n_y, n_x, n_theta).
        spacing: of the positions.
        border: "zero" or "periodic".
    """

    def __init__(self, group: SE2, shape: Sequence[int], spacing: float, border: GridBorder) -> None:
        check_border(border)
        self.manifold = group
        rows, columns, angles = whole_numbers("shape", shape, 3, 1)
        self.shape = (rows, columns, angles)
        self.spacing, self.border = positive("spacing", spacing), border
        # With the angle as its first coordinate, which runs fastest, the grid numbers its sites as said.
        self._grid = GridSites(
            [
                GridAxis(angles, 0.0, 2 * math.pi / angles, "periodic"),
                GridAxis(columns, 0.0, self.spacing, border),
                GridAxis(rows, 0.0, self.spacing, border),
            ]
        )
        self.points = self._grid.points.roll(-1, dims=-1)
        self.area = self._grid.area

    def __repr__(self) -> str:
        return f"SE2Sites(shape={self.shape}, spacing={self.spacing:g}, border={self.border!r})"

    def stencil(self, points: Tensor) -> Stencil:
        """The eight sites round each point `(..., 3)`; differentiable in the weights."""
        return self._grid.stencil(torch.roll(float64("points", points, (3,)), 1, dims=-1))

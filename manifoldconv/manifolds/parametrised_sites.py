"""Grids of sites in the coordinates of a surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from manifoldconv.manifolds.grid import GridAxis, GridSites
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.sampling import Sites, Stencil

if TYPE_CHECKING:
    from manifoldconv.manifolds.parametrised import ParametrisedSurface


class ParametrisedSites(Sites):
    """The middles of n_v × n_u cells of equal coordinates: site (row, column) has index row * n_u + column.

    Interpolation is bilinear in the coordinates; on the half cell next to a boundary the outermost sites'
    values go on. The transport runs along the straight line of coordinates from site to point, by Gauss' rule
    with four nodes; it differs from that along the geodesic by the curvature between the two, of third order
    in the size of a cell. The area weight is that of the cell, by Gauss' rule with 4 × 4 nodes.
    """

    def __init__(self, surface: ParametrisedSurface, shape: tuple[int, ...]) -> None:
        self.surface = surface
        counts = shape[1], shape[0]
        spacing = surface.size / torch.tensor(counts)
        self._grid = GridSites(
            [
                GridAxis(count, float(low + step / 2), float(step), "periodic" if periodic else "constant")
                for count, low, step, periodic in zip(
                    counts, surface.low, spacing, surface.periodic, strict=True
                )
            ]
        )
        self.points = self._grid.points
        nodes, weights = _gauss(4)
        offsets = torch.cartesian_prod(nodes - 0.5, nodes - 0.5) * spacing
        density = surface._flow.geometry.density(self.points[:, None] + offsets)
        self.area = density @ torch.outer(weights, weights).flatten() * spacing.prod()

    def __repr__(self) -> str:
        return f"ParametrisedSites(shape={self._grid.shape})"

    def stencil(self, points: Tensor) -> Stencil:
        """The four corners of the cell round each point `(..., 2)`."""
        points = self.surface._points("points", points)
        flat = self._grid.stencil(points)
        sites = self.points[flat.index]
        sites = points[..., None, :] - self.surface._nearest(points[..., None, :] - sites)
        phase = phase_along_segment(
            self.surface._flow.geometry.connection, sites, points[..., None, :].expand_as(sites)
        )
        return Stencil(flat.index, flat.weight, rotation_matrix(phase))


def phase_along_segment(
    connection: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, pieces: int = 1
) -> Tensor:
    """-∫ ω along the straight line of coordinates, by Gauss' rule with four nodes on each of equal pieces."""
    nodes, weights = _gauss(4)
    nodes = ((nodes + torch.arange(pieces, dtype=torch.float64)[:, None]) / pieces).flatten()
    step = (end - start)[..., None, :]
    values = (connection(start[..., None, :] + nodes[:, None] * step) * step).sum(-1)
    return -(values * (weights / pieces).repeat(pieces)).sum(-1)


def _gauss(count: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss' rule on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)

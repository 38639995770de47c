"""Regular grids of sites on the plane and on its quotients, with multilinear interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.sampling import Sites, Stencil

Border = Literal["zero", "constant", "mirror", "periodic", "glide"]


@dataclass(frozen=True)
class GridAxis:
    """One axis of a regular grid: site j lies at the coordinate first + j · spacing.

    Attributes:
        count: the number of sites along the axis.
        first: the coordinate of site 0.
        spacing: the distance between neighbours.
        border: what lies beyond the last site: "zero" (samples that are 0), "constant" (the last
            sample goes on), "mirror" (the samples backwards, from the last one on), "periodic" (site 0 again), "glide"
            (site 0 again, of the grid mirrored in its last coordinate).
    """

    count: int
    first: float
    spacing: float
    border: Border

    def coordinates(self) -> Tensor:
        """`(count,)`: where the sites lie."""
        return self.first + self.spacing * torch.arange(self.count, dtype=torch.float64)

    def resolve(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Any integer index as (the site's index, whether there is a site, whether it is seen in a mirror)."""
        inside = torch.ones_like(index, dtype=torch.bool)
        crossed = torch.zeros_like(inside)
        if self.border == "zero":
            inside = (index >= 0) & (index < self.count)
            return torch.where(inside, index, 0), inside, crossed
        if self.border == "constant":
            return index.clamp(0, self.count - 1), inside, crossed
        if self.border == "mirror":
            there = index % (2 * self.count)
            crossed = there >= self.count
            return torch.where(crossed, 2 * self.count - 1 - there, there), inside, crossed
        if self.border == "glide":
            crossed = torch.div(index, self.count, rounding_mode="floor") % 2 == 1
        return index % self.count, inside, crossed


class GridSites(Sites):
    """The sites of a regular grid in d coordinates, interpolated multilinearly.

    The value at a point is the sum over the 2^d corners of its cell, each with the product over the axes of
    t or 1 - t, where t in [0, 1) is the position within the cell. On a glide axis a corner beyond the seam is
    a mirrored site, and its transport is diag(1, ..., 1, -1); beyond the end of a mirror axis, -1 on that axis.

    Args:
        axes: one `GridAxis` a coordinate, the first coordinate first. Sites are numbered with the first
            coordinate running fastest: in two dimensions index = row * n_x + column.
        manifold: where they lie.
    """

    def __init__(self, axes: Sequence[GridAxis], manifold: Any = None) -> None:
        self.manifold = manifold
        self.axes = tuple(axes)
        self.dim = len(self.axes)
        mesh = torch.meshgrid(*(axis.coordinates() for axis in reversed(self.axes)), indexing="ij")
        self.points = torch.stack([coordinate.flatten() for coordinate in reversed(mesh)], dim=-1)
        cell = 1.0
        for axis in self.axes:
            cell *= axis.spacing
        self.area = torch.full((len(self.points),), cell, dtype=torch.float64)

    def __repr__(self) -> str:
        return f"GridSites(shape={self.shape})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in C order: the last axis is the first coordinate, (n_y, n_x) in two dimensions."""
        return tuple(axis.count for axis in reversed(self.axes))

    def stencil(self, points: Tensor) -> Stencil:
        """The 2^d corners of the cell round each point `(..., d)`; differentiable in the weights."""
        points = float64("points", points, (self.dim,))
        first = torch.tensor([axis.first for axis in self.axes], dtype=torch.float64)
        spacing = torch.tensor([axis.spacing for axis in self.axes], dtype=torch.float64)
        position = (points - first) / spacing
        lower = position.detach().floor()
        fraction = position - lower
        cell = lower.to(torch.int64)
        corners = [self._corner(cell, fraction, corner) for corner in product((0, 1), repeat=self.dim)]
        indices, weights, flips = zip(*corners, strict=True)
        transport = self._transport(torch.stack(flips, dim=-2))
        return Stencil(torch.stack(indices, dim=-1), torch.stack(weights, dim=-1), transport)

    def _corner(
        self, cell: Tensor, fraction: Tensor, corner: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The site at one corner of each cell: index, weight, and the coordinates `(..., d)` that a mirror flips."""
        weight = torch.ones_like(fraction[..., 0])
        inside = torch.ones_like(cell[..., 0], dtype=torch.bool)
        mirrored = torch.zeros_like(inside)  # across a glide
        flipped = [mirrored] * self.dim
        resolved = []
        for number, (axis, step) in enumerate(zip(self.axes, corner, strict=True)):
            here, exists, crossed = axis.resolve(cell[..., number] + step)
            weight = weight * (fraction[..., number] if step else 1 - fraction[..., number])
            inside = inside & exists
            if axis.border == "mirror":
                flipped[number] = crossed
            else:
                mirrored = mirrored ^ crossed
            resolved.append(here)
        resolved[-1] = torch.where(mirrored, self.axes[-1].count - 1 - resolved[-1], resolved[-1])
        index = torch.zeros_like(resolved[0])
        for axis, here in zip(reversed(self.axes), reversed(resolved), strict=True):
            index = index * axis.count + here
        flipped[-1] = flipped[-1] ^ mirrored
        return (
            torch.where(inside, index, 0),
            torch.where(inside, weight, 0.0),
            torch.stack(flipped, dim=-1),
        )

    def _transport(self, flipped: Tensor) -> Tensor:
        """`(..., S, d, d)`: the identity, with -1 for the coordinates that mirrors flip."""
        if all(axis.border not in ("glide", "mirror") for axis in self.axes):
            identity = torch.eye(self.dim, dtype=torch.float64)
            return identity.expand(*flipped.shape, self.dim)  # a view: no memory
        return torch.diag_embed(torch.where(flipped, -1.0, 1.0).to(torch.float64))

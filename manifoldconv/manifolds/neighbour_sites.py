"""Sites at any points of a manifold, interpolated from the nearest ones by moving least squares."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.manifolds.base import Manifold
from manifoldconv.manifolds.checks import whole
from manifoldconv.sampling import Sites, Stencil


class NeighbourSites(Sites):
    """N points with an interpolation from the k nearest, by moving least squares of degree one.

    With u_s = log_q(p_s), r_s = |u_s|, R the largest of the r_s and θ_s = (1 - r_s / R)² / r_s²,

        w_s = θ_s (1 - ūᵀ C⁻¹ (u_s - ū)),    θ scaled to sum 1, ū and C the mean and covariance of u under θ

    The weights sum to 1, give a field's own value at a site, and reproduce fields that are linear in u:
    second order in the distance of sites. They may be negative, most where a point lies outside of its
    neighbours. Where these lie (nearly) in fewer than d directions, only those are fitted. Neighbours are
    nearest in ambient coordinates; the transport runs along the shortest geodesic from site to point.

    Args:
        manifold: whose points are tensors.
        points: `(N, ...)`.
        neighbours: k; default 4 d, or N where that is less.
        area: `(N,)` positive; default an estimate, one over the density of sites by Gaussian kernels as wide
            as a third of the way to the k-th neighbour: right to some percent for even points, and too large
            at an edge of the cloud.

    Raises:
        GeometryError: where two sites coincide, or k is not from 2 to N.
    """

    def __init__(
        self, manifold: Manifold, points: Tensor, neighbours: int | None = None, area: Tensor | None = None
    ) -> None:
        self.manifold, self.points = manifold, points.detach()
        count = min(4 * manifold.dim, len(points)) if neighbours is None else neighbours
        self.neighbours = whole("neighbours", count, 2, len(points))
        flat = self.points.reshape(len(points), -1).numpy()
        self._axes = self.points.ndim - 1
        self._tree = cKDTree(flat)
        gaps, near = self._tree.query(flat, k=min(self.neighbours + 1, len(points)))
        if bool((gaps[:, 1] == 0).any()):
            site = int(np.argmax(gaps[:, 1] == 0))
            raise GeometryError(f"sites {near[site, 0]} and {near[site, 1]} are the same point")
        if area is None:
            places = self.points.repeat_interleave(near.shape[1], dim=0)
            apart = manifold.distance(places, self.points[near.flatten()]).reshape(near.shape)
            width = apart.amax(-1, keepdim=True) / 3
            weight = torch.exp(-((apart / width) ** 2) / 2).sum(-1)
            self.area = (2 * math.pi) ** (manifold.dim / 2) * width[:, 0] ** manifold.dim / weight
        else:
            self.area = float64("area", area, (len(points),))

    def __repr__(self) -> str:
        return f"NeighbourSites(sites={len(self)}, neighbours={self.neighbours})"

    def stencil(self, points: Tensor) -> Stencil:
        """The k nearest sites of each point, at any batch axes."""
        points = float64("points", points, tuple(self.points.shape[1:])).detach()
        batch = points.shape[: points.ndim - self._axes]
        flat = points.reshape(math.prod(batch), -1)
        index = torch.from_numpy(self._tree.query(flat.numpy(), k=self.neighbours)[1]).to(torch.int64)
        places = flat.reshape(len(flat), 1, *self.points.shape[1:])
        sites = self.points[index]
        weight = _weights(self.manifold.log(places, sites))
        transport = self.manifold.transport_between(sites, places)
        d = self.manifold.dim
        return Stencil(
            index.reshape(*batch, -1), weight.reshape(*batch, -1), transport.reshape(*batch, -1, d, d)
        )


def _weights(offsets: Tensor) -> Tensor:
    """The weights `(..., k)` from u_s `(..., k, d)`."""
    square = offsets.square().sum(-1)
    farthest = square.amax(-1, keepdim=True)
    fade = (1 - (square / farthest).sqrt()).square()
    # r_s² against the nearest one's: finite at a site, where that one takes all.
    tiny = 1e-24 * farthest
    closeness = (square.amin(-1, keepdim=True) + tiny) / (square + tiny)
    theta = fade * closeness
    theta = theta / theta.sum(-1, keepdim=True)
    mean = (theta[..., None] * offsets).sum(-2, keepdim=True)
    centred = offsets - mean
    covariance = centred.mT @ (theta[..., None] * centred)
    trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    inverse = torch.linalg.pinv(covariance / trace, rtol=1e-8, hermitian=True)
    slope = (mean @ inverse)[..., 0, :] / trace[..., 0]
    return theta * (1 - (centred * slope[..., None, :]).sum(-1))

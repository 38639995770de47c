"""Correlation as a sum over sites: the manifold's own measure, without a quadrature of the tangent space.

    (k ⋆ f)(p) ≈ Σ_{q: |log_p q| ≤ R} k(log_p q) ρ(Γ_{q→p}) f(q) area(q)

On a mesh, where the Jacobian of exp is 1 almost everywhere and all curvature sits in the vertices, this is the integral
with the surface's own area; the sites themselves are the nodes, so nothing is interpolated.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from manifoldconv.carried import Frames, carried_frames
from manifoldconv.errors import AccuracyWarning
from manifoldconv.frames import FrameField
from manifoldconv.manifolds.base import Manifold
from manifoldconv.manifolds.euclidean import Euclidean
from manifoldconv.manifolds.sphere import Sphere
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.surface.sites import VertexSites

PAIRS_AT_A_TIME = 200_000


def over_sites(
    manifold: Manifold,
    sites: Sites,
    radius: float,
    base: int | None = None,
    frames: Frames | FrameField = "parallel",
) -> Pullback:
    """The pullback whose nodes at a site are the sites within `radius` of it, each with its own area.

    Args:
        manifold, sites, base, frames: as for `Pullback.build`.
        radius: of the kernel's disc, in the units of the manifold; > 0.

    Returns:
        A `Pullback` with nodes of its own for every site (`places`, `density`), as many as the site with the most
        neighbours has; unused ones have weight 0.

    Warns:
        AccuracyWarning: where more than 1 % of the pairs within reach have no straight line between them (the shadows
            behind saddle vertices); these are left out. (Between vertices of a mesh they are left out without
            being counted.)

    Between the vertices of a mesh one unfolding for each site finds all logarithms; else the cost is a logarithm for
    each pair of neighbours, and on manifolds other than meshes, spheres and Euclidean space for every pair of sites.

    >>> import manifoldconv as mc
    >>> sphere = mc.Sphere()
    >>> pull = over_sites(sphere, sphere.sites(icosphere=3), radius=0.5)
    >>> ones = torch.ones(pull.n_sources, 1, dtype=torch.float64)
    >>> kept = mc.correlate(ones, mc.kernels.gaussian(0.15, normalise=True), pull)
    >>> bool((kept - 1).abs().max() < 1e-12)
    True
    """
    if not radius > 0:
        raise ValueError(f"the radius must be positive; got {radius}")
    group, carried = carried_frames(manifold, sites, "zero", base, frames)
    if isinstance(sites, VertexSites):
        start, second, v = sites.manifold.log_to_vertices(torch.arange(len(sites)), radius)
        first = torch.arange(len(sites)).repeat_interleave(start[1:] - start[:-1])
    else:
        first, second, v = _near_pairs(manifold, sites, radius)
    transport = torch.empty(len(first), manifold.dim, manifold.dim, dtype=torch.float64)
    for begin in range(0, len(first), PAIRS_AT_A_TIME):
        pairs = slice(begin, begin + PAIRS_AT_A_TIME)
        geodesic = manifold.geodesic(sites.points[first[pairs]], v[pairs])
        there = manifold.reframe(geodesic.end, sites.points[second[pairs]]) @ geodesic.transport
        transport[pairs] = there.mT
    if carried is not None:
        v = (carried[first].mT @ v[..., None])[..., 0]
        transport = carried[first].mT @ transport @ carried[second]
    return _padded(sites, first, second, v, transport, TangentRule.polar(radius, 6, 32), group)


def _padded(
    sites: Sites, first: Tensor, second: Tensor, v: Tensor, transport: Tensor, rule: TangentRule, group: Any
) -> Pullback:
    """Pairs sorted by their first site, as rows of equal length."""
    count, d = len(sites), v.shape[-1]
    lengths = torch.bincount(first, minlength=count)
    start = torch.cumsum(lengths, 0) - lengths
    width = int(lengths.max())
    column = torch.arange(len(first)) - start[first]
    index = torch.zeros(count, width, dtype=torch.int64)
    weight, density = (torch.zeros(count, width, dtype=torch.float64) for _ in range(2))
    places = torch.zeros(count, width, d, dtype=torch.float64)
    carried = torch.eye(d, dtype=torch.float64).repeat(count, width, 1, 1)
    index[first, column] = second
    weight[first, column] = 1.0
    density[first, column] = sites.area[second]
    places[first, column] = v
    carried[first, column] = transport
    return Pullback(
        rule,
        index[..., None],
        weight[..., None],
        carried[:, :, None],
        count,
        group,
        density=density,
        places=places,
    )


def _near_pairs(manifold: Manifold, sites: Sites, radius: float) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs of sites within `radius` of one another, sorted by the first, and their logarithms."""
    first, second = _candidates(manifold, sites, radius)
    kept, vectors, hidden = [], [], 0
    for start in range(0, len(first), PAIRS_AT_A_TIME):
        pairs = slice(start, start + PAIRS_AT_A_TIME)
        x, y = sites.points[first[pairs]], sites.points[second[pairs]]
        v = manifold.log(x, y)
        straight = torch.isfinite(v).all(dim=-1)
        if not bool(straight.all()):
            hidden += int((manifold.distance(x[~straight], y[~straight]) <= radius).sum())
        near = straight & (v.norm(dim=-1) <= radius)
        kept.append(torch.nonzero(near)[:, 0] + start)
        vectors.append(v[near])
    rows = torch.cat(kept)
    if hidden > 0.01 * (len(rows) + hidden):
        warnings.warn(
            f"{hidden} of {len(rows) + hidden} pairs of sites within {radius:.3g} of one another have no straight line "
            "between them, and are left out",
            AccuracyWarning,
            stacklevel=3,
        )
    return first[rows], second[rows], torch.cat(vectors)


def _candidates(manifold: Manifold, sites: Sites, radius: float) -> tuple[Tensor, Tensor]:
    """Pairs of sites that may lie within `radius`, sorted by the first: a superset."""
    embed = getattr(manifold, "embed", None)
    if embed is not None:
        # A straight line in space is no longer than the geodesic.
        positions = embed(sites.points)
    elif isinstance(manifold, Euclidean | Sphere):
        positions = sites.points
    else:
        everyone = torch.arange(len(sites))
        return everyone.repeat_interleave(len(sites)), everyone.repeat(len(sites))
    first, second = zip(*_by_rows(positions.numpy(), radius), strict=True)
    return torch.from_numpy(np.concatenate(first)), torch.from_numpy(np.concatenate(second))


def _by_rows(positions: np.ndarray, radius: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    tree = cKDTree(positions)
    for start in range(0, len(positions), 4096):
        found = tree.query_ball_point(positions[start : start + 4096], radius * (1 + 1e-9), workers=-1)
        lengths = [len(row) for row in found]
        yield (
            np.repeat(np.arange(start, start + len(found)), lengths),
            np.concatenate([np.sort(r) for r in found]).astype(np.int64),
        )

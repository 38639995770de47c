"""The laws of sites: areas, partition of unity, transport, and second order in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from manifoldconv.sampling import Sites, Stencil
from manifoldconv.testing.laws import LawResult, apply, identity_gap, largest


@dataclass(frozen=True)
class SitesCase:
    """Sites at two resolutions, and smooth fields to interpolate on them.

    Attributes:
        coarse: the sites.
        fine: sites of the same region, closer by a factor of about 2 or more.
        volume: the measure of the region.
        scalar: points to `(...,)`, a smooth function.
        vector: points to `(..., d)`, a smooth vector field in the frames at the points; None without one.
        tolerance: for the laws that hold up to rounding.
        shortfall: the order of convergence may be 2 less this.
    """

    coarse: Sites
    fine: Sites
    volume: float
    scalar: Callable[[Any], Tensor]
    vector: Callable[[Any], Tensor] | None = None
    tolerance: float = 1e-10
    shortfall: float = 0.2


def check_sites(case: SitesCase, points: Any) -> list[LawResult]:
    """Evaluate the laws of sites: areas, partition of unity, transport, and second order in between.

    Args:
        case: the sites.
        points: some hundred points with one batch axis, anywhere that the sites cover.
    """
    stencils = [(sites, sites.stencil(points)) for sites in (case.coarse, case.fine)]
    exact: dict[str, list[Tensor]] = {
        "areas sum to the volume": [s.area.sum() / case.volume - 1 for s, _ in stencils],
        "areas are positive": [(s.area <= 0).to(torch.float64) for s, _ in stencils],
        "stencil weights are not negative": [t.weight.clamp(max=0) for _, t in stencils],
        "stencil weights sum to 1": [t.weight.sum(-1) - 1 for _, t in stencils],
        "stencil indices are sites": [((t.index < 0) | (t.index >= len(s))).double() for s, t in stencils],
        "stencil transport is orthogonal": [identity_gap(t.transport.mT @ t.transport) for _, t in stencils],
        "a site interpolates to itself": _own_values(case),
    }
    results = [LawResult(law, largest(found), case.tolerance) for law, found in exact.items()]
    results.append(
        _order("scalars are interpolated to second order", case, points, _as_column(case.scalar), stencils)
    )
    if case.vector is not None:
        results.append(
            _order("vectors are interpolated to second order", case, points, case.vector, stencils)
        )
    return results


def _as_column(scalar: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    return lambda points: scalar(points)[..., None]


def _interpolate(stencil: Stencil, values: Tensor) -> Tensor:
    """Σ_s weight · transport · values, for scalars in one column or tangent vectors."""
    gathered = values[stencil.index]
    if values.shape[-1] == stencil.transport.shape[-1] > 1:
        gathered = apply(stencil.transport, gathered)
    return (stencil.weight[..., None] * gathered).sum(-2)


def _own_values(case: SitesCase) -> list[Tensor]:
    fields = [_as_column(case.scalar)] + ([case.vector] if case.vector is not None else [])
    stencil = case.coarse.stencil(case.coarse.points)
    return [_interpolate(stencil, f(case.coarse.points)) - f(case.coarse.points) for f in fields]


def _order(
    law: str,
    case: SitesCase,
    points: Any,
    values: Callable[[Any], Tensor],
    stencils: list[tuple[Sites, Stencil]],
) -> LawResult:
    """By how much the order of convergence in the distance of neighbours falls short of 2."""
    errors = [_interpolate(t, values(s.points)) - values(points) for s, t in stencils]
    coarse, fine = (float(error.detach().square().mean().sqrt()) for error in errors)
    dim = stencils[0][1].transport.shape[-1]
    refinement = (len(case.fine) / len(case.coarse)) ** (1 / dim)
    exact = coarse <= case.tolerance and fine <= case.tolerance
    order = 2.0 if exact else math.log(coarse / fine) / math.log(refinement) if fine > 0 else math.inf
    return LawResult(law, 2 - order, case.shortfall)

"""The logarithm of a surface in coordinates, by shooting."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from manifoldconv.manifolds.parametrised_flow import Flow, OdeSolver
from manifoldconv.orthogonal import rotation_matrix

# Misses, as a length over the distance plus 1. First, roughly, to the first number, which the rough solver
# can still tell; then to the second or a few times the solver's own tolerance; beyond the third nothing is
# found.
_NEAR, _REACHED, _FOUND = 1e-3, 1e-13, 1e-9
_ITERATIONS = 12
_ROUGH = OdeSolver("dopri5", rtol=1e-4, atol=1e-4)


def shoot(flow: Flow, start: Tensor, target: Tensor) -> Tensor:
    """v `(N, 2)` with exp(start, v) = target in unwrapped coordinates, NaN where none is found; differentiable."""
    with torch.no_grad():
        v = _find(flow, start.detach(), target.detach())
    if not (start.requires_grad or target.requires_grad):
        return v
    lost = torch.isnan(v).any(-1, keepdim=True)
    return torch.where(lost, math.nan, _newton_step(flow, start, target, torch.where(lost, 0.0, v)))


def _miss(flow: Flow, start: Tensor, target: Tensor, v: Tensor) -> Tensor:
    """target - exp(start, v), as a vector in the frame at the end, carried back to the start."""
    ends, phases = flow.advance(start, v)
    at_end = torch.linalg.solve(flow.geometry.frame(flow.clamp(ends[-1])), target - ends[-1])
    return (rotation_matrix(-phases[-1]) @ at_end[..., None])[..., 0]


def _find(flow: Flow, start: Tensor, target: Tensor) -> Tensor:
    first = torch.linalg.solve(flow.geometry.frame(start), target - start)
    v, slope, size = _broyden(replace(flow, solver=_ROUGH), start, target, first, None, _NEAR / 10)
    result = torch.full_like(v, math.nan)
    rays = torch.nonzero(size <= _NEAR)[:, 0]
    reached = _REACHED if flow.solver.steps is not None else max(_REACHED, 3 * flow.solver.rtol)
    v, _, size = _broyden(flow, start[rays], target[rays], v[rays], slope[rays], reached)
    found = size <= max(_FOUND, 10 * reached)
    return result.index_copy(0, rays, torch.where(found[:, None], v, math.nan))


def _broyden(
    flow: Flow, start: Tensor, target: Tensor, best: Tensor, slope: Tensor | None, reached: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Broyden's iteration for a miss of 0 from `best`: v, the derivative of the miss, and its relative size.

    The derivative is that at v = 0, minus the identity, corrected by the steps taken. A step is halved while
    it makes the miss larger, and at most half as long as the first guess.
    """
    miss = _miss(flow, start, target, best)
    best, damping = best.clone(), torch.ones_like(best[:, :1])
    slope = -torch.eye(2, dtype=torch.float64).repeat(len(start), 1, 1) if slope is None else slope.clone()
    scale = 1 + torch.linalg.vector_norm(best, dim=-1)
    longest = scale[:, None] / 2
    size = torch.linalg.vector_norm(miss, dim=-1) / scale
    for _ in range(_ITERATIONS):
        active = torch.nonzero((size > reached) & (damping[:, 0] > 0.1))[:, 0]
        if not len(active):
            break
        step = -damping[active] * _solve_safely(slope[active], miss[active])
        length = torch.linalg.vector_norm(step, dim=-1, keepdim=True).clamp(min=1e-300)
        step = step * (longest[active] / length).clamp(max=1.0)
        tried = _miss(flow, start[active], target[active], best[active] + step)
        # The smallest change of the slope that explains the step just made, good or bad.
        unexplained = tried - miss[active] - (slope[active] @ step[..., None])[..., 0]
        square = step.square().sum(-1)[:, None, None].clamp(min=1e-300)
        slope[active] = slope[active] + unexplained[..., :, None] * step[..., None, :] / square
        tried_size = torch.linalg.vector_norm(tried, dim=-1) / scale[active]
        better = tried_size < size[active]
        kept = active[better]
        best[kept], miss[kept], size[kept] = best[kept] + step[better], tried[better], tried_size[better]
        damping[active] = torch.where(better[:, None], 1.0, damping[active] / 2)
    return best, slope, size


def _solve_safely(slope: Tensor, miss: Tensor) -> Tensor:
    """slope⁻¹ miss, or -miss where the slope has become nearly singular."""
    sound = torch.linalg.det(slope).abs() > 1e-3
    minus = -torch.eye(2, dtype=torch.float64)
    return torch.linalg.solve(torch.where(sound[:, None, None], slope, minus), miss)


def _newton_step(flow: Flow, start: Tensor, target: Tensor, v: Tensor) -> Tensor:
    """v plus one exact Newton step: it moves v by rounding only, but has the gradient of the solution.

    In the frame carried along the geodesic the derivative of exp is 1 along v and j across it.
    """
    with torch.no_grad():
        _, _, stretch = flow.advance_with_stretch(start, v)
    along = torch.nn.functional.normalize(v, dim=-1)
    along = torch.where(
        along.abs().sum(-1, keepdim=True) > 0, along, torch.tensor([1.0, 0.0], dtype=torch.float64)
    )
    across = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
    miss = _miss(flow, start, target, v)
    parallel = (miss * along).sum(-1, keepdim=True)
    normal = (miss * across).sum(-1, keepdim=True) / stretch[:, None]
    return v + parallel * along + normal * across

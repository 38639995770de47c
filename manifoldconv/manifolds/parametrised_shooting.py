"""The logarithm of a surface in coordinates: the shortest of the geodesics to the images of a point, by shooting."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from manifoldconv.manifolds.parametrised_collocation import Connection, connect
from manifoldconv.manifolds.parametrised_flow import Flow, OdeSolver
from manifoldconv.manifolds.parametrised_trace import beyond, trace
from manifoldconv.orthogonal import rotation_matrix

# Misses, as a length over the distance plus 1. First, where collocation finds no start, roughly to the first number,
# which the rough solver can still tell; then to the second or a few times the solver's own tolerance; beyond the third
# nothing is found.
_NEAR, _REACHED, _FOUND = 1e-3, 1e-13, 1e-9
_ITERATIONS = 12
# A Newton step from a miss as small as this, with the derivative by collocation, leaves less than rounding does.
_CLOSE = 1e-7
# A rough path is looked at in so many places: does it leave the domain?
_SAMPLES = 32
# Where exp stretches less than this, its derivative is no guide.
_FLAT = 1e-3
_ROUGH = OdeSolver("dopri5", rtol=1e-4, atol=1e-4)


def shortest(flow: Flow, start: Tensor, goals: Tensor, least: Tensor) -> Tensor:
    """v `(N, 2)` with exp(start, v) at one of the goals, the shortest that is found; NaN where none; differentiable.

    Args:
        flow: the geodesics.
        start: `(N, 2)`.
        goals: `(I, N, 2)`, images of one point in unwrapped coordinates.
        least: `(I, N)` lengths that no curve from start to goal falls below.
    """
    with torch.no_grad():
        v, image = _find_shortest(flow, start.detach(), goals.detach(), least.detach())
    if not (start.requires_grad or goals.requires_grad):
        return v
    lost = torch.isnan(v).any(-1, keepdim=True)
    target = goals[image, torch.arange(len(start))]
    return torch.where(lost, math.nan, _newton_step(flow, start, target, torch.where(lost, 0.0, v)))


def _find_shortest(flow: Flow, start: Tensor, goals: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """The shortest v, and to which image it goes.

    Each ray tries its images by the length that collocation gives, to the first that is reached; then those to which
    collocation gave none and that may be nearer. Geodesics that leave the domain on the way don't count.
    """
    guess = _guesses(flow, start, goals, least)
    length = guess.v.norm(dim=-1).masked_fill(guess.outside, math.nan).nan_to_num(nan=math.inf)
    found, chosen = torch.full_like(start, math.nan), torch.zeros(len(start), dtype=torch.int64)
    for image in length.argsort(dim=0):
        rays = torch.isnan(found).any(-1) & torch.isfinite(length.gather(0, image[None])[0])
        here = torch.nonzero(rays)[:, 0]
        goal = image[here]
        found[here] = _refine(
            flow, start[here], goals[goal, here], guess.v[goal, here], guess.stretch[goal, here]
        )
        chosen[here] = goal
    open_images = guess.v.isnan().any(-1)
    for image in least.argsort(dim=0):
        best = found.norm(dim=-1).nan_to_num(nan=math.inf)
        rays = open_images.gather(0, image[None])[0] & (least.gather(0, image[None])[0] < best)
        here = torch.nonzero(rays)[:, 0]
        if not len(here):
            continue
        goal = image[here]
        other = _shoot(flow, start[here], goals[goal, here])
        better = other.norm(dim=-1) < best[here]
        found[here[better]], chosen[here[better]] = other[better], goal[better]
    return found, chosen


def _guesses(flow: Flow, start: Tensor, goals: Tensor, least: Tensor) -> Connection:
    """By collocation, to images that may be nearer than those before; `(I, N, ...)`."""
    v, stretch = torch.full_like(goals, math.nan), torch.full_like(least, math.nan)
    outside = torch.zeros_like(least, dtype=torch.bool)
    best = torch.full_like(least[0], math.inf)
    for image, goal in enumerate(goals):
        rays = torch.nonzero(least[image] < best)[:, 0]
        part = connect(flow, start[rays], goal[rays])
        v[image, rays], stretch[image, rays], outside[image, rays] = part.v, part.stretch, part.outside
        best = torch.fmin(best, v[image].norm(dim=-1).masked_fill(outside[image], math.nan))
    return Connection(v, stretch, outside)


def _slope(v: Tensor, stretch: Tensor) -> Tensor:
    """The derivative of the miss: minus that of exp, which in the carried frame is 1 along v and the stretch across."""
    along = _direction(v)
    outer = along[:, :, None] * along[:, None, :]
    unit = torch.eye(2, dtype=torch.float64)
    return -(outer + stretch[:, None, None] * (unit - outer))


def _direction(v: Tensor) -> Tensor:
    """v over its length; the first axis where v is 0."""
    along = torch.nn.functional.normalize(v, dim=-1)
    rest = along.abs().sum(-1, keepdim=True) == 0
    return torch.where(rest, torch.tensor([1.0, 0.0], dtype=torch.float64), along)


def _miss(flow: Flow, start: Tensor, target: Tensor, v: Tensor) -> Tensor:
    """target - exp(start, v), as a vector in the frame at the end, carried back to the start."""
    ends, phases = flow.advance(start, v)
    at_end = torch.linalg.solve(flow.geometry.frame(flow.clamp(ends[-1])), target - ends[-1])
    return (rotation_matrix(-phases[-1]) @ at_end[..., None])[..., 0]


def _refine(flow: Flow, start: Tensor, target: Tensor, v: Tensor, stretch: Tensor) -> Tensor:
    """v from collocation, improved until exp(start, v) is the target to the solver's tolerance; NaN where it isn't.

    One Newton step, unless the solver's end is so far from the target that a step's own error could be seen.
    """
    slope, miss = _slope(v, stretch), _miss(flow, start, target, v)
    near = torch.linalg.vector_norm(miss, dim=-1) <= _CLOSE * (1 + torch.linalg.vector_norm(v, dim=-1))
    result = v - _solve_safely(slope, miss)
    rest = torch.nonzero(~near | (stretch.abs() <= _FLAT))[:, 0]
    result[rest] = _polish(flow, start[rest], target[rest], v[rest], slope[rest])
    return result


def _shoot(flow: Flow, start: Tensor, target: Tensor) -> Tensor:
    """v with exp(start, v) = target from the straight line of coordinates, by a rough solver and then the flow's."""
    first = torch.linalg.solve(flow.geometry.frame(start), target - start)
    minus = -torch.eye(2, dtype=torch.float64).repeat(len(start), 1, 1)
    rough = replace(flow, solver=_ROUGH)
    v, slope, size = _broyden(rough, start, target, first, minus, _NEAR / 10)
    result = torch.full_like(v, math.nan)
    path = rough.advance(start, v, samples=_SAMPLES)[0]
    inside = (beyond(flow, path) <= _NEAR).all(dim=0)
    rays = torch.nonzero((size <= _NEAR) & inside)[:, 0]
    v = _polish(flow, start[rays], target[rays], v[rays], slope[rays])
    rays, v = rays[torch.isfinite(v).all(-1)], v[torch.isfinite(v).all(-1)]
    complete = trace(flow, start[rays], v, reflect=False)[2] >= 1
    result[rays[complete]] = v[complete]
    return result


def _polish(flow: Flow, start: Tensor, target: Tensor, v: Tensor, slope: Tensor) -> Tensor:
    """v by Broyden's iteration to the solver's tolerance, NaN where it does not get there."""
    reached = _REACHED if flow.solver.steps is not None else max(_REACHED, 3 * flow.solver.rtol)
    v, _, size = _broyden(flow, start, target, v, slope, reached)
    return torch.where((size <= max(_FOUND, 10 * reached))[:, None], v, math.nan)


def _broyden(
    flow: Flow, start: Tensor, target: Tensor, best: Tensor, slope: Tensor, reached: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Broyden's iteration for a miss of 0 from `best`: v, the derivative of the miss, and its relative size.

    The derivative is that given, corrected by the steps taken: where it is right, these are Newton's. A step is halved
    while it makes the miss larger, and at most half as long as the first guess.
    """
    miss = _miss(flow, start, target, best)
    best, damping = best.clone(), torch.ones_like(best[:, :1])
    slope = slope.clone()
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
    sound = torch.linalg.det(slope).abs() > _FLAT
    minus = -torch.eye(2, dtype=torch.float64)
    return torch.linalg.solve(torch.where(sound[:, None, None], slope, minus), miss)


def _newton_step(flow: Flow, start: Tensor, target: Tensor, v: Tensor) -> Tensor:
    """v plus one exact Newton step: it moves v by rounding only, but has the gradient of the solution.

    In the frame carried along the geodesic the derivative of exp is 1 along v and j across it.
    """
    with torch.no_grad():
        _, _, stretch = flow.advance_with_stretch(start, v)
    along = _direction(v)
    across = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
    miss = _miss(flow, start, target, v)
    parallel = (miss * along).sum(-1, keepdim=True)
    normal = (miss * across).sum(-1, keepdim=True) / stretch[:, None]
    return v + parallel * along + normal * across

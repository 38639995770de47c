"""Geodesics in a rectangle of coordinates, up to its boundary or reflected there."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds.parametrised_flow import Flow, OdeSolver
from manifoldconv.orthogonal import rotation_matrix

# At so many points of a geodesic it is asked whether it has left the domain.
_SAMPLES = 32
# A point this far outside, in parts of the domain, is on the boundary.
_ON_BOUNDARY = 1e-11
_MOST_BOUNCES = 1000
_ROUGH = OdeSolver("dopri5", rtol=1e-5, atol=1e-6)


def trace(flow: Flow, u: Tensor, v: Tensor, reflect: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Ends `(N, 2)`, transports `(N, 2, 2)` and the parts in [0, 1] that were walked `(N,)`."""
    if not bool((torch.isfinite(flow.low) | torch.isfinite(flow.high)).any()):
        ends, phases = flow.advance(u, v)
        return ends[-1], rotation_matrix(phases[-1]), torch.ones_like(v[:, 0])
    transport = torch.eye(2, dtype=torch.float64).expand(len(u), 2, 2)
    walked = torch.zeros_like(v[:, 0])
    moving = torch.arange(len(u))
    for _ in range(_MOST_BOUNCES):
        here, phase, part, axis = _until_boundary(flow, u[moving], v[moving], 1 - walked[moving])
        turned = rotation_matrix(phase) @ transport[moving]
        hit = axis >= 0
        velocity = (rotation_matrix(phase) @ v[moving][..., None])[..., 0]
        if reflect:
            mirror = mirrors_across(flow, here, axis.clamp(min=0))
            bounced = hit[:, None, None]
            turned = torch.where(bounced, mirror @ turned, turned)
            velocity = torch.where(hit[:, None], (mirror @ velocity[..., None])[..., 0], velocity)
        total = torch.where(hit, walked[moving] + part, torch.ones_like(part))
        u, transport = u.index_copy(0, moving, here), transport.index_copy(0, moving, turned)
        v, walked = v.index_copy(0, moving, velocity), walked.index_copy(0, moving, total)
        moving = moving[hit]
        if not reflect or not len(moving):
            return u, transport, walked
    raise GeometryError(f"a geodesic met the boundary more than {_MOST_BOUNCES} times")


def _until_boundary(
    flow: Flow, u: Tensor, v: Tensor, remaining: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ends, phases, the time up to there and the coordinate whose boundary was met (-1: none)."""
    # Outside, the metric goes on with a kink, which a fine tolerance would resolve in vain: a coarse one
    # finds who leaves.
    rough = replace(flow, solver=_ROUGH)
    with torch.no_grad():
        path = rough.advance(u, v, remaining, samples=_SAMPLES)[0][1:]
    outside = _beyond(flow, path) > _ON_BOUNDARY
    stays = torch.nonzero(~outside.any(dim=0))[:, 0]
    ends, phases = (part[-1] for part in flow.advance(u[stays], v[stays], remaining[stays]))
    # One that ends next to the boundary may have left after all.
    outside[-1, stays] = _beyond(flow, ends.detach()) > _ON_BOUNDARY
    here, phase = u.index_copy(0, stays, ends), torch.zeros_like(v[:, 0]).index_copy(0, stays, phases)
    part, axis = remaining.clone(), torch.full((len(u),), -1)
    rays = torch.nonzero(outside.any(dim=0))[:, 0]
    if len(rays):
        after = 1 + outside.to(torch.int64).argmax(dim=0)[rays]
        # A little wider than between the samples, which are rough.
        parts = torch.stack([after - 1.1, after + 0.1]).clamp(0, _SAMPLES) / _SAMPLES
        bracket = remaining[rays].detach() * parts.to(torch.float64)
        path[-1, stays] = ends.detach()
        beyond = path[after - 1, rays]
        found = _crossing(flow, u[rays], v[rays], bracket, beyond)
        here, phase = here.index_copy(0, rays, found[0]), phase.index_copy(0, rays, found[1])
        part = part.index_copy(0, rays, found[2])
        met = found[2].detach() < remaining[rays].detach() * (1 - _ON_BOUNDARY)
        axis = axis.index_copy(0, rays, torch.where(met, found[3], -1))
    return flow.clamp(here), phase, part, axis


def _beyond(flow: Flow, u: Tensor) -> Tensor:
    """How far points lie outside, in parts of the domain."""
    return ((u - flow.clamp(u)).abs() / (flow.high - flow.low).nan_to_num(posinf=1.0)).amax(-1)


def _crossing(
    flow: Flow, u: Tensor, v: Tensor, bracket: Tensor, beyond: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where geodesics cross the boundary, by Newton's iteration on the time within its bracket.

    Each step goes on from the place that the step before has reached, so it is short and the metric is needed
    only next to the boundary.
    """
    excess = (beyond - flow.clamp(beyond)).abs() / (flow.high - flow.low).nan_to_num(posinf=1.0)
    axis = excess.argmax(dim=-1)
    chosen = torch.nn.functional.one_hot(axis, 2).to(torch.float64)
    wall = (flow.clamp(beyond) * chosen).sum(-1)
    time = bracket[0]
    place, phase = (part[-1] for part in flow.advance(u, v, time))
    for _ in range(8):
        velocity, _ = flow.rate(place, phase, v)
        speed = (velocity * chosen).sum(-1)
        gap = wall - (place * chosen).sum(-1)
        towards = torch.where(speed.detach().abs() > 1e-12, speed, torch.ones_like(speed))
        wanted = torch.where(speed.detach().abs() > 1e-12, time + gap / towards, bracket[1])
        wanted = torch.minimum(torch.maximum(wanted, bracket[0]), bracket[1])
        step, time = wanted - time, wanted
        if float(step.detach().abs().max()) < 1e-15:
            break
        onward = (rotation_matrix(phase) @ v[..., None])[..., 0]
        places, turns = flow.advance(place, onward, step)
        place, phase = places[-1], phase + turns[-1]
    return flow.clamp(place), phase, time, axis


def mirrors_across(flow: Flow, u: Tensor, axis: Tensor) -> Tensor:
    """The reflection across the coordinate line of the boundary at which coordinate `axis` ends, in the frame."""
    inverse = torch.linalg.inv(flow.geometry.frame(u))
    along = torch.take_along_dim(inverse, (1 - axis)[:, None, None], dim=-1)[..., 0]
    along = along / torch.linalg.vector_norm(along, dim=-1, keepdim=True)
    return 2 * along[..., :, None] * along[..., None, :] - torch.eye(2, dtype=torch.float64)

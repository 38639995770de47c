"""Geodesics in a rectangle of coordinates, up to its boundary or reflected there."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds.parametrised_flow import Flow, OdeSolver
from manifoldconv.orthogonal import rotation_matrix

# A geodesic is looked at in so many equal pieces, each a cubic, and that at so many points: has it left the domain?
_SAMPLES, _PIECES = 32, 8
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
    with torch.no_grad():
        after, outside = _suspected_exits(flow, u, v, remaining)
    here, phase = u, torch.zeros_like(v[:, 0])
    part, axis = remaining, torch.full((len(u),), -1)
    rays = torch.arange(len(u))
    looked_at_end = torch.zeros(len(u), dtype=torch.bool)
    while len(rays):
        suspected = torch.isfinite(outside[:, rays])
        # Those that stay inside go to their end; one that ends next to the boundary may have left after all.
        staying = rays[~suspected.any(dim=0)]
        ends, phases = (end[-1] for end in flow.advance(u[staying], v[staying], remaining[staying]))
        left = (beyond(flow, ends.detach()) > _ON_BOUNDARY) & ~looked_at_end[staying]
        looked_at_end[staying[left]] = True
        after[-1, staying[left]], outside[-1, staying[left]] = 1 - 1 / _SAMPLES, 1.0
        here = here.index_copy(0, staying[~left], ends[~left])
        phase = phase.index_copy(0, staying[~left], phases[~left])
        going = torch.cat([rays[suspected.any(dim=0)], staying[left]])
        # The others cross the boundary before the first place where a rough path is outside, or it was too rough.
        first = torch.isfinite(outside[:, going]).to(torch.int64).argmax(dim=0)
        bracket = torch.stack([after[first, going], outside[first, going]]) * remaining[going].detach()
        found = _crossing(flow, u[going], v[going], bracket)
        crossed = found[3] >= 0
        outside[first[~crossed], going[~crossed]] = math.inf
        done = going[crossed]
        here, phase = (
            here.index_copy(0, done, found[0][crossed]),
            phase.index_copy(0, done, found[1][crossed]),
        )
        part = part.index_copy(0, done, found[2][crossed])
        met = found[2][crossed].detach() < remaining[done].detach() * (1 - _ON_BOUNDARY)
        axis[done] = torch.where(met, found[3][crossed], -1)
        rays = going[~crossed]
    return flow.clamp(here), phase, part, axis


def _suspected_exits(flow: Flow, u: Tensor, v: Tensor, remaining: Tensor) -> tuple[Tensor, Tensor]:
    """Where paths are outside: in each of equal pieces a time before and one at the farthest place outside, `(K, N)`.

    In parts of the whole time; infinity where a piece stays inside. Between the samples the path is the cubic through
    their places and velocities, so that an excursion between two of them is seen as well. Outside, the metric goes on
    with a kink, which a fine tolerance would resolve in vain: a coarse one finds who may leave.
    """
    path, phases = replace(flow, solver=_ROUGH).advance(u, v, remaining, samples=_SAMPLES)
    speed = torch.stack([flow.rate(place, phase, v)[0] for place, phase in zip(path, phases, strict=True)])
    step = (remaining / _SAMPLES)[:, None]
    room = torch.minimum(path - flow.low, flow.high - path)
    # A piece that is nearer to the boundary than the distance that it goes (twice, as it may speed up).
    gone = 2 * step * torch.maximum(speed[1:].abs(), speed[:-1].abs())
    near = (torch.minimum(room[1:], room[:-1]) <= gone).any(-1)
    piece, ray = torch.nonzero(near, as_tuple=True)
    inside = torch.linspace(0, 1, _PIECES + 1, dtype=torch.float64)[1:, None, None]
    a, b, length = path[piece, ray], path[piece + 1, ray], step[ray]
    forth, back = length * speed[piece, ray], length * speed[piece + 1, ray]
    rest = 1 - inside
    places = rest**2 * ((1 + 2 * inside) * a + inside * forth) + inside**2 * (
        (1 + 2 * rest) * b - rest * back
    )
    farthest, where = beyond(flow, places).max(dim=0)
    after = torch.full(near.shape, math.inf, dtype=torch.float64)
    outside = after.clone()
    seen = farthest > _ON_BOUNDARY
    # A little before the piece, whose ends are rough.
    start, end = piece[seen].to(torch.float64), (where[seen].to(torch.float64) + 1) / _PIECES
    after[piece[seen], ray[seen]] = (start - 0.1).clamp(min=0) / _SAMPLES
    outside[piece[seen], ray[seen]] = (start + end) / _SAMPLES
    return after, outside


def beyond(flow: Flow, u: Tensor) -> Tensor:
    """How far points lie outside, in parts of the domain."""
    return ((u - flow.clamp(u)).abs() / (flow.high - flow.low).nan_to_num(posinf=1.0)).amax(-1)


def _crossing(flow: Flow, u: Tensor, v: Tensor, bracket: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Places, phases and times at which geodesics cross the boundary, and of which coordinate; -1 where none does.

    By Newton's iteration on the time within its bracket `(2, N)`, halving that where a step leaves it. The last step is
    taken once more with gradients: it moves nothing, but has the derivative of the crossing.
    """
    with torch.no_grad():
        low, high = bracket
        place, phase = (part[-1] for part in flow.advance(u, v, low))
        end = flow.advance(place, _turned(phase, v), high - low)[0][-1]
        excess = (end - flow.clamp(end)).abs() / (flow.high - flow.low).nan_to_num(posinf=1.0)
        axis = torch.where(excess.amax(-1) > _ON_BOUNDARY, excess.argmax(dim=-1), -1)
        chosen = torch.nn.functional.one_hot(axis.clamp(min=0), 2).to(torch.float64)
        wall = (flow.clamp(end) * chosen).sum(-1)
        outward = torch.sign((end * chosen).sum(-1) - wall)
        time = low
        for _ in range(60):
            gap = outward * (wall - (place * chosen).sum(-1))
            low, high = torch.where(gap >= 0, time, low), torch.where(gap < 0, time, high)
            speed = outward * (flow.rate(place, phase, v)[0] * chosen).sum(-1)
            wanted = time + gap / torch.where(speed.abs() > 1e-300, speed, 1e-300)
            wanted = torch.where((wanted >= low) & (wanted <= high), wanted, (low + high) / 2)
            step, time = wanted - time, wanted
            places, turns = flow.advance(place, _turned(phase, v), step)
            place, phase = places[-1], phase + turns[-1]
            if float(step[axis >= 0].abs().amax() if bool((axis >= 0).any()) else 0.0) < 1e-15:
                break
    place, phase = (part[-1] for part in flow.advance(u, v, time))
    speed = (flow.rate(place, phase, v)[0] * chosen).sum(-1)
    gap = wall - (place * chosen).sum(-1)
    crosses = speed.detach().abs() > 1e-12
    step = torch.where(crosses, gap / torch.where(crosses, speed, 1.0), 0.0)
    places, turns = flow.advance(place, _turned(phase, v), step)
    return flow.clamp(places[-1]), phase + turns[-1], time + step, axis


def _turned(phase: Tensor, v: Tensor) -> Tensor:
    return (rotation_matrix(phase) @ v[..., None])[..., 0]


def mirrors_across(flow: Flow, u: Tensor, axis: Tensor) -> Tensor:
    """The reflection across the coordinate line of the boundary at which coordinate `axis` ends, in the frame."""
    inverse = torch.linalg.inv(flow.geometry.frame(u))
    along = torch.take_along_dim(inverse, (1 - axis)[:, None, None], dim=-1)[..., 0]
    along = along / torch.linalg.vector_norm(along, dim=-1, keepdim=True)
    return 2 * along[..., :, None] * along[..., None, :] - torch.eye(2, dtype=torch.float64)

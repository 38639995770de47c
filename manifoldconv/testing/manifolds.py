"""The laws of a manifold: what its exp, log, transport and frames must satisfy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.manifolds.base import Geodesic, Manifold
from manifoldconv.testing.laws import LawResult, apply, identity_gap, largest


@dataclass(frozen=True)
class Isometry:
    """A distance-preserving map of a manifold to itself, with its differential.

    Attributes:
        apply: points to points.
        differential: points x to `(..., d, d)`, from coordinates in the frame at x to coordinates in the
            frame at apply(x).
    """

    name: str
    apply: Callable[[Any], Any]
    differential: Callable[[Any], Tensor]


def ambient_isometry(manifold: Manifold, matrix: Tensor, name: str) -> Isometry:
    """The isometry x ↦ matrix @ x of a manifold in ambient coordinates; its differential is F(Ax)ᵀ A F(x)."""

    def image(x: Tensor) -> Tensor:
        return x @ matrix.mT

    return Isometry(name, image, lambda x: manifold.frame(image(x)).mT @ matrix @ manifold.frame(x))


@dataclass(frozen=True)
class ManifoldCase:
    """A manifold and what a checker has to know about it.

    Attributes:
        manifold: the manifold.
        sample_points: (generator, count) to that many points.
        radius: tangent vectors are drawn shorter than this. It must be less than the injectivity radius at
            all points; near a boundary they may be longer than the way to it.
        tolerance: the largest deviation that passes. The default leaves rounding a factor of 10^5.
        isometries: maps that exp, log and transport must commute with.
        membership: points to a number that is 0 on the manifold; None where every value of a point is on it.
        embed: points to ambient coordinates, those in which `manifold.frame` is given; None without such.
        reframed: the same manifold with other frames in the same ambient coordinates; None without such.
        inner: points to `(..., D, D)`, the inner product of those ambient coordinates; None: the Euclidean one.
    """

    manifold: Manifold
    sample_points: Callable[[torch.Generator, int], Any]
    radius: float
    tolerance: float = 1e-10
    isometries: tuple[Isometry, ...] = ()
    membership: Callable[[Any], Tensor] | None = None
    embed: Callable[[Any], Tensor] | None = None
    reframed: Manifold | None = None
    inner: Callable[[Any], Tensor] | None = None


@dataclass(frozen=True)
class _Sample:
    """Geodesics of a case that are complete, and those that stopped: what the laws look at."""

    case: ManifoldCase
    x: Any
    v: Tensor
    geodesic: Geodesic
    fraction: Tensor
    stopped_x: Any
    stopped_v: Tensor
    stopped: Geodesic
    manifold: Manifold = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "manifold", self.case.manifold)


def check_laws(case: ManifoldCase, generator: torch.Generator, count: int = 64) -> list[LawResult]:
    """Evaluate every law of `LAWS` that applies to the case, on `count` random geodesics.

    Raises:
        ValueError: where no geodesic is complete, so that there is nothing to check: the radius is too large.
    """
    sample = _draw(case, generator, count)
    results = []
    for law, deviations in LAWS.items():
        tolerance = case.tolerance * _COARSER.get(law, 1.0)
        try:
            found = deviations(sample)
        except ValueError as refusal:  # a point or vector that the manifold itself returned, such as NaN
            results.append(LawResult(law, math.nan, tolerance, str(refusal)))
            continue
        if found:
            results.append(LawResult(law, largest(found), tolerance))
    return results


def _draw(case: ManifoldCase, generator: torch.Generator, count: int) -> _Sample:
    x = case.sample_points(generator, count)
    direction = torch.randn(count, case.manifold.dim, generator=generator, dtype=torch.float64)
    length = case.radius * torch.rand(count, 1, generator=generator, dtype=torch.float64)
    v = torch.nn.functional.normalize(direction, dim=-1) * length
    fraction = torch.rand(count, 1, generator=generator, dtype=torch.float64)
    complete = case.manifold.geodesic(x, v).complete
    if not bool(complete.any()):
        raise ValueError(f"no geodesic of length up to {case.radius:g} is complete; give a smaller radius")
    x_in, v_in, x_out, v_out = x[complete], v[complete], x[~complete], v[~complete]
    return _Sample(
        case,
        x_in,
        v_in,
        case.manifold.geodesic(x_in, v_in),
        fraction[complete],
        x_out,
        v_out,
        case.manifold.geodesic(x_out, v_out),
    )


def _same_end(manifold: Manifold, first: Geodesic, second: Geodesic) -> list[Tensor]:
    """Two ways to one point: the gap between the ends, and between the transports in the second's frame."""
    return [
        manifold.distance_between_points(first.end, second.end),
        manifold.reframe(first.end, second.end) @ first.transport - second.transport,
    ]


# --- the laws: a sample to its deviations, an empty list where the law does not apply ---


def _lands(s: _Sample) -> list[Tensor]:
    if s.case.membership is None:
        return []
    return [s.case.membership(s.geodesic.end), s.case.membership(s.stopped.end)]


def _length(s: _Sample) -> list[Tensor]:
    norm, whole = torch.linalg.vector_norm(s.v, dim=-1), torch.linalg.vector_norm(s.stopped_v, dim=-1)
    return [s.geodesic.length - norm, (s.stopped.length - whole).clamp(min=0), s.stopped.length.clamp(max=0)]


def _orthogonal(s: _Sample) -> list[Tensor]:
    transports = (s.geodesic.transport, s.stopped.transport)
    return [identity_gap(transport.mT @ transport) for transport in transports]


def _log_inverts(s: _Sample) -> list[Tensor]:
    return [s.manifold.log(s.x, s.geodesic.end) - s.v]


def _between(s: _Sample) -> list[Tensor]:
    return [s.manifold.transport_between(s.x, s.geodesic.end) - s.geodesic.transport]


def _returns(s: _Sample) -> list[Tensor]:
    back = s.manifold.geodesic(s.geodesic.end, -apply(s.geodesic.transport, s.v))
    return _round_trip(s.manifold, s.x, s.geodesic, back)


def _round_trip(manifold: Manifold, x: Any, out: Geodesic, back: Geodesic) -> list[Tensor]:
    total = manifold.reframe(back.end, x) @ back.transport @ out.transport
    return [manifold.distance_between_points(back.end, x), identity_gap(total)]


def _composes(s: _Sample) -> list[Tensor]:
    first = s.manifold.geodesic(s.x, s.fraction * s.v)
    rest = s.manifold.geodesic(first.end, apply(first.transport, (1 - s.fraction) * s.v))
    both = Geodesic(rest.end, rest.transport @ first.transport, first.length + rest.length, rest.complete)
    return [*_same_end(s.manifold, both, s.geodesic), both.length - s.geodesic.length]


def _path_and_back(s: _Sample) -> list[Tensor]:
    few = range(min(4, len(s.v)))
    paths = [[s.x[i], s.geodesic.end[i], s.x[i]] for i in few]
    return [identity_gap(s.manifold.transport(s.manifold.as_path(path))) for path in paths]


def _stops(s: _Sample) -> list[Tensor]:
    if not s.manifold.has_boundary:
        return [torch.tensor(float(len(s.stopped_v)))]
    ratio = s.stopped.length / torch.linalg.vector_norm(s.stopped_v, dim=-1)
    up_to = s.manifold.geodesic(s.stopped_x, ratio[..., None] * s.stopped_v)
    before = s.manifold.geodesic(s.stopped_x, ratio[..., None] * s.stopped_v * (1 - 1e-6))
    return [*_same_end(s.manifold, up_to, s.stopped), (~before.complete).to(torch.float64)]


def _bounces(s: _Sample) -> list[Tensor]:
    if not s.manifold.has_boundary or not len(s.stopped_v):
        return []
    out = s.manifold.geodesic(s.stopped_x, s.stopped_v, boundary="reflect")
    velocity = apply(out.transport, s.stopped_v)
    back = s.manifold.geodesic(out.end, -velocity, boundary="reflect")
    length = out.length - torch.linalg.vector_norm(s.stopped_v, dim=-1)
    return [*_round_trip(s.manifold, s.stopped_x, out, back), length, (~out.complete).to(torch.float64)]


def _orthonormal(s: _Sample) -> list[Tensor]:
    frame = s.manifold.frame(s.x)
    dual = frame.mT if s.case.inner is None else frame.mT @ s.case.inner(s.x)
    return [identity_gap(dual @ frame)]


def _velocity(s: _Sample) -> list[Tensor]:
    embed, step = s.case.embed, 1e-5
    if embed is None:
        return []
    forward, backward = s.manifold.geodesic(s.x, step * s.v), s.manifold.geodesic(s.x, -step * s.v)
    inside = forward.complete & backward.complete
    difference = (embed(forward.end) - embed(backward.end)) / (2 * step)
    return [(difference - apply(s.manifold.frame(s.x), s.v))[inside]]


def _reframed(s: _Sample) -> list[Tensor]:
    other = s.case.reframed
    if other is None:
        return []
    turn = other.frame(s.x).mT @ s.manifold.frame(s.x)
    turned = other.geodesic(s.x, apply(turn, s.v))
    end_turn = other.frame(s.geodesic.end).mT @ s.manifold.frame(s.geodesic.end)
    log = other.log(s.x, s.geodesic.end) - apply(turn, s.manifold.log(s.x, s.geodesic.end))
    gap = (
        other.reframe(turned.end, s.geodesic.end) @ turned.transport @ turn - end_turn @ s.geodesic.transport
    )
    return [s.manifold.distance_between_points(turned.end, s.geodesic.end), gap, log]


def _isometries(s: _Sample) -> list[Tensor]:
    deviations = []
    for isometry in s.case.isometries:
        x, end = isometry.apply(s.x), isometry.apply(s.geodesic.end)
        at_x, at_end = isometry.differential(s.x), isometry.differential(s.geodesic.end)
        image = s.manifold.geodesic(x, apply(at_x, s.v))
        expected = Geodesic(end, at_end @ s.geodesic.transport @ at_x.mT, s.geodesic.length, image.complete)
        deviations += _same_end(s.manifold, image, expected)
        deviations.append(s.manifold.log(x, end) - apply(at_x, s.v))
    return deviations


LAWS: dict[str, Callable[[_Sample], list[Tensor]]] = {
    "exp lands on the manifold": _lands,
    "a geodesic is as long as its velocity, or stops before": _length,
    "transport is orthogonal": _orthogonal,
    "log inverts exp": _log_inverts,
    "transport between points is that along the geodesic": _between,
    "a geodesic run back returns": _returns,
    "parts of a geodesic compose": _composes,
    "a path and back is the identity": _path_and_back,
    "geodesics stop at the boundary and nowhere else": _stops,
    "a reflected geodesic run back returns": _bounces,
    "the frame is orthonormal": _orthonormal,
    "a geodesic starts with its velocity": _velocity,
    "the frame changes the coordinates, not the answer": _reframed,
    "isometries commute with exp, log and transport": _isometries,
}

# Central differences with steps of 1e-5 lose 1e-11 to rounding and 1e-10 |v|³ to truncation.
_COARSER = {"a geodesic starts with its velocity": 100.0}

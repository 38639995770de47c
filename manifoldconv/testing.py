"""Laws that every manifold and every set of sites must obey, as checkers to run on one's own.

A checker draws random points and tangent vectors, evaluates each law of its registry and returns one
`LawResult` a law, with the largest deviation found. It raises nothing for a broken law; `require` does.

>>> import torch
>>> from manifoldconv.manifolds import Euclidean
>>> def sample(generator, count):
...     return torch.rand(count, 2, generator=generator, dtype=torch.float64)
>>> case = ManifoldCase(Euclidean(2), sample, radius=1.0)
>>> results = check_laws(case, torch.Generator().manual_seed(0))
>>> all(result.passed for result in results)
True
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.manifolds.base import Geodesic, Manifold
from manifoldconv.sampling import Sites, Stencil


class LawViolation(AssertionError):
    """A manifold or its sites break a law that they must obey."""


@dataclass(frozen=True)
class LawResult:
    """How far a law was from holding.

    Attributes:
        law: the law, in words.
        figure: the largest deviation found (NaN where the manifold gave one).
        tolerance: the largest that passes.
    """

    law: str
    figure: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance; NaN is not."""
        return self.figure <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "BROKEN"
        return f"{verdict:6} {self.law}: {self.figure:.2e} (at most {self.tolerance:.1e})"


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

    def apply(x: Tensor) -> Tensor:
        return x @ matrix.mT

    return Isometry(name, apply, lambda x: manifold.frame(apply(x)).mT @ matrix @ manifold.frame(x))


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
    """

    manifold: Manifold
    sample_points: Callable[[torch.Generator, int], Any]
    radius: float
    tolerance: float = 1e-10
    isometries: tuple[Isometry, ...] = ()
    membership: Callable[[Any], Tensor] | None = None
    embed: Callable[[Any], Tensor] | None = None
    reframed: Manifold | None = None


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
        found = deviations(sample)
        if found:
            results.append(LawResult(law, _largest(found), case.tolerance * _COARSER.get(law, 1.0)))
    return results


def require(results: Iterable[LawResult]) -> None:
    """Raise `LawViolation`, listing every law, if any is broken."""
    results = list(results)
    if not all(result.passed for result in results):
        raise LawViolation("broken laws:\n" + "\n".join(str(result) for result in results))


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


def _largest(deviations: Iterable[Tensor]) -> float:
    """The largest absolute value; NaN if there is one, 0 if there is nothing."""
    parts = [torch.as_tensor(part).detach().to(torch.float64).abs().flatten() for part in deviations]
    values = torch.cat(parts)
    return float(values.max()) if len(values) else 0.0


def _apply(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def _identity_gap(matrix: Tensor) -> Tensor:
    return matrix - torch.eye(matrix.shape[-1], dtype=torch.float64)


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
    return [_identity_gap(transport.mT @ transport) for transport in transports]


def _log_inverts(s: _Sample) -> list[Tensor]:
    return [s.manifold.log(s.x, s.geodesic.end) - s.v]


def _between(s: _Sample) -> list[Tensor]:
    return [s.manifold.transport_between(s.x, s.geodesic.end) - s.geodesic.transport]


def _returns(s: _Sample) -> list[Tensor]:
    back = s.manifold.geodesic(s.geodesic.end, -_apply(s.geodesic.transport, s.v))
    return _round_trip(s.manifold, s.x, s.geodesic, back)


def _round_trip(manifold: Manifold, x: Any, out: Geodesic, back: Geodesic) -> list[Tensor]:
    total = manifold.reframe(back.end, x) @ back.transport @ out.transport
    return [manifold.distance_between_points(back.end, x), _identity_gap(total)]


def _composes(s: _Sample) -> list[Tensor]:
    first = s.manifold.geodesic(s.x, s.fraction * s.v)
    rest = s.manifold.geodesic(first.end, _apply(first.transport, (1 - s.fraction) * s.v))
    both = Geodesic(rest.end, rest.transport @ first.transport, first.length + rest.length, rest.complete)
    return [*_same_end(s.manifold, both, s.geodesic), both.length - s.geodesic.length]


def _path_and_back(s: _Sample) -> list[Tensor]:
    few = range(min(4, len(s.v)))
    paths = [[s.x[i], s.geodesic.end[i], s.x[i]] for i in few]
    return [_identity_gap(s.manifold.transport(s.manifold.as_path(path))) for path in paths]


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
    velocity = _apply(out.transport, s.stopped_v)
    back = s.manifold.geodesic(out.end, -velocity, boundary="reflect")
    length = out.length - torch.linalg.vector_norm(s.stopped_v, dim=-1)
    return [*_round_trip(s.manifold, s.stopped_x, out, back), length, (~out.complete).to(torch.float64)]


def _orthonormal(s: _Sample) -> list[Tensor]:
    frame = s.manifold.frame(s.x)
    return [_identity_gap(frame.mT @ frame)]


def _velocity(s: _Sample) -> list[Tensor]:
    embed, step = s.case.embed, 1e-5
    if embed is None:
        return []
    forward, backward = s.manifold.geodesic(s.x, step * s.v), s.manifold.geodesic(s.x, -step * s.v)
    inside = forward.complete & backward.complete
    difference = (embed(forward.end) - embed(backward.end)) / (2 * step)
    return [(difference - _apply(s.manifold.frame(s.x), s.v))[inside]]


def _reframed(s: _Sample) -> list[Tensor]:
    other = s.case.reframed
    if other is None:
        return []
    turn = other.frame(s.x).mT @ s.manifold.frame(s.x)
    turned = other.geodesic(s.x, _apply(turn, s.v))
    end_turn = other.frame(s.geodesic.end).mT @ s.manifold.frame(s.geodesic.end)
    log = other.log(s.x, s.geodesic.end) - _apply(turn, s.manifold.log(s.x, s.geodesic.end))
    gap = (
        other.reframe(turned.end, s.geodesic.end) @ turned.transport @ turn - end_turn @ s.geodesic.transport
    )
    return [s.manifold.distance_between_points(turned.end, s.geodesic.end), gap, log]


def _isometries(s: _Sample) -> list[Tensor]:
    deviations = []
    for isometry in s.case.isometries:
        x, end = isometry.apply(s.x), isometry.apply(s.geodesic.end)
        at_x, at_end = isometry.differential(s.x), isometry.differential(s.geodesic.end)
        image = s.manifold.geodesic(x, _apply(at_x, s.v))
        expected = Geodesic(end, at_end @ s.geodesic.transport @ at_x.mT, s.geodesic.length, image.complete)
        deviations += _same_end(s.manifold, image, expected)
        deviations.append(s.manifold.log(x, end) - _apply(at_x, s.v))
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
        "stencil transport is orthogonal": [_identity_gap(t.transport.mT @ t.transport) for _, t in stencils],
        "a site interpolates to itself": _own_values(case),
    }
    results = [LawResult(law, _largest(found), case.tolerance) for law, found in exact.items()]
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
        gathered = _apply(stencil.transport, gathered)
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

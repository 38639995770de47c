"""Equivariance measured: how far an operator is from commuting with a symmetry, and why.

    error = max |L(T f) - T L(f)| / max |L(f)|

T moves a field by an element of the symmetry. The error has two parts. One comes from interpolating between sites and
nodes, and falls when these are refined. The other comes from a broken constraint, such as a kernel that the group does
not admit, and stays whatever the resolution. A check at one resolution can tell them apart only for elements that
interpolate nothing; else the check is run at several, and the error is extrapolated to spacing 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.representations import Representation
from manifoldconv.sampling import Sites
from manifoldconv.testing.laws import LawResult
from manifoldconv.testing.manifolds import Isometry

Field = Tensor | Callable[[Any], Tensor]

SLACK = 0.25
"""The share of the finest error by which the extrapolation is trusted: constants vary a little from grid to grid."""


@dataclass(frozen=True, eq=False)
class GaugeChange:
    """Other frames at the sites: u' = matrices[p] u. The fields change coordinates; nothing moves.

    Attributes:
        matrices: `(N, d, d)` orthogonal, one for each site.
        name: for the report.
    """

    matrices: Tensor
    name: str = "a change of gauge"


@dataclass(frozen=True, eq=False)
class Discretisation:
    """One resolution: the sites of a field, and what an operator needs besides the field.

    Attributes:
        sites: where the field lives.
        pull: handed to the operator as its second argument: a `Pullback`, or whatever it takes (for a change of gauge
            a `Pullback`, or a tuple of them over the same sites). None: the operator takes the field alone.
        sites_out: where the answer lives; None where it lives on `sites`.
        spacing: the distance of neighbouring sites; by default area^(1/d) on average over the sites.
        inside: points to bool: the sites of the answer that are compared, as those away from the border of a window.
            None: all. The error stays relative to the largest answer at any site.
    """

    sites: Sites
    pull: Any = None
    sites_out: Sites | None = None
    spacing: float | None = None
    inside: Callable[[Any], Tensor] | None = None

    @property
    def distance(self) -> float:
        """The spacing, given or computed."""
        if self.spacing is not None:
            return self.spacing
        dim = getattr(self.sites.manifold, "dim", None)
        if dim is None:
            raise ValueError(
                f"{self.sites!r} do not say their manifold's dimension; give Discretisation a spacing"
            )
        return float(self.sites.area.mean()) ** (1 / dim)


@dataclass(frozen=True)
class Equivariance:
    """How far an operator is from commuting with a symmetry.

    Attributes:
        errors: the largest error over sites, channels and elements, one a resolution, relative to max |L(f)|.
        spacings: of the resolutions; () where there is one only.
        constraint: the part that does not fall with the spacing, a bound on what a broken constraint does.
        interpolation: the part that falls, at the finest resolution; constraint + interpolation = errors[-1].
        order: the order of convergence seen between the last two resolutions; None where there is one only.
        expected_order: the order with which the interpolation part is extrapolated.
        worst: the element with the largest error at the finest resolution.
        site: the site of the answer where that is.
        elements: how many elements were tried.
        exact: whether no element interpolates: it permutes the sites, or changes frames only.
        tolerance: the largest constraint part that passes.
    """

    errors: tuple[float, ...]
    spacings: tuple[float, ...]
    constraint: float
    interpolation: float
    order: float | None
    expected_order: float
    worst: str
    site: int
    elements: int
    exact: bool
    tolerance: float

    @property
    def bound(self) -> float:
        """The largest constraint part that passes: the tolerance, and after an extrapolation its accuracy.

        The latter is a quarter of the finest error: an error of second order must fall at least with order 1.7.
        """
        return self.tolerance + (SLACK * self.errors[-1] if len(self.errors) > 1 else 0.0)

    @property
    def passed(self) -> bool:
        """Whether the constraint part is within the bound."""
        return self.constraint <= self.bound

    def as_law(self, law: str = "the operator is equivariant") -> LawResult:
        """The same as a `LawResult`, for `manifoldconv.testing.require`."""
        return LawResult(law, self.constraint, self.bound, str(self))

    def __str__(self) -> str:
        verdict = "equivariant" if self.passed else "NOT equivariant"
        kind = "that interpolate nothing" if self.exact else "that interpolate"
        lines = [
            f"{verdict} under {self.elements} elements {kind}: relative error {self.errors[-1]:.2e}",
            f"  broken constraint  {self.constraint:.2e}  (does not fall with the spacing; {self.bound:.1e} passes)",
            f"  interpolation      {self.interpolation:.2e}  (falls with the spacing)",
            f"  worst: {self.worst}, at site {self.site}",
        ]
        for spacing, error in zip(self.spacings, self.errors, strict=False):
            lines.insert(-1, f"  spacing {spacing:.3g}: error {error:.2e}")
        if self.order is not None:
            lines.insert(-1, f"  order of convergence {self.order:.2f} (expected {self.expected_order:g})")
        return "\n".join(lines)


def check_equivariance(
    operator: Callable[..., Tensor],
    element: Any,
    field: Field,
    at: Discretisation | Sequence[Discretisation],
    *,
    rep_in: Representation | None = None,
    rep_out: Representation | None = None,
    output: Literal["field", "invariant"] = "field",
    count: int = 8,
    generator: torch.Generator | None = None,
    order: float = 2.0,
    tolerance: float | None = None,
) -> Equivariance:
    """Measure how far an operator, a layer or a whole network is from commuting with a symmetry.

        L(T f) = T L(f),   (T f)(x) = ρ(dh_x)⁻¹ f(h x) for an isometry h;   f'(p) = ρ(g_p) f(p) for a change of gauge

    T moves a field by the inverse of h, so that only h is needed. Under a change of gauge g the operator is given
    `pull.change_gauge(g)` as well.

    Args:
        operator: `operator(field, pull)`, or `operator(field)` where the discretisation has no pullback: it maps a
            field `(N, C_in)` to one `(P, C_out)`. A module of `manifoldconv.nn` is one, and so is a function.
        element: an `Isometry`; a pair of them, on the sites of the field and on those of the answer; a `GaugeChange`;
            a list of such elements; or a sampler, a function of a `torch.Generator` that returns one.
        field: `(N, C_in)`, or a function of points that returns it, in the frames of the manifold there. More than one
            resolution needs a function; with a function the input is not interpolated, only the answer is.
        at: the resolution, or several, coarse first; fields and answers are in the manifold's frames at the sites.
        rep_in, rep_out: the field types; None: scalars.
        output: "field": the answer is a field. "invariant": numbers that must not change at all.
        count: how many elements a sampler is asked for.
        generator: of the sampler; by default one with seed 0.
        order: of the interpolation's error in the spacing; 2 for linear interpolation.
        tolerance: the largest constraint part that passes; by default 1e-10 for answers in float64, else 1e-4.

    Returns:
        The figures. Nothing is raised where equivariance is broken: see `passed`, or `require([report.as_law()])`.

    Raises:
        ValueError: where there is nothing to check (every element is the identity; the answer is 0 or not finite), or
            where the two parts cannot be told apart (elements that interpolate, at one resolution only).

    >>> import manifoldconv as mc
    >>> plane = mc.FlatTorus(1.0, 1.0)
    >>> sites = plane.sites(shape=(8, 8))
    >>> at = Discretisation(sites, mc.Pullback.build(plane, sites, mc.TangentRule.grid((3, 3), 1 / 8)))
    >>> shift = Isometry("a shift by two pixels", lambda x: x + 0.25, plane.frame)
    >>> def operator(field, pull):
    ...     return mc.correlate(field, mc.kernels.gaussian(0.1), pull)
    >>> report = check_equivariance(operator, shift, torch.randn(64, 1), at)
    >>> report.passed, report.exact
    (True, True)
    """
    stages = [at] if isinstance(at, Discretisation) else list(at)
    if output not in ("field", "invariant"):
        raise ValueError(f'output must be "field" or "invariant"; got {output!r}')
    elements = _elements(element, count, generator)
    _check_request(stages, field)
    measured = [_measure(operator, elements, field, stage, rep_in, rep_out, output) for stage in stages]
    finest = measured[-1]
    exact = all(stage.exact for stage in measured)
    if tolerance is None:
        tolerance = 1e-10 if finest.dtype == torch.float64 else 1e-4
    if len(stages) == 1:
        if not exact:
            raise ValueError(
                f"{finest.worst} moves sites between sites, so part of the error {finest.error:.3g} is interpolation: "
                "give at least two discretisations, coarse first, or elements that permute the sites"
            )
        return Equivariance(
            (finest.error,),
            (),
            finest.error,
            0.0,
            None,
            order,
            finest.worst,
            finest.site,
            len(elements),
            True,
            tolerance,
        )
    spacings = tuple(stage.distance for stage in stages)
    errors = tuple(stage.error for stage in measured)
    constraint = _at_spacing_zero(spacings, errors, order)
    return Equivariance(
        errors,
        spacings,
        constraint,
        errors[-1] - constraint,
        _observed_order(spacings, errors),
        order,
        finest.worst,
        finest.site,
        len(elements),
        exact,
        tolerance,
    )


@dataclass(frozen=True)
class _Measured:
    """The largest error at one resolution, and where it was."""

    error: float
    worst: str
    site: int
    exact: bool
    dtype: torch.dtype


def _elements(element: Any, count: int, generator: torch.Generator | None) -> list[Any]:
    """The elements to try, from any of the forms in which they are given."""
    if isinstance(element, Isometry | GaugeChange | tuple):
        found = [element]
    elif callable(element):
        if count < 1:
            raise ValueError(f"count must be at least 1; got {count}")
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        found = [element(generator) for _ in range(count)]
    else:
        found = list(element)
    for one in found:
        pair = isinstance(one, tuple) and len(one) == 2 and all(isinstance(part, Isometry) for part in one)
        if not (pair or isinstance(one, Isometry | GaugeChange)):
            raise ValueError(
                f"an element is an Isometry, a pair of them, or a GaugeChange; got {type(one).__name__}"
            )
    if not found:
        raise ValueError("there are no elements to check")
    return found


def _check_request(stages: Sequence[Discretisation], field: Field) -> None:
    if not stages:
        raise ValueError("there is no discretisation to check at")
    if len(stages) > 1 and not callable(field):
        raise ValueError("several resolutions need the field as a function of points; got a tensor")
    spacings = [stage.distance for stage in stages] if len(stages) > 1 else []
    if any(fine >= coarse * (1 - 1e-9) for coarse, fine in pairwise(spacings)):
        raise ValueError(f"the discretisations must get finer, coarse first; their spacings are {spacings}")


def _measure(
    operator: Callable[..., Tensor],
    elements: Sequence[Any],
    field: Field,
    stage: Discretisation,
    rep_in: Representation | None,
    rep_out: Representation | None,
    output: str,
) -> _Measured:
    """The largest error at one resolution."""
    here = field(stage.sites.points) if callable(field) else field
    if here.ndim < 2 or here.shape[-2] != len(stage.sites):
        raise ValueError(
            f"the field must have shape (N, C), N = {len(stage.sites)} sites; got {tuple(here.shape)}"
        )
    plain = _apply(operator, here, stage.pull)
    scale = float(plain.detach().abs().max())
    if not 0 < scale < math.inf:
        raise ValueError(
            f"the operator's answer has the largest value {scale:g}: there is nothing to compare"
        )
    found, moved_any, exact = [], False, True
    for element in elements:
        for difference, moves, interpolates in _differences(
            operator, element, field, here, plain, stage, rep_in, rep_out, output
        ):
            moved_any = moved_any or moves
            exact = exact and not interpolates
            size = difference.detach().abs()
            if not bool(torch.isfinite(size).all()):
                raise ValueError(f"the operator's answer is not finite under {_name(element)}")
            if output == "field":
                by_site = size.movedim(-2, 0).flatten(1).amax(dim=1)
                site = int(by_site.argmax())
                found.append((float(by_site[site]) / scale, _name(element), site))
            else:
                found.append((float(size.max()) / scale, _name(element), 0))
    if not moved_any:
        raise ValueError("every element is the identity: there is nothing to check")
    error, worst, site = max(found, key=lambda entry: entry[0])
    return _Measured(error, worst, site, exact, plain.dtype)


def _differences(
    operator: Callable[..., Tensor],
    element: Any,
    field: Field,
    here: Tensor,
    plain: Tensor,
    stage: Discretisation,
    rep_in: Representation | None,
    rep_out: Representation | None,
    output: str,
) -> Iterator[tuple[Tensor, bool, bool]]:
    """L(T f) - T L(f), whether the element moves anything, and whether it interpolates."""
    if isinstance(element, GaugeChange):
        g = element.matrices
        answer = _apply(operator, _turn(rep_in, g, here), _changed_gauge(stage.pull, g))
        expected = plain if output == "invariant" else _turn(rep_out, g, plain)
        identity = torch.eye(g.shape[-1], dtype=g.dtype)
        yield answer - expected, float((g - identity).abs().max()) > 1e-9, False
        return
    into, out = element if isinstance(element, tuple) else (element, element)
    moved, interpolated = _moved_input(into, field, here, stage.sites, rep_in)
    answer = _apply(operator, moved, stage.pull)
    moves = _moves(into, stage.sites.points)
    if output == "invariant":
        yield answer - plain, moves, interpolated
        return
    target = stage.sites if stage.sites_out is None else stage.sites_out
    expected, also = _resampled(out, plain, target, rep_out)
    difference = answer - expected
    if stage.inside is not None:
        kept = stage.inside(target.points).to(difference.dtype)
        difference = difference * kept[..., None]
    yield difference, moves, interpolated or also


def _apply(operator: Callable[..., Tensor], field: Tensor, pull: Any) -> Tensor:
    with torch.no_grad():
        return operator(field) if pull is None else operator(field, pull)


def _changed_gauge(pull: Any, g: Tensor) -> Any:
    if isinstance(pull, tuple):
        return tuple(_changed_gauge(part, g) for part in pull)
    if not hasattr(pull, "change_gauge"):
        raise ValueError(
            f"a change of gauge needs a discretisation with a Pullback; its pull is {type(pull).__name__}"
        )
    return pull.change_gauge(g)


def _turn(rep: Representation | None, g: Tensor, field: Tensor) -> Tensor:
    """ρ(g_p) f(p)."""
    if rep is None:
        return field
    rep.check_field(field)
    return (rep.matrix(g).to(field.dtype) @ field[..., None])[..., 0]


def _moved_input(
    isometry: Isometry, field: Field, here: Tensor, sites: Sites, rep: Representation | None
) -> tuple[Tensor, bool]:
    """T f at the sites, and whether it was interpolated: a function of points is read where it is needed."""
    if not callable(field):
        return _resampled(isometry, here, sites, rep)
    there = field(isometry.apply(sites.points))
    return _turn(rep, isometry.differential(sites.points).mT, there) if rep is not None else there, False


def _resampled(
    isometry: Isometry, field: Tensor, sites: Sites, rep: Representation | None
) -> tuple[Tensor, bool]:
    """(T f)(p) = ρ(dh_p)⁻¹ Σ_s weight[s] ρ(transport[s]) f[index[s]], and whether any weight lies between 0 and 1."""
    stencil = sites.stencil(isometry.apply(sites.points))
    weight = stencil.weight.detach()
    between = bool(((weight > 1e-9) & (weight < 1 - 1e-9)).any())
    if not between:
        weight = weight.round()
    values = field[..., stencil.index, :]
    if rep is not None:
        rep.check_field(field)
        there = isometry.differential(sites.points).mT[:, None] @ stencil.transport
        values = (rep.matrix(there).to(field.dtype) @ values[..., None])[..., 0]
    return (weight.to(field.dtype)[..., None] * values).sum(dim=-2), between


def _moves(isometry: Isometry, points: Any) -> bool:
    """Whether the image of some point is another one; unknown where points are not tensors."""
    if not isinstance(points, Tensor):
        return True
    image = isometry.apply(points)
    return float((image - points).abs().max()) > 1e-9 * float(points.abs().max())


def _name(element: Any) -> str:
    return element[0].name if isinstance(element, tuple) else element.name


def _at_spacing_zero(spacings: Sequence[float], errors: Sequence[float], order: float) -> float:
    """c of the fit e(h) = c + a h^order by least squares, between 0 and the finest error.

    Errors are weighted by their reciprocals: a fit to relative accuracy, or the coarsest would decide.
    """
    h = torch.tensor(spacings, dtype=torch.float64) ** order
    e = torch.tensor(errors, dtype=torch.float64)
    if float(e.max()) == 0:
        return 0.0
    w = 1 / e.clamp(min=1e-3 * float(e.max()))
    solution = torch.linalg.lstsq(torch.stack([w, w * h], dim=1), (w * e)[:, None]).solution
    return min(max(float(solution[0, 0]), 0.0), errors[-1])


def _observed_order(spacings: Sequence[float], errors: Sequence[float]) -> float:
    if errors[-1] == 0 or errors[-2] == 0:
        return math.inf if errors[-1] == 0 else -math.inf
    return math.log(errors[-2] / errors[-1]) / math.log(spacings[-2] / spacings[-1])

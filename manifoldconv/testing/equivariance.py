"""Equivariance measured: how far an operator is from commuting with a symmetry, and why.

    error = max |L(T f) - T L(f)| / max |L(f)|

T moves a field by an element of the symmetry. The error has two parts. One comes from interpolating between sites and
nodes, and falls when these are refined. The other comes from a broken constraint, such as a kernel that the group does
not admit, and stays whatever the resolution. A check at one resolution can tell them apart only for elements that
interpolate nothing; else the check is run at several, and the error is extrapolated to spacing 0 (`figures`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.representations import Representation
from manifoldconv.testing.difference import Difference, Field, Question, difference_under
from manifoldconv.testing.discretisation import Discretisation, GaugeChange
from manifoldconv.testing.figures import Equivariance, observed_order, staying_part
from manifoldconv.testing.manifolds import Isometry


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
        ValueError: where there is nothing to check (every element leaves all sites, or the field, where they are, as a
            whole period of a grid does; the answer is 0 or not finite; no site is inside), where the two parts cannot
            be told apart (elements that interpolate, at one resolution only), and for fields and answers that do not
            fit the sites. A note to an error that an element causes names the element.

    An element must be an isometry: a turn by 37° is none of a flat torus, and then nothing commutes with it.

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
    question = Question(operator, field, rep_in, rep_out, output)
    stages = [at] if isinstance(at, Discretisation) else at
    elements = _elements(element, count, generator)
    stages = _checked_request(question, stages, order)
    measured = [_measure(question, elements, stage) for stage in stages]
    finest, several = measured[-1], len(stages) > 1
    exact = all(stage.exact for stage in measured)
    if not (several or exact):
        raise ValueError(
            f"{finest.worst} moves sites between sites, so part of the error {finest.error:.3g} is interpolation: "
            "give at least two discretisations, coarse first, or elements that permute the sites"
        )
    spacings = tuple(stage.distance for stage in stages) if several else ()
    errors, means = (tuple(getattr(m, name) for m in measured) for name in ("error", "mean"))
    constraint = staying_part(spacings, errors, means, order) if several else finest.error
    if tolerance is None:
        tolerance = 1e-10 if finest.dtype == torch.float64 else 1e-4
    return Equivariance(
        errors,
        means,
        spacings,
        constraint,
        finest.error - constraint,
        observed_order(spacings, errors) if several else None,
        order,
        finest.worst,
        finest.site,
        len(elements),
        exact,
        tolerance,
    )


@dataclass(frozen=True)
class _Measured:
    """The errors at one resolution, and where the largest was."""

    error: float
    mean: float
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
        found = list(element) if isinstance(element, Sequence) else [element]
    for one in found:
        pair = isinstance(one, tuple) and len(one) == 2 and all(isinstance(part, Isometry) for part in one)
        if not (pair or isinstance(one, Isometry | GaugeChange)):
            raise ValueError(
                f"an element is an Isometry, a pair of them, or a GaugeChange; got {type(one).__name__}"
            )
    if not found:
        raise ValueError("there are no elements to check")
    return found


def _checked_request(question: Question, stages: Any, order: float) -> list[Discretisation]:
    if question.output not in ("field", "invariant"):
        raise ValueError(f'output must be "field" or "invariant"; got {question.output!r}')
    if not order > 0:
        raise ValueError(f"the expected order must be positive; got {order}")
    if not isinstance(stages, Sequence):
        raise ValueError(f"at must be a Discretisation, or a list of them; got {type(stages).__name__}")
    if not stages:
        raise ValueError("there is no discretisation to check at")
    for stage in stages:
        if not isinstance(stage, Discretisation):
            raise ValueError(f"at must hold Discretisations; got {type(stage).__name__}")
    if len(stages) > 1 and not callable(question.field):
        raise ValueError("several resolutions need the field as a function of points; got a tensor")
    spacings = [stage.distance for stage in stages] if len(stages) > 1 else []
    if any(not (coarse * (1 - 1e-9) > fine > 0) for coarse, fine in pairwise(spacings)):
        raise ValueError(f"the discretisations must get finer, coarse first; their spacings are {spacings}")
    return list(stages)


def _measure(question: Question, elements: Sequence[Any], stage: Discretisation) -> _Measured:
    """The errors at one resolution."""
    here = _checked_field(question.field, stage)
    plain = question.answer(here, stage.pull)
    target = stage.sites if stage.sites_out is None else stage.sites_out
    if question.output == "field" and (plain.ndim < 2 or plain.shape[-2] != len(target)):
        raise ValueError(
            f"the operator's answer must have shape (P, C), P = {len(target)} sites (see sites_out); got "
            f"{tuple(plain.shape)}"
        )
    scale = float(plain.detach().abs().max()) if plain.numel() else 0.0
    if not 0 < scale < math.inf:
        raise ValueError(
            f"the operator's answer has the largest value {scale:g}: there is nothing to compare"
        )
    area = target.area if question.output == "field" else None
    largest, squares, differences = [], [], []
    for element in elements:
        try:
            found = difference_under(question, element, here, plain, stage, target)
        except ValueError as refusal:
            refusal.add_note(f"This happened under {_name(element)}.")
            raise
        size = found.values.detach().abs()
        if not bool(torch.isfinite(size).all()):
            raise ValueError(f"the operator's answer is not finite under {_name(element)}")
        by_site = size.movedim(-2, 0).flatten(1).amax(dim=1) if area is not None else size.max()[None]
        site = int(by_site.argmax())
        largest.append((float(by_site[site]) / scale, _name(element), site))
        squares.append(_mean_square(size, area))
        differences.append(found)
    _require_content(elements, differences)
    error, worst, site = max(largest, key=lambda entry: entry[0])
    mean = math.sqrt(sum(squares) / len(squares) / _mean_square(plain.detach(), area))
    return _Measured(error, mean, worst, site, not any(d.interpolates for d in differences), plain.dtype)


def _checked_field(field: Field, stage: Discretisation) -> Tensor:
    here = field(stage.sites.points) if callable(field) else field
    if here.ndim < 2 or here.shape[-2] != len(stage.sites):
        raise ValueError(
            f"the field must have shape (N, C), N = {len(stage.sites)} sites; got {tuple(here.shape)}"
        )
    if not (here.dtype.is_floating_point or here.dtype.is_complex):
        raise ValueError(f"the field must be of a floating type; got {here.dtype}")
    if not bool(torch.isfinite(here).all()):
        site = int(torch.nonzero(~torch.isfinite(here))[0, -2])
        raise ValueError(f"the field is not finite at site {site}")
    if stage.inside is not None:
        target = stage.sites if stage.sites_out is None else stage.sites_out
        kept = stage.inside(target.points)
        if kept.shape != (len(target),) or not bool(kept.any()):
            raise ValueError(
                f"inside must be true at some of the {len(target)} sites of the answer, one value a site; got shape "
                f"{tuple(kept.shape)}, true {int(kept.sum())} times"
            )
    return here


def _require_content(elements: Sequence[Any], differences: Sequence[Difference]) -> None:
    """A check by elements that do nothing proves nothing."""
    if not any(d.moves_sites for d in differences):
        raise ValueError(
            f"every element is the identity on the sites, such as {_name(elements[0])}: there is nothing to check"
        )
    if not any(d.changes_field for d in differences):
        raise ValueError(
            f"the field stays the same under every element, such as {_name(elements[0])}: give one that does not"
        )


def _mean_square(values: Tensor, area: Tensor | None) -> float:
    """Over everything; over sites weighted by their areas."""
    square = values.abs().to(torch.float64).square()
    if area is None:
        return float(square.mean())
    return float((square * (area / area.sum())[:, None]).sum(-2).mean())


def _name(element: Any) -> str:
    return element[0].name if isinstance(element, tuple) else element.name

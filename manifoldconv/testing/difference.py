"""L(T f) - T L(f) for one element at one resolution, and whether that element does anything there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from manifoldconv.representations import Representation
from manifoldconv.sampling import Sites
from manifoldconv.testing.discretisation import Discretisation, GaugeChange
from manifoldconv.testing.manifolds import Isometry

Field = Tensor | Callable[[Any], Tensor]


@dataclass(frozen=True)
class Question:
    """What is asked, at whatever resolution and of whatever element."""

    operator: Callable[..., Tensor]
    field: Field
    rep_in: Representation | None
    rep_out: Representation | None
    output: str

    def answer(self, field: Tensor, pull: Any) -> Tensor:
        """L(field)."""
        with torch.no_grad():
            return self.operator(field) if pull is None else self.operator(field, pull)


@dataclass(frozen=True)
class Difference:
    """L(T f) - T L(f) for one element, and what the element does to the sites and to the field."""

    values: Tensor
    moves_sites: bool
    changes_field: bool
    interpolates: bool


def difference_under(
    question: Question, element: Any, here: Tensor, plain: Tensor, stage: Discretisation, target: Sites
) -> Difference:
    """L(T f) - T L(f), and what T does."""
    if isinstance(element, GaugeChange):
        g = element.matrices
        pull = _changed_gauge(stage.pull, g)
        answer = question.answer(_turn(question.rep_in, g, here), pull)
        expected = plain if question.output == "invariant" else _turn(question.rep_out, g, plain)
        moves = float((g - torch.eye(g.shape[-1], dtype=g.dtype)).abs().max()) > 1e-9
        return Difference(answer - expected, moves, True, False)
    into, out = element if isinstance(element, tuple) else (element, element)
    moved, interpolated = _moved_input(into, question.field, here, stage.sites, question.rep_in)
    answer = question.answer(moved, stage.pull)
    moves = _moves(into, stage.sites)
    changes = float((moved - here).abs().max()) > 1e-9 * float(here.abs().max())
    if question.output == "invariant":
        return Difference(answer - plain, moves, changes, interpolated)
    expected, also = _resampled(out, plain, target, question.rep_out)
    difference = answer - expected
    if stage.inside is not None:
        difference = difference * stage.inside(target.points).to(difference.dtype)[..., None]
    return Difference(difference, moves, changes, interpolated or also)


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
    if not bool((weight > 0).any()):
        raise ValueError(f"{isometry.name} takes every site out of {sites!r}: there is nothing to compare")
    between = bool(((weight > 1e-9) & (weight < 1 - 1e-9)).any())
    if not between:
        weight = weight.round()
    values = field[..., stencil.index, :]
    if rep is not None:
        rep.check_field(field)
        there = isometry.differential(sites.points).mT[:, None] @ stencil.transport
        values = (rep.matrix(there).to(field.dtype) @ values[..., None])[..., 0]
    return (weight.to(field.dtype)[..., None] * values).sum(dim=-2), between


def _moves(isometry: Isometry, sites: Sites) -> bool:
    """Whether any site is read elsewhere: a shift by a whole period changes points, and no field."""
    stencil = sites.stencil(isometry.apply(sites.points))
    elsewhere = stencil.index != torch.arange(len(sites))[:, None]
    return bool((stencil.weight.detach()[elsewhere].abs() > 1e-9).any()) or bool(
        (stencil.weight.detach().sum(-1) < 1 - 1e-9).any()
    )

"""The plan of a layer operator: what is summed over neighbours, and which weights it then meets.

The integral of a kernel space is linear in products of a *value* that only geometry decides, a channel of the field and
a weight. Summing over the neighbours comes first, once for all weights:

    Y[p, r] = Σ_j value_r[j] f[column[j]]          features, kept for a few sites at a time
    out[p]  = Y[p] @ M(weight)                     a dense product; M is linear in the weights

Which values are needed depends on how transports act on the field (`Form`):

    scalar     they do not, or take few different values, each then with columns of its own: a value is a number,
               φ_{j,m}(r) Y_{m,a}(θ), and serves every field type
    complex    they turn the frequencies k of the plane: a value is the complex number φ_{j,|n|}(r) e^{inθ} e^{ikτ},
               n = ±m. Rotations map frequency k to l by n = l - k, and by the conjugate of n = -(l + k): each value
               feeds one frequency. Reflected transports have columns of their own, where the field is mirrored
    matrix     anything else: a value is an entry of φ(r) K_b(θ) ρ_in(τ), one matrix for each basis kernel b

The transposed operator, for the gradients, has the same form: features of the gradient from the same values, then a
dense product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.ops.tiles import COMPLEX, REAL
from manifoldconv.ops.units import ZERO, Unit, Value, complex_units, matrix_units, scalar_units
from manifoldconv.representations.representation import Representation

Form = Literal["scalar", "complex", "matrix"]


@dataclass(frozen=True)
class Side:
    """One direction of the operator, as tables.

    Attributes:
        groups: `(G, 11)` int64: runs of features for the innermost loops. Kind (0 real, 1 complex); the place of the
            component in a field whose blocks hold component after component; from one component to the next; copies;
            first value, features, values from one to the next; terms of each, values from one to the next; first
            column of Y; sign of the imaginary part.
        segments: `(n, 5)` int64: columns of Y from, to; channels from, to; where in M their product begins.
        index, coefficient: `(T, M)`: M = Σ_t coefficient[t] · weight[index[t]].
        order: `(C,)`: which channel lies at each place of a field whose blocks hold component after component.
        width: the number of columns of Y.
    """

    groups: Tensor
    segments: Tensor
    index: Tensor
    coefficient: Tensor
    order: Tensor
    width: int


@dataclass(frozen=True)
class Plan:
    """Both directions, for a kernel space or a table of scalar kernels."""

    form: Form
    values: tuple[Value, ...]
    width: int
    forward: Side
    transposed: Side


def table_plan(kernels: int, copies_in: int, copies_out: int) -> Plan:
    """The plan of B scalar kernels with weights `(C_out, C_in, B)`."""
    values = tuple(Value(b, 1, radial=b) for b in range(kernels))
    part = _TablePart((copies_out, copies_in), kernels)
    one = torch.ones(1, dtype=torch.float64)
    sides = []
    for copies, other, outward in ((copies_in, copies_out, False), (copies_out, copies_in, True)):
        units = {(0, b): Unit(0, REAL, 0, b, 1, 1, 0, 1, [(0, 0, 0, part, one, b)]) for b in range(kernels)}
        sides.append(_side(units, [_Span(0, copies, 1)], [_Span(0, other, 1)], kernels, outward))
    return Plan("scalar", values, kernels, sides[0], sides[1])


def space_plan(space: Any, form: Form) -> Plan:
    """The plan of a `KernelSpace` in one of the forms."""
    maker = {"scalar": scalar_units, "complex": complex_units, "matrix": matrix_units}[form]
    values, width, forward, transposed = maker(space)
    into, out = (_spans(rep) for rep in (space.rep_in, space.rep_out))
    count = space.radial.count
    return Plan(
        form, tuple(values), width,
        _side(forward, into, out, count, False), _side(transposed, out, into, count, True),
    )  # fmt: skip


def multiplications(plan: Plan, pairs: int, sites_in: int, sites_out: int, lanes: int) -> tuple[int, int]:
    """Multiplications of the two orders: neighbours first, then weights; weights first, then neighbours.

    Both count whole vectors of `lanes` copies. Weights first, the products with the weights are what is summed over
    neighbours: worth it where the output has far fewer channels than the input.
    """

    def summed(side: Side) -> int:
        kind, copies, rows, terms = (side.groups[:, c] for c in (0, 3, 5, 7))
        vectors = (copies + lanes - 1) // lanes
        return int((vectors * lanes * rows * terms * torch.where(kind == COMPLEX, 4, 1)).sum())

    first = pairs * summed(plan.forward) + sites_out * plan.forward.index.shape[1]
    return first, pairs * summed(plan.transposed) + sites_in * plan.transposed.index.shape[1]


# ---------------------------------------------------------------- tables


@dataclass(frozen=True)
class _Span:
    """Where a block of a field type lies: copies of a representation of some size."""

    start: int
    copies: int
    size: int


class _TablePart:
    """What the tables need of a part, for scalar kernels given by their values."""

    def __init__(self, copies: tuple[int, int], kernels: int) -> None:
        self.copies, self.start, self.kernels = copies, 0, kernels


def _spans(rep: Representation) -> list[_Span]:
    return [_Span(block.slice.start, block.multiplicity, block.irrep.size) for block in rep.blocks]


def _side(units: dict[Any, Unit], own: list[_Span], other: list[_Span], radial: int, outward: bool) -> Side:
    """Tables of one direction; `outward` where the field on this side is the output of the layer."""
    component_of = _components(list(units.values()), len(other))
    ordered = sorted(units.values(), key=lambda unit: (component_of[unit.links[0][1]], unit.key))
    places, width = [], 0
    for unit in ordered:
        places.append(width)
        width += own[unit.block].copies * (2 if unit.kind == COMPLEX else 1)
    segments = _segments(ordered, places, width, own, other, component_of)
    index, coefficient = _weights(ordered, places, segments, own, other, radial, outward)
    order = [
        span.start + copy * span.size + component
        for span in own
        for component in range(span.size)
        for copy in range(span.copies)
    ]
    return Side(
        _groups(ordered, places, own), segments, index, coefficient, torch.tensor(order, dtype=torch.int64), width
    )  # fmt: skip


def _components(units: list[Unit], blocks: int) -> list[int]:
    """Blocks on the other side that share features, by number: their products are dense, the others' zero."""
    leader = list(range(blocks))

    def find(b: int) -> int:
        while leader[b] != b:
            b = leader[b]
        return b

    for unit in units:
        for link in unit.links:
            a, b = sorted((find(unit.links[0][1]), find(link[1])))
            leader[b] = a
    return [find(b) for b in range(blocks)]


def _segments(
    units: list[Unit],
    places: list[int],
    width: int,
    own: list[_Span],
    other: list[_Span],
    component: list[int],
) -> Tensor:
    """(columns of Y from, to, channels from, to, place in M), neighbouring blocks of a component joined."""
    ranges: dict[int, list[int]] = {}
    for unit, place in zip(units, places, strict=True):
        stop = place + own[unit.block].copies * (2 if unit.kind == COMPLEX else 1)
        known = ranges.setdefault(component[unit.links[0][1]], [place, stop])
        known[1] = stop
    rows: list[list[int]] = []
    for number, span in enumerate(other):
        if component[number] not in ranges:
            continue  # no kernel reaches this block: its channels are zero
        first, last = ranges[component[number]]
        stop = span.start + span.copies * span.size
        if rows and rows[-1][:2] == [first, last] and rows[-1][3] == span.start:
            rows[-1][3] = stop
        else:
            rows.append([first, last, span.start, stop, 0])
    place = 0
    for row in rows:
        row[4] = place
        place += (row[1] - row[0]) * (row[3] - row[2])
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 5)


def _weights(
    units: list[Unit], places: list[int], segments: Tensor, own: list[_Span], other: list[_Span],
    radial: int, outward: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Which weights make each entry of M, with which coefficients: `(T, M)` both."""
    rows = segments.tolist()
    size = sum((row[1] - row[0]) * (row[3] - row[2]) for row in rows)
    where, which, what = [], [], []
    for unit, place in zip(units, places, strict=True):
        mine = own[unit.block]
        for half, block, x, part, coefficients, j in unit.links:
            theirs = other[block]
            (row,) = [r for r in rows if r[0] <= place < r[1] and r[2] <= theirs.start < r[3]]
            y = place + half * mine.copies + torch.arange(mine.copies)[:, None]
            channel = theirs.start + torch.arange(theirs.copies) * theirs.size + x
            flat = row[4] + (y - row[0]) * (row[3] - row[2]) + channel - row[2]
            a, b = torch.arange(mine.copies)[:, None], torch.arange(theirs.copies)
            copy = a * part.copies[1] + b if outward else b * part.copies[1] + a
            for n in (coefficients.abs() > ZERO).nonzero()[:, 0].tolist():
                where.append(flat.reshape(-1))
                which.append((part.start + (copy * len(coefficients) + n) * radial + j).reshape(-1))
                what.append(torch.full((flat.numel(),), float(coefficients[n]), dtype=torch.float64))
    if not where:
        return torch.zeros(1, size, dtype=torch.int64), torch.zeros(1, size, dtype=torch.float64)
    return by_place(torch.cat(where), torch.cat(which), torch.cat(what), size)


def by_place(where: Tensor, which: Tensor, what: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Triples as tables `(T, size)`: up to T terms for each place, padded with zeros; sums then have an order."""
    order = torch.argsort(where, stable=True)
    where, which, what = where[order], which[order], what[order]
    count = torch.bincount(where, minlength=size)
    start = torch.cumsum(count, 0) - count
    turn = torch.arange(len(where)) - start[where]
    terms = max(1, int(count.max())) if size else 1
    index = torch.zeros(terms, size, dtype=torch.int64)
    coefficient = torch.zeros(terms, size, dtype=torch.float64)
    index[turn, where], coefficient[turn, where] = which, what
    return index, coefficient


def _groups(units: list[Unit], places: list[int], own: list[_Span]) -> Tensor:
    """Runs of features that differ by a constant step of values."""
    rows: list[list[int]] = []
    last: Unit | None = None
    for unit, place in zip(units, places, strict=True):
        span = own[unit.block]
        same = (
            last is not None
            and (last.block, last.kind, last.component, last.terms, last.term_step, last.sign)
            == (unit.block, unit.kind, unit.component, unit.terms, unit.term_step, unit.sign)
            and unit.value - last.value == unit.step
        )
        if same:
            rows[-1][5] += 1
        else:
            start = span.start + unit.component * span.copies
            copies, values = (
                [span.copies, span.copies],
                [unit.value, 1, unit.step, unit.terms, unit.term_step],
            )
            rows.append([unit.kind, start, *copies, *values, place, unit.sign])
        last = unit
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 11)

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

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.ops.tiles import COMPLEX, REAL
from manifoldconv.representations.representation import Representation, Summand

Form = Literal["scalar", "complex", "matrix"]

# Coefficients below this are zero: solutions of the constraint are exact to 1e-13.
ZERO = 1e-12


@dataclass(frozen=True)
class Value:
    """One channel of values, `count` numbers for each (site, neighbour) pair from place `start` on.

    Attributes:
        order: m, the harmonic; `radial` j; `harmonic` a, in the scalar form.
        signed: n, and `frequency` k, in the complex form (2 numbers, or 1 where n = k = 0).
        part: in the matrix form, the kernels of a part between single copies, solutions · radial · s_out · s_in.
    """

    start: int
    count: int
    order: int = 0
    radial: int = 0
    harmonic: int = 0
    signed: int = 0
    frequency: int = 0
    part: Any = None


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


@dataclass
class _Unit:
    """A feature before it has a place: real or complex, and the weights that it meets."""

    block: int
    kind: int
    component: int
    value: int
    step: int
    terms: int
    term_step: int
    sign: int
    # (which half of a complex feature, block and component on the other side, part, coefficients (solutions,), radial)
    links: list[tuple[int, int, int, Any, Tensor, int]] = field(default_factory=list)

    @property
    def key(self) -> tuple[int, ...]:
        return (self.block, self.kind, self.component, self.term_step, self.sign, self.value)


def table_plan(kernels: int, copies_in: int, copies_out: int) -> Plan:
    """The plan of B scalar kernels with weights `(C_out, C_in, B)`."""
    values = tuple(Value(b, 1, radial=b) for b in range(kernels))
    part = _TablePart((copies_out, copies_in), kernels)
    one = torch.ones(1, dtype=torch.float64)
    sides = []
    for copies, other, outward in ((copies_in, copies_out, False), (copies_out, copies_in, True)):
        units = {(0, b): _Unit(0, REAL, 0, b, 1, 1, 0, 1, [(0, 0, 0, part, one, b)]) for b in range(kernels)}
        sides.append(_side(units, [_Span(0, copies, 1)], [_Span(0, other, 1)], kernels, outward))
    return Plan("scalar", values, kernels, sides[0], sides[1])


def space_plan(space: Any, form: Form) -> Plan:
    """The plan of a `KernelSpace` in one of the forms."""
    maker = {"scalar": _scalar_units, "complex": _complex_units, "matrix": _matrix_units}[form]
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


# ---------------------------------------------------------------- features of each form


def _scalar_units(space: Any) -> tuple[list[Value], int, dict[Any, _Unit], dict[Any, _Unit]]:
    values: dict[tuple[int, int, int], Value] = {}
    orders = sorted({(part.order, part.solutions.shape[3]) for part in space.parts})
    for order, harmonics in orders:
        for j in range(space.radial.count):
            for a in range(harmonics):
                values[order, j, a] = Value(len(values), 1, order=order, radial=j, harmonic=a)
    forward: dict[Any, _Unit] = {}
    transposed: dict[Any, _Unit] = {}
    for part, i, o in _parts(space):
        for j in range(space.radial.count):
            for a in range(part.solutions.shape[3]):
                place = values[part.order, j, a].start
                for x in range(part.solutions.shape[1]):
                    for y in range(part.solutions.shape[2]):
                        found = part.solutions[:, x, y, a]
                        if bool((found.abs() > ZERO).any()):
                            _real(forward, i, y, place).links.append((0, o, x, part, found, j))
                            _real(transposed, o, x, place).links.append((0, i, y, part, found, j))
    return list(values.values()), len(values), forward, transposed


def _complex_units(space: Any) -> tuple[list[Value], int, dict[Any, _Unit], dict[Any, _Unit]]:
    values: dict[tuple[int, int, int], Value] = {}
    forward: dict[Any, _Unit] = {}
    transposed: dict[Any, _Unit] = {}
    into = space.rep_in.blocks
    width = 0
    wanted = sorted(_needed(space, into))
    for k, n in wanted:
        for j in range(space.radial.count):
            count = 1 if k == 0 and n == 0 else 2
            values[k, n, j] = Value(width, count, order=abs(n), radial=j, signed=n, frequency=k)
            width += count
    for part, i, o in _parts(space):
        k = into[i].irrep.frequency if into[i].irrep.size == 2 else 0
        for n, coefficients in _complex_coefficients(part, k):
            if not bool((coefficients.abs() > ZERO).any()):
                continue
            for j in range(space.radial.count):
                value = values[k, n, j]
                _link_forward(forward, i, o, part, coefficients, value, j)
                _link_transposed(transposed, i, o, part, coefficients, value, j)
    return list(values.values()), width, forward, transposed


def _needed(space: Any, into: list[Summand]) -> set[tuple[int, int]]:
    """The pairs (frequency k, angular order n) whose values meet a weight."""
    found = set()
    for part, i, _ in _parts(space):
        k = into[i].irrep.frequency if into[i].irrep.size == 2 else 0
        for n, coefficients in _complex_coefficients(part, k):
            if bool((coefficients.abs() > ZERO).any()):
                found.add((k, n))
    return found


def _complex_coefficients(part: Any, k: int) -> list[tuple[int, Tensor]]:
    """(n, `(solutions, s_out, 2)`): what Re and Im of e^{inθ} e^{ikτ} f are multiplied by, for n = m and -m.

    For a real field (k = 0) e^{imθ} f alone. With f = x + iy and P± = e^{±imθ} f: x cos = Re(P+ + P-) / 2,
    y sin = Re(P- - P+) / 2, y cos = Im(P+ + P-) / 2, x sin = Im(P+ - P-) / 2.
    """
    s, m = part.solutions, part.order
    if k == 0:
        imaginary = s[:, :, 0, 1] if m else torch.zeros_like(s[:, :, 0, 0])
        both = torch.stack([s[:, :, 0, 0], imaginary], -1)
        return [(m, both * (2**0.5 if m else 1.0))]
    if m == 0:
        return [(0, torch.stack([s[:, :, 0, 0], s[:, :, 1, 0]], -1))]
    x_cos, x_sin, y_cos, y_sin = s[:, :, 0, 0], s[:, :, 0, 1], s[:, :, 1, 0], s[:, :, 1, 1]
    plus = torch.stack([x_cos - y_sin, y_cos + x_sin], -1)
    minus = torch.stack([x_cos + y_sin, y_cos - x_sin], -1)
    return [(m, plus * 0.5**0.5), (-m, minus * 0.5**0.5)]


def _link_forward(
    units: dict[Any, _Unit], i: int, o: int, part: Any, coefficients: Tensor, value: Value, j: int
) -> None:
    for x in range(coefficients.shape[1]):
        for half in range(value.count):
            found = coefficients[:, x, half]
            if value.frequency:
                unit, own = _complex(units, i, value.start, 1), half
            else:
                unit, own = _real(units, i, 0, value.start + half), 0
            unit.links.append((own, o, x, part, found, j))


def _link_transposed(
    units: dict[Any, _Unit], i: int, o: int, part: Any, coefficients: Tensor, value: Value, j: int
) -> None:
    """The adjoint of out_x = α_x Re(z f) + β_x Im(z f): f̄ = z̄ Σ_x (α_x + iβ_x) g_x.

    For g = g_0 + i g_1 the sum is A g + B ḡ; the features are z̄ g and z g, the conjugate of z̄ ḡ.
    """
    alpha, beta = coefficients[..., 0], coefficients[..., 1]
    real_field = value.frequency == 0
    if coefficients.shape[1] == 1:
        a, b = alpha[:, 0], beta[:, 0]
        real = _real(units, o, 0, value.start)
        real.links.append((0, i, 0, part, a, j))
        if not real_field:
            real.links.append((0, i, 1, part, b, j))
        if value.count == 2:
            imaginary = _real(units, o, 0, value.start + 1)
            imaginary.links.append((0, i, 0, part, b, j))
            if not real_field:
                imaginary.links.append((0, i, 1, part, -a, j))
        return
    if value.count == 1:  # z is real, and so is the field
        for x in range(2):
            _real(units, o, x, value.start).links.append((0, i, 0, part, alpha[:, x], j))
        return
    a_re, a_im = (alpha[:, 0] + beta[:, 1]) / 2, (beta[:, 0] - alpha[:, 1]) / 2
    b_re, b_im = (alpha[:, 0] - beta[:, 1]) / 2, (beta[:, 0] + alpha[:, 1]) / 2
    # Im of the feature z g is minus that of z̄ ḡ.
    for sign, re, im in ((-1, a_re, a_im), (1, b_re, b_im)):
        if not bool(((re.abs() > ZERO) | (im.abs() > ZERO)).any()):
            continue
        unit = _complex(units, o, value.start, sign)
        unit.links.append((0, i, 0, part, re, j))
        unit.links.append((1, i, 0, part, im * sign, j))
        if not real_field:
            unit.links.append((0, i, 1, part, im, j))
            unit.links.append((1, i, 1, part, -re * sign, j))


def _matrix_units(space: Any) -> tuple[list[Value], int, dict[Any, _Unit], dict[Any, _Unit]]:
    values: dict[Any, Value] = {}
    forward: dict[Any, _Unit] = {}
    transposed: dict[Any, _Unit] = {}
    into, outs = space.rep_in.blocks, space.rep_out.blocks
    width = 0
    for part, i, o in _parts(space):
        solutions, s_out, s_in = part.solutions.shape[:3]
        key = (into[i].irrep, outs[o].irrep, part.order)
        if key not in values:
            count = solutions * space.radial.count * s_out * s_in
            values[key] = Value(width, count, order=part.order, part=part)
            width += count
        for n in range(solutions):
            alone = torch.zeros(solutions, dtype=torch.float64)
            alone[n] = 1.0
            for j in range(space.radial.count):
                first = values[key].start + (n * space.radial.count + j) * s_out * s_in
                for x in range(s_out):
                    unit = _Unit(i, REAL, 0, first + x * s_in, s_in, s_in, 1, 1)
                    forward.setdefault((i, first + x * s_in), unit).links.append((0, o, x, part, alone, j))
                for y in range(s_in):
                    unit = _Unit(o, REAL, 0, first + y, 1, s_out, s_in, 1)
                    transposed.setdefault((o, first + y), unit).links.append((0, i, y, part, alone, j))
    return list(values.values()), width, forward, transposed


def _real(units: dict[Any, _Unit], block: int, component: int, value: int) -> _Unit:
    return units.setdefault((block, component, value), _Unit(block, REAL, component, value, 1, 1, 0, 1))


def _complex(units: dict[Any, _Unit], block: int, value: int, sign: int) -> _Unit:
    return units.setdefault((block, value, sign), _Unit(block, COMPLEX, 0, value, 2, 1, 0, sign))


def _parts(space: Any) -> Iterable[tuple[Any, int, int]]:
    """The parts of a space with the numbers of their blocks."""
    into = {block.slice.start: number for number, block in enumerate(space.rep_in.blocks)}
    out = {block.slice.start: number for number, block in enumerate(space.rep_out.blocks)}
    return [(part, into[part.into.start], out[part.out.start]) for part in space.parts]


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


def _side(units: dict[Any, _Unit], own: list[_Span], other: list[_Span], radial: int, outward: bool) -> Side:
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


def _components(units: list[_Unit], blocks: int) -> list[int]:
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
    units: list[_Unit],
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
    units: list[_Unit], places: list[int], segments: Tensor, own: list[_Span], other: list[_Span],
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


def _groups(units: list[_Unit], places: list[int], own: list[_Span]) -> Tensor:
    """Runs of features that differ by a constant step of values."""
    rows: list[list[int]] = []
    last: _Unit | None = None
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

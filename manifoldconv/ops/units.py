"""The features of a layer operator in each of its forms, before they have a place: values, and the weights they meet.

Each form of `manifoldconv.ops.plan` lists its values and, for both directions, its features. A feature is a value on a
component of a block, with links to all weights that it is multiplied with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.ops.tiles import COMPLEX, REAL
from manifoldconv.representations.representation import Summand

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


@dataclass
class Unit:
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


def scalar_units(space: Any) -> tuple[list[Value], int, dict[Any, Unit], dict[Any, Unit]]:
    values: dict[tuple[int, int, int], Value] = {}
    orders = sorted({(part.order, part.solutions.shape[3]) for part in space.parts})
    for order, harmonics in orders:
        for j in range(space.radial.count):
            for a in range(harmonics):
                values[order, j, a] = Value(len(values), 1, order=order, radial=j, harmonic=a)
    forward: dict[Any, Unit] = {}
    transposed: dict[Any, Unit] = {}
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


def complex_units(space: Any) -> tuple[list[Value], int, dict[Any, Unit], dict[Any, Unit]]:
    values: dict[tuple[int, int, int], Value] = {}
    forward: dict[Any, Unit] = {}
    transposed: dict[Any, Unit] = {}
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
    units: dict[Any, Unit], i: int, o: int, part: Any, coefficients: Tensor, value: Value, j: int
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
    units: dict[Any, Unit], i: int, o: int, part: Any, coefficients: Tensor, value: Value, j: int
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


def matrix_units(space: Any) -> tuple[list[Value], int, dict[Any, Unit], dict[Any, Unit]]:
    values: dict[Any, Value] = {}
    forward: dict[Any, Unit] = {}
    transposed: dict[Any, Unit] = {}
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
                    unit = Unit(i, REAL, 0, first + x * s_in, s_in, s_in, 1, 1)
                    forward.setdefault((i, first + x * s_in), unit).links.append((0, o, x, part, alone, j))
                for y in range(s_in):
                    unit = Unit(o, REAL, 0, first + y, 1, s_out, s_in, 1)
                    transposed.setdefault((o, first + y), unit).links.append((0, i, y, part, alone, j))
    return list(values.values()), width, forward, transposed


def _real(units: dict[Any, Unit], block: int, component: int, value: int) -> Unit:
    return units.setdefault((block, component, value), Unit(block, REAL, component, value, 1, 1, 0, 1))


def _complex(units: dict[Any, Unit], block: int, value: int, sign: int) -> Unit:
    return units.setdefault((block, value, sign), Unit(block, COMPLEX, 0, value, 2, 1, 0, sign))


def _parts(space: Any) -> Iterable[tuple[Any, int, int]]:
    """The parts of a space with the numbers of their blocks."""
    into = {block.slice.start: number for number, block in enumerate(space.rep_in.blocks)}
    out = {block.slice.start: number for number, block in enumerate(space.rep_out.blocks)}
    return [(part, into[part.into.start], out[part.out.start]) for part in space.parts]

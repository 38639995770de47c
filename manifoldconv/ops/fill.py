"""The values of a collapsed operator: sums over nodes and stencils, for each (site, neighbour) pair.

Rows are filled a chunk at a time, in parallel, each by one thread in the order of nodes and stencils: the result does
not depend on the number of threads, and nothing is of size sites × nodes × stencil × values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from manifoldconv.compiled import leaf
from manifoldconv.ops.plan import Plan
from manifoldconv.ops.units import Value
from manifoldconv.representations.harmonics import harmonics


def scalar_table(plan: Plan, space: Any, nodes: Tensor, measure: Callable[[Tensor], Tensor]) -> np.ndarray:
    """`(R, Q, V)`: w φ_{j,m}(r) Y_{m,a}(θ). `measure` gives w `(R, Q)` for the size of a radial function."""
    radial = _radial(plan.values, space, nodes, measure)
    angular = {order: harmonics(nodes, order) for order in {value.order for value in plan.values}}
    columns = [radial[v.order][..., v.radial] * angular[v.order][..., v.harmonic] for v in plan.values]
    return np.ascontiguousarray(torch.stack(columns, -1).numpy())


def complex_table(plan: Plan, space: Any, nodes: Tensor, measure: Callable[[Tensor], Tensor]) -> np.ndarray:
    """`(R, Q, V', 2)`: w φ_{j,|n|}(r) e^{inθ}, without the transport."""
    radial = _radial(plan.values, space, nodes, measure)
    angle = torch.atan2(nodes[..., 1], nodes[..., 0])
    turn = {
        n: torch.stack([torch.cos(n * angle), torch.sin(n * angle)], -1)
        for n in {v.signed for v in plan.values}
    }
    columns = [radial[v.order][..., v.radial, None] * turn[v.signed] for v in plan.values]
    return np.ascontiguousarray(torch.stack(columns, -2).numpy())


def matrix_table(value: Value, space: Any, nodes: Tensor, measure: Callable[[Tensor], Tensor]) -> np.ndarray:
    """`(R, Q, b, s_out, s_in)`: w φ(r) K_b(θ) of one part, b = solution · radial functions + radial function."""
    radial = _radial([value], space, nodes, measure)[value.order]
    angular = torch.einsum("...a,nija->...nij", harmonics(nodes, value.order), value.part.solutions)
    values = angular[..., :, None, :, :] * radial[..., None, :, None, None]
    return np.ascontiguousarray(values.flatten(-4, -3).numpy())


def _radial(
    values: Sequence[Value], space: Any, nodes: Tensor, measure: Callable[[Tensor], Tensor]
) -> dict[int, Tensor]:
    """w φ_{j,m}(|v|) for each order m that occurs: `(R, Q, radial functions)`."""
    radii = torch.linalg.vector_norm(nodes, dim=-1)
    found = {}
    for order in {value.order for value in values}:
        functions = space.radial(radii, order)
        found[order] = functions * measure(functions)
    return found


def fill_scalar(place: np.ndarray, weight: np.ndarray, table: np.ndarray, values: np.ndarray) -> None:
    """values[place] += weight · table, for a chunk of rows; values `(nnz, V)` float64."""
    _fill_scalar(place, weight, table, values)


def fill_complex(
    place: np.ndarray, weight: np.ndarray, transport: np.ndarray, table: np.ndarray,
    channels: Sequence[Value], values: np.ndarray,
) -> None:  # fmt: skip
    """The same for w φ e^{inθ} e^{ikτ}, τ the angle of the first column of a transport `(P, Q, S, 2, 2)`."""
    about = np.array([[v.frequency, v.start, v.count] for v in channels], dtype=np.int64).reshape(-1, 3)
    _fill_complex(place, weight, transport, table, about, values)


def fill_matrix(
    place: np.ndarray,
    weight: np.ndarray,
    carried: np.ndarray,
    table: np.ndarray,
    start: int,
    values: np.ndarray,
) -> None:
    """The same for w φ K_b(θ) ρ(τ), from place `start` of the values on; carried `(P, Q, S, s_in, s_in)`."""
    _fill_matrix(place, weight, carried, table, start, values)


@numba.njit(cache=True, parallel=True)
def _fill_scalar(place, weight, table, values):  # type: ignore[no-untyped-def]
    for row in numba.prange(len(place)):
        _scalar_row(np.int64(row), place, weight, table, values)


@leaf
def _scalar_row(row, place, weight, table, values):  # type: ignore[no-untyped-def]
    own = row if table.shape[0] > 1 else 0
    for q in range(place.shape[1]):
        for s in range(place.shape[2]):
            j = place[row, q, s]
            if j >= 0:
                for v in range(table.shape[2]):
                    values[j, v] += weight[row, q, s] * table[own, q, v]


@numba.njit(cache=True, parallel=True)
def _fill_complex(place, weight, transport, table, about, values):  # type: ignore[no-untyped-def]
    for row in numba.prange(len(place)):
        _complex_row(np.int64(row), place, weight, transport, table, about, values)


@leaf
def _complex_row(row, place, weight, transport, table, about, values):  # type: ignore[no-untyped-def]
    own = row if table.shape[0] > 1 else 0
    for q in range(place.shape[1]):
        for s in range(place.shape[2]):
            j = place[row, q, s]
            if j < 0:
                continue
            c, d = transport[row, q, s, 0, 0], transport[row, q, s, 1, 0]
            w = weight[row, q, s]
            power, re, im = 0, w, 0.0
            for v in range(about.shape[0]):
                if about[v, 0] < power:
                    power, re, im = 0, w, 0.0
                while power < about[v, 0]:
                    re, im = re * c - im * d, re * d + im * c
                    power += 1
                a, b = table[own, q, v, 0], table[own, q, v, 1]
                values[j, about[v, 1]] += re * a - im * b
                if about[v, 2] == 2:
                    values[j, about[v, 1] + 1] += re * b + im * a


@numba.njit(cache=True, parallel=True)
def _fill_matrix(place, weight, carried, table, start, values):  # type: ignore[no-untyped-def]
    for row in numba.prange(len(place)):
        _matrix_row(np.int64(row), place, weight, carried, table, start, values)


@leaf
def _matrix_row(row, place, weight, carried, table, start, values):  # type: ignore[no-untyped-def]
    own = row if table.shape[0] > 1 else 0
    kernels, size_out, size_in = table.shape[2], table.shape[3], table.shape[4]
    for q in range(place.shape[1]):
        for s in range(place.shape[2]):
            j = place[row, q, s]
            if j < 0:
                continue
            for b in range(kernels):
                for x in range(size_out):
                    for y in range(size_in):
                        total = 0.0
                        for z in range(size_in):
                            total += table[own, q, b, x, z] * carried[row, q, s, z, y]
                        values[j, start + (b * size_out + x) * size_in + y] += weight[row, q, s] * total

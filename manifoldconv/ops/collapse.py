"""Collapsing a pullback: what all nodes and stencils read at one site becomes one value of a sparse operator.

First the pattern, which kernels share: the distinct sites that each row reads, and the place of every stencil entry
among them (`pattern`). Then, for each kernel, sums into these places (`accumulate`, `accumulate_typed`), in the order
of nodes and stencils, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import torch
from torch import Tensor

from manifoldconv.compiled import leaf
from manifoldconv.threads import threads_for


@dataclass(frozen=True, eq=False)
class Pattern:
    """The sparsity of P rows.

    Attributes:
        lengths: `(P,)` int64, distinct columns of each row.
        columns: `(nnz,)` int64, sorted within each row.
        place: `(P, Q, S)` int64, where in `columns` an entry of the stencil goes; -1 for entries of weight 0.
    """

    lengths: Tensor
    columns: Tensor
    place: Tensor


def pattern(index: Tensor, weight: Tensor, n_columns: int) -> Pattern:
    """The pattern of a stencil: index `(P, Q, S)` int64 below `n_columns`, weight `(P, Q, S)` float64."""
    rows = len(index)
    sites = np.ascontiguousarray(index.numpy()).reshape(rows, -1)
    weights = np.ascontiguousarray(weight.detach().numpy()).reshape(rows, -1)
    lengths = row_lengths(sites, weights, n_columns)
    start = np.concatenate([[0], np.cumsum(lengths)])
    columns, place = np.empty(start[-1], dtype=np.int64), np.full(sites.shape, -1, dtype=np.int64)
    with threads_for(sites.size) as threads:
        _places(sites, weights, np.full((threads, n_columns), -1), start, columns, place)
    return Pattern(
        torch.from_numpy(lengths), torch.from_numpy(columns), torch.from_numpy(place).reshape(index.shape)
    )


def row_lengths(sites: np.ndarray, weights: np.ndarray, n_columns: int) -> np.ndarray:
    """`(P,)` distinct columns of each row of a stencil `(P, Q S)`, int64."""
    lengths = np.empty(len(sites), dtype=np.int64)
    with threads_for(sites.size) as threads:
        _row_lengths(sites, weights, np.full((threads, n_columns), -1), lengths)
    return lengths


def accumulate(shared: Pattern, weight: Tensor, factors: Tensor) -> Tensor:
    """Values `(B, nnz)`: Σ over the entries at each place of factors[b, p, q] weight[p, q, s].

    Args:
        weight: `(P, Q, S)` float64.
        factors: `(B, P, Q)`, or `(B, 1, Q)` where all rows agree, float64.
    """
    kernel = np.ascontiguousarray(factors.detach().numpy())
    values = np.zeros((len(kernel), len(shared.columns)))
    _accumulate(shared.place.numpy(), np.ascontiguousarray(weight.detach().numpy()), kernel, values)
    return torch.from_numpy(values)


def accumulate_typed(shared: Pattern, weight: Tensor, carried: Tensor, factors: Tensor) -> Tensor:
    """Blocks `(nnz, C_out, C_in)`: Σ over the entries at each place of weight · factors[p, q] @ carried[p, q, s].

    Args:
        weight: `(P, Q, S)` float64.
        carried: `(P, Q, S, C_in, C_in)` float64, the representation of the transport.
        factors: `(P, Q, C_out, C_in)`, or `(1, Q, C_out, C_in)` where all rows agree, float64.
    """
    kernel = np.ascontiguousarray(factors.detach().numpy())
    values = np.zeros((len(shared.columns), *kernel.shape[2:]))
    weights = np.ascontiguousarray(weight.detach().numpy())
    _accumulate_typed(
        shared.place.numpy(), weights, np.ascontiguousarray(carried.detach().numpy()), kernel, values
    )
    return torch.from_numpy(values)


@numba.njit(cache=True, parallel=True)
def _row_lengths(index, weight, seen, lengths):  # type: ignore[no-untyped-def]
    """How many distinct columns each row has; `seen` has a row for each thread."""
    threads = len(seen)
    for thread in numba.prange(threads):
        _count_rows(np.int64(thread), threads, index, weight, seen, lengths)


@leaf
def _count_rows(thread, threads, index, weight, seen, lengths):  # type: ignore[no-untyped-def]
    rows = len(index)
    for row in range(thread * rows // threads, (thread + 1) * rows // threads):
        count = 0
        for j in range(index.shape[1]):
            column = index[row, j]
            if weight[row, j] != 0.0 and seen[thread, column] != row:
                seen[thread, column] = row
                count += 1
        lengths[row] = count


@numba.njit(cache=True, parallel=True)
def _places(index, weight, known, start, columns, place):  # type: ignore[no-untyped-def]
    """The sorted columns of each row, and the place of every entry among them."""
    threads = len(known)
    for thread in numba.prange(threads):
        _place_rows(np.int64(thread), threads, index, weight, known, start, columns, place)


@leaf
def _place_rows(thread, threads, index, weight, known, start, columns, place):  # type: ignore[no-untyped-def]
    rows = len(index)
    for row in range(thread * rows // threads, (thread + 1) * rows // threads):
        first = start[row]
        count = 0
        for j in range(index.shape[1]):
            column = index[row, j]
            if weight[row, j] != 0.0 and known[thread, column] < first:
                known[thread, column] = first
                columns[first + count] = column
                count += 1
        _sort(columns, first, first + count)
        for j in range(first, first + count):
            known[thread, columns[j]] = j
        for j in range(index.shape[1]):
            if weight[row, j] != 0.0:
                place[row, j] = known[thread, index[row, j]]


@leaf
def _sort(numbers, first, last):  # type: ignore[no-untyped-def]
    """Sort a part of an array in place, by Shell's method with Knuth's gaps."""
    gap = 1
    while 3 * gap + 1 < last - first:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(first + gap, last):
            number, k = numbers[i], i
            while k - gap >= first and numbers[k - gap] > number:
                numbers[k] = numbers[k - gap]
                k -= gap
            numbers[k] = number
        gap //= 3


@numba.njit(cache=True, parallel=True)
def _accumulate(place, weight, factors, values):  # type: ignore[no-untyped-def]
    for row in numba.prange(len(place)):  # rows write to places of their own
        _accumulate_row(np.int64(row), place, weight, factors, values)


@leaf
def _accumulate_row(row, place, weight, factors, values):  # type: ignore[no-untyped-def]
    own = 0 if factors.shape[1] == 1 else row
    for q in range(place.shape[1]):
        for s in range(place.shape[2]):
            j = place[row, q, s]
            if j >= 0:
                for b in range(len(factors)):
                    values[b, j] += factors[b, own, q] * weight[row, q, s]


@numba.njit(cache=True, parallel=True)
def _accumulate_typed(place, weight, carried, factors, values):  # type: ignore[no-untyped-def]
    for row in numba.prange(len(place)):
        _accumulate_typed_row(np.int64(row), place, weight, carried, factors, values)


@leaf
def _accumulate_typed_row(row, place, weight, carried, factors, values):  # type: ignore[no-untyped-def]
    own = 0 if len(factors) == 1 else row
    size_out, size_in = factors.shape[2], factors.shape[3]
    for q in range(place.shape[1]):
        for s in range(place.shape[2]):
            j = place[row, q, s]
            if j < 0:
                continue
            for a in range(size_out):
                for b in range(size_in):
                    total = 0.0
                    for c in range(size_in):
                        total += factors[own, q, a, c] * carried[row, q, s, c, b]
                    values[j, a, b] += weight[row, q, s] * total

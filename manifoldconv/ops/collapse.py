"""Collapsing a pullback: Σ over nodes and stencils that read the same site become one value of a sparse operator."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import torch
from torch import Tensor

from manifoldconv.ops.sparse import SparseOperator


def collapse(index: Tensor, weight: Tensor, factors: Tensor, n_columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compressed rows of A_b[p, i] = Σ_{q, s: index[p, q, s] = i} factors[b, p, q] weight[p, q, s], b < B.

    Args:
        index: `(P, Q, S)` int64 below `n_columns`.
        weight: `(P, Q, S)` float64; entries of weight 0 are left out.
        factors: `(B, P, Q)` or `(B, 1, Q)` float64.

    Returns:
        row lengths `(P,)`, columns `(nnz,)` sorted in each row, values `(B, nnz)`.
    """
    rows = len(index)
    flat_index = index.reshape(rows, -1).numpy()
    flat_weight = np.ascontiguousarray(weight.detach().numpy())
    kernel = np.ascontiguousarray(factors.detach().numpy())
    threads = numba.get_num_threads()
    lengths = _row_lengths(flat_index, flat_weight.reshape(rows, -1), n_columns, threads)
    start = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.empty(start[-1], dtype=np.int64)
    values = np.zeros((len(kernel), start[-1]))
    _fill(index.numpy(), flat_weight, kernel, n_columns, threads, start, columns, values)
    return torch.from_numpy(lengths), torch.from_numpy(columns), torch.from_numpy(values)


def join_rows(
    parts: Sequence[tuple[Tensor, Tensor, Tensor]], n_columns: int, dtype: torch.dtype = torch.float64
) -> tuple[SparseOperator, ...]:
    """The operators, one a kernel, from the rows that `collapse` gave for successive blocks of sites."""
    lengths = torch.cat([part[0] for part in parts])
    row_start = torch.zeros(len(lengths) + 1, dtype=torch.int64)
    torch.cumsum(lengths, 0, out=row_start[1:])
    columns = torch.cat([part[1] for part in parts])
    return tuple(
        SparseOperator(
            row_start, columns, torch.cat([part[2][kernel] for part in parts]).to(dtype), n_columns
        )
        for kernel in range(len(parts[0][2]))
    )


@numba.njit(cache=True, parallel=True)
def _row_lengths(index, weight, n_columns, threads):  # type: ignore[no-untyped-def]
    """How many distinct columns each row has."""
    rows = len(index)
    lengths = np.zeros(rows, dtype=np.int64)
    for thread in numba.prange(threads):
        seen = np.full(n_columns, -1, dtype=np.int64)
        for row in range(thread * rows // threads, (thread + 1) * rows // threads):
            count = 0
            for j in range(index.shape[1]):
                column = index[row, j]
                if weight[row, j] != 0.0 and seen[column] != row:
                    seen[column] = row
                    count += 1
            lengths[row] = count
    return lengths


@numba.njit(cache=True, parallel=True)
def _fill(index, weight, factors, n_columns, threads, start, columns, values):  # type: ignore[no-untyped-def]
    """Write the sorted columns of each row, and add up the values in the order of nodes and stencils."""
    rows, nodes, width = index.shape
    shared = factors.shape[1] == 1
    for thread in numba.prange(threads):
        place = np.full(n_columns, -1, dtype=np.int64)
        for row in range(thread * rows // threads, (thread + 1) * rows // threads):
            first = start[row]
            count = 0
            for q in range(nodes):
                for s in range(width):
                    column = index[row, q, s]
                    if weight[row, q, s] != 0.0 and place[column] < first:
                        place[column] = first
                        columns[first + count] = column
                        count += 1
            columns[first : first + count].sort()
            for j in range(first, first + count):
                place[columns[j]] = j
            for q in range(nodes):
                for s in range(width):
                    if weight[row, q, s] != 0.0:
                        j = place[index[row, q, s]]
                        for b in range(len(factors)):
                            values[b, j] += factors[b, 0 if shared else row, q] * weight[row, q, s]

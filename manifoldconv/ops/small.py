"""Products of many small matrices, where a batched matrix product would spend its time on bookkeeping."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

from manifoldconv.compiled import leaf
from manifoldconv.threads import threads_for


def back_and_forth(there: Tensor, stencil: Tensor) -> Tensor:
    """thereᵀ @ stencil for each s: `(..., d, d)` and `(..., S, d, d)` to `(..., S, d, d)`, float64 on the CPU."""
    d, width = stencil.shape[-1], stencil.shape[-3]
    left = np.ascontiguousarray(there.expand(*stencil.shape[:-3], d, d).reshape(-1, d, d).numpy())
    right = np.ascontiguousarray(stencil.reshape(-1, width, d, d).numpy())
    result = np.empty_like(right)
    with threads_for(len(left)):
        _transposed_products(left, right, result)
    return torch.from_numpy(result).reshape(stencil.shape)


@numba.njit(cache=True, parallel=True)
def _transposed_products(left, right, result):  # type: ignore[no-untyped-def]
    for n in numba.prange(len(right)):
        _transposed_product(np.int64(n), left, right, result)


@leaf
def _transposed_product(n, left, right, result):  # type: ignore[no-untyped-def]
    _, width, d, _ = right.shape
    if d == 2:  # written out: the loops below cost more than the products
        a, b, c, e = left[n, 0, 0], left[n, 1, 0], left[n, 0, 1], left[n, 1, 1]
        for s in range(width):
            p, q, r, t = right[n, s, 0, 0], right[n, s, 0, 1], right[n, s, 1, 0], right[n, s, 1, 1]
            result[n, s, 0, 0], result[n, s, 0, 1] = a * p + b * r, a * q + b * t
            result[n, s, 1, 0], result[n, s, 1, 1] = c * p + e * r, c * q + e * t
        return
    for s in range(width):
        for i in range(d):
            for j in range(d):
                total = 0.0
                for k in range(d):
                    total += left[n, k, i] * right[n, s, k, j]
                result[n, s, i, j] = total

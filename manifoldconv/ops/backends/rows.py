"""Sparse rows times fields, compiled for the processor: the sums of one row stay in registers for all its neighbours.

out[p] = Σ_j values[j] f[column[j]],    j from row_start[p] to row_start[p + 1], in this order
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
from torch import Tensor

from manifoldconv.compiled import leaf, threaded_leaf
from manifoldconv.ops.backends.shares import Rows, in_shares
from manifoldconv.ops.vector import (
    lanes,
    length,
    load,
    multiply_add,
    read,
    store,
    with_room,
    with_room_behind,
    zero,
)


def sum_rows(field: Tensor, row_start: Tensor, column: Tensor, values: Tensor) -> Tensor:
    """Sparse rows times fields `(N, C)`: `(P, C)`. Columns are int32 or int64."""
    rows, channels = len(row_start) - 1, field.shape[1]
    out, flat = with_room((rows, channels), field)
    x = with_room_behind(field.contiguous().reshape(-1), channels % lanes(flat.dtype) != 0)
    arrays = (row_start.numpy(), column.numpy(), values.numpy(), x, channels, flat)

    def prepare() -> Rows:
        return lambda start, stop: _sum_rows(start, stop, *arrays)

    in_shares(prepare, rows, len(column) * channels)
    return out


@threaded_leaf
def _sum_rows(start, stop, row_start, column, values, x, channels, out):
    """All rows for up to four vectors of channels at a time: a call for each row would cost as much as its sums."""
    width = length(x)
    for c in range(0, channels, 4 * width):
        left = channels - c
        if left > 3 * width:
            last = min(width, left - 3 * width)
            _four(start, stop, row_start, column, values, x, channels, c, out, last)
        elif left > 2 * width:
            _three(start, stop, row_start, column, values, x, channels, c, out, left - 2 * width)
        elif left > width:
            _two(start, stop, row_start, column, values, x, channels, c, out, left - width)
        else:
            _one(start, stop, row_start, column, values, x, channels, c, out, left)


@leaf
def _four(start, stop, row_start, column, values, x, channels, c, out, count):
    width = length(x)
    for p in range(start, stop):
        a, b, d, e = zero(x), zero(x), zero(x), zero(x)
        for j in range(read(row_start, p), read(row_start, p + 1)):
            value, place = read(values, j), np.int64(read(column, j)) * channels + c
            a = multiply_add(value, load(x, place), a)
            b = multiply_add(value, load(x, place + width), b)
            d = multiply_add(value, load(x, place + 2 * width), d)
            e = multiply_add(value, load(x, place + 3 * width), e)
        store(out, p * channels + c, a, width)
        store(out, p * channels + c + width, b, width)
        store(out, p * channels + c + 2 * width, d, width)
        store(out, p * channels + c + 3 * width, e, count)


@leaf
def _three(start, stop, row_start, column, values, x, channels, c, out, count):
    width = length(x)
    for p in range(start, stop):
        a, b, d = zero(x), zero(x), zero(x)
        for j in range(read(row_start, p), read(row_start, p + 1)):
            value, place = read(values, j), np.int64(read(column, j)) * channels + c
            a = multiply_add(value, load(x, place), a)
            b = multiply_add(value, load(x, place + width), b)
            d = multiply_add(value, load(x, place + 2 * width), d)
        store(out, p * channels + c, a, width)
        store(out, p * channels + c + width, b, width)
        store(out, p * channels + c + 2 * width, d, count)


@leaf
def _two(start, stop, row_start, column, values, x, channels, c, out, count):
    width = length(x)
    for p in range(start, stop):
        a, b = zero(x), zero(x)
        for j in range(read(row_start, p), read(row_start, p + 1)):
            value, place = read(values, j), np.int64(read(column, j)) * channels + c
            a = multiply_add(value, load(x, place), a)
            b = multiply_add(value, load(x, place + width), b)
        store(out, p * channels + c, a, width)
        store(out, p * channels + c + width, b, count)


@leaf
def _one(start, stop, row_start, column, values, x, channels, c, out, count):
    for p in range(start, stop):
        a = zero(x)
        for j in range(read(row_start, p), read(row_start, p + 1)):
            value, place = read(values, j), np.int64(read(column, j)) * channels + c
            a = multiply_add(value, load(x, place), a)
        store(out, p * channels + c, a, count)

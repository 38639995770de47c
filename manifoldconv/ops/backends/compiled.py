"""The layer operator compiled for the processor: features of a few sites in the cache, then their dense product.

Each row of the result is made by one thread, and sums over rows by parts whose number does not depend on the threads:
the bits are the same for any number of them.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from manifoldconv.compiled import threaded_leaf
from manifoldconv.ops.arrays import Arrays, Direction
from manifoldconv.ops.backends.shares import Rows, in_shares
from manifoldconv.ops.gather import COMPLEX_AT_ONCE, REAL_AT_ONCE
from manifoldconv.ops.tiles import (
    PASS,
    add_product,
    contract_site,
    fetch_rows,
    gather_site,
    order_passes,
    prefetch_rows,
)
from manifoldconv.ops.vector import lanes, with_room, with_room_behind

# Bytes of features at a time: they stay in a core's own cache beside the values of their rows.
FEATURES_AT_A_TIME = 128 * 1024
# Sums over all rows are split in so many parts; fewer where they would take more memory than this.
PARTS, PARTS_MEMORY = 32, 64 * 1024 * 1024


def forward(field: Tensor, matrix: Tensor, arrays: Arrays) -> Tensor:
    """`(A, E, C_in)` to `(A, P, C_out)`; `matrix` is M of the forward direction, flat."""
    direction = arrays.forward
    batch, sites, _ = field.shape
    channels = _channels_out(arrays)
    out, flat = with_room((batch, direction.rows, channels), field)
    x, x_width = _packed(field, direction)
    panels, table = _panels(matrix, direction, field)
    rows = _rows_at_a_time(direction, field)
    width = lanes(flat.dtype)

    given = (*_sparse(arrays.values, direction), x, x_width, *_passes(direction), panels, table)

    def prepare() -> Rows:
        sums, y, near = _own_memory(rows, direction, arrays.values)
        return lambda start, stop: _forward(start, stop, rows, batch, sites, *given, sums, near, y, direction.width,
                                            flat, channels, direction.rows, width)  # fmt: skip

    in_shares(prepare, direction.rows, batch * arrays.values.numel())
    return out


def forward_weights_first(field: Tensor, matrix: Tensor, arrays: Arrays) -> Tensor:
    """The same from M of the transposed direction, weights first: for outputs with few channels."""
    transposed = arrays.transposed
    batch, sites, _ = field.shape
    channels = _channels_out(arrays)
    h, h_flat = with_room((batch, sites, transposed.width), field)
    h.zero_()
    for y0, y1, c0, c1, place in transposed.segments.tolist():
        block = matrix[place : place + (y1 - y0) * (c1 - c0)].reshape(y1 - y0, c1 - c0)
        h[..., y0:y1] += field[..., c0:c1] @ block.mT
    packed, flat = with_room((batch, arrays.forward.rows, channels), field)
    packed.zero_()
    width = lanes(flat.dtype)

    given = (
        *_sparse(arrays.values, arrays.forward),
        h_flat,
        transposed.width,
        transposed.groups.numpy(),
    )

    def prepare() -> Rows:
        return lambda start, stop: _contract(start, stop, batch, sites, *given, flat, channels,
                                             arrays.forward.rows, width)  # fmt: skip

    in_shares(prepare, arrays.forward.rows, batch * arrays.values.numel())
    out = torch.empty_like(packed)
    out[..., transposed.order] = packed
    return out


def backward(grad: Tensor, field: Tensor, matrix: Tensor, arrays: Arrays) -> tuple[Tensor, Tensor]:
    """The gradients of the extended field `(A, E, C_in)` and of M of the transposed direction.

    From one pass over the transposed rows: features Y' of the gradient, then Y' M and Y'ᵀ f.
    """
    direction = arrays.transposed
    batch, sites, channels = field.shape
    grad_field, flat = with_room(tuple(field.shape), field)
    x, x_width = _packed(grad, direction)
    panels, table = _panels(matrix, direction, field)
    f = _flat_with_room(field, direction)
    rows = _rows_at_a_time(direction, field)
    count = max(1, min(PARTS, PARTS_MEMORY // max(1, matrix.numel() * matrix.element_size())))
    size = -(-direction.rows // count)
    width = lanes(flat.dtype)
    stride = matrix.numel() + width
    partial = np.zeros(count * stride, dtype=flat.dtype)

    given = (*_sparse(arrays.values, direction), x, x_width, *_passes(direction), panels, table)
    segments = direction.segments.numpy()

    def prepare() -> Rows:
        sums, y, near = _own_memory(rows, direction, arrays.values)

        def run(first: int, last: int) -> None:
            for part in range(first, last):
                start, stop = min(part * size, direction.rows), min((part + 1) * size, direction.rows)
                _backward(start, stop, rows, batch, grad.shape[1], *given, sums, near, y, direction.width, flat,
                          channels, sites, width, f, segments, partial, part * stride)  # fmt: skip

        return run

    in_shares(prepare, count, batch * arrays.values.numel())
    parts = torch.from_numpy(partial).reshape(count, stride)[:, : matrix.numel()]
    total = parts[0].clone()
    for part in parts[1:]:
        total += part
    return grad_field, total


# ---------------------------------------------------------------- arrays as the compiled code wants them


def _sparse(
    values: Tensor, direction: Direction
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    return (
        direction.row_start.numpy(),
        direction.column.numpy(),
        direction.pair.numpy(),
        values.numpy().reshape(-1),
        values.shape[1],
    )


def _own_memory(rows: int, direction: Direction, values: Tensor) -> tuple[np.ndarray, ...]:
    """What a thread works in: sums, features of some rows, and values of one row that lie apart in memory."""
    longest = int(direction.row_start.diff().max()) if len(direction.pair) else 0
    dtype = values.numpy().dtype
    y = np.empty(rows * direction.width + lanes(dtype), dtype=dtype)
    near = np.empty(longest * values.shape[1] + lanes(dtype), dtype=dtype)
    return np.empty(max(REAL_AT_ONCE, 2 * COMPLEX_AT_ONCE) * lanes(dtype), dtype=dtype), y, near


def _passes(direction: Direction) -> tuple[np.ndarray, np.ndarray]:
    groups = direction.groups.numpy()
    passes = np.empty(len(groups) * PASS, dtype=np.int64)
    features = np.empty(2 * int(groups[:, 5].sum()), dtype=np.int64)
    return passes[: order_passes(groups, passes, features) * PASS], features


def _channels_out(arrays: Arrays) -> int:
    return len(arrays.transposed.order)


def _packed(field: Tensor, direction: Direction) -> tuple[np.ndarray, int]:
    """Blocks component after component, so that the copies of one lie side by side."""
    field = field.contiguous()
    width = field.shape[-1]
    order = direction.order.numpy()
    whole = bool((direction.groups[:, 3] % lanes(field.numpy().dtype) == 0).all())
    if (order[1:] > order[:-1]).all():
        return with_room_behind(field.reshape(-1), not whole), width
    x = np.empty(field.numel() + lanes(field.numpy().dtype), dtype=field.numpy().dtype)
    rows = field.numel() // max(1, width)
    source = field.reshape(-1).numpy()

    def prepare() -> Rows:
        return lambda start, stop: _pack(start, stop, source, order, x)

    in_shares(prepare, rows, field.numel())
    return x, width


def _flat_with_room(field: Tensor, direction: Direction) -> np.ndarray:
    width = lanes(field.numpy().dtype)
    ragged = bool(((direction.segments[:, 3] - direction.segments[:, 2]) % width != 0).any())
    return with_room_behind(field.contiguous().reshape(-1), ragged)


def _panels(matrix: Tensor, direction: Direction, like: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """M in columns of one vector's width, each contiguous and filled up with zeros.

    With a table: columns of Y from, how many, first channel, channels, where the panel begins.
    """
    width = lanes(like.numpy().dtype)
    table, arrays, place = [], [], 0
    for y0, y1, c0, c1, start in direction.segments.tolist():
        block = matrix[start : start + (y1 - y0) * (c1 - c0)].reshape(y1 - y0, c1 - c0)
        count = -(-(c1 - c0) // width)
        block = torch.nn.functional.pad(block, (0, count * width - (c1 - c0)))
        arrays.append(block.reshape(y1 - y0, count, width).transpose(0, 1).reshape(-1))
        for panel in range(count):
            first = c0 + panel * width
            table.append([y0, y1 - y0, first, min(width, c1 - first), place])
            place += (y1 - y0) * width
    joined = torch.cat(arrays) if arrays else matrix.new_empty(0)
    return joined.numpy(), np.array(table, dtype=np.int64).reshape(-1, 5)


def _rows_at_a_time(direction: Direction, like: Tensor) -> int:
    rows = FEATURES_AT_A_TIME // max(1, direction.width * like.element_size())
    return max(8, min(64, rows // 8 * 8))


# ---------------------------------------------------------------- compiled


@threaded_leaf
def _pack(start, stop, source, order, x):
    width = len(order)
    for row in range(start, stop):
        for c in range(width):
            x[row * width + c] = source[row * width + order[c]]


@threaded_leaf
def _forward(
    start,
    stop,
    step,
    batch,
    sites,
    row_start,
    column,
    pair,
    values,
    width,
    x,
    x_width,
    passes,
    features,
    panels,
    table,
    sums,
    near,
    y,
    y_width,
    out,
    channels,
    rows,
    vector,
):
    for first in range(start, stop, step):
        last = min(first + step, stop)
        for a in range(batch):
            _features(first, last, a * sites * x_width, row_start, column, pair, values, width, x, x_width, passes,
                      features, sums, near, y, y_width, vector)  # fmt: skip
            _product(first, last, a * rows, panels, table, y, y_width, out, channels, vector)


@threaded_leaf
def _features(
    first,
    last,
    origin,
    row_start,
    column,
    pair,
    values,
    width,
    x,
    x_width,
    passes,
    features,
    sums,
    near,
    y,
    y_width,
    vector,
):
    for p in range(first, last):
        start, stop, place = row_start[p], row_start[p + 1], (p - first) * y_width
        if len(pair) == 0:
            gather_site(values, 0, width, column, start, stop, x, origin, x_width, passes, features, sums,
                        y, place)  # fmt: skip
            continue
        # Values that lie apart come from memory while the site before is summed.
        fetch_rows(values, width, pair, start, stop, near, vector)
        if p + 2 < len(row_start):
            prefetch_rows(values, width, pair, stop, row_start[p + 2], vector)
        gather_site(near, start * width, width, column, start, stop, x, origin, x_width, passes, features, sums,
                    y, place)  # fmt: skip


@threaded_leaf
def _product(first, last, row, panels, table, y, y_width, out, channels, vector):
    """out[row + first : row + last] = Y M."""
    for c in range((row + first) * channels, (row + last) * channels):
        out[c] = 0.0
    for panel in range(table.shape[0]):
        add_product(y, table[panel, 0], y_width, 1, panels, table[panel, 4], vector, last - first, table[panel, 1],
                    out, (row + first) * channels + table[panel, 2], channels, table[panel, 3])  # fmt: skip


@threaded_leaf
def _backward(
    start,
    stop,
    step,
    batch,
    sites,
    row_start,
    column,
    pair,
    values,
    width,
    x,
    x_width,
    passes,
    features,
    panels,
    table,
    sums,
    near,
    y,
    y_width,
    out,
    channels,
    rows,
    vector,
    field,
    segments,
    partial,
    place,
):
    for first in range(start, stop, step):
        last = min(first + step, stop)
        for a in range(batch):
            _features(first, last, a * sites * x_width, row_start, column, pair, values, width, x, x_width, passes,
                      features, sums, near, y, y_width, vector)  # fmt: skip
            _product(first, last, a * rows, panels, table, y, y_width, out, channels, vector)
            source = (a * rows + first) * channels
            for s in range(segments.shape[0]):
                y0, y1, c0, c1 = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
                for c in range(c0, c1, vector):
                    add_product(y, y0, 1, y_width, field, source + c, channels, y1 - y0, last - first, partial,
                                place + segments[s, 4] + c - c0, c1 - c0, min(vector, c1 - c))  # fmt: skip


@threaded_leaf
def _contract(
    start,
    stop,
    batch,
    sites,
    row_start,
    column,
    pair,
    values,
    width,
    h,
    h_width,
    groups,
    out,
    channels,
    rows,
    vector,
):
    for p in range(start, stop):
        for a in range(batch):
            contract_site(values, width, column, row_start[p], row_start[p + 1], h, a * sites * h_width, h_width,
                          groups, out, (a * rows + p) * channels, vector)  # fmt: skip

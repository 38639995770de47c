"""The layer operator in plain torch, on any device: one sparse sum for each channel of values.

How rows are summed is an argument: torch's compressed rows, or `segment_csr` of torch-scatter. Both go through blocks
of rows, so that nothing of size pairs × channels, and no more than some features, is held at a time. No atomics.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from manifoldconv.ops.arrays import Arrays, Direction
from manifoldconv.ops.tiles import COMPLEX

# Numbers of features, and of gathered fields, held at a time.
NUMBERS_AT_A_TIME = 4_000_000

# (row_start, column, values (nnz,), fields (E, C)) to (rows, C)
Sum = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def sum_compressed(row_start: Tensor, column: Tensor, values: Tensor, field: Tensor) -> Tensor:
    """By torch's own sparse product."""
    shape = (len(row_start) - 1, len(field))
    with warnings.catch_warnings():
        # torch says once a process that such tensors are "in beta state".
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        matrix = torch.sparse_csr_tensor(row_start, column.long(), values, shape, check_invariants=False)
    return matrix @ field


def sum_segments(row_start: Tensor, column: Tensor, values: Tensor, field: Tensor) -> Tensor:
    """By `segment_csr` of torch-scatter."""
    from torch_scatter import segment_csr

    return segment_csr(values[:, None] * field[column.long()], row_start, reduce="sum")


def forward(field: Tensor, matrix: Tensor, arrays: Arrays, summed: Sum) -> Tensor:
    """`(A, E, C_in)` to `(A, P, C_out)`; `matrix` is M of the forward direction, flat."""
    channels = len(arrays.transposed.order)
    out = field.new_zeros(field.shape[0], arrays.forward.rows, channels)
    for rows, y in features(field, arrays.values, arrays.forward, summed):
        multiply_weights(y, matrix, arrays.forward, out[:, rows])
    return out


def forward_weights_first(field: Tensor, matrix: Tensor, arrays: Arrays, summed: Sum) -> Tensor:
    """The same from M of the transposed direction, weights first: for outputs with few channels."""
    transposed, direction = arrays.transposed, arrays.forward
    h = field.new_zeros(*field.shape[:2], transposed.width)
    for y0, y1, c0, c1, place in transposed.segments.tolist():
        block = matrix[place : place + (y1 - y0) * (c1 - c0)].reshape(y1 - y0, c1 - c0)
        h[..., y0:y1] += field[..., c0:c1] @ block.mT
    packed = field.new_zeros(field.shape[0], direction.rows, len(transposed.order))
    for (
        kind,
        start,
        step,
        copies,
        v,
        count,
        row_step,
        terms,
        term_step,
        own,
        sign,
    ) in transposed.groups.tolist():
        for r in range(count):
            if kind == COMPLEX:
                halves = h[..., own + 2 * r * copies : own + 2 * (r + 1) * copies]
                both = [
                    _summed(direction, arrays.values, v + 2 * r + half, halves, summed) for half in (0, 1)
                ]
                re, im = both[0].split(copies, -1), both[1].split(copies, -1)
                packed[..., start : start + copies] += re[0] + sign * im[1]
                packed[..., start + step : start + step + copies] += re[1] - sign * im[0]
                continue
            for t in range(terms):
                first = start + t * step
                one = h[..., own + r * copies : own + (r + 1) * copies]
                packed[..., first : first + copies] += _summed(
                    direction, arrays.values, v + r * row_step + t * term_step, one, summed
                )
    out = torch.empty_like(packed)
    out[..., transposed.order] = packed
    return out


def backward(
    grad: Tensor, field: Tensor, matrix: Tensor, arrays: Arrays, summed: Sum
) -> tuple[Tensor, Tensor]:
    """The gradients of the extended field `(A, E, C_in)` and of M of the transposed direction."""
    direction = arrays.transposed
    grad_field, grad_matrix = torch.zeros_like(field), torch.zeros_like(matrix)
    for rows, y in features(grad, arrays.values, direction, summed):
        multiply_weights(y, matrix, direction, grad_field[:, rows])
        accumulate_matrix(y, field[:, rows], direction, grad_matrix)
    return grad_field, grad_matrix


def accumulate_matrix(y: Tensor, field: Tensor, direction: Direction, grad_matrix: Tensor) -> None:
    """grad M += Yᵀ f, segment by segment."""
    y, field = y.flatten(0, 1), field.flatten(0, 1)
    for y0, y1, c0, c1, place in direction.segments.tolist():
        block = grad_matrix[place : place + (y1 - y0) * (c1 - c0)].view(y1 - y0, c1 - c0)
        block += y[:, y0:y1].mT @ field[:, c0:c1]


def features(
    field: Tensor, values: Tensor, direction: Direction, summed: Sum
) -> Iterator[tuple[slice, Tensor]]:
    """Y `(A, rows, K)` of successive blocks of rows."""
    packed = field[..., direction.order]
    for rows in row_blocks(field, direction):
        part, own_values = _rows(direction, values, rows)
        y = field.new_zeros(field.shape[0], part.rows, direction.width)
        for (
            kind,
            start,
            step,
            copies,
            v,
            count,
            row_step,
            terms,
            term_step,
            own,
            sign,
        ) in direction.groups.tolist():
            for r in range(count):
                if kind == COMPLEX:
                    halves = torch.cat(
                        [
                            packed[..., start : start + copies],
                            packed[..., start + step : start + step + copies],
                        ],
                        -1,
                    )
                    both = [_summed(part, own_values, v + 2 * r + half, halves, summed) for half in (0, 1)]
                    re, im = both[0].split(copies, -1), both[1].split(copies, -1)
                    first = own + 2 * r * copies
                    y[..., first : first + copies] = re[0] - sign * im[1]
                    y[..., first + copies : first + 2 * copies] = re[1] + sign * im[0]
                    continue
                first = own + r * copies
                for t in range(terms):
                    one = packed[..., start + t * step : start + t * step + copies]
                    y[..., first : first + copies] += _summed(
                        part, own_values, v + r * row_step + t * term_step, one, summed
                    )
        yield rows, y


def row_blocks(field: Tensor, direction: Direction) -> Iterator[slice]:
    """Blocks of rows with few enough features and gathered channels."""
    rows = direction.rows
    pairs = direction.column.shape[0] / max(1, rows)
    numbers = field.shape[0] * (direction.width + pairs * field.shape[-1])
    step = max(1, int(NUMBERS_AT_A_TIME / max(1, numbers)))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _rows(direction: Direction, values: Tensor, rows: slice) -> tuple[Direction, Tensor]:
    """Some rows alone, with their values."""
    row_start = direction.row_start[rows.start : rows.stop + 1]
    first, last = int(row_start[0]), int(row_start[-1])
    own = values[direction.pair[first:last]] if len(direction.pair) else values[first:last]
    return replace(direction, row_start=row_start - row_start[0], column=direction.column[first:last]), own


def _summed(direction: Direction, values: Tensor, channel: int, field: Tensor, summed: Sum) -> Tensor:
    """Σ_j values[j, channel] f[column[j]] for fields `(A, E, C)`: `(A, rows, C)`."""
    batch, sites, channels = field.shape
    columns = field.transpose(0, 1).reshape(sites, batch * channels)
    one = values[:, channel].contiguous()
    out = summed(direction.row_start, direction.column, one, columns)
    return out.reshape(direction.rows, batch, channels).transpose(0, 1)


def multiply_weights(y: Tensor, matrix: Tensor, direction: Direction, out: Tensor) -> None:
    """out = Y M, segment by segment."""
    for y0, y1, c0, c1, place in direction.segments.tolist():
        block = matrix[place : place + (y1 - y0) * (c1 - c0)].reshape(y1 - y0, c1 - c0)
        out[..., c0:c1] = y[..., y0:y1] @ block

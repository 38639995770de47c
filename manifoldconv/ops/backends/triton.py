"""The layer operator on graphics cards, as Triton kernels; interpreted (TRITON_INTERPRET=1) they run anywhere.

One program sums the features of one site and one run of copies over the neighbours, in their order: no atomics, the
same bits on every run. The dense product with the weights is torch's, for blocks of sites whose features fit.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from manifoldconv.ops.arrays import Arrays, Direction
from manifoldconv.ops.backends.plain import accumulate_matrix, multiply_weights
from manifoldconv.ops.memory import available_memory
from manifoldconv.ops.tiles import COMPLEX

# Numbers of features held at a time, where memory does not ask for fewer.
NUMBERS_AT_A_TIME = 256_000_000
# Features and copies of one program.
FEATURES, COPIES = 8, 32


def forward(field: Tensor, matrix: Tensor, arrays: Arrays) -> Tensor:
    """`(A, E, C_in)` to `(A, P, C_out)`; `matrix` is M of the forward direction, flat."""
    out = field.new_zeros(field.shape[0], arrays.forward.rows, len(arrays.transposed.order))
    for rows, y in _features(field, arrays.values, arrays.forward):
        multiply_weights(y, matrix, arrays.forward, out[:, rows])
    return out


def backward(grad: Tensor, field: Tensor, matrix: Tensor, arrays: Arrays) -> tuple[Tensor, Tensor]:
    """The gradients of the extended field `(A, E, C_in)` and of M of the transposed direction."""
    grad_field, grad_matrix = torch.zeros_like(field), torch.zeros_like(matrix)
    for rows, y in _features(grad, arrays.values, arrays.transposed):
        multiply_weights(y, matrix, arrays.transposed, grad_field[:, rows])
        accumulate_matrix(y, field[:, rows], arrays.transposed, grad_matrix)
    return grad_field, grad_matrix


def _features(field: Tensor, values: Tensor, direction: Direction):
    """Y `(A, rows, K)` of successive blocks of rows."""
    packed = field[..., direction.order].contiguous()
    batch, sites, channels = packed.shape
    numbers = NUMBERS_AT_A_TIME
    free = available_memory(field.device)
    if free is not None:
        numbers = min(numbers, free // (4 * field.element_size()))
    step = max(1, numbers // max(1, batch * direction.width))
    for start in range(0, direction.rows, step):
        stop = min(start + step, direction.rows)
        y = field.new_empty(batch, stop - start, direction.width)
        for group in direction.groups.tolist():
            _launch(group, start, stop, packed, values, direction, y, sites, channels)
        yield slice(start, stop), y


def _launch(
    group: list[int],
    start: int,
    stop: int,
    packed: Tensor,
    values: Tensor,
    direction: Direction,
    y: Tensor,
    sites: int,
    channels: int,
) -> None:
    kind, first, step, copies, value, rows, row_step, terms, term_step, own, sign = group
    width = min(COPIES, triton.next_power_of_2(copies))
    tile = min(FEATURES, triton.next_power_of_2(rows))
    grid = (stop - start, triton.cdiv(rows, tile) * triton.cdiv(copies, width), len(packed))
    _gather[grid](
        direction.row_start, direction.column, direction.pair, values, packed, y,
        start, sites * channels, channels, (stop - start) * direction.width, direction.width,
        values.shape[1], first, step, copies, value, rows, row_step, term_step, own, sign,
        COMPLEX=kind == COMPLEX, ORDERED=len(direction.pair) == 0, TERMS=terms, TILE=tile, WIDTH=width,
    )  # fmt: skip


@triton.jit
def _gather(
    row_start, column, pair_of, values, x, y, start, x_batch, x_width, y_batch, y_width,
    v_width, first, step, copies, value, rows, row_step, term_step, own, sign,
    COMPLEX: tl.constexpr, ORDERED: tl.constexpr, TERMS: tl.constexpr, TILE: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Y_r = Σ_j Σ_t values[j, v + r a + t b] X_t[column[j]], or with complex values: see `manifoldconv.ops.tiles`."""
    site = tl.program_id(0).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    tiles = tl.cdiv(rows, TILE)
    r = (tl.program_id(1) % tiles) * TILE + tl.arange(0, TILE)
    c = (tl.program_id(1) // tiles) * WIDTH + tl.arange(0, WIDTH)
    real = tl.zeros((TILE, WIDTH), dtype=x.dtype.element_ty)
    imaginary = tl.zeros((TILE, WIDTH), dtype=x.dtype.element_ty)
    begin = tl.load(row_start + start + site)
    end = tl.load(row_start + start + site + 1)
    for j in range(begin, end):
        source = x + batch * x_batch + tl.load(column + j).to(tl.int64) * x_width + first + c
        row = j if ORDERED else tl.load(pair_of + j).to(tl.int64)
        pair = values + row * v_width + value
        if COMPLEX:
            re = tl.load(source, mask=c < copies, other=0.0)
            im = tl.load(source + step, mask=c < copies, other=0.0)
            z_re = tl.load(pair + 2 * r, mask=r < rows, other=0.0)
            z_im = sign * tl.load(pair + 2 * r + 1, mask=r < rows, other=0.0)
            real += z_re[:, None] * re[None, :] - z_im[:, None] * im[None, :]
            imaginary += z_im[:, None] * re[None, :] + z_re[:, None] * im[None, :]
        else:
            for t in tl.static_range(TERMS):
                f = tl.load(source + t * step, mask=c < copies, other=0.0)
                v = tl.load(pair + r * row_step + t * term_step, mask=r < rows, other=0.0)
                real += v[:, None] * f[None, :]
    used = (r < rows)[:, None] & (c < copies)[None, :]
    here = y + batch * y_batch + site * y_width + own + c[None, :]
    if COMPLEX:
        tl.store(here + 2 * r[:, None] * copies, real, mask=used)
        tl.store(here + (2 * r[:, None] + 1) * copies, imaginary, mask=used)
    else:
        tl.store(here + r[:, None] * copies, real, mask=used)

"""From a pullback and kernels to sparse operators: the weights of the integral, and the collapse in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from manifoldconv.ops.collapse import accumulate, accumulate_typed, pattern
from manifoldconv.ops.sparse import SparseOperator
from manifoldconv.ops.typed import TypedOperator

if TYPE_CHECKING:
    from manifoldconv.kernels.kernel import Kernel
    from manifoldconv.pullback import Pullback

# Numbers held at a time in the representations of transports.
NUMBERS_AT_A_TIME = 8_000_000


def operators(kernels: Sequence[Kernel], blocks: Iterable[Pullback]) -> tuple[SparseOperator, ...]:
    """The correlations with several scalar kernels, each collapsed to one value for each (site, neighbour) pair.

    One pass over the blocks of a pullback (`Pullback.blocks`), which need not be held at the same time. The operators
    share their sparsity. Nothing is checked: kernels may be inadmissible.
    """
    return operators_from_factors(
        (block, torch.stack([kernel_factors(kernel, block).detach() for kernel in kernels]))
        for block in blocks
    )


def operators_from_factors(blocks: Iterable[tuple[Pullback, Tensor]]) -> tuple[SparseOperator, ...]:
    """The same from the factors `(B, P, Q)` or `(B, 1, Q)` that multiply the nodes of each block."""
    lengths, columns, values, n_sources = [], [], [], 0
    for block, factors in blocks:
        n_sources = block.n_sources
        shared = pattern(block.index.cpu(), block.weight.cpu(), n_sources)
        lengths.append(shared.lengths)
        columns.append(shared.columns)
        values.append(accumulate(shared, block.weight.cpu(), factors.cpu()))
    if not lengths:
        raise ValueError("there are no blocks to build an operator from")
    row_start, column, joined = _row_start(lengths), torch.cat(columns), torch.cat(values, dim=1)
    return tuple(SparseOperator(row_start, column, kernel, n_sources) for kernel in joined)


def typed_operator(kernel: Kernel, blocks: Iterable[Pullback]) -> TypedOperator:
    """The correlation with a kernel between field types (`kernel.rep_in`, `kernel.rep_out`), collapsed likewise.

    blocks[p, i] = Σ_{q, s: index[p, q, s] = i} w_q weight[p, q, s] k(v_q) ρ_in(transport[p, q, s])
    """
    if kernel.rep_in is None:
        raise ValueError(f"{kernel.name} is a scalar kernel; collapse it with `operators`")
    lengths, columns, values, n_sources = [], [], [], 0
    for whole in blocks:
        n_sources = whole.n_sources
        per_row = whole.index[0].numel() * kernel.rep_in.size**2
        for block in whole.split(max(1, NUMBERS_AT_A_TIME // per_row)):
            shared = pattern(block.index.cpu(), block.weight.cpu(), n_sources)
            carried = kernel.rep_in.matrix(block.transport.cpu())
            factors = kernel_factors(kernel, block).detach().cpu()
            lengths.append(shared.lengths)
            columns.append(shared.columns)
            values.append(accumulate_typed(shared, block.weight.cpu(), carried, factors))
    if not lengths:
        raise ValueError("there are no blocks to build an operator from")
    return TypedOperator.from_blocks(_row_start(lengths), torch.cat(columns), torch.cat(values), n_sources)


def kernel_factors(kernel: Kernel, pull: Pullback) -> Tensor:
    """w_q k(v_q), normalised and scaled as kernel and boundary policy ask.

    `(P, Q)`, or `(1, Q)` where all sites agree; for kernels between field types `(P, Q, C_out, C_in)` likewise.
    """
    nodes, weights = pull.nodes, pull.node_weights
    typed = kernel.rep_in is not None
    if nodes.ndim == 2 and weights.ndim == 1:
        factors = kernel.weights(pull.rule)[None]
    else:
        factors = kernel.weights(pull.rule, nodes, weights)
    if pull.boundary == "renormalise":
        size = torch.linalg.matrix_norm(factors) if typed else factors.abs()
        inside = (size * pull.coverage).sum(dim=-1, keepdim=True)
        whole = size.sum(dim=-1, keepdim=True)
        scale = torch.where(inside > 0, whole / torch.where(inside > 0, inside, 1.0), 0.0)
        factors = factors * (scale[..., None, None] if typed else scale)
    return factors


def _row_start(lengths: Sequence[Tensor]) -> Tensor:
    every = torch.cat(list(lengths))
    row_start = torch.zeros(len(every) + 1, dtype=torch.int64)
    torch.cumsum(every, 0, out=row_start[1:])
    return row_start

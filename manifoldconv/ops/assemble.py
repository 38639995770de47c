"""From a pullback and kernels to sparse operators: the weights of the integral, and the collapse in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from manifoldconv.ops.collapse import collapse, join_rows
from manifoldconv.ops.sparse import SparseOperator

if TYPE_CHECKING:
    from manifoldconv.kernels.kernel import Kernel
    from manifoldconv.pullback import Pullback


def operators(kernels: Sequence[Kernel], blocks: Iterable[Pullback]) -> tuple[SparseOperator, ...]:
    """The correlations with several kernels, each collapsed to one value for each (site, neighbour) pair.

    One pass over the blocks of a pullback (`Pullback.blocks`), which need not be held at the same time. The operators
    share their sparsity. Nothing is checked: kernels may be inadmissible.
    """
    return operators_from_factors(
        (block, torch.stack([kernel_factors(kernel, block).detach() for kernel in kernels]))
        for block in blocks
    )


def operators_from_factors(blocks: Iterable[tuple[Pullback, Tensor]]) -> tuple[SparseOperator, ...]:
    """The same from the factors `(B, P, Q)` or `(B, 1, Q)` that multiply the nodes of each block."""
    parts, n_sources = [], 0
    for block, factors in blocks:
        n_sources = block.n_sources
        parts.append(collapse(block.index.cpu(), block.weight.cpu(), factors.cpu(), n_sources))
    if not parts:
        raise ValueError("there are no blocks to build an operator from")
    return join_rows(parts, n_sources)


def kernel_factors(kernel: Kernel, pull: Pullback) -> Tensor:
    """w_q k(v_q), normalised and scaled as kernel and boundary policy ask: `(P, Q)`, or `(1, Q)` if all sites agree."""
    factors = kernel.weights(pull.rule, None if pull.gauge is None else pull.nodes)
    factors = factors[None] if factors.ndim == 1 else factors
    if pull.boundary == "renormalise":
        inside = (factors.abs() * pull.coverage).sum(dim=-1, keepdim=True)
        whole = factors.abs().sum(dim=-1, keepdim=True)
        factors = factors * torch.where(inside > 0, whole / torch.where(inside > 0, inside, 1.0), 0.0)
    return factors

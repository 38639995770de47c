"""Correlation with a gradient for the kernel, as for a kernel whose parameters are fitted.

The value is the sparse product. The gradient of the factors w_q k(v_q) needs the samples f(exp_p v_q), which are read
again in blocks of sites in the backward pass: nothing of size sites x nodes x channels is kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from manifoldconv.kernels.kernel import Kernel
from manifoldconv.ops import SparseOperator, operators_from_factors, typed_operator
from manifoldconv.pullback import Pullback

# Numbers held at a time in the samples of a block.
SAMPLES_AT_A_TIME = 4_000_000


def correlate_with_kernel_gradient(field: Tensor, factors: Tensor, kernel: Kernel, pull: Pullback) -> Tensor:
    """The correlation, differentiable (once) in `factors` as `kernel_factors` gives them, and in the field."""
    batch = field.shape[:-2]
    if kernel.rep_in is None:  # channels are independent: many fields of one channel
        columns = field.movedim(-2, 0).reshape(pull.n_sources, 1, -1)
        (sparse,) = operators_from_factors([(pull, factors[None])])
        matrices = factors[..., None, None]
    else:
        size_in = factors.shape[-1]
        columns = field.reshape(-1, pull.n_sources, size_in).movedim(0, -1)
        sparse, matrices = typed_operator(kernel, [pull]).sparse, factors
    sparse = sparse.to(field.device, field.dtype)
    out = _Correlate.apply(columns, matrices, pull, sparse, kernel)
    if kernel.rep_in is None:
        return out.reshape(len(pull), *batch, field.shape[-1]).movedim(0, -2)
    return out.movedim(-1, 0).reshape(*batch, len(pull), factors.shape[-2])


class _Correlate(torch.autograd.Function):
    """Fields `(N, C_in, K)` and factors `(P or 1, Q, C_out, C_in)` to `(P, C_out, K)`; K fields side by side."""

    @staticmethod
    def forward(
        ctx: Any, field: Tensor, factors: Tensor, pull: Pullback, sparse: SparseOperator, kernel: Kernel
    ) -> Tensor:
        ctx.save_for_backward(field, factors)
        ctx.pull, ctx.sparse, ctx.kernel = pull, sparse, kernel
        return sparse(field.flatten(0, 1)).reshape(len(pull), factors.shape[-2], -1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        field, factors = ctx.saved_tensors
        pull = ctx.pull
        rows = max(1, SAMPLES_AT_A_TIME // max(1, pull.index[0].numel() * field[0].numel()))
        per_site = [
            torch.einsum("pak,pqbk->pqab", grad[start : start + rows], _samples(field, block, ctx.kernel))
            for start, block in zip(range(0, len(pull), rows), pull.split(rows), strict=True)
        ]
        grad_factors = torch.cat(per_site).to(factors.dtype)
        if len(factors) == 1:
            grad_factors = grad_factors.sum(dim=0, keepdim=True)
        grad_field = ctx.sparse.transposed(grad.flatten(0, 1)).reshape(field.shape)
        return grad_field, grad_factors, None, None, None


def _samples(field: Tensor, block: Pullback, kernel: Kernel) -> Tensor:
    """What the nodes of a block read, `(P, Q, C_in, K)`, from fields `(N, C_in, K)`."""
    weight = block.weight.to(field.dtype)
    read = field[block.index]
    if kernel.rep_in is not None:
        read = kernel.rep_in.matrix(block.transport).to(field.dtype) @ read
    return torch.einsum("pqs,pqsbk->pqbk", weight, read)

"""The layer operator as operators of torch (`torch.library`), which `torch.compile` and autograd know.

    manifoldconv::collapsed(field (A, N, C_in), weight, arrays, backend, weights_first) -> (A, P, C_out)
    manifoldconv::collapsed_backward(grad, field, weight, arrays, backend) -> (grad_field, grad_weight)

`weight` is `(W,)`, or `(C_out, C_in, B)` for scalar kernels; `arrays` the tensors of
`manifoldconv.ops.arrays.Arrays`. The operator is linear in the field and in the weights, so derivatives of any order
are made of these two.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from manifoldconv.ops import backends
from manifoldconv.ops.arrays import Arrays, with_tables
from manifoldconv.ops.custom import custom_operator
from manifoldconv.ops.extend import extended, folded


def _fake(field: Tensor, weight: Tensor, arrays: list[Tensor], backend: str, weights_first: bool) -> Tensor:
    known = Arrays.from_tensors(arrays)
    channels = known.channels.shape[1] if weight.ndim == 1 else weight.shape[0]
    return field.new_empty(field.shape[0], known.forward.row_start.shape[0] - 1, channels)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    field, weight, arrays, backend, weights_first = inputs
    ctx.save_for_backward(field, weight, *arrays)
    ctx.backend, ctx.weights_first = backend, weights_first


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, list[None], None, None]:
    field, weight, *arrays = ctx.saved_tensors
    grad_field, grad_weight = collapsed_backward(grad, field, weight, arrays, ctx.backend)
    return grad_field, grad_weight, [None] * len(arrays), None, None


@custom_operator(
    "manifoldconv::collapsed(Tensor field, Tensor weight, Tensor[] arrays, str backend, bool weights_first) -> Tensor",
    _fake, _keep, _differentiate,
)  # fmt: skip
def collapsed(
    field: Tensor, weight: Tensor, arrays: list[Tensor], backend: str, weights_first: bool
) -> Tensor:
    """The operator applied to fields, without checks."""
    known = with_tables(Arrays.from_tensors(arrays), weight)
    found = backends.load(backend)
    with torch.no_grad(), torch.autocast(field.device.type, enabled=False):
        wide = extended(field.contiguous(), known.extension)
        if weights_first:
            return found.forward_weights_first(wide, known.transposed.matrix(weight), known)
        return found.forward(wide, known.forward.matrix(weight), known)


def _fake_backward(
    grad: Tensor, field: Tensor, weight: Tensor, arrays: list[Tensor], backend: str
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(field, memory_format=torch.contiguous_format), torch.empty_like(weight)


def _keep_backward(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    grad, field, weight, arrays, backend = inputs
    ctx.save_for_backward(grad, field, weight, *arrays)
    ctx.backend = backend


def _differentiate_backward(
    ctx: Any, field_change: Tensor, weight_change: Tensor
) -> tuple[Tensor, Tensor, Tensor, list[None], None]:
    """The backward pass is linear in each of gradient, field and weights: see <u, ∂f> + <s, ∂w> as a form in them."""
    grad, field, weight, *arrays = ctx.saved_tensors
    along = collapsed(field_change, weight, arrays, ctx.backend, False)
    along = along + collapsed(field, weight_change, arrays, ctx.backend, False)
    _, weight_part = collapsed_backward(grad, field_change, weight, arrays, ctx.backend)
    field_part, _ = collapsed_backward(grad, field, weight_change, arrays, ctx.backend)
    return along, field_part, weight_part, [None] * len(arrays), None


@custom_operator(
    "manifoldconv::collapsed_backward(Tensor grad, Tensor field, Tensor weight, Tensor[] arrays, str backend)"
    " -> (Tensor, Tensor)",
    _fake_backward, _keep_backward, _differentiate_backward,
)  # fmt: skip
def collapsed_backward(
    grad: Tensor, field: Tensor, weight: Tensor, arrays: list[Tensor], backend: str
) -> tuple[Tensor, Tensor]:
    """Both gradients, from one pass over the transposed operator."""
    known = with_tables(Arrays.from_tensors(arrays), weight)
    with torch.no_grad(), torch.autocast(field.device.type, enabled=False):
        wide = extended(field.contiguous(), known.extension)
        matrix = known.transposed.matrix(weight)
        grad_wide, grad_matrix = backends.load(backend).backward(grad.contiguous(), wide, matrix, known)
        return folded(grad_wide, known.extension), known.weight_gradient(grad_matrix).reshape(weight.shape)

"""Fields with a column for each (site, class of transports), see `manifoldconv.ops.classes`."""

from __future__ import annotations

import torch
from torch import Tensor

from manifoldconv.ops.arrays import Extension


def extended(field: Tensor, extension: Extension) -> Tensor:
    """ρ(g_k) f_i for each column (i, k): fields `(A, N, C)` to `(A, E, C)`; themselves where sites are columns."""
    if not len(extension.site):
        return field
    out = field.new_empty(field.shape[0], len(extension.site), field.shape[2])
    for channels, copies, size, matrices in _blocks(extension):
        read = field[:, extension.site, channels].unflatten(-1, (copies, size))
        carried = torch.einsum("exy,aecy->aecx", matrices.to(field.dtype)[extension.kind], read)
        out[..., channels] = carried.flatten(-2)
    return out


def folded(grad: Tensor, extension: Extension) -> Tensor:
    """The transposed map, `(A, E, C)` to `(A, N, C)`: classes are added in their order, by gathering."""
    if not len(extension.site):
        return grad
    classes, sites = extension.slot.shape
    padded = torch.cat([grad, grad.new_zeros(grad.shape[0], 1, grad.shape[2])], 1)
    out = grad.new_zeros(grad.shape[0], sites, grad.shape[2])
    for channels, copies, size, matrices in _blocks(extension):
        for k in range(classes):
            read = padded[:, extension.slot[k], channels].unflatten(-1, (copies, size))
            out[..., channels] += torch.einsum("xy,aecx->aecy", matrices.to(grad.dtype)[k], read).flatten(-2)
    return out


def _blocks(extension: Extension) -> list[tuple[slice, int, int, Tensor]]:
    found, classes = [], extension.slot.shape[0]
    for first, copies, size, start in extension.blocks.tolist():
        matrices = extension.matrices[start : start + classes * size * size].reshape(classes, size, size)
        found.append((slice(first, first + copies * size), copies, size, matrices))
    return found

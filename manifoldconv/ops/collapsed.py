"""The collapsed operator of a kernel basis: one sparse operator for all the weights of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from manifoldconv.errors import HolonomyError
from manifoldconv.ops.collapse import accumulate_typed, pattern

if TYPE_CHECKING:
    from manifoldconv.pullback import Pullback


@dataclass(frozen=True, eq=False, repr=False)
class CollapsedOperator:
    """out[p] = Σ_j Σ_b weight[b] values_b[j] f[column[j]], over the neighbours j of site p."""

    row: Tensor
    column: Tensor
    shape: tuple[int, int]
    parts: tuple[tuple[Any, Tensor], ...]
    size_in: int
    size_out: int
    dimension: int
    dtype: torch.dtype
    scalar: bool

    def __call__(self, field: Tensor, weight: Tensor) -> Tensor:
        """Apply to a field `(..., N, C_in)` with weights, see `Pullback.collapse`: `(..., P, C_out)`."""
        size_in = weight.shape[1] if self.scalar else self.size_in
        if field.ndim < 2 or field.shape[-2:] != (self.shape[1], size_in):
            raise ValueError(
                f"the field must have shape (..., {self.shape[1]}, {size_in}); got {tuple(field.shape)}"
            )
        if field.dtype != self.dtype or weight.dtype != self.dtype:
            raise ValueError(f"the operator has {self.dtype}; field {field.dtype}, weight {weight.dtype}")
        read = field[..., self.column, :]
        if self.scalar:
            messages = torch.einsum("jb,...ji,oib->...jo", self.parts[0][1], read, weight)
            out = field.new_zeros(*field.shape[:-2], self.shape[0], weight.shape[0])
            return out.index_add(-2, self.row, messages)
        if weight.shape != (self.dimension,):
            raise ValueError(f"the weights must have shape ({self.dimension},); got {tuple(weight.shape)}")
        out = field.new_zeros(*field.shape[:-2], self.shape[0], self.size_out)
        for part, values in self.parts:
            copies_out, copies_in = part.copies
            stop = part.start + copies_out * copies_in * values.shape[1]
            own = weight[part.start : stop].reshape(copies_out, copies_in, -1)
            into = read[..., part.into].unflatten(-1, (copies_in, -1))
            messages = torch.einsum("jbxy,...jiy,oib->...jox", values, into, own).flatten(-2)
            padded = torch.nn.functional.pad(messages, (part.out.start, self.size_out - part.out.stop))
            out = out.index_add(-2, self.row, padded)
        return out


def collapse(pull: Pullback, basis: Any, dtype: torch.dtype | None, backend: str | None) -> CollapsedOperator:
    """See `Pullback.collapse`."""
    dtype = torch.float32 if dtype is None else dtype
    device = pull.index.device
    shared = pattern(pull.index.cpu(), pull.weight.cpu(), pull.n_sources)
    row = torch.repeat_interleave(torch.arange(len(pull)), shared.lengths)
    common = (row.to(device), shared.columns.to(device), (len(pull), pull.n_sources))
    weight, coverage, node_weights = pull.weight.cpu(), pull.coverage.cpu(), pull.node_weights.cpu()

    def summed(kernels: Tensor, size: Tensor, carried: Tensor) -> Tensor:
        factors = kernels * node_weights[..., None, None, None]
        if pull.boundary == "renormalise":
            measure = size * node_weights[..., None].abs()
            inside = (measure * coverage[..., None]).sum(-2, keepdim=True)
            whole = measure.sum(-2, keepdim=True)
            ratio = torch.where(inside > 0, whole / torch.where(inside > 0, inside, 1.0), 0.0)
            factors = factors * ratio[..., None, None]
        if factors.ndim == 4:
            factors = factors[None]
        found = [accumulate_typed(shared, weight, carried, one) for one in factors.unbind(-3)]
        return torch.stack(found, 1).to(device, dtype)

    if isinstance(basis, Tensor):
        values = basis.cpu().to(torch.float64)
        one = torch.ones(*pull.index.shape, 1, 1, dtype=torch.float64)
        scalars = summed(values[..., None, None], values.abs(), one)[..., 0, 0]
        return CollapsedOperator(*common, ((None, scalars),), 0, 0, values.shape[-1], dtype, True)
    if pull.group is not None and not basis.group.contains_group(pull.group):
        raise HolonomyError(
            f"the kernels of this space are invariant under {basis.group.name}, but the frames of the pullback "
            f"differ by {pull.group.name}"
        )
    nodes = pull.nodes.cpu()
    parts = []
    for part in basis.parts:
        block = next(b for b in basis.rep_in.blocks if b.slice == part.into)
        carried = block.irrep.function(pull.transport.cpu())
        kernels = basis._part_values(nodes, part)
        size = torch.linalg.matrix_norm(kernels)
        parts.append((part, summed(kernels, size, carried)))
    sizes = (basis.rep_in.size, basis.rep_out.size, basis.dimension)
    return CollapsedOperator(*common, tuple(parts), *sizes, dtype, False)

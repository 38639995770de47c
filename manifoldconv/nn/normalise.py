"""Normalisations and dropout of whole fields: what acts alike on all components of a vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.nn.fields import SCALARS, FieldModule, copies, field_type
from manifoldconv.representations import Representation


class _Scaled(FieldModule):
    """A learned factor for each copy of each block, and a learned constant for each scalar."""

    def __init__(self, rep: Representation | str, affine: bool, group: StructureGroup | None) -> None:
        super().__init__()
        self.rep_in = self.rep_out = field_type(rep, group)
        blocks = self.rep_in.blocks
        counts = [part.multiplicity for part in blocks]
        self._starts = [sum(counts[:i]) for i in range(len(counts))]
        self.fields = sum(counts)
        self.weight = torch.nn.Parameter(torch.ones(self.fields, dtype=torch.float32)) if affine else None
        self.bias = torch.nn.Parameter(torch.zeros(self.fields, dtype=torch.float32)) if affine else None

    def _affine(self, values: Tensor, start: int, scalar: bool) -> Tensor:
        if self.weight is None or self.bias is None:
            return values
        own = slice(start, start + values.shape[-2])
        values = values * self.weight[own, None]
        return values + self.bias[own, None] if scalar else values


class FieldNorm(_Scaled):
    """At each site, the fields of one summand divided by the root of their mean square: layer normalisation.

        s ↦ (s - mean) / √(variance + ε) over the scalars;    u_i ↦ u_i / √(mean_j |u_j|² / size + ε)

    Exactly equivariant, the same in training and evaluation, and blind to what else is in the batch. A summand of one
    scalar alone is left as it is: it would always become 0.

    Args:
        rep: the field type.
        eps: ε.
        affine: whether to multiply each field by a learned factor (1 at the start), and to add one to each scalar.
        group: of a string; by default O(2).
    """

    def __init__(
        self,
        rep: Representation | str,
        eps: float = 1e-5,
        affine: bool = True,
        group: StructureGroup | None = None,
    ) -> None:
        super().__init__(rep, affine, group)
        self.eps = eps

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """The normalised field, of the same type and shape; the pullback is not needed."""
        self.check_field(field)
        out = []
        for part, start in zip(self.rep_in.blocks, self._starts, strict=True):
            values, scalar = copies(field, part), part.irrep.name in SCALARS
            if scalar and part.multiplicity > 1:
                values = values - values.mean(dim=-2, keepdim=True)
            if not scalar or part.multiplicity > 1:
                size = values.square().mean(dim=(-2, -1), keepdim=True)
                values = values * torch.rsqrt(size + self.eps)
            out.append(self._affine(values, start, scalar).flatten(-2))
        return torch.cat(out, dim=-1)


class FieldBatchNorm(_Scaled):
    """Each field divided by the root of its mean square over all sites of the batch: batch normalisation.

        s ↦ (s - mean) / √(variance + ε);    u ↦ u / √(mean |u|² / size + ε)

    In training over the batch; in evaluation by the running means, so that what one mesh gives does not depend on the
    others. Exactly equivariant: lengths are, and the mean is taken off scalars only.

    Args:
        rep: the field type.
        eps: ε.
        momentum: the weight of the newest batch in the running means.
        affine: as for `FieldNorm`.
        group: of a string; by default O(2).

    Attributes:
        running_mean, running_square: `(fields,)`, of the scalars (0 for others), and the mean squares a channel.
    """

    running_mean: Tensor
    running_square: Tensor

    def __init__(
        self,
        rep: Representation | str,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        group: StructureGroup | None = None,
    ) -> None:
        super().__init__(rep, affine, group)
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.zeros(self.fields, dtype=torch.float32))
        self.register_buffer("running_square", torch.ones(self.fields, dtype=torch.float32))

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """The normalised field, of the same type and shape; the pullback is not needed."""
        self.check_field(field)
        out, means, squares = [], [], []
        for part, start in zip(self.rep_in.blocks, self._starts, strict=True):
            values, scalar = copies(field, part), part.irrep.name in SCALARS
            own = slice(start, start + part.multiplicity)
            if self.training:
                over = (*range(values.ndim - 2), values.ndim - 1)
                mean = (
                    values.mean(dim=over)
                    if scalar
                    else torch.zeros_like(values[(0,) * (values.ndim - 2)][:, 0])
                )
                square = (values - mean[:, None]).square().mean(dim=over)
                means.append(mean.detach())
                squares.append(square.detach())
            else:
                mean, square = self.running_mean[own], self.running_square[own]
            values = (values - mean[:, None]) * torch.rsqrt(square + self.eps)[:, None]
            out.append(self._affine(values, start, scalar).flatten(-2))
        if self.training:
            self._remember(torch.cat(means), torch.cat(squares))
        return torch.cat(out, dim=-1).to(field.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, square: Tensor) -> None:
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_square.lerp_(square.to(self.running_square), self.momentum)


class FieldDropout(FieldModule):
    """In training, whole fields set to 0 with probability p, and the others divided by 1 - p.

    All components of a vector go together, so that it commutes with changes of frame for any one draw.

    Args:
        rep: the field type.
        p: the probability, 0 ≤ p < 1.
        everywhere: whether a field is dropped at all sites at once (as `torch.nn.Dropout2d`), or at each on its own.
        group: of a string; by default O(2).
    """

    def __init__(
        self,
        rep: Representation | str,
        p: float = 0.5,
        everywhere: bool = False,
        group: StructureGroup | None = None,
    ) -> None:
        super().__init__()
        self.rep_in = self.rep_out = field_type(rep, group)
        if not 0 <= p < 1:
            raise ValueError(f"the probability p must be at least 0 and below 1; got {p!r}")
        self.p, self.everywhere = float(p), everywhere

    def forward(self, field: Tensor, pull: Any = None) -> Tensor:
        """The field, of the same type and shape; the pullback is not needed."""
        self.check_field(field)
        if not self.training or self.p == 0:
            return field
        out = []
        for part in self.rep_in.blocks:
            values = copies(field, part)
            shape = [*values.shape[:-1], 1]
            if self.everywhere:
                shape[-3] = 1
            kept = torch.rand(shape, dtype=torch.float32, device=field.device) >= self.p
            out.append((values * kept.to(field.dtype) / (1 - self.p)).flatten(-2))
        return torch.cat(out, dim=-1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, p={self.p:g}"

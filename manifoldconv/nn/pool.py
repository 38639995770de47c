"""Pooling between levels, and over all sites of a manifold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.nn.fields import SCALARS, FieldModule, copies, field_type
from manifoldconv.nn.hierarchy import Hierarchy
from manifoldconv.representations import Representation


class Pool(FieldModule):
    """From level l to level l + 1 of a hierarchy: means round the coarse sites, after transport to them."""

    def __init__(self, rep: Representation | str, level: int, group: StructureGroup | None = None) -> None:
        super().__init__()
        self.rep_in = self.rep_out = field_type(rep, group)
        self.level = level

    def forward(self, field: Tensor, pull: Hierarchy) -> Tensor:
        """`(..., N_l, C)` to `(..., N_{l+1}, C)`."""
        self.check_field(field)
        check_level(pull, self.level + 2)
        return pull.down[self.level](field, self.rep_in)


class Unpool(FieldModule):
    """From level l + 1 to level l of a hierarchy: interpolation, after transport to the fine sites."""

    def __init__(self, rep: Representation | str, level: int, group: StructureGroup | None = None) -> None:
        super().__init__()
        self.rep_in = self.rep_out = field_type(rep, group)
        self.level = level

    def forward(self, field: Tensor, pull: Hierarchy) -> Tensor:
        """`(..., N_{l+1}, C)` to `(..., N_l, C)`."""
        self.check_field(field)
        check_level(pull, self.level + 2)
        return pull.up[self.level](field, self.rep_in)


class GlobalPool(torch.nn.Module):
    """Invariants of a whole manifold: means over its sites of scalars, and of the lengths of other fields.

        s ↦ Σ_p a_p s(p) / Σ_p a_p;    u ↦ √(Σ_p a_p |u(p)|² / (size Σ_p a_p))

    A mean of vectors would need one frame for all sites, which a curved surface does not have: only invariants are
    pooled. Exactly invariant under changes of frame, renumbering, and isometries that map sites to sites.

    Args:
        rep: the field type that comes in.
        group: of a string; by default O(2).

    Attributes:
        size: how many numbers come out, one a copy.
    """

    def __init__(self, rep: Representation | str, group: StructureGroup | None = None) -> None:
        super().__init__()
        self.rep_in = field_type(rep, group)
        self.size = sum(part.multiplicity for part in self.rep_in.blocks)

    def forward(self, field: Tensor, sample: Tensor | None = None, area: Tensor | None = None) -> Tensor:
        """The invariants.

        Args:
            field: `(..., N, C)`.
            sample: `(N,)` int64, for a batch of manifolds: the number of the one that each site belongs to
                (`Batch.sample`). None: all sites are of one.
            area: `(N,)` weights a_p, such as `sites.area`; by default 1.

        Returns:
            `(..., M, size)` for M manifolds, `(..., size)` without `sample`.
        """
        self.rep_in.check_field(field)
        count = field.shape[-2]
        if field.numel() == 0:
            raise ValueError(f"GlobalPool takes a field at one or more sites; got shape {tuple(field.shape)}")
        for name, given in (("sample", sample), ("area", area)):
            if given is not None and given.shape != (count,):
                raise ValueError(
                    f"{name} must have shape ({count},), one entry for each site of the field; "
                    f"got {tuple(given.shape)}"
                )
        weight = torch.ones(count, dtype=field.dtype, device=field.device) if area is None else area.to(field)
        if sample is None:
            return _means(self.rep_in, field, weight / weight.sum(), None, 1)[..., 0, :]
        manifolds = int(sample.max()) + 1
        total = weight.new_zeros(manifolds).index_add(0, sample, weight)
        if int(sample.min()) < 0 or bool((total == 0).any()):
            empty = int(torch.nonzero(total == 0)[0]) if bool((total == 0).any()) else int(sample.min())
            raise ValueError(f"sample must number the manifolds 0, 1, ... without gaps; {empty} has no sites")
        return _means(self.rep_in, field, weight / total[sample], sample, manifolds)

    def extra_repr(self) -> str:
        return f"{self.rep_in} of {self.rep_in.group.name} → {self.size} invariants"


def _means(
    rep: Representation, field: Tensor, weight: Tensor, sample: Tensor | None, manifolds: int
) -> Tensor:
    out = []
    for part in rep.blocks:
        values = copies(field, part)
        scalar = part.irrep.name in SCALARS
        invariant = values[..., 0] if scalar else values.square().mean(-1)
        weighted = invariant * weight[:, None]
        if sample is None:
            mean = weighted.sum(-2, keepdim=True)
        else:
            shape = (*weighted.shape[:-2], manifolds, weighted.shape[-1])
            mean = weighted.new_zeros(shape).index_add(-2, sample, weighted)
        out.append(mean if scalar else _root(mean))
    return torch.cat(out, dim=-1)


def _root(mean: Tensor) -> Tensor:
    """√, with a finite gradient at 0."""
    return torch.sqrt(mean + 1e-12)


def check_level(hierarchy: Any, needed: int) -> None:
    """Raise `ValueError` unless a hierarchy with enough levels came."""
    if not isinstance(hierarchy, Hierarchy):
        raise ValueError(f"a Hierarchy of {needed} or more levels is needed; got {type(hierarchy).__name__}")
    if hierarchy.levels < needed:
        raise ValueError(f"a hierarchy of {needed} or more levels is needed; this one has {hierarchy.levels}")

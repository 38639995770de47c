"""Networks that are ready to use: a residual network and a U-Net, with defaults in mean edge lengths."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from manifoldconv.groups import StructureGroup
from manifoldconv.nn.conv import TangentConv
from manifoldconv.nn.fields import FieldModule, Sequential, type_pair
from manifoldconv.nn.hierarchy import Hierarchy
from manifoldconv.nn.linear import Linear
from manifoldconv.nn.nonlinear import NormGate
from manifoldconv.nn.normalise import FieldNorm
from manifoldconv.nn.pool import Pool, Unpool, check_level
from manifoldconv.nn.residual import ResidualBlock
from manifoldconv.pullback import Pullback
from manifoldconv.representations import Representation

FIELDS = "16x0 + 8x1"


class TangentResNet(FieldModule):
    """A residual network on one set of sites: a convolution, blocks, and a linear map at each site.

    Args:
        rep_in, rep_out: field types of input and answer, such as "3x0" and "8x0" (8 class scores a vertex); strings
            are those of `group`.
        fields: the type in between; by default 16 scalars and 8 vectors, 32 channels.
        blocks: how many `ResidualBlock`s, of two convolutions each.
        group: by default that of the types, or O(2): it serves every surface, orientable or not.
        dropout: as for `ResidualBlock`.
        checkpointing: whether activations inside the blocks are computed again in the backward pass instead of kept:
            less memory, a third more time.
        options: of the `TangentConv`s: radius, rule, rings, radial, band_limit, self_interaction, bias.

    Call it with a pullback such as `mesh_pullback(surface)` makes, of discs of 3 mean edge lengths.

    >>> net = TangentResNet("3x0", "8x0", blocks=2)
    >>> sum(parameter.numel() for parameter in net.parameters())
    9920
    """

    def __init__(
        self,
        rep_in: Representation | str,
        rep_out: Representation | str,
        fields: Representation | str = FIELDS,
        blocks: int = 4,
        *,
        group: StructureGroup | None = None,
        dropout: float = 0.0,
        checkpointing: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = type_pair(rep_in, rep_out, group)
        inner = type_pair(fields, self.rep_out, self.rep_in.group)[0]
        _check_blocks(blocks)
        self.checkpointing = checkpointing
        self.first = TangentConv(self.rep_in, inner, unreached="zero", **options)
        self.blocks = torch.nn.ModuleList(
            ResidualBlock(inner, inner, dropout=dropout, gain=1 / blocks, **options) for _ in range(blocks)
        )
        self.last = _head(inner, self.rep_out, options)

    def forward(self, field: Tensor, pull: Pullback) -> Tensor:
        """A field `(..., N, C_in)` in the frames of the pullback to `(..., N, C_out)`."""
        field = self.first(field, pull)
        for block in self.blocks:
            field = _run(block, field, pull, self.checkpointing and self.training)
        return self.last(field, pull)


class TangentUNet(FieldModule):
    """A U-Net over a hierarchy: blocks on coarser and coarser sites, then back, with the fine fields joined in.

    Args:
        rep_in, rep_out: field types of input and answer, at the finest sites; strings are those of `group`.
        fields: a field type for each level, fine to coarse; by default 16 scalars and 8 vectors, doubled from level
            to level, on three levels.
        blocks: `ResidualBlock`s on each level, on the way down and on the way up.
        group, dropout, checkpointing, options: as for `TangentResNet`. A radius can't be given, as each level has one
            of its own.

    Call it with a `Hierarchy` where other networks take a pullback: `Hierarchy.of_mesh(surface, levels=3)`.

    Source: Ronneberger, Fischer and Brox, "U-Net", 2015; pooling with transport as in Wiersma, Eisemann and
    Hildebrandt, "CNNs on surfaces using rotation-equivariant features", 2020, section 4.3.
    """

    def __init__(
        self,
        rep_in: Representation | str,
        rep_out: Representation | str,
        fields: tuple[Representation | str, ...] = (FIELDS, "32x0 + 16x1", "64x0 + 32x1"),
        blocks: int = 1,
        *,
        group: StructureGroup | None = None,
        dropout: float = 0.0,
        checkpointing: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        if options.get("radius") is not None or options.get("rule") is not None:
            raise ValueError("every level of a U-Net has a radius of its own: give neither radius nor rule")
        if isinstance(fields, str) or len(fields) < 1:
            raise ValueError(f"fields must be one field type for each level; got {fields!r}")
        _check_blocks(blocks)
        self.rep_in, self.rep_out = type_pair(rep_in, rep_out, group)
        inner = [type_pair(rep, self.rep_out, self.rep_in.group)[0] for rep in fields]
        self.checkpointing = checkpointing
        self.first = TangentConv(self.rep_in, inner[0], unreached="zero", **options)
        gain = 1 / (blocks * (2 * len(inner) - 1))

        def chain(into: Representation, out: Representation) -> torch.nn.ModuleList:
            types = [into] + [out] * blocks
            pairs = pairwise(types)
            return torch.nn.ModuleList(
                ResidualBlock(a, b, dropout=dropout, gain=gain, **options) for a, b in pairs
            )

        befores = [inner[0], *inner[:-1]]
        self.descent = torch.nn.ModuleList(chain(a, b) for a, b in zip(befores, inner, strict=True))
        self.ascent = torch.nn.ModuleList(
            chain(inner[i] + inner[i + 1], inner[i]) for i in range(len(inner) - 1)
        )
        self.pools = torch.nn.ModuleList(Pool(inner[i], i) for i in range(len(inner) - 1))
        self.unpools = torch.nn.ModuleList(Unpool(inner[i + 1], i) for i in range(len(inner) - 1))
        self.last = _head(inner[0], self.rep_out, options)

    @property
    def levels(self) -> int:
        """How many levels the hierarchy must have."""
        return len(self.descent)

    def forward(self, field: Tensor, pull: Hierarchy) -> Tensor:
        """A field `(..., N_0, C_in)` in the frames of level 0 to `(..., N_0, C_out)`."""
        check_level(pull, self.levels)
        saved = self.checkpointing and self.training
        field = self.first(field, pull.pulls[0])
        kept = []
        for level, chain in enumerate(self.descent):
            for block in chain.children():
                field = _run(block, field, pull.pulls[level], saved)
            if level < self.levels - 1:
                kept.append(field)
                field = self.pools[level](field, pull)
        for level in reversed(range(self.levels - 1)):
            field = torch.cat([kept[level], self.unpools[level](field, pull)], dim=-1)
            for block in self.ascent[level].children():
                field = _run(block, field, pull.pulls[level], saved)
        return self.last(field, pull.pulls[0])


def _check_blocks(blocks: int) -> None:
    if isinstance(blocks, bool) or not isinstance(blocks, int) or blocks < 1:
        raise ValueError(f"blocks must be a whole number, 1 or more; got {blocks!r}")


def _head(inner: Representation, rep_out: Representation, options: dict[str, Any]) -> Sequential:
    """Norm, gate, and a linear map; a convolution where the linear map can't reach all of the answer."""
    try:
        last: FieldModule = Linear(inner, rep_out)
    except ValueError:
        last = TangentConv(inner, rep_out, **options)
    return Sequential(FieldNorm(inner), NormGate(inner), last)


def _run(block: torch.nn.Module, field: Tensor, pull: Pullback, saved: bool) -> Tensor:
    return checkpoint(block, field, pull, use_reentrant=False) if saved else block(field, pull)

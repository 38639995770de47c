"""What all modules on fields share: the types that come in and go out, the check of a field, and `Sequential`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.pullback import Pullback
from manifoldconv.representations import Representation

SCALARS = ("0", "0e")
"""The names of the trivial block, on which every group element acts as 1."""


def field_type(rep: Representation | str, group: StructureGroup | None = None) -> Representation:
    """A field type from a string or a `Representation`.

    Args:
        rep: "8x0 + 4x1", or a type that has its group already.
        group: of a string; by default O(2), whose kernels every surface admits. A type of a larger group is
            restricted to it.

    >>> field_type("8x0 + 4x1")
    Representation('8x0 + 4x1', O(2))
    """
    if isinstance(rep, str):
        return Representation(rep, StructureGroup.orthogonal(2) if group is None else group)
    if not isinstance(rep, Representation):
        raise ValueError(f'a field type is a Representation or a string such as "8x0 + 4x1"; got {rep!r}')
    return rep if group is None or rep.group == group else rep.restrict(group)


def type_pair(
    rep_in: Representation | str, rep_out: Representation | str, group: StructureGroup | None
) -> tuple[Representation, Representation]:
    """Two field types of one group: the given one, or that of the type that has one, or O(2)."""
    if group is None:
        owned = [rep for rep in (rep_in, rep_out) if isinstance(rep, Representation)]
        if len(owned) == 2 and owned[0].group != owned[1].group:
            raise ValueError(
                f"the field types belong to different groups: {owned[0]!r} comes in, {owned[1]!r} goes out; "
                "say which with group="
            )
        group = owned[0].group if owned else None
    return field_type(rep_in, group), field_type(rep_out, group)


def described(rep: Representation) -> str:
    """A field type with its group, for messages."""
    return f"{rep} of {rep.group.name}"


class FieldModule(torch.nn.Module):
    """A module from fields of one type to fields of another: `forward(field, pull)`.

    Attributes:
        rep_in, rep_out: the field types.
    """

    rep_in: Representation
    rep_out: Representation

    def __init__(self) -> None:
        super().__init__()
        self._exact: dict[str, Tensor] = {}

    def register_exact(self, name: str, value: Tensor) -> None:
        """A constant as a buffer: in single precision at first, and in whatever `.to` asks for, from float64 always.

        Without this a constant would keep the rounding of the first precision that it had.
        """
        self._exact[name] = value.detach().to("cpu", torch.float64)
        self.register_buffer(name, value.to(torch.float32), persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> FieldModule:
        super()._apply(fn, recurse)
        for name, value in self._exact.items():
            setattr(self, name, value.to(self.get_buffer(name)))
        return self

    def check_field(self, field: Any, pull: Pullback | None = None) -> None:
        """Raise `ValueError` unless a field `(..., N, C)` has the type that comes in, and the pullback's N sites."""
        name = type(self).__name__
        if not isinstance(field, Tensor) or not field.is_floating_point():
            came = str(field.dtype) if isinstance(field, Tensor) else type(field).__name__
            raise ValueError(
                f"{name} takes a field as a floating-point tensor (..., sites, channels); got {came}"
            )
        if field.ndim < 2 or field.shape[-1] != self.rep_in.size:
            raise ValueError(
                f"{name} takes fields of type {described(self.rep_in)}, (..., sites, {self.rep_in.size}); "
                f"got shape {tuple(field.shape)}"
            )
        if field.numel() == 0:
            raise ValueError(
                f"{name} takes at least one field at one or more sites; got an empty batch of shape "
                f"{tuple(field.shape)}"
            )
        if pull is not None:
            self._check_pull(field, pull)

    def _check_pull(self, field: Tensor, pull: Pullback) -> None:
        name = type(self).__name__
        if not isinstance(pull, Pullback):
            raise ValueError(f"{name} takes a Pullback as its second argument; got {type(pull).__name__}")
        if field.shape[-2] != pull.n_sources:
            raise ValueError(
                f"{name} got a field at {field.shape[-2]} sites, and a pullback of {pull.n_sources} sites: "
                "it belongs to another mesh"
            )

    def extra_repr(self) -> str:
        if self.rep_in == self.rep_out:
            return described(self.rep_in)
        return f"{self.rep_in} → {described(self.rep_out)}"


class Sequential(FieldModule):
    """Modules one after the other, all with the same pullback; that their field types fit is checked here.

    Args:
        modules: at least one `FieldModule`; what one gives must be what the next one takes, group included.

    Raises `ValueError` where two neighbours don't fit, naming both.

    >>> from manifoldconv.nn import NormGate, TangentConv
    >>> net = Sequential(TangentConv("1x0", "4x0 + 2x1"), NormGate("4x0 + 2x1"), TangentConv("4x0 + 2x1", "1x0"))
    >>> net.rep_in, net.rep_out
    (Representation('1x0', O(2)), Representation('1x0', O(2)))
    """

    def __init__(self, *modules: FieldModule) -> None:
        super().__init__()
        if not modules:
            raise ValueError("Sequential takes at least one module; got none")
        for number, module in enumerate(modules):
            if not isinstance(module, FieldModule):
                raise ValueError(
                    f"Sequential takes modules of manifoldconv.nn, with field types; module {number} is a "
                    f"{type(module).__name__}"
                )
        for number, (before, after) in enumerate(pairwise(modules)):
            if before.rep_out != after.rep_in:
                raise ValueError(
                    f"module {number} ({type(before).__name__}) gives {described(before.rep_out)}, and module "
                    f"{number + 1} ({type(after).__name__}) takes {described(after.rep_in)}"
                )
        self.steps = torch.nn.ModuleList(modules)
        self.rep_in, self.rep_out = modules[0].rep_in, modules[-1].rep_out

    def forward(self, field: Tensor, pull: Any = None) -> Tensor:
        """The field `(..., N, C_in)` through all modules: `(..., N, C_out)`."""
        for step in self.steps:
            field = step(field, pull)
        return field

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[torch.nn.Module]:
        return iter(self.steps)

    def __getitem__(self, index: int) -> torch.nn.Module:
        return self.steps[index]


def copies(field: Tensor, summand: Any) -> Tensor:
    """The channels of one summand of a type as `(..., multiplicity, size)`: a view."""
    return field[..., summand.slice].unflatten(-1, (summand.multiplicity, summand.irrep.size))

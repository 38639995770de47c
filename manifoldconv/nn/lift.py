"""Layers on groups: lifting a field to the group, correlation on the group, and the way back."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.lifting import project
from manifoldconv.nn.conv import HALF, _same_rule
from manifoldconv.nn.fields import FieldModule
from manifoldconv.nn.prepared import operator_names, operator_of
from manifoldconv.ops import CollapsedOperator
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation


class _NodeConv(FieldModule):
    """Correlation of C functions with kernels given by a free value at each node, or by coefficients of a basis.

    Attributes:
        weight: `(C_out, C_in, B)`.
        bias: `(C_out,)`, or None.
    """

    def __init__(
        self, channels_in: int, channels_out: int, rule: TangentRule, basis: Tensor | None, bias: bool
    ) -> None:
        super().__init__()
        for name, channels in (("channels_in", channels_in), ("channels_out", channels_out)):
            if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
                raise ValueError(f"{name} must be a whole number, 1 or more; got {channels!r}")
        if basis is not None and (basis.ndim != 2 or len(basis) != len(rule)):
            raise ValueError(
                f"a basis has shape ({len(rule)}, B), the values of B kernels at the {len(rule)} nodes of the rule; "
                f"got {tuple(basis.shape)}"
            )
        self.rule = rule
        # Divided by the weights of the rule, so that a weight is what it is in a CNN: the factor of one node.
        values = torch.diag(1 / rule.weights.to(torch.float64)) if basis is None else basis.to(torch.float64)
        self.basis = values.detach()
        self.names = operator_names(rule.kind, rule.shape, rule.radius, rule.nodes, rule.weights, self.basis)
        applied = values * rule.weights[:, None]
        self._std = 1 / math.sqrt(channels_in * float(applied.square().sum()))
        self.weight = torch.nn.Parameter(
            torch.empty(channels_out, channels_in, values.shape[1], dtype=torch.float32)
        )
        self.bias = torch.nn.Parameter(torch.zeros(channels_out, dtype=torch.float32)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, such that independent values at the nodes keep their mean square; the bias is 0."""
        torch.nn.init.normal_(self.weight, std=self._std)
        if self.bias is not None:
            torch.nn.init.zeros_(self.bias)

    def forward(self, field: Tensor, pull: Pullback) -> Tensor:
        """`(..., N, C_in)` to `(..., P, C_out)`."""
        out = self._correlate(field, pull)
        return out if self.bias is None else out + self.bias.to(out.dtype)

    def _correlate(self, field: Tensor, pull: Pullback) -> Tensor:
        self.check_field(field, pull)
        if field.dtype != self.weight.dtype and not torch.is_autocast_enabled(field.device.type):
            raise ValueError(
                f"the field has {field.dtype}, the weights of {type(self).__name__} have {self.weight.dtype}"
            )
        dtype = torch.float32 if field.dtype in HALF else field.dtype
        operator = operator_of(self, pull, dtype)
        with torch.autocast(field.device.type, enabled=False):
            return operator(field.to(dtype), self.weight.to(dtype)).to(field.dtype)

    def collapsed(self, pull: Pullback, dtype: torch.dtype) -> CollapsedOperator:
        """The operator of the layer's kernels for a pullback; `ValueError` for one of another rule."""
        if not _same_rule(self.rule, pull.rule):
            raise ValueError(
                f"this {type(self).__name__} was made for {self.rule!r}; the pullback has {pull.rule!r}"
            )
        return pull.collapse(self.basis, dtype=dtype)

    def prepare(self, pull: Pullback, dtype: torch.dtype | None = None) -> None:
        """Collapse a pullback for this layer now, as `TangentConv.prepare` does."""
        operator_of(self, pull, self.weight.dtype if dtype is None else dtype)

    def extra_repr(self) -> str:
        bias = "no bias" if self.bias is None else f"bias {len(self.bias)}"
        sizes = f"{self.rep_in.size} → {self.rep_out.size} channels"
        return f"{sizes}, {self.weight.shape[2]} kernels on {self.rule!r}, {bias}"


class LiftConv(_NodeConv):
    """From C scalar fields on a space to functions on the group that acts there: any kernel, laid on by every element.

        out(g) = ∫_M K(v) f(g exp_{p0}(v)) dμ(v) + b

    Exactly equivariant to those elements of the group that permute the sites and the elements, for any kernel.

    Args:
        channels_in, channels_out: how many fields, and functions.
        rule: of the tangent space at the base, as given to `lift_pullback`; pullbacks of another are refused.
        basis: `(Q, B)`, the values at the nodes of B kernels that the layer combines; by default one a node, as in a
            CNN: the weight of node q multiplies the field's value there.
        bias: whether a constant is added.

    Call it as `layer(field, pull)` with `pull = lift_pullback(space, sites, elements, rule)`.

    >>> from manifoldconv.homogeneous import SE2, plane_sites, plane_under_se2
    >>> from manifoldconv.lifting import lift_pullback
    >>> rule, elements = TangentRule.grid((3, 3), 1.0), SE2().sites((8, 8, 4))
    >>> pull = lift_pullback(plane_under_se2(), plane_sites((8, 8)), elements, rule)
    >>> lift = LiftConv(1, 5, rule)
    >>> Projection(elements)(lift(torch.randn(64, 1), pull)).shape
    torch.Size([64, 5])
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        rule: TangentRule,
        *,
        basis: Tensor | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(channels_in, channels_out, rule, basis, bias)
        self.rep_in = functions(channels_in, rule.dimension)
        self.rep_out = functions(channels_out, rule.dimension + rule.dimension * (rule.dimension - 1) // 2)


class GroupConv(_NodeConv):
    """From C functions on a group to others: correlation, any kernel.

        out(g) = ∫_G K(u) F(g u) du + b

    Args:
        channels_in, channels_out: how many functions.
        rule: of the Lie algebra, such as `group_rule` gives, and as given to `group_pullback`.
        basis, bias: as for `LiftConv`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        rule: TangentRule,
        *,
        basis: Tensor | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(channels_in, channels_out, rule, basis, bias)
        self.rep_in = functions(channels_in, rule.dimension)
        self.rep_out = functions(channels_out, rule.dimension)


class Projection(torch.nn.Module):
    """From functions on the group back to scalars: the maximum or mean over the orientations at each position.

    Args:
        elements: sites of SE(2) or SO(3), those of the functions.
        how: "max" or "mean".
    """

    def __init__(self, elements: Any, how: Literal["max", "mean"] = "max") -> None:
        super().__init__()
        if how not in ("max", "mean"):
            raise ValueError(f'how must be "max" or "mean"; got {how!r}')
        self.elements, self.how = elements, how

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """`(..., N n, C)` to `(..., N, C)`; a pullback is not needed."""
        if field.ndim < 2 or field.shape[-2] != len(self.elements):
            raise ValueError(
                f"Projection takes functions on {len(self.elements)} elements, (..., {len(self.elements)}, C); "
                f"got shape {tuple(field.shape)}"
            )
        return project(field, self.elements, self.how)

    def extra_repr(self) -> str:
        return f"{self.how} over the orientations of {len(self.elements)} elements"


def functions(channels: int, dimension: int) -> Representation:
    """The type of C functions on a space or group of a dimension: scalars, of the trivial group."""
    return Representation(f"{channels}x0", StructureGroup.trivial(dimension))

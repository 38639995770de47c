"""Residual blocks, and weights scaled to the fields that a network will see."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.nn.conv import TangentConv
from manifoldconv.nn.fields import FieldModule, Sequential, described, type_pair
from manifoldconv.nn.linear import Linear
from manifoldconv.nn.nonlinear import NormGate
from manifoldconv.nn.normalise import FieldDropout, FieldNorm
from manifoldconv.representations import Representation


class Residual(FieldModule):
    """f ↦ S f + B(f): a branch B beside the identity, or beside a linear map S where the types differ.

    Raises `ValueError` where the linear map can't reach a summand of the output.
    """

    def __init__(self, branch: FieldModule) -> None:
        super().__init__()
        self.branch = branch
        self.rep_in, self.rep_out = branch.rep_in, branch.rep_out
        self.skip = None if self.rep_in == self.rep_out else Linear(self.rep_in, self.rep_out, bias=False)

    def forward(self, field: Tensor, pull: Any) -> Tensor:
        """`(..., N, C_in)` to `(..., N, C_out)`."""
        kept = field if self.skip is None else self.skip(field)
        return kept + self.branch(field, pull)


class ResidualBlock(Residual):
    """A residual block of two convolutions: (norm, gate, convolution) twice beside the identity.

        f ↦ S f + conv(gate(norm(conv(gate(norm(f))))))

    The normalisation is `FieldNorm`, the gate a `NormGate` (He, Zhang, Ren and Sun, "Identity mappings in deep
    residual networks", 2016, for the order).

    Args:
        rep_in, rep_out: field types; strings are those of `group`.
        group: by default that of the types, or O(2).
        dropout: the probability with which a field is dropped, at each site, before the second convolution.
        gain: the mean square that the branch adds at the start. It is 1 before the second convolution, whatever f is,
            so that n blocks make 1 to 1 + n gain; give 1 / n.
        options: of the `TangentConv`s: radius, rule, rings, radial, band_limit, self_interaction, bias.
    """

    def __init__(
        self,
        rep_in: Representation | str,
        rep_out: Representation | str,
        group: StructureGroup | None = None,
        dropout: float = 0.0,
        gain: float = 0.125,
        **options: Any,
    ) -> None:
        into, out = type_pair(rep_in, rep_out, group)
        steps: list[FieldModule] = [FieldNorm(into), NormGate(into), TangentConv(into, out, **options)]
        steps += [FieldNorm(out), NormGate(out)]
        if dropout:
            steps.append(FieldDropout(out, dropout))
        steps.append(TangentConv(out, out, gain=gain, **options))
        super().__init__(Sequential(*steps))

    def extra_repr(self) -> str:
        return f"{self.rep_in} → {described(self.rep_out)}"


@torch.no_grad()
def calibrate(network: torch.nn.Module, field: Tensor, pull: Any) -> None:
    """Scale the initial weights so that each `TangentConv` keeps the mean square of what it is given.

    One pass through the network; as each layer is reached, the weights of every summand of its output are divided by
    the root of that summand's mean square over sites and channels, relative to the layer's input. What the default
    initialisation promises in the mean over weights then holds for these weights and this field on this mesh, also
    without self-interaction (Mishkin and Matas, "All you need is a good init", 2016). Summands that are 0 stay as
    they are.

    Args:
        network: any module; its `TangentConv`s are changed in place.
        field, pull: what it will be called with, `network(field, pull)`.
    """

    def scale(module: torch.nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if not isinstance(module, TangentConv):
            return output
        before = inputs[0].square().mean()
        bias = 0.0 if module.shift is None else module.shift(torch.zeros_like(output))
        factors = []
        for summand in module.rep_out.blocks:
            after = (output - bias)[..., summand.slice].square().mean()
            factors.append(float((before / after).sqrt()) if float(after) > 0 else 1.0)
        module.rescale(factors)
        return module.forward(*inputs)

    handles = [m.register_forward_hook(scale) for m in network.modules() if isinstance(m, TangentConv)]
    try:
        network(field, pull)
    finally:
        for handle in handles:
            handle.remove()

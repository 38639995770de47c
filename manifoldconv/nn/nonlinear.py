"""Nonlinearities that commute with changes of frame."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from manifoldconv.groups import StructureGroup
from manifoldconv.nn.fields import SCALARS, FieldModule, copies, field_type
from manifoldconv.nn.moments import activation_scale, gate_scale
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.representations import Representation

Activation = Callable[[Tensor], Tensor]
TINY = 1e-12
"""Added to squared lengths, so that a length has a gradient at 0. In single precision it is there all the same."""


def lengths(values: Tensor) -> Tensor:
    """|u| of vectors `(..., size)`: `(..., 1)`, with gradient 0 at 0."""
    return torch.sqrt(values.square().sum(-1, keepdim=True) + TINY)


class NormGate(FieldModule):
    """Scalars through an activation; every other field times a function of its own length.

        s ↦ c a(s + b);    u ↦ c' σ(α |u| + β) u

    Exactly equivariant: lengths are invariant, as all field types are orthogonal. α, β and b are learned, one a copy
    (α = 1, β = b = 0 at the start); σ is the logistic function, and c, c' keep the mean square of normal inputs of
    variance 1.

    Args:
        rep: the field type; a string is one of `group` (default O(2)).
        activation: a, any function of numbers; the default is SiLU.
        bias: whether b and β are there.
    """

    def __init__(
        self,
        rep: Representation | str,
        activation: Activation = functional.silu,
        bias: bool = True,
        group: StructureGroup | None = None,
    ) -> None:
        super().__init__()
        self.rep_in = self.rep_out = field_type(rep, group)
        self.activation = activation
        self.activation_scale = activation_scale(activation)
        counts = [part.multiplicity for part in self.rep_in.blocks]
        self._starts = [sum(counts[:i]) for i in range(len(counts))]
        self.slope = torch.nn.Parameter(torch.ones(sum(counts), dtype=torch.float32))
        self.bias = torch.nn.Parameter(torch.zeros(sum(counts), dtype=torch.float32)) if bias else None
        self._scales = [
            1.0 if part.irrep.name in SCALARS else gate_scale(torch.sigmoid, part.irrep.size)
            for part in self.rep_in.blocks
        ]

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """The field `(..., N, C)`, of the same type; the pullback is not needed."""
        self.check_field(field)
        out = []
        for part, start, scale in zip(self.rep_in.blocks, self._starts, self._scales, strict=True):
            values = copies(field, part)
            own = slice(start, start + part.multiplicity)
            bias = 0.0 if self.bias is None else self.bias[own, None]
            if part.irrep.name in SCALARS:
                new = self.activation(values + bias) * self.activation_scale
            else:
                new = values * (torch.sigmoid(lengths(values) * self.slope[own, None] + bias) * scale)
            out.append(new.flatten(-2))
        return torch.cat(out, dim=-1)


class Gate(FieldModule):
    """Scalars through an activation; every other field times a scalar field of its own, a gate.

        s ↦ c a(s);    (u, g) ↦ c' σ(g) u

    Exactly equivariant. The input holds one more scalar for each field that is gated: `rep_in` is `rep` and these
    scalars at its end, so a layer before it must give that type.

    Args:
        rep: the type that comes out.
        activation: a; the default is SiLU.
        group: of a string; by default O(2).

    >>> Gate("4x0 + 2x1").rep_in
    Representation('4x0 + 2x1 + 2x0', O(2))
    """

    def __init__(
        self,
        rep: Representation | str,
        activation: Activation = functional.silu,
        group: StructureGroup | None = None,
    ) -> None:
        super().__init__()
        self.rep_out = field_type(rep, group)
        self.activation = activation
        self.activation_scale = activation_scale(activation)
        self.gates = sum(p.multiplicity for p in self.rep_out.blocks if p.irrep.name not in SCALARS)
        if not self.gates:
            raise ValueError(
                f"{self.rep_out} has nothing to gate; use NormGate, which then is the activation alone"
            )
        scalars = Representation("1x0", self.rep_out.group).terms[0][0]
        extra = Representation.of_terms(self.rep_out.group, [(scalars, self.gates)])
        self.rep_in = self.rep_out + extra
        # σ(z) for a normal z has this mean square, whatever it multiplies.
        self.gate_scale = activation_scale(torch.sigmoid)

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """The gated field `(..., N, C)` from `(..., N, C + gates)`; the pullback is not needed."""
        self.check_field(field)
        gates = torch.sigmoid(field[..., self.rep_out.size :]) * self.gate_scale
        out, start = [], 0
        for part in self.rep_out.blocks:
            values = copies(field, part)
            if part.irrep.name in SCALARS:
                new = self.activation(values) * self.activation_scale
            else:
                new = values * gates[..., start : start + part.multiplicity, None]
                start += part.multiplicity
            out.append(new.flatten(-2))
        return torch.cat(out, dim=-1)


class Pointwise(FieldModule):
    """An activation channel by channel, for types on which the group permutes channels: "regular", and scalars.

    Exactly equivariant, and the reason to use regular types of a finite group: C(n), D(n).

    Raises `ValueError` for a type on which some element of the group is no permutation of the channels.

    >>> Pointwise("4xregular", group=StructureGroup.cyclic(4)).rep_in.size
    16
    """

    def __init__(
        self,
        rep: Representation | str,
        activation: Activation = functional.relu,
        group: StructureGroup | None = None,
    ) -> None:
        super().__init__()
        self.rep_in = self.rep_out = field_type(rep, group)
        for h in self.rep_in.group.generators:
            matrix = self.rep_in.matrix(h)
            if float((matrix - matrix.round()).abs().max()) > 1e-9 or bool((matrix.round() < 0).any()):
                raise ValueError(
                    f"{self.rep_in.group.name} does not permute the channels of {self.rep_in}: an activation channel "
                    "by channel would depend on the frame; use NormGate, Gate or FourierActivation"
                )
        self.activation = activation
        self.activation_scale = activation_scale(activation)

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """c a(f), channel by channel; the pullback is not needed."""
        self.check_field(field)
        return self.activation(field) * self.activation_scale


class FourierActivation(FieldModule):
    """An activation on functions over the directions, of which a field holds the Fourier coefficients.

    A copy of "0 + 1 + ... + L" is read as the function F(θ) = a_0 + √2 Σ_m (a_m cos mθ + b_m sin mθ). It is sampled at
    n equal angles, the activation is applied to the samples, and the coefficients up to L are taken from these again.

    Equivariant to reflections and to rotations by multiples of 2π/n exactly, and to all others up to what the
    activation puts into frequencies from n - L on, which is folded back: for smooth activations that falls faster than
    any power of n, for ReLU as n⁻². Measured by `equivariance_error` (the largest of 1000 normal fields and rotations,
    relative to the output's r.m.s.), for L = 2:

        n       8     12    16    24    32
        SiLU    0.3   0.06  7e-3  5e-5  5e-7
        ReLU    0.6   0.3   0.1   0.05  0.02

    For what is exact at any angle use `NormGate` or `Gate`.

    Args:
        rep: "Cx0 + Cx1 + ... + CxL", with one multiplicity C.
        samples: n; by default 16 L, and 1 for L = 0. At least 2 L + 1.
        activation: a; the default is SiLU.
        group: of a string; by default O(2). Reflections act on F by θ ↦ -θ.
    """

    def __init__(
        self,
        rep: Representation | str,
        samples: int | None = None,
        activation: Activation = functional.silu,
        group: StructureGroup | None = None,
    ) -> None:
        super().__init__()
        self.rep_in = self.rep_out = field_type(rep, group)
        names = [part.irrep.name for part in self.rep_in.blocks]
        counts = {part.multiplicity for part in self.rep_in.blocks}
        limit = len(names) - 1
        if (
            names != [str(m) for m in range(limit + 1)]
            or len(counts) != 1
            or self.rep_in.size != max(counts) * (2 * limit + 1)
        ):
            raise ValueError(
                f'a function over the directions has the type "Cx0 + Cx1 + ... + CxL", with one C for all; '
                f"got {self.rep_in}"
            )
        self.copies, self.limit = max(counts), limit
        self.samples = max(16 * limit, 1) if samples is None else samples
        if self.samples < 2 * limit + 1:
            raise ValueError(
                f"frequencies up to {limit} need at least {2 * limit + 1} samples; got {samples}"
            )
        self.activation, self.activation_scale = activation, activation_scale(activation)
        angle = 2 * math.pi / self.samples * torch.arange(self.samples, dtype=torch.float64)
        rows = [torch.ones_like(angle)[None]]
        rows += [
            math.sqrt(2) * torch.stack([(m * angle).cos(), (m * angle).sin()]) for m in range(1, limit + 1)
        ]
        table = torch.cat(rows) / math.sqrt(2 * limit + 1)  # the mean square of F is then that of a channel
        self.register_exact("table", table)

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """The coefficients of a(F), `(..., N, C)`; the pullback is not needed."""
        self.check_field(field)
        table = self.get_buffer("table").to(field.dtype)
        coefficients = torch.cat([copies(field, part) for part in self.rep_in.blocks], dim=-1)
        values = self.activation(coefficients @ table) * self.activation_scale
        back = values @ table.mT * ((2 * self.limit + 1) / self.samples)
        sizes = [part.irrep.size for part in self.rep_in.blocks]
        return torch.cat([part.flatten(-2) for part in back.split(sizes, dim=-1)], dim=-1)

    def equivariance_error(self, count: int = 1000, generator: torch.Generator | None = None) -> float:
        """The largest |ρ(g) a(f) - a(ρ(g) f)| over `count` rotations g and normal f, relative to the r.m.s. output."""
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        device = self.get_buffer("table").device
        with torch.no_grad():
            field = torch.randn(count, 1, self.rep_in.size, generator=generator, dtype=torch.float64).to(
                device
            )
            angle = 2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64)
            matrix = self.rep_in.matrix(rotation_matrix(angle)).to(device)
            there = (self(field) @ matrix.mT) - self(field @ matrix.mT)
            return float(there.abs().max() / self(field).square().mean().sqrt())

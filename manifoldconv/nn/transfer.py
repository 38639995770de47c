"""Transfer: a fixed equivariant map from fields on some sites of a manifold to fields on others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from manifoldconv.carried import BoundaryPolicy
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.manifolds.base import Manifold
from manifoldconv.nn.fields import copies
from manifoldconv.ops import TypedOperator, typed_operator
from manifoldconv.ops.small import back_and_forth
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation
from manifoldconv.representations.blocks import Block
from manifoldconv.sampling import Sites


@dataclass(frozen=True, eq=False, repr=False)
class Transfer:
    """out(p) = ∫ g(|v|) ρ(Γ) f(exp_p v) dμ(v), for any field type: a mean over a disc, or one reading.

    Every field type can be sent through it, as the kernel g(|v|) times the identity is admissible for every group.

    Attributes:
        pull: from N source sites to P others.
        width: of the Gaussian g, whose integral is 1 over the disc; 0 for a rule of the single node 0.
    """

    pull: Pullback
    width: float = 0.0

    def __call__(self, field: Tensor, rep: Representation) -> Tensor:
        """A field `(..., N, C)` of a type, in the frames of its sites, on the others: `(..., P, C)`."""
        rep.check_field(field)
        if field.ndim < 2 or field.shape[-2] != self.pull.n_sources:
            raise ValueError(
                f"the field must have shape (..., {self.pull.n_sources}, {rep.size}) for {self!r}; "
                f"got {tuple(field.shape)}"
            )
        out = []
        for part in rep.blocks:
            values = copies(field, part).movedim(-2, 0)  # (copies, ..., N, size)
            out.append(self.operator(part.irrep, rep.group)(values).movedim(0, -2).flatten(-2))
        return torch.cat(out, dim=-1)

    def operator(self, irrep: Block, group: StructureGroup) -> TypedOperator:
        """The collapsed operator for one copy of a block; kept."""
        known: dict[Block, TypedOperator] = self.__dict__.setdefault("_operators", {})
        if irrep not in known:
            one = Representation.of_terms(group, [(irrep, 1)])
            function = partial(_gaussian_identity, width=self.width, size=irrep.size)
            weight = self.pull.rule.integrate(function(self.pull.rule.nodes)[:, 0, 0])
            kernel = Kernel(
                partial(_scaled, function=function, factor=1 / float(weight)), "mean", rep_in=one, rep_out=one
            )
            known[irrep] = typed_operator(kernel, [self.pull])
        return known[irrep]

    def change_gauge(self, there: Tensor | None, here: Tensor | None) -> Transfer:
        """In other frames: `there` `(N, d, d)` at the sources, `here` `(P, d, d)` at the other sites."""
        transport = self.pull.transport
        if here is not None:
            transport = here[:, None, None] @ transport
        if there is not None:
            transport = transport @ there[self.pull.index].mT
        return replace(self, pull=replace(self.pull, transport=transport))

    def to(self, device: torch.device | str) -> Transfer:
        """The same on another device."""
        return replace(self, pull=self.pull.to(device))

    @staticmethod
    def batch(parts: list[Transfer]) -> Transfer:
        """Several manifolds as one, as `Pullback.batch`."""
        if len({round(part.width, 12) for part in parts}) != 1:
            raise ValueError("transfers of different widths can't be batched")
        return replace(parts[0], pull=Pullback.batch([part.pull for part in parts]))

    def __repr__(self) -> str:
        return f"Transfer({self.pull.n_sources} sites → {len(self.pull)} sites, width {self.width:.4g})"


def averaging(
    manifold: Manifold,
    fine: Sites,
    coarse: Sites,
    spacing: float,
    group: StructureGroup | None,
    carried: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Transfer:
    """From fine sites to coarse ones: the mean round each, weighted by a Gaussian; anti-aliased pooling.

    The Gaussian has the standard deviation spacing / 2 and reaches to 1.5 spacings, so that it takes a wave of the
    shortest length that the coarse sites carry, two spacings, down to exp(-π²/8) = 0.29, and one of the spacing itself,
    which would look constant there, to exp(-π²/2) = 0.007. Where the disc leaves the manifold, the mean is taken over
    what is inside.

    Measured on a flat torus, 32 x 32 to 16 x 16 sites and interpolated back, against a shift by one fine site: the
    two orders differ by 0.31 of the size of white noise (a plain stride: 1.58), and by 0.17 of waves of 8 fine sites
    and more (a plain stride too: that is the interpolation back).

    Args:
        spacing: the distance of neighbouring coarse sites, in units of length.
        group, carried: as of the pullbacks: frames at fine and coarse sites, None for the local ones.
    """
    n = 12 if manifold.dim == 2 else 8
    if manifold.dim == 2:
        rule = TangentRule.polar(1.5 * spacing, 4, n)
    else:
        rule = TangentRule.grid((n,) * manifold.dim, 3 * spacing / n)
    pull = reading(manifold, fine, coarse, rule, group, carried, "renormalise")
    return Transfer(pull, spacing / 2)


def interpolating(
    manifold: Manifold,
    coarse: Sites,
    fine: Sites,
    group: StructureGroup | None,
    carried: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Transfer:
    """From coarse sites to fine ones: what the interpolation of the coarse sites says at each."""
    nothing = torch.zeros(1, manifold.dim, dtype=torch.float64)
    rule = TangentRule.points(nothing, torch.ones(1, dtype=torch.float64))
    return Transfer(reading(manifold, coarse, fine, rule, group, carried, "zero"))


def reading(
    manifold: Manifold,
    sources: Sites,
    targets: Sites,
    rule: TangentRule,
    group: StructureGroup | None,
    carried: tuple[Tensor | None, Tensor | None],
    boundary: BoundaryPolicy,
) -> Pullback:
    """A pullback that reads fields on `sources` round each of `targets`; frames as (at sources, at targets)."""
    there, here = carried
    points = targets.points[:, None]
    if float(rule.radius) == 0:
        stencil, complete = sources.stencil(points), torch.ones(len(targets), 1, dtype=torch.float64)
        transport = stencil.transport
    else:
        nodes = rule.nodes if here is None else torch.einsum("pij,qj->pqi", here, rule.nodes)
        geodesic = manifold.geodesic(points, nodes, boundary="reflect" if boundary == "reflect" else "stop")
        stencil, complete = sources.stencil(geodesic.end), geodesic.complete.to(torch.float64)
        transport = back_and_forth(geodesic.transport, stencil.transport)
    if here is not None:
        transport = here.mT[:, None, None] @ transport
    if there is not None:
        transport = transport @ there[stencil.index]
    weight = stencil.weight * complete[..., None]
    return Pullback(rule, stencil.index, weight, transport.contiguous(), len(sources), group, boundary)


def _gaussian_identity(nodes: Tensor, width: float, size: int) -> Tensor:
    value = torch.ones_like(nodes[..., 0])
    if width > 0:
        value = torch.exp(-nodes.square().sum(-1) / (2 * width**2))
    return value[..., None, None] * torch.eye(size, dtype=nodes.dtype, device=nodes.device)


def _scaled(nodes: Tensor, function: Any, factor: float) -> Tensor:
    return function(nodes) * factor


def mean_spacing(manifold: Manifold, sites: Sites) -> float:
    """(mean area of a site)^(1/d), the distance of neighbours on a square grid."""
    return math.pow(float(sites.area.mean()), 1 / manifold.dim)

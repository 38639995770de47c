"""TangentConv: correlation with learned kernels on the tangent spaces, as a layer."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from manifoldconv.errors import HolonomyError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels.radial import RadialBasis
from manifoldconv.kernels.space import KernelSpace
from manifoldconv.nn.fields import FieldModule, described, type_pair
from manifoldconv.nn.linear import Bias, Linear, Piece, intertwiners
from manifoldconv.nn.moments import initial_scales
from manifoldconv.nn.prepared import operator_names, operator_of
from manifoldconv.ops import CollapsedOperator
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation

Radial = Literal["gaussian_rings", "bumps"]
HALF = (torch.float16, torch.bfloat16)


class TangentConv(FieldModule):
    """Correlation with a learned kernel, which the structure group admits, plus a map at the site itself.

        out(p) = ∫ K(v / R) / R² · f(exp_p v) dμ(v) + A f(p) + b

    K(v) = Σ_b weight[b] φ_b(|v|) A_b(v / |v|) runs over all solutions of K(h v) = ρ_out(h) K(v) ρ_in(h)⁻¹ for the
    elements h of the group (`KernelSpace`), and A over all matrices with A ρ_in(h) = ρ_out(h) A. R is the radius of
    the pullback's rule. The power of 1/R (d in dimension d) makes the layer the same in any unit of length; so one
    layer serves meshes of any size, each with a radius of its own.

    Args:
        rep_in, rep_out: field types, such as "8x0 + 4x1" (8 scalars and 4 vectors); strings are those of `group`.
        radius: R, in units of length of the manifold, if the layer is meant for one radius only: a pullback of another
            is then refused. None: any.
        rule: the same for a whole rule: pullbacks of another are refused.
        group: the structure group, whose elements the kernels are invariant under. By default that of the field types,
            and for strings O(2): such kernels serve every surface, with or without orientation, and every boundary
            policy. SO(2) has twice as many kernels between types of positive frequency, tells left from right, and is
            for orientable surfaces. Smaller groups are for surfaces whose holonomy they hold, such as the plane and
            the torus (trivial), and for declared frames.
        rings: n, the number of radial functions: kernels are free to differ between that many distances from the
            site. The j-th lives round |v| = j R / n; the 0-th is the middle.
        radial: "gaussian_rings": Gaussians round those radii. "bumps": polynomials in |v|² that vanish smoothly at R.
        band_limit: L, the largest angular order: how often a kernel may change its sign half-way round the site. By
            default the sum of the types' largest frequencies, not less than 2: for SO(2) and O(2) there is nothing
            beyond. For smaller groups a larger L gives more, and finer, kernels. A polar rule needs more than 2 L
            angles.
        self_interaction: whether to add A f(p). It keeps what is finer than the kernel, and needs a pullback whose
            sites are their own sources.
        bias: whether to add b, with ρ_out(h) b = b: on scalars, and on what holds them ("regular").
        unreached: what to do about a summand of the output that no admissible kernel reaches from the input, such as
            "sign" from scalars with O(2). "refuse": an error. "zero": it is there, and 0.
        gain: the mean square of the output at the start, relative to the input's; below 1 for the last layer of a
            branch beside an identity (`ResidualBlock`).

    Attributes:
        weight: `(B,)`, in the order of the `KernelSpace`, for kernels of integral 1 of their absolute value; see
            `kernel` for the kernel itself.
        own: the map A, a `Linear`, or None.

    At the start A is a random isometry, and the kernels' weights are independent and normal; a tenth of an output's
    mean square comes from the kernels, for the plane wave that these keep best, and nine times that from the site
    itself. A kernel answers to any other wave less (it is of mass 1), so that the mean square of any field whatever,
    smooth or noise, is multiplied by 0.95 to 1.05 a layer, in the mean over weights, for inputs of equal mean square
    in every channel on flat space: by 0.53 to 1.88 over 12 layers. Neither the gain of constants nor that of white
    noise would do as the scale: they differ by an order of magnitude, and what a network sees is in between.
    A summand of the output that the site itself can't reach (vectors from scalars; all with self_interaction=False)
    comes from the kernels alone: it has the mean square of the input for the wave that they keep best, and less for
    others. `calibrate` makes each layer keep the mean square of the fields that you have.

    Raises `ValueError` where a summand of the output can't be reached from the input (`unreached`); at call
    `HolonomyError` where the group of the pullback's frames is not held by the layer's.

    >>> import manifoldconv as mc
    >>> conv = TangentConv("1x0", "4x0 + 2x1", rings=2)
    >>> conv
    TangentConv(1x0 → 4x0 + 2x1 of O(2), 2 rings, band limit 2, 12 kernels, 4 self-interactions, bias 4)
    >>> sphere = mc.Sphere()
    >>> pull = mc.Pullback.build(sphere, sphere.sites(icosphere=2), mc.TangentRule.polar(0.6, 3, 12))
    >>> conv(torch.randn(5, 162, 1), pull).shape  # a batch of five fields on one sphere
    torch.Size([5, 162, 8])
    """

    def __init__(
        self,
        rep_in: Representation | str,
        rep_out: Representation | str,
        radius: float | None = None,
        *,
        rule: TangentRule | None = None,
        group: StructureGroup | None = None,
        rings: int = 3,
        radial: Radial = "gaussian_rings",
        band_limit: int | None = None,
        self_interaction: bool = True,
        bias: bool = True,
        unreached: Literal["refuse", "zero"] = "refuse",
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = type_pair(rep_in, rep_out, group)
        self.group = self.rep_in.group
        if isinstance(rings, bool) or not isinstance(rings, int) or rings < 1:
            raise ValueError(f"rings must be a whole number, 1 or more; got {rings!r}")
        if radial not in ("gaussian_rings", "bumps"):
            raise ValueError(f'radial must be "gaussian_rings" or "bumps"; got {radial!r}')
        if rule is not None and radius is not None and not _close(rule.radius, radius):
            raise ValueError(
                f"the rule has radius {rule.radius:.6g}, and radius={radius:.6g} was given as well"
            )
        self.radius = float(radius) if radius is not None else None if rule is None else rule.radius
        if self.radius is not None and not 0 < self.radius < math.inf:
            raise ValueError(f"radius must be positive and finite; got {radius!r}")
        self.rule, self.rings, self.radial = rule, rings, radial
        space = _space(self.rep_in, self.rep_out, radial, rings, 1.0, band_limit)
        self.band_limit = space.band_limit
        if rule is not None:
            self._check_angles(rule)
        own = intertwiners(self.rep_in, self.rep_out) if self_interaction else None
        if not 0 < gain < math.inf:
            raise ValueError(f"gain must be positive and finite; got {gain!r}")
        scale, std, own_gains = initial_scales(space, radial, own, gain)
        if unreached not in ("refuse", "zero"):
            raise ValueError(f'unreached must be "refuse" or "zero"; got {unreached!r}')
        if unreached == "refuse":
            self._require_kernels(space, own)
        self.register_exact("scale", scale)
        self._std = std
        self.names = operator_names(
            *(
                self.rep_in,
                self.rep_out,
                self.group,
                radial,
                rings,
                self.band_limit,
                own is None,
                self.radius,
            ),
            *(() if rule is None else (rule.kind, rule.shape, rule.nodes, rule.weights)),
            *((part.out, part.into, part.copies, part.order, part.solutions) for part in space.parts),
        )
        self.weight = torch.nn.Parameter(torch.empty(space.dimension, dtype=torch.float32))
        self.own = (
            Linear(self.rep_in, self.rep_out, bias=False, _gains=own_gains, _partial=True) if own else None
        )
        self.shift = Bias(self.rep_out) if bias else None
        self.reset_parameters()

    @property
    def bias(self) -> torch.nn.Parameter | None:
        """The weights of the bias, or None."""
        return None if self.shift is None else self.shift.weight

    @property
    def n_kernels(self) -> int:
        """B, the number of admissible kernels, and so of weights."""
        return self.weight.numel()

    def reset_parameters(self) -> None:
        """Draw all weights anew, and set the bias to 0."""
        with torch.no_grad():
            self.weight.copy_(torch.randn_like(self.weight) * self._std.to(self.weight))
        if self.own is not None:
            self.own.reset_parameters()
        if self.shift is not None:
            self.shift.reset_parameters()

    @torch.no_grad()
    def rescale(self, factors: list[float]) -> None:
        """Multiply what goes to each summand of the output, the bias apart, by a factor."""
        space = _space(self.rep_in, self.rep_out, self.radial, self.rings, 1.0, self.band_limit)
        for summand, factor in zip(self.rep_out.blocks, factors, strict=True):
            for part in space.parts:
                if part.out == summand.slice:
                    self.weight[part.start : part.start + part.angular_count * self.rings] *= factor
        if self.own is not None:
            self.own.rescale(factors)

    def space(self, radius: float) -> KernelSpace:
        """The kernels at a radius. One for all layers of the same types, so that they share collapsed operators."""
        return _space(self.rep_in, self.rep_out, self.radial, self.rings, float(radius), self.band_limit)

    def coefficients(self, radius: float) -> Tensor:
        """The coefficients `(B,)` of the learned kernel in `space(radius)`, differentiable."""
        return self.weight * (self.get_buffer("scale") / radius**self.group.dimension)

    def kernel(self, radius: float) -> object:
        """The learned kernel at a radius, as a `Kernel` to look at or to hand to `correlate`."""
        return self.space(radius).kernel(self.coefficients(radius).detach())

    def prepare(self, pull: Pullback, dtype: torch.dtype | None = None) -> None:
        """Collapse a pullback for this layer now, instead of at the first call with it.

        What `torch.compile` made then serves the pullback as it is; at a first call it would be traced anew.
        """
        operator_of(self, pull, self.weight.dtype if dtype is None else dtype)

    def forward(self, field: Tensor, pull: Pullback) -> Tensor:
        """The layer on a field `(..., N, C_in)` in the frames of the pullback: `(..., P, C_out)`.

        The first call with a pullback collapses it, which the pullback keeps; later ones, and other layers of the
        same types, find it there.
        """
        out = self._correlate(field, pull)
        if self.own is not None:
            out = out + self.own(field)
        return out if self.shift is None else self.shift(out)

    def _correlate(self, field: Tensor, pull: Pullback) -> Tensor:
        self.check_field(field, pull)
        self._check_dtype(field)
        # Sums over neighbours are taken in single precision at least, also under autocast, and rounded once.
        dtype = torch.float32 if field.dtype in HALF else field.dtype
        operator = operator_of(self, pull, dtype)
        with torch.autocast(field.device.type, enabled=False):
            return operator(field.to(dtype), self.coefficients(pull.rule.radius).to(dtype)).to(field.dtype)

    def collapsed(self, pull: Pullback, dtype: torch.dtype) -> CollapsedOperator:
        """The operator of the layer's kernels for a pullback; raises the errors of a call with it."""
        self._check_geometry(pull)
        return pull.collapse(self.space(pull.rule.radius), dtype=dtype)

    def _check_dtype(self, field: Tensor) -> None:
        if field.dtype != self.weight.dtype and not torch.is_autocast_enabled(field.device.type):
            raise ValueError(
                f"the field has {field.dtype}, the weights of TangentConv have {self.weight.dtype}; "
                "change one with .to()"
            )
        if field.device != self.weight.device:
            raise ValueError(
                f"the field is on {field.device}, the weights of TangentConv on {self.weight.device}"
            )

    def _check_geometry(self, pull: Pullback) -> None:
        """Raise an error for a pullback that this layer was not made for."""
        if pull.group is not None and pull.group.dimension != self.group.dimension:
            raise ValueError(
                f"the kernels live in dimension {self.group.dimension}; the pullback has dimension "
                f"{pull.group.dimension}"
            )
        if pull.group is not None and not self.group.contains_group(pull.group):
            raise HolonomyError(
                f"the kernels of this layer respect {self.group.name}; the frames of the pullback differ by its "
                f"group {pull.group.name}, which {self.group.name} does not hold. Make the layer with "
                "group=pull.group, or with a group that holds it; O(2) holds every one of the plane"
            )
        if self.radius is not None and not _close(pull.rule.radius, self.radius):
            raise ValueError(
                f"this layer was made for radius {self.radius:.6g}; the pullback has radius {pull.rule.radius:.6g}"
            )
        if self.rule is not None and not _same_rule(self.rule, pull.rule):
            raise ValueError(f"this layer was made for {self.rule!r}; the pullback has {pull.rule!r}")
        if self.own is not None and len(pull) != pull.n_sources:
            raise ValueError(
                f"self_interaction needs a pullback whose sites are their own sources; this one reads "
                f"{pull.n_sources} sites at {len(pull)} others: make the layer with self_interaction=False"
            )
        self._check_angles(pull.rule)

    def _check_angles(self, rule: TangentRule) -> None:
        if rule.angular_limit is not None and rule.angular_limit < self.band_limit:
            raise ValueError(
                f"kernels of band limit {self.band_limit} need a rule of more than {2 * self.band_limit} angles; "
                f"the rule has {rule.n_angular}"
            )

    def _require_kernels(self, space: KernelSpace, own: list[list[Piece]] | None) -> None:
        for number, summand in enumerate(self.rep_out.blocks):
            reached = any(part.out == summand.slice for part in space.parts)
            if own is not None:
                reached = reached or any(piece.n_weights for piece in own[number])
            if not reached:
                raise ValueError(
                    f"{self.group.name} admits no kernel of band limit {self.band_limit} from {self.rep_in} to the "
                    f"summand {summand.multiplicity}x{summand.irrep.name} of {self.rep_out}: it would always be 0"
                )

    def extra_repr(self) -> str:
        own = "no self-interaction" if self.own is None else f"{self.own.weight.numel()} self-interactions"
        bias = "no bias" if self.shift is None else f"bias {self.shift.weight.numel()}"
        radius = "" if self.radius is None else f"radius {self.radius:.4g}, "
        return (
            f"{self.rep_in} → {described(self.rep_out)}, {radius}{self.rings} rings, band limit {self.band_limit}, "
            f"{self.n_kernels} kernels, {own}, {bias}"
        )

    def __repr__(self) -> str:
        return f"TangentConv({self.extra_repr()})"


@lru_cache(maxsize=512)
def _space(
    rep_in: Representation,
    rep_out: Representation,
    radial: str,
    rings: int,
    radius: float,
    band_limit: int | None,
) -> KernelSpace:
    basis = getattr(RadialBasis, radial)(radius, rings)
    return KernelSpace(rep_in, rep_out, rep_in.group, basis, band_limit)


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9)


def _same_rule(one: TangentRule, other: TangentRule) -> bool:
    if one is other:
        return True
    if (one.kind, one.shape) != (other.kind, other.shape) or not _close(one.radius, other.radius):
        return False
    nodes, weights = other.nodes.to(one.nodes.device), other.weights.to(one.nodes.device)
    return torch.equal(one.nodes, nodes) and torch.equal(one.weights, weights)

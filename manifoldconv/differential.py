"""Gradient, divergence, curl and Laplacian of fields, as correlations at a stated scale.

Each is the derivative at the origin of the function that fits best on the tangent disc under a Gaussian of
width σ, the scale: on the whole plane the derivative of the field smoothed by that Gaussian. As kernels
between field types they commute with every turn and mirror of the frame, so that they exist on every surface.

On the unit sphere the spherical harmonics of degree l are eigenfunctions: Δ multiplies them by λ =
-l (l + 1), and these operators by λ (1 + O(l² σ²)); `tests/closed_forms/test_operators.py` has the factors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from manifoldconv import kernels
from manifoldconv.carried import BoundaryPolicy
from manifoldconv.correlate import correlate
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import Kernel
from manifoldconv.presets import PRESETS, Settings, choose_rule, gradient_kernels, hessian_kernels
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation
from manifoldconv.surface.surface import MeshSurface, SiteKind

REACH = 3.0
"""The radius of the disc in units of the scale, where none is given."""


@dataclass(frozen=True, eq=False)
class DifferentialOperator:
    """A derivative at a scale, between field types of the plane. Make one by `gradient`, `divergence`, ...

    Attributes:
        name: for messages.
        scale: σ, the width of the Gaussian, in units of length of the manifold.
        type_in, type_out: field types as strings.
        order: of the derivative.
        assemble: from scalar kernels (see `gradient_kernels`, `hessian_kernels`) at nodes to the matrices `(...,
            C_out, C_in)`.
    """

    name: str
    scale: float
    type_in: str
    type_out: str
    order: int
    assemble: Callable[[tuple[Tensor, ...]], Tensor]

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(f"the scale must be a positive length; got {self.scale!r}")

    def kernel(self, group: StructureGroup, rule: TangentRule | None = None) -> Kernel:
        """The kernel, for fields of a structure group.

        Args:
            group: of dimension 2, as of a pullback (`pull.group`); where it reverses no orientation, a field of
                type "sign" is a scalar.
            rule: the kernel is normalised to be exact on its disc: on linear functions for derivatives of first
                order, on quadratic ones for the Laplacian. None: normalised on the whole plane, which a disc of
                radius 3 σ cuts by 6 % (first order) or 29 % (Laplacian), one of 5 σ by 5e-5 and 6e-4.

        Raises `ValueError` for groups of another dimension, and where the rule does not resolve the Gaussian.

        >>> import manifoldconv as mc
        >>> plane = mc.Euclidean(2)
        >>> rule = mc.TangentRule.polar(3.0, 6, 16)
        >>> kernel = gradient(1.0).kernel(plane.holonomy_group(), rule)
        >>> linear = 5.0 + rule.nodes @ torch.tensor([2.0, -1.0], dtype=torch.float64)
        >>> (kernel.weights(rule)[..., 0] * linear[:, None]).sum(0).round(decimals=9).tolist()
        [2.0, -1.0]
        """
        if group.dimension != 2:
            raise ValueError(f"{self.name} is defined in dimension 2; {group!r} acts in {group.dimension}")
        parts = self._on_plane() if rule is None else self._on_disc(rule)

        def function(nodes: Tensor) -> Tensor:
            return self.assemble(tuple(part(nodes) for part in parts))

        return Kernel(
            function,
            f"{self.name}(scale={self.scale:.4g})",
            1 if self.order == 1 else 0,
            2,
            extent=kernels.gaussian(self.scale).extent,
            rep_in=Representation(self.type_in, group),
            rep_out=Representation(self.type_out, group),
        )

    def _on_disc(self, rule: TangentRule) -> tuple[Kernel, ...]:
        made = gradient_kernels if self.order == 1 else hessian_kernels
        return made(self.scale, rule)

    def _on_plane(self) -> tuple[Kernel, ...]:
        mass = 2 * math.pi * self.scale**2
        x, y = (1.0, 0.0), (0.0, 1.0)
        if self.order == 1:  # correlation with -∂g is the derivative
            first = kernels.derivative_of_gaussian
            return tuple((-1 / mass) * first(self.scale, direction) for direction in (x, y))
        second = kernels.second_derivative_of_gaussian
        return tuple((1 / mass) * second(self.scale, a, b) for a, b in ((x, x), (x, y), (y, y)))

    def apply(
        self,
        surface: MeshSurface,
        field: Tensor,
        *,
        radius: float | None = None,
        sites: SiteKind = "vertices",
        boundary: BoundaryPolicy = "reflect",
    ) -> Tensor:
        """The derivative of a field on a mesh in one call, in the frames of its vertices (or faces).

        Args:
            surface: the mesh.
            field: floating, `(N,)` or `(N, 1)` for scalars, `(N, 2)` for vectors in frame coordinates (from
                vectors in space: `surface.to_tangent(surface.sites().points, vectors)`).
            radius: of the disc; 3 σ by default. Below about 2 mean edges the answer is one about the
                triangulation.
            sites: where the field lives.
            boundary: as in `Pullback.build`. "reflect" keeps constants constant, and makes the derivative across
                the boundary fade to 0 within a disc of it; "renormalise" has no meaning for derivatives.

        Returns:
            `(N, 2)` frame coordinates for vectors (`surface.to_ambient` for vectors in space), `(N,)` for
            numbers. Curl is relative to the counterclockwise sense of each site's frame.

        Raises `ValueError` for a field of another shape, and boundary="renormalise".

        >>> import manifoldconv as mc
        >>> surface = mc.load_mesh("meshes/icosphere.ply")
        >>> z = surface.vertices[:, 2]  # a harmonic of degree 1: Δz = -2z
        >>> bool(((laplacian(0.1).apply(surface, z) + 2 * z).abs() < 0.06).all())
        True
        """
        if boundary == "renormalise":
            raise ValueError(
                f"boundary='renormalise' scales a kernel to keep its integral; {self.name} has integral 0"
            )
        channels = 2 if self.type_in == "1" else 1
        if not isinstance(field, Tensor) or not field.is_floating_point():
            raise ValueError(f"{self.name} needs a floating-point tensor; got {type(field).__name__}")
        carriers = surface.sites(sites)
        columns = field[:, None] if field.ndim == 1 else field
        if columns.shape != (len(carriers), channels):
            raise ValueError(
                f"{self.name} needs a field of shape ({len(carriers)}, {channels}), one row for each of the "
                f"{sites}; got {tuple(field.shape)}"
            )
        settings = Settings(REACH * self.scale if radius is None else float(radius), self.scale)
        preset = PRESETS["edges" if self.order == 1 else "ridges"]
        rule = choose_rule(surface.mean_edge_length, preset, settings)
        kernel = self.kernel(StructureGroup.orthogonal(2), rule)
        # The kernel is admitted by all of O(2), so no frame need be carried.
        outs = [
            correlate(columns, kernel, block, gauge_dependent=True)
            for block in Pullback.blocks(surface, carriers, rule, boundary, frames="local")
        ]
        out = torch.cat(outs)
        return out if self.type_out == "1" else out[:, 0]


def gradient(scale: float) -> DifferentialOperator:
    """∇ from scalars to vectors, 0 → 1: k(v) = g(v) v / ∫ g v_1², exact on linear functions."""
    return DifferentialOperator("gradient", scale, "0", "1", 1, lambda k: torch.stack(k, -1)[..., :, None])


def divergence(scale: float) -> DifferentialOperator:
    """∇· from vectors to scalars, 1 → 0: k(v) = g(v) vᵀ / ∫ g v_1², exact on linear vector fields."""
    return DifferentialOperator("divergence", scale, "1", "0", 1, lambda k: torch.stack(k, -1)[..., None, :])


def curl(scale: float) -> DifferentialOperator:
    """∂_1 u_2 - ∂_2 u_1 from vectors to densities with a sign, 1 → sign: k(v) = g(v) (-v_2, v_1) / ∫ g v_1².

    Mirrors change its sign. Where the structure group has none, "sign" is "0", and it is a scalar.
    """
    return DifferentialOperator(
        "curl", scale, "1", "sign", 1, lambda k: torch.stack([-k[1], k[0]], -1)[..., None, :]
    )


def laplacian(scale: float) -> DifferentialOperator:
    """Δ = ∇·∇ from scalars to scalars, 0 → 0, negative semidefinite: isotropic, exact on quadratic functions."""
    return DifferentialOperator("laplacian", scale, "0", "0", 2, lambda k: (k[0] + k[2])[..., None, None])

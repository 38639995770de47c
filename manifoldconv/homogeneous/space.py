"""Homogeneous spaces as values: a group that acts, a section, a stabiliser and an invariant measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.lie_group import ActingGroup
from manifoldconv.manifolds.base import Manifold
from manifoldconv.quadrature import TangentRule

Act = Callable[[Tensor, Tensor], Tensor]
Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False, repr=False)
class HomogeneousSpace:
    """A manifold M on which a group G acts transitively by isometries: M = G / H.

    Such spaces are ready-made in `manifoldconv.homogeneous`: `euclidean_under_translations`, `plane_under_se2`,
    `sphere_under_so3`, `hyperbolic_plane_under_so21`, `space_under_se3`, `group_on_itself`. Make one of your own by
    naming its parts, and let `manifoldconv.testing.check_action` test them.

    Attributes:
        name: for messages.
        group: G; `MatrixGroup` makes one from a Lie algebra of matrices.
        manifold: M, with a metric that G keeps: it says what points are, and gives their frames and exp.
        base: p0, a single point.
        act: (g, x) ↦ g x, an action: (a b) x = a (b x). Batch axes broadcast.
        section: p ↦ g_{p0→p}, elements of G with g_{p0→p} p0 = p. It need not be continuous.
        stabiliser: H = {h : h p0 = p0}, as it acts on T_{p0}M (the isotropy representation), in the frame at p0.
        lift: a matrix `(..., d, d)` of the stabiliser ↦ an element of G that fixes p0 and acts on T_{p0}M by it.
        differential_of: (g, x) ↦ `(..., d, d)`, the differential of x ↦ g x in the frames at x and g x; None: found by
            automatic differentiation of `act`.
        density: x ↦ `(...,)`, the invariant measure over the manifold's own, positive; None: it is the manifold's own.

    Raises:
        GeometryError: for a stabiliser that acts in another dimension, or a base that is no point of the manifold.

    >>> from manifoldconv.homogeneous import sphere_under_so3
    >>> sphere = sphere_under_so3()
    >>> sphere
    HomogeneousSpace('the sphere under SO(3)', stabiliser SO(2))
    >>> p = torch.tensor([0.6, 0.0, 0.8], dtype=torch.float64)
    >>> sphere.act(sphere.section(p), sphere.base).round(decimals=12).tolist()
    [0.6, 0.0, 0.8]
    """

    name: str
    group: ActingGroup
    manifold: Manifold
    base: Tensor
    act: Act
    section: Map
    stabiliser: StructureGroup
    lift: Map
    differential_of: Act | None = None
    density: Map | None = None

    def __post_init__(self) -> None:
        if self.stabiliser.dimension != self.manifold.dim:
            raise GeometryError(
                f"the stabiliser acts on the tangent space at the base, of dimension {self.manifold.dim}; "
                f"got {self.stabiliser!r}"
            )
        try:
            self.manifold.exp(self.base, torch.zeros(self.manifold.dim, dtype=torch.float64))
        except ValueError as refusal:
            raise GeometryError(
                f"{self.name}: the base is no point of {self.manifold!r}: {refusal}"
            ) from refusal

    def __repr__(self) -> str:
        return f"HomogeneousSpace({self.name!r}, stabiliser {self.stabiliser.name})"

    def differential(self, g: Tensor, x: Tensor) -> Tensor:
        """`(..., d, d)`: the differential of x ↦ g x, in the frames at x and g x."""
        if self.differential_of is not None:
            return self.differential_of(g, x)
        return self.automatic_differential(g, x)

    def carried_frames(self, points: Tensor) -> Tensor:
        """`(N, d, d)`: the frame at p0, carried to points by the section, in the frames there.

        Raises `GeometryError` where the group does not act by isometries of the manifold's metric.
        """
        frames = self.differential(self.section(points), self.base)
        gap = (frames.mT @ frames - torch.eye(self.manifold.dim, dtype=torch.float64)).abs().amax((-2, -1))
        if not bool((gap <= 1e-8).all()):
            worst = int(torch.nan_to_num(gap, nan=torch.inf).argmax())
            raise GeometryError(
                f"{self.name}: the section's element for point {worst} does not carry the frame at the base to an "
                f"orthonormal one (it misses that by {float(gap[worst]):.3g}); the metric of the manifold must be one "
                "that the action keeps"
            )
        return frames

    def measure(self, points: Tensor) -> Tensor:
        """`(...,)`: the density of the invariant measure over the manifold's own at points.

        Raises `GeometryError` where `density` does not give one positive number a point, naming the point.
        """
        ones = torch.ones_like(self.manifold.distance_between_points(points, points))
        if self.density is None:
            return ones
        density = self.density(points)
        if density.shape != ones.shape:
            raise GeometryError(
                f"{self.name}: the density must have one number a point, shape {tuple(ones.shape)}; got "
                f"{tuple(density.shape)}"
            )
        wrong = ~((density > 0) & (density < torch.inf))
        if bool(wrong.any()):
            where = tuple(torch.nonzero(wrong)[0].tolist())
            raise GeometryError(
                f"{self.name}: the density of a measure must be positive and finite; it is "
                f"{float(density[where]):.6g} at {points[where].tolist()}"
            )
        return density

    def node_density(self, nodes: Tensor) -> Tensor:
        """`(Q,)`: the invariant measure at exp_{p0}(v) over dμ(v), for tangent vectors `(Q, d)` at p0."""
        return self.manifold.exp_jacobian(self.base, nodes) * self.measure(
            self.manifold.exp(self.base, nodes)
        )

    def rule_of_points(self, points: Tensor, weights: Tensor) -> TangentRule:
        """Points round p0 as the nodes of a kernel.

        Args:
            points: Q points of the manifold, within the injectivity radius of p0.
            weights: `(Q,)`, in the invariant measure.

        Returns:
            A rule whose nodes are log_{p0}(points). In `Pullback.by_action` they land on g_{p0→p} y and count
            with the given weights.
        """
        nodes = self.manifold.log(self.base, points)
        weights = float64("weights", weights, (len(nodes),))
        return TangentRule.points(nodes, weights / self.node_density(nodes))

    def rule_of_elements(self, elements: Tensor, weights: Tensor) -> TangentRule:
        """Elements a of the group as nodes a p0; arguments and result otherwise as in `rule_of_points`."""
        return self.rule_of_points(self.act(elements, self.base), weights)

    def automatic_differential(self, g: Tensor, x: Tensor) -> Tensor:
        """The differential `(..., d, d)` as `differential` gives it, but found from `act` alone."""
        return differential_of_map(self.manifold, lambda y: self.act(g, y), x)


def differential_of_map(manifold: Manifold, image: Map, x: Tensor) -> Tensor:
    """`(..., d, d)`: the differential of a map of a manifold to itself at points x, in the frames at x and image(x).

    By automatic differentiation at v = 0 of v ↦ log_{image(x)}(image(exp_x(v))), row by row.
    """
    target = image(x).detach()
    batch = manifold.distance_between_points(target, target).shape
    with torch.enable_grad():
        v = torch.zeros(*batch, manifold.dim, dtype=torch.float64, requires_grad=True)
        moved = manifold.log(target, image(manifold.exp(x, v)))
        rows = [
            torch.autograd.grad(moved[..., i].sum(), v, retain_graph=True)[0] for i in range(manifold.dim)
        ]
    return torch.stack(rows, dim=-2)

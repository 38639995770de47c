"""Lifting from a homogeneous space to its group, and correlation on the group, as pullbacks.

    lifting        (k ⋆ f)(g) = ∫_M k(v) f(g exp_{p0}(v)) dμ(v)
    on the group   (k ⋆ F)(g) = ∫_G k(u) F(g u) du

Neither leaves a constraint on k: only the identity of G fixes every element of G. Both are a `Pullback`, so that
`correlate` and `Pullback.collapse` do the rest.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.lie_group import ActingGroup, LieGroup
from manifoldconv.homogeneous.space import HomogeneousSpace
from manifoldconv.homogeneous.spaces import group_on_itself
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites

NODES_AT_A_TIME = 200_000
"""Products g u formed at a time: some hundred bytes for each."""

NEGLIGIBLE = 1e-12
"""Stencil weights below this are rounding of nodes that lie on a site."""

Boundary = Literal["zero", "renormalise"]


def lift_pullback(
    space: HomogeneousSpace, sites: Sites, elements: Sites, rule: TangentRule, boundary: Boundary = "zero"
) -> Pullback:
    """From a field on M to one on the group: the kernel is laid on M by every group element g.

        (k ⋆ f)(g) = ∫_M k(v) f(g exp_{p0}(v)) dμ(v)

    Args:
        space: M and the group G that acts on it: `plane_under_se2()`, `sphere_under_so3()`.
        sites: N sites of M, which carry the field.
        elements: sites of G, where the answer lives: `SE2().sites(...)`, `SO3().sites(...)`.
        rule: nodes v of the tangent space at p0. Any kernel on it will do, of any direction.
        boundary: what nodes outside a window of sites mean, as for `Pullback`.

    Raises:
        GeometryError: for elements of another group, and where `Pullback.by_action` raises it.

    Returns:
        A pullback from fields `(..., N, C)` to fields `(..., len(elements), C)`; a tangent vector field is written in
        the frame of p0, carried by g. It is `Pullback.by_action` with `elements`.

    >>> import manifoldconv as mc
    >>> from manifoldconv.homogeneous import SE2, plane_sites, plane_under_se2
    >>> sites, elements = plane_sites((8, 8)), SE2().sites((8, 8, 4))
    >>> pull = lift_pullback(plane_under_se2(), sites, elements, TangentRule.grid((3, 3), 1.0))
    >>> edges = mc.kernels.derivative_of_gaussian(1.0, (1.0, 0.0))  # a kernel with a direction
    >>> mc.correlate(torch.ones(64, 1), edges, pull).shape
    torch.Size([256, 1])
    """
    if not isinstance(space, HomogeneousSpace):
        raise GeometryError(f"the space must be a HomogeneousSpace; got {type(space).__name__}")
    _check_elements(space.group, elements)
    pull = Pullback.by_action(space, sites, rule, boundary=boundary, elements=elements.points)
    order, weight = _counting(pull.weight)
    index = torch.take_along_dim(pull.index, order, dim=-1)
    transport = torch.take_along_dim(pull.transport, order[..., None, None], dim=2)
    return replace(pull, index=index, weight=weight, transport=transport)


def group_pullback(
    group: LieGroup, elements: Sites, rule: TangentRule, boundary: Boundary = "zero"
) -> Pullback:
    """Correlation on the group: the kernel is carried from the identity by every group element g.

        (k ⋆ F)(g) = ∫_G k(u) F(g u) du,    du the Haar measure

    Args:
        group: G, which acts on itself from the left.
        elements: sites of G, which carry the field and the answer.
        rule: nodes log(u) of the Lie algebra, such as `group_rule` gives. Any kernel on it will do.
        boundary: what nodes outside a window of sites mean, as for `Pullback`.

    Raises:
        GeometryError: for elements of another group, and a rule of another dimension.

    Returns:
        A pullback from fields `(..., N, C)` to fields of the same shape. A field is C functions on the group; one with
        directions is written as the coefficients in a left-invariant frame, which are functions. So the
        transport is the identity, and `group` the trivial one.

    For functions the same as `Pullback.by_action(group_on_itself(group), ...)`; it is formed in blocks and without
    stencil entries of weight 0, which for nodes on sites is all but one of eight.

    >>> from manifoldconv.homogeneous import SE2, plane_under_se2
    >>> from manifoldconv.lifting.rules import group_rule
    >>> rule = group_rule(plane_under_se2(), TangentRule.grid((3, 3), 1.0), 4)
    >>> group_pullback(SE2(), SE2().sites((8, 8, 4)), rule)
    Pullback(256 sites, 36 nodes, stencils of 1, stabiliser trivial, boundary 'zero')
    """
    _check_elements(group, elements)
    if rule.dimension != group.dim:
        raise GeometryError(
            f"the rule must be of dimension {group.dim}, that of {group!r}; got {rule.dimension} (see group_rule)"
        )
    if boundary not in ("zero", "renormalise"):
        raise ValueError(f'boundary must be "zero" or "renormalise"; got {boundary!r}')
    nodes = group.exp(group.identity, rule.nodes)
    rows = max(1, NODES_AT_A_TIME // len(rule))
    indices, weights = [], []
    for start in range(0, len(elements), rows):
        g = elements.points[start : start + rows]
        stencil = elements.stencil(group.product(g[:, None], nodes))
        order, weight = _counting(stencil.weight)
        indices.append(torch.take_along_dim(stencil.index, order, dim=-1))
        weights.append(weight)
    index, weight = _joined(indices), _joined(weights)
    density = group_on_itself(group).node_density(rule.nodes)
    return Pullback(
        rule,
        index,
        weight,
        torch.eye(group.dim, dtype=torch.float64).expand(*index.shape, -1, -1),  # a view: no memory
        len(elements),
        StructureGroup.trivial(group.dim),
        boundary,
        density=None if bool((density == 1).all()) else density.expand(len(elements), -1),
        group_role="stabiliser",
    )


def _check_elements(group: ActingGroup, elements: Sites) -> None:
    if not isinstance(elements, Sites):
        raise GeometryError(f"elements are what group.sites(...) gives; got {type(elements).__name__}")
    if elements.manifold != group:
        raise GeometryError(
            f"the elements must be sites of {group!r}; they are those of {elements.manifold!r}"
        )


def _counting(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of stencil weights `(P, Q, S)` those that count, first: their places, and the weights, both `(P, Q, S')`.

    S' is the number in the stencil with the most; the others are filled up with weights of 0.
    """
    counts = weight.abs() > NEGLIGIBLE
    width = max(1, int(counts.sum(-1).max()))
    order = counts.to(torch.int8).argsort(dim=-1, descending=True, stable=True)[..., :width]
    kept = torch.take_along_dim(weight, order, dim=-1)
    return order, torch.where(kept.abs() > NEGLIGIBLE, kept, 0.0)


def _joined(parts: list[Tensor]) -> Tensor:
    """Blocks one after the other, padded to the width of the widest with zeros."""
    width = max(part.shape[-1] for part in parts)
    return torch.cat([torch.nn.functional.pad(part, (0, width - part.shape[-1])) for part in parts])

"""Kernels carried by a group: where the nodes land, and how fields are read there.

    (k ⋆ f)(p) = ∫_M (g_{p0→p} k)(q) f(q) dμ(q) = ∫_{T_{p0}M} k(v) f(g_{p0→p} exp_{p0}(v)) J(v) dv

with J the density of the invariant measure μ in the coordinates v, the same at every p because μ is invariant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.space import HomogeneousSpace
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites

ActionMeasure = Literal["invariant", "tangent"]

# Nodes moved at a time; the memory that this needs is some kB for each.
NODES_AT_A_TIME = 100_000
# Frames nearer to the manifold's own than this are those.
SAME_FRAME = 1e-14


@dataclass(frozen=True)
class CarriedNodes:
    """The parts of a `Pullback`, as that describes them: all sites, or a block of successive ones."""

    index: Tensor
    weight: Tensor
    transport: Tensor


def group_of(space: HomogeneousSpace, elements: Tensor | None) -> StructureGroup:
    """What kernels must be invariant under: the stabiliser, or nothing where the group's own elements are the sites."""
    return space.stabiliser if elements is None else StructureGroup.trivial(space.manifold.dim)


def density_of(space: HomogeneousSpace, rule: TangentRule, measure: ActionMeasure) -> Tensor | None:
    """J at the nodes, `(Q,)`; None where it is 1 at all of them."""
    if measure not in get_args(ActionMeasure):
        raise ValueError(f'measure must be "invariant" or "tangent"; got {measure!r}')
    if measure == "tangent":
        return None
    density = space.node_density(rule.nodes)
    return None if bool((density == 1).all()) else density


def carried_blocks(
    space: HomogeneousSpace, sites: Sites, rule: TangentRule, elements: Tensor | None = None
) -> Iterator[CarriedNodes]:
    """The nodes g exp_{p0}(v_q) in blocks, for g the section's elements of the sites, or those given.

    All is written in the frames that the section carries from p0: at the sites, and at g p0 in the one that g carries.

    Raises:
        GeometryError: for sites that are not on the manifold, a rule or elements of another dimension, a section that
            does not carry the base to a site (named), or an action that does not keep the metric.
    """
    _check(space, sites, rule)
    moving = _checked_section(space, sites)
    frames = space.carried_frames(sites.points)
    if elements is not None:
        moving = _checked_elements(space, elements)
    same = bool(((frames - torch.eye(space.manifold.dim, dtype=torch.float64)).abs() < SAME_FRAME).all())
    out = space.manifold.geodesic(space.base, rule.nodes)
    rows = max(1, NODES_AT_A_TIME // len(rule))
    for start in range(0, len(moving), rows):
        g = moving[start : start + rows, None]
        places = space.act(g, out.end)
        _check_places(space, places, moving, start)
        stencil = sites.stencil(places)
        # From the node's frame back to p0: against the action, then along the geodesic from the node.
        home = out.transport.mT @ space.differential(g, out.end).mT
        transport = home[:, :, None] @ stencil.transport
        if not same:
            transport = transport @ frames[stencil.index]
        yield CarriedNodes(stencil.index, stencil.weight, transport)


def joined(blocks: Iterator[CarriedNodes], count: int) -> CarriedNodes:
    """Blocks of `count` sites in all as one; no more than one of them is held beside it."""
    whole, start = None, 0
    for block in blocks:
        parts = (block.index, block.weight, block.transport)
        if whole is None:
            whole = tuple(part.new_empty(count, *part.shape[1:]) for part in parts)
        rows = slice(start, start + len(block.index))
        for target, part in zip(whole, parts, strict=True):
            target[rows] = part
        start = rows.stop
    if whole is None:
        raise GeometryError("there are no sites to build a pullback for")
    return CarriedNodes(*whole)


def _check(space: HomogeneousSpace, sites: Sites, rule: TangentRule) -> None:
    if not isinstance(space, HomogeneousSpace):
        raise GeometryError(f"the space must be a HomogeneousSpace; got {type(space).__name__}")
    if not isinstance(sites, Sites):
        raise GeometryError(f"sites are what manifold.sites(...) gives; got {type(sites).__name__}")
    if sites.manifold is not None and sites.manifold != space.manifold:
        raise GeometryError(f"the sites are those of {sites.manifold!r}; {space.name} is {space.manifold!r}")
    if rule.dimension != space.manifold.dim:
        raise GeometryError(
            f"the rule has nodes in dimension {rule.dimension}; {space.name} has dimension {space.manifold.dim}"
        )


def _checked_elements(space: HomogeneousSpace, elements: Tensor) -> Tensor:
    shape = space.group.element_shape
    elements = float64("elements", elements, shape)
    if elements.ndim != len(shape) + 1 or not len(elements):
        raise ValueError(
            f"elements must have shape (P, {', '.join(map(str, shape))}), P ≥ 1; got {tuple(elements.shape)}"
        )
    return elements


def _checked_section(space: HomogeneousSpace, sites: Sites) -> Tensor:
    elements = space.section(sites.points)
    shape = (len(sites), *space.group.element_shape)
    if elements.shape != shape:
        raise GeometryError(
            f"{space.name}: the section must give one element of the group a site, shape {shape}; got "
            f"{tuple(elements.shape)}"
        )
    site = _first_broken(elements)
    if site is not None:
        raise GeometryError(
            f"{space.name}: the section's element for site {site}, {sites.points[site].tolist()}, is not finite: "
            f"{elements[site].tolist()}"
        )
    reached = space.act(elements, space.base)
    site = _first_broken(reached)
    if site is not None:
        raise GeometryError(
            f"{space.name}: the section's element for site {site}, {elements[site].tolist()}, takes the base to "
            f"{reached[site].tolist()}"
        )
    gap = space.manifold.distance_between_points(reached, sites.points)
    scale = 1 + space.manifold.distance_between_points(space.base, sites.points)
    if not bool((gap <= 1e-9 * scale).all()):
        worst = int(torch.nan_to_num(gap / scale, nan=torch.inf).argmax())
        raise GeometryError(
            f"{space.name}: the section does not carry the base to site {worst}, "
            f"{sites.points[worst].tolist()}: it lands {float(gap[worst]):.3g} beside it, by the element "
            f"{elements[worst].tolist()}"
        )
    return elements


def _check_places(space: HomogeneousSpace, places: Tensor, moving: Tensor, start: int) -> None:
    """`places` `(P, Q, ...)` are where the elements from number `start` on take the nodes."""
    first = _first_broken(places.flatten(0, 1))
    if first is not None:
        site, node = divmod(first, places.shape[1])
        raise GeometryError(
            f"{space.name}: the element {moving[start + site].tolist()} takes node {node} of the rule to "
            f"{places[site, node].tolist()}"
        )


def _first_broken(values: Tensor) -> int | None:
    """The first row of `(N, ...)` that is not finite."""
    broken = ~torch.isfinite(values.detach()).flatten(1).all(dim=1)
    return int(torch.nonzero(broken)[0, 0]) if bool(broken.any()) else None

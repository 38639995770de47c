"""Nodes on the group: a rule of the tangent space, times equal angles."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from manifoldconv.errors import GeometryError
from manifoldconv.homogeneous.space import HomogeneousSpace
from manifoldconv.homogeneous.spaces import group_on_itself
from manifoldconv.manifolds.checks import whole
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.quadrature import TangentRule


def group_rule(space: HomogeneousSpace, rule: TangentRule, orientations: int) -> TangentRule:
    """Where a kernel on the group is sampled: at the rule's nodes round the base, each with n frames.

        u_{q,j} = s(v_q) r(2π j / n),    weight w_q J(v_q) 2π / n in the Haar measure

    with s(v) the element that goes from the base p0 along the geodesic to exp_{p0}(v) and carries frames as parallel
    transport does, r(φ) the element of the stabiliser that turns by φ, and J the density of the measure. On SE(2), u is
    (x, y, φ) with (x, y) = v.

    Args:
        space: of dimension 2, with the stabiliser SO(2): `plane_under_se2()`, `sphere_under_so3()`.
        rule: of the tangent space at p0: where the kernel reaches in position.
        orientations: n. That of the sites, or a divisor: then the nodes' angles are among those of the sites.

    Returns:
        A rule of the group's dimension whose nodes `(Q n, 3)` are log(u) (on SE(2) x, y and φ in [-π, π)), the angle
        running fastest: `shape` is `(*rule.shape, n)`.

    >>> from manifoldconv.homogeneous import plane_under_se2
    >>> rule = group_rule(plane_under_se2(), TangentRule.grid((3, 3), 1.0), 4)
    >>> rule.shape, rule.nodes[1].tolist()
    ((3, 3, 4), [-1.0, -1.0, 1.5707963267948966])
    """
    count = whole("orientations", orientations, 1)
    if space.manifold.dim != 2 or not space.stabiliser.holds_rotations:
        raise GeometryError(f"frames to turn need dimension 2 and the stabiliser SO(2); got {space!r}")
    if rule.dimension != 2:
        raise GeometryError(f"the rule must be of dimension 2, that of {space.name}; got {rule.dimension}")
    out = space.manifold.geodesic(space.base, rule.nodes)
    section = space.section(out.end)
    # The section carries frames as it likes; what it misses of parallel transport is an element of the stabiliser.
    home = torch.linalg.inv(space.differential(section, space.base.expand_as(out.end))) @ out.transport
    turns = rotation_matrix(2 * math.pi / count * torch.arange(count, dtype=torch.float64))
    elements = space.group.product(section[:, None], space.lift(home[:, None] @ turns)).flatten(0, 1)
    weights = (rule.weights * space.node_density(rule.nodes) * (2 * math.pi / count)).repeat_interleave(count)
    found = group_on_itself(space.group).rule_of_elements(elements, weights)
    return replace(found, shape=(*rule.shape, count))

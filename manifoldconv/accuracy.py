"""Warnings where a pullback is defined, but sampled too coarsely for the accuracy that one would expect."""

from __future__ import annotations

import math
import warnings

import torch
from scipy.spatial import cKDTree

from manifoldconv.errors import AccuracyWarning
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Manifold
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites

# How far apart two nodes may lie, in radii of the rule, and count as one; likewise their weights.
SAME_NODE = 1e-9
# Pairs of a site and a node that are looked at for shorter paths, and how many at a time.
PAIRS, AT_A_TIME = 500, 50


def warn_where_lopsided(
    group: StructureGroup,
    rule: TangentRule,
    role: str = "holonomy group",
    depends: str = "paths of the frames",
) -> None:
    """Warn where an element of a finite group moves nodes to places where the rule has none of the same weight.

    `role` and `depends`: what the group is, and what the result then depends on, for the message.
    """
    if not group.is_finite:
        return  # kernels are then blind to rotations, and so is a rule of equal angles
    tree = cKDTree(rule.nodes.numpy())
    for element in group.generators:
        gap, other = tree.query((rule.nodes @ element.mT).numpy())
        change = (rule.weights[torch.from_numpy(other)] - rule.weights).abs()
        heaviest = float(rule.weights.abs().max())
        if gap.max() > SAME_NODE * rule.radius or float(change.max()) > SAME_NODE * heaviest:
            order = group.rotation_order
            hint = f"; take n_angular a multiple of {order}" if rule.kind == "polar" and order else ""
            warnings.warn(
                f"the {role} ({group.name}) moves nodes of {rule!r} off the nodes, so that the result depends "
                f"on the {depends} by as much as the quadrature errs{hint}",
                AccuracyWarning,
                stacklevel=4,
            )
            return


def warn_where_coarse(manifold: Manifold, sites: Sites, rule: TangentRule) -> None:
    """Warn where the disc overlaps itself, or its rim is sampled much more thinly than the field."""
    if rule.n_angular is not None:
        spacing = float(sites.area[sites.area > 0].mean()) ** (1 / manifold.dim)
        gap = 2 * math.pi * rule.radius / rule.n_angular
        if gap > 2.5 * spacing:
            enough = int(math.pi * 2 * rule.radius / spacing) + 1
            warnings.warn(
                f"the {rule.n_angular} nodes at the rim of the rule lie {gap:.3g} apart, the sites {spacing:.3g}: "
                f"fields that vary from site to site are undersampled (n_angular = {enough} reaches every site)",
                AccuracyWarning,
                stacklevel=4,
            )
    if overlaps(manifold, sites, rule):
        warnings.warn(
            f"more than 1 % of the nodes have a path to their site that is shorter by more than 5 %: the disc "
            f"of radius {rule.radius:.3g} overlaps itself, and counts some places more than once",
            AccuracyWarning,
            stacklevel=4,
        )


def overlaps(manifold: Manifold, sites: Sites, rule: TangentRule) -> bool:
    """Whether more than 1 % of the nodes have a path to their site that is shorter by more than 5 %.

    Judged from evenly spread pairs of a site and a node, until the answer is clear.
    """
    pair = (torch.arange(PAIRS) * 7919) % PAIRS  # spread, so that the first ones stand for all
    site, node = pair * len(sites) // PAIRS, (pair * 104729) % len(rule)
    shorter = 0
    for start in range(0, PAIRS, AT_A_TIME):
        chosen = slice(start, start + AT_A_TIME)
        origin = sites.points[site[chosen]]
        geodesic = manifold.geodesic(origin, rule.nodes[node[chosen]])
        distance = manifold.distance(origin, geodesic.end)
        shorter += int((geodesic.complete & (distance < 0.95 * geodesic.length)).sum())
        if shorter > 0.01 * PAIRS:
            return True
    return False

"""Further components for an infinite group: what matrices add that carry its connected part to itself."""

from __future__ import annotations

import torch
from torch import Tensor

from manifoldconv.groups.elements import contains
from manifoldconv.groups.structure import Structure, by_orientation


def joined_components(structure: Structure, stack: Tensor, tolerance: float, limit: int) -> Structure | None:
    """The group that an infinite group G and matrices `(k, d, d)` generate, where it has finitely many components.

    Each matrix must carry the subspaces V_j of G to one another: then it normalises the connected part
    G_0 = SO(V_1) x ... x SO(V_k), and the group is G_0 times a finite set, counted out modulo G_0. None where a matrix
    does not, or there are more than `limit` components; then the closure is larger, or not recognised.
    """
    if not all(_keeps_blocks(structure, matrix, tolerance) for matrix in stack):
        return None
    identity = torch.eye(stack.shape[-1], dtype=torch.float64)
    connected = Structure(identity[None], (), structure.blocks)
    generators = list(structure.generators)
    components = list(structure.components)
    for matrix in stack:
        if any(contains(connected, one.mT @ matrix, tolerance) for one in components):
            continue
        generators.append(matrix)
        frontier = list(components)
        while frontier:
            element = frontier.pop()
            for generator in generators:
                product = generator @ element
                if not any(contains(connected, one.mT @ product, 2 * tolerance) for one in components):
                    components.append(product)
                    frontier.append(product)
                    if len(components) > limit:
                        return None
    return structure._replace(
        components=by_orientation(torch.stack(components)), generators=tuple(generators)
    )


def _keeps_blocks(structure: Structure, matrix: Tensor, tolerance: float) -> bool:
    """Whether a matrix takes the span of every block to the span of one."""
    for block in structure.blocks:
        image = matrix @ block
        misses = [
            float((image - other @ (other.mT @ image)).abs().max())
            for other in structure.blocks
            if other.shape == block.shape
        ]
        if min(misses) > tolerance:
            return False
    return True

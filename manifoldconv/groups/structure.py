"""What a closed subgroup of O(d) is made of: its connected part and an element of each component."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from manifoldconv.orthogonal import whole_turns


class Structure(NamedTuple):
    """The set  ∪_i components[i] · SO(V_1) x ... x SO(V_k).

    Attributes:
        components: `(c, d, d)` float64, one element of each connected component, the identity first, then
        those
            that keep orientation, then those that reverse it. All elements, where the group is finite.
        generators: matrices `(d, d)` that generate the components, up to the connected part.
        blocks: for each V_j an orthonormal basis `(d, dim V_j)`, dim V_j ≥ 2; the V_j are orthogonal.
        residual: how far the given matrices lie from the elements that they were taken for.
    """

    components: Tensor
    generators: tuple[Tensor, ...] = ()
    blocks: tuple[Tensor, ...] = ()
    residual: float = 0.0


def planar_structure(order: int | None, mirror: Tensor | None, residual: float = 0.0) -> Structure:
    """C(order), or SO(2) where the order is None, and the coset of the mirror `(2, 2)` where there is one."""
    turns = whole_turns(1 if order is None else order)
    generators = (turns[1],) if len(turns) > 1 else ()
    blocks = (torch.eye(2, dtype=torch.float64),) if order is None else ()
    if mirror is None:
        return Structure(turns, generators, blocks, residual)
    return Structure(torch.cat([turns, turns @ mirror]), (*generators, mirror), blocks, residual)


def product_structure(first: Structure, second: Structure) -> Structure:
    """The direct product, block-diagonal on the direct sum of the two spaces."""
    one, two = first.components.shape[-1], second.components.shape[-1]

    def joined(a: Tensor, b: Tensor) -> Tensor:
        return torch.block_diag(a, b)

    identities = torch.eye(one, dtype=torch.float64), torch.eye(two, dtype=torch.float64)
    components = [joined(a, b) for a in first.components for b in second.components]
    generators = [joined(a, identities[1]) for a in first.generators]
    generators += [joined(identities[0], b) for b in second.generators]
    blocks = [torch.cat([b, b.new_zeros(two, b.shape[1])]) for b in first.blocks]
    blocks += [torch.cat([b.new_zeros(one, b.shape[1]), b]) for b in second.blocks]
    residual = max(first.residual, second.residual)
    return Structure(by_orientation(torch.stack(components)), tuple(generators), tuple(blocks), residual)


def conjugated_structure(structure: Structure, matrix: Tensor) -> Structure:
    """The group {Q h Qᵀ} for an orthogonal Q `(d, d)`."""
    return Structure(
        matrix @ structure.components @ matrix.mT,
        tuple(matrix @ g @ matrix.mT for g in structure.generators),
        tuple(matrix @ b for b in structure.blocks),
        structure.residual,
    )


def by_orientation(components: Tensor) -> Tensor:
    """The same matrices `(c, d, d)`: those that keep orientation first, otherwise in their order."""
    reverses = torch.linalg.det(components) < 0
    return torch.cat([components[~reverses], components[reverses]])

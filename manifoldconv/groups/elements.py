"""Elements of a closed subgroup of O(d), read from its structure: generators, samples, membership."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from manifoldconv.groups.structure import Structure
from manifoldconv.orthogonal import plane_rotation, rotation_matrix


def generators(structure: Structure) -> list[Tensor]:
    """Matrices `(d, d)` whose products make up the group, or a dense part of it.

    A rotation by 1 rad, an irrational part of a full turn, has powers dense in SO(2); rotations by 1 rad in the
    planes of neighbouring axes generate a dense subgroup of SO(d).
    """
    turn = rotation_matrix(1.0)
    turns = [
        _in_block(block, plane_rotation(turn, block.shape[1], i, i + 1))
        for block in structure.blocks
        for i in range(block.shape[1] - 1)
    ]
    return [*turns, *(matrix.clone() for matrix in structure.generators)]


def infinitesimal_generators(structure: Structure) -> list[Tensor]:
    """Skew matrices `(d, d)` that generate the Lie algebra."""
    found = []
    for block in structure.blocks:
        for i in range(block.shape[1] - 1):
            a, b = block[:, i], block[:, i + 1]
            found.append(b[:, None] * a - a[:, None] * b)
    return found


def test_elements(structure: Structure) -> Tensor:
    """The generators of the components, and rotations by 32 multiples of the golden angle: `(k, d, d)`."""
    golden = math.pi * (3 - math.sqrt(5))
    turns = rotation_matrix(golden * torch.arange(1, 33, dtype=torch.float64))
    found = [
        _in_block(block, plane_rotation(turn, block.shape[1], i, j))
        for block in structure.blocks
        for i in range(block.shape[1])
        for j in range(i + 1, block.shape[1])
        for turn in turns
    ]
    found += [matrix.clone() for matrix in structure.generators]
    d = structure.components.shape[-1]
    return torch.stack(found) if found else torch.empty(0, d, d, dtype=torch.float64)


def sample(structure: Structure, count: int, generator: torch.Generator) -> Tensor:
    """Independent elements `(count, d, d)` from the Haar measure."""
    components = structure.components
    found = components[torch.randint(len(components), (count,), generator=generator)]
    for block in structure.blocks:
        found = found @ _in_block(block, _haar_rotations(count, block.shape[1], generator))
    return found


def contains(structure: Structure, matrix: Tensor, tolerance: float) -> bool:
    """Whether a matrix `(d, d)` is an element, up to `tolerance` in its entries."""
    identity = torch.eye(matrix.shape[-1], dtype=torch.float64)
    if float((matrix.mT @ matrix - identity).abs().max()) > 2 * tolerance:
        return False
    # c⁻¹ matrix must lie in the connected part for one of the components c.
    rest = structure.components.mT @ matrix
    nearest = identity.expand_as(rest)
    inside = torch.ones(len(rest), dtype=torch.bool)
    for block in structure.blocks:
        inner = block.mT @ rest @ block
        inside &= torch.linalg.det(inner) > 0
        nearest = nearest + block @ (inner - torch.eye(block.shape[1], dtype=torch.float64)) @ block.mT
    return bool((inside & ((rest - nearest).abs().amax((-2, -1)) <= tolerance)).any())


def missing_product(stack: Tensor, tolerance: float) -> tuple[int, int] | None:
    """The first (i, j) for which the product of matrices i and j of `(n, d, d)` is not among them; None if all are."""
    for i, matrix in enumerate(stack):
        products = matrix @ stack
        nearest = (products[:, None] - stack).abs().amax((-2, -1)).amin(-1)
        if float(nearest.max()) > tolerance:
            return i, int((nearest > tolerance).nonzero()[0, 0])
    return None


def _in_block(block: Tensor, inner: Tensor) -> Tensor:
    """Elements `(..., k, k)` of SO(k) acting on the span of a block `(d, k)`, as `(..., d, d)`."""
    d, k = block.shape
    change = inner - torch.eye(k, dtype=torch.float64)
    return torch.eye(d, dtype=torch.float64) + block @ change @ block.mT


def _haar_rotations(count: int, d: int, generator: torch.Generator) -> Tensor:
    """Independent Haar elements `(count, d, d)` of SO(d)."""
    normal = torch.randn(count, d, d, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(normal)
    # QR is unique, hence equivariant and Haar, only with a positive diagonal in R (Mezzadri 2007).
    q = q * torch.sign(torch.diagonal(r, dim1=-2, dim2=-1))[:, None, :]
    return torch.cat([q[..., :-1], q[..., -1:] * torch.linalg.det(q).sign()[:, None, None]], -1)

"""The linear constraint on a kernel's angular part, and a basis of its solutions.

On a sphere |v| = r a kernel with values (C_out, C_in) is K(v) = Σ_a c_a Y_a(v / r) with matrices c_a. As
Y(h v) = D(h) Y(v), the constraint K(h v) = ρ_out(h) K(v) ρ_in(h)⁻¹ is linear in the c_a,

    Σ_b D(h)_{b a} c_b = ρ_out(h) c_a ρ_in(h)⁻¹,

does not mix orders m of harmonics, and need only hold for generators h: for those of the components as it
stands, for the connected part as its derivative, in the direction of generators of the Lie algebra. So the
solutions are an exact null space, without sampling of the group (Finzi, Welling and Wilson 2021; Weiler and
Cesa 2019, section 2).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.representations import Representation
from manifoldconv.representations.blocks import Block
from manifoldconv.representations.harmonics import harmonics
from manifoldconv.representations.polynomials import harmonic_count, harmonic_matrix

__all__ = ["angular_solutions", "harmonics"]

NULL = 1e-10
"""Squared singular values below this are zero: matrices here are exact to 1e-14, and C(1000) has 4e-5."""


@lru_cache(maxsize=4096)
def angular_solutions(block_in: Block, block_out: Block, group: StructureGroup, order: int) -> Tensor:
    """An orthonormal basis `(n, size_out, size_in, harmonics)` of the angular kernels of one order.

    Σ_a basis[n, :, :, a] Y_a(v / |v|), orthonormal in the mean over the sphere of tr(Kᵀ K'). Always the
    same, and with as many zeros as a pivoted elimination gives.
    """
    rep_in = Representation.of_terms(group, [(block_in, 1)])
    rep_out = Representation.of_terms(group, [(block_out, 1)])
    angle = Representation.of_terms(group, [(_harmonic_block(order, group.dimension), 1)])
    sizes = (rep_out.size, rep_in.size, angle.size)
    if not angle.size:  # on a line there are the orders 0 and 1
        return torch.empty(0, *sizes, dtype=torch.float64)
    identities = [torch.eye(size, dtype=torch.float64) for size in sizes]
    rows = []
    for h in group.structure.generators:
        # ρ_out ⊗ ρ_in ⊗ D^{-T} fixes c; all three are orthogonal.
        moved = _kron(rep_out.matrix(h), rep_in.matrix(h), angle.matrix(h))
        rows.append(moved - torch.eye(len(moved), dtype=torch.float64))
    for x in group.infinitesimal_generators:
        rows.append(
            _kron(rep_out.derivative(x), identities[1], identities[2])
            + _kron(identities[0], rep_in.derivative(x), identities[2])
            + _kron(identities[0], identities[1], angle.derivative(x))
        )
    total = sizes[0] * sizes[1] * sizes[2]
    basis = _null_space(torch.cat(rows), total) if rows else torch.eye(total, dtype=torch.float64)
    return basis.reshape(-1, *sizes)


def _kron(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.kron(a.contiguous(), torch.kron(b.contiguous(), c.contiguous()))


def _harmonic_block(order: int, dimension: int) -> Block:
    """The representation of O(d) on harmonics of one order."""
    if dimension not in (2, 3):
        size = harmonic_count(dimension, order)
        return Block(f"harmonics of degree {order}", size, order, lambda g: harmonic_matrix(g, order))
    everything = StructureGroup.orthogonal(dimension)
    parity = "eo"[order % 2] if dimension == 3 else ""
    return next(iter(Representation(f"{order}{parity}", everything).terms))[0]


def _null_space(matrix: Tensor, size: int) -> Tensor:
    """Orthonormal rows `(n, size)` that span the null space, by pivoted Gram-Schmidt on its projector.

    The columns of the projector on the null space are the projections of single entries, so they are sparse
    wherever the constraint couples few entries. Pivots are the largest remaining column, ties (to rounding)
    the first.
    """
    values, vectors = torch.linalg.eigh(matrix.mT @ matrix)
    null = vectors[:, values < NULL].mT
    rest = null.mT @ null
    rows = []
    for _ in range(len(null)):
        norms = rest.diagonal()
        pivot = int((norms > norms.max() - 1e-9).nonzero()[0, 0])
        row = rest[pivot] / rest[pivot].norm()
        rest = rest - row[:, None] * row
        rows.append(row)
    basis = torch.stack(rows) if rows else torch.empty(0, size, dtype=torch.float64)
    return torch.where(basis.abs() < 1e-13, 0.0, basis)

"""The holonomy group of a manifold without a known one, estimated from random loops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.linalg import logm
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Manifold


@dataclass(frozen=True, eq=False)
class HolonomyEstimate:
    """What random loops tell of a holonomy group: a lower bound, exact with certainty 1 up to rounding and
    tolerance.

    The logarithms of the transports round small loops, their brackets and so on, span the Lie algebra of the
    group that they generate (Ambrose and Singer 1953: small loops at all points, carried to one, span that of
    the holonomy group). The group is recognised where this is the algebra of a product of rotation groups of
    invariant subspaces. Large loops tell of further components, which small ones can't reach; that there are
    no others is not proved.

    Attributes:
        group: in the frame at the base point; None where it was not recognised.
        transports: `(k, d, d)`, round the small loops and then the large ones.
        rank: the dimension of the Lie algebra.
        singular_values: those of the span of small loops and brackets, largest first: the last of `rank` and
            the first after it show how clear the rank is.
        blocks: the dimensions of the invariant subspaces.
        residual: how far the transports lie from the group, entrywise; NaN where there is none.
    """

    group: StructureGroup | None
    transports: Tensor
    rank: int
    singular_values: Tensor
    blocks: tuple[int, ...]
    residual: float

    def __str__(self) -> str:
        d = self.transports.shape[-1]
        name = "not recognised" if self.group is None else self.group.name
        return (
            f"{name} (from {len(self.transports)} loops: a Lie algebra of dimension {self.rank} in so({d}), invariant "
            f"subspaces of dimensions {list(self.blocks)})"
        )


def estimate_holonomy(
    manifold: Manifold, base: Any, loops: int = 24, size: float = 0.7, tolerance: float = 1e-7, seed: int = 0
) -> HolonomyEstimate:
    """Carry the frame at `base` round that many random geodesic triangles of two sizes.

    Args:
        manifold: with log and transport.
        base: a point of it.
        loops: of either size.
        size: the length of the sides from the base of the small triangles; of the large ones it is four times
            that.
        tolerance: transports nearer than this to 1, or to the group, count as in it.
        seed: of the triangles.
    """
    generator = torch.Generator().manual_seed(seed)
    small = _triangles(manifold, base, loops, size, generator)
    large = _triangles(manifold, base, loops, 4 * size, generator)
    algebra, values = _lie_algebra(small, tolerance)
    spaces = _invariant_subspaces(algebra, manifold.dim)
    group = _recognised(algebra, spaces, manifold.dim)
    if group is not None:
        outside = [matrix for matrix in large if not group.contains(matrix, tolerance)]
        if outside:
            group = _joined(group, torch.stack(outside), tolerance)
    transports = torch.cat([small, large])
    residual = float("nan") if group is None else _distance(group, transports)
    return HolonomyEstimate(
        group, transports, len(algebra), values, tuple(space.shape[1] for space in spaces), residual
    )


def _triangles(manifold: Manifold, base: Any, count: int, size: float, generator: torch.Generator) -> Tensor:
    """`(count, d, d)`: the transports base → exp(v) → exp(w) → base along shortest geodesics."""
    v = torch.randn(2, count, manifold.dim, generator=generator, dtype=torch.float64)
    first, second = manifold.exp(base, size * v / torch.linalg.vector_norm(v, dim=-1, keepdim=True))
    there = manifold.transport_between(base, first)
    return manifold.transport_between(second, base) @ manifold.transport_between(first, second) @ there


def _lie_algebra(transports: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """An orthonormal basis `(r, d, d)` of the Lie algebra that contains the logarithms, and the singular values."""
    d = transports.shape[-1]
    logarithms = torch.stack([torch.from_numpy(np.real(logm(h.numpy()))) for h in transports])
    logarithms = (logarithms - logarithms.mT) / 2
    basis, values = _span(logarithms, tolerance)
    while len(basis):
        brackets = (basis[:, None] @ basis[None] - basis[None] @ basis[:, None]).reshape(-1, d, d)
        larger, with_brackets = _span(torch.cat([basis, brackets]), tolerance)
        if len(larger) == len(basis):
            break
        basis, values = larger, with_brackets
    return basis, values


def _span(matrices: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    _, values, rows = torch.linalg.svd(matrices.flatten(1), full_matrices=False)
    rank = int((values > tolerance * max(1.0, float(values[0]))).sum())
    return rows[:rank].reshape(rank, *matrices.shape[1:]), values


def _invariant_subspaces(algebra: Tensor, d: int) -> list[Tensor]:
    """Orthonormal bases `(d, k)` of the eigenspaces of a generic symmetric matrix that commutes with the algebra."""
    unit = torch.eye(d, dtype=torch.float64)
    if not len(algebra):
        return [unit[:, i : i + 1] for i in range(d)]
    symmetric = [
        torch.outer(unit[i], unit[j]) + torch.outer(unit[j], unit[i]) for i in range(d) for j in range(i, d)
    ]
    candidates = torch.stack(symmetric)
    commutators = candidates[:, None] @ algebra - algebra @ candidates[:, None]
    left, values, _ = torch.linalg.svd(commutators.flatten(1))
    null = left[:, int((values > 1e-6).sum()) :]
    # Irrational weights, lest two eigenvalues coincide by accident.
    weights = torch.sqrt(torch.arange(2, 2 + null.shape[1], dtype=torch.float64))
    generic = torch.einsum("sk,k,sij->ij", null, weights, candidates)
    eigenvalues, vectors = torch.linalg.eigh(generic)
    cuts = (torch.nonzero(eigenvalues[1:] - eigenvalues[:-1] > 1e-6)[:, 0] + 1).tolist()
    return [vectors[:, a:b] for a, b in zip([0, *cuts], [*cuts, d], strict=True)]


def _recognised(algebra: Tensor, spaces: list[Tensor], d: int) -> StructureGroup | None:
    """The product of the rotation groups of the subspaces, if the algebra is its algebra."""
    moving = [space for space in spaces if space.shape[1] > 1]
    fixed = [space for space in spaces if space.shape[1] == 1]
    if sum(space.shape[1] * (space.shape[1] - 1) // 2 for space in moving) != len(algebra):
        return None
    parts = [StructureGroup.special_orthogonal(space.shape[1]) for space in moving]
    if fixed:
        parts.append(StructureGroup.trivial(len(fixed)))
    if len(parts) == 1:
        return parts[0]
    return StructureGroup.product(*parts).conjugated(torch.cat([*moving, *fixed], dim=1))


def _joined(group: StructureGroup, matrices: Tensor, tolerance: float) -> StructureGroup | None:
    try:
        return group.with_generators(matrices, tolerance)
    except (ValueError, NotImplementedError):
        return None


def _distance(group: StructureGroup, matrices: Tensor) -> float:
    """The least tolerance, of powers of ten, at which the group holds all of them."""
    for exponent in range(-15, 0):
        if all(group.contains(matrix, 10.0**exponent) for matrix in matrices):
            return 10.0**exponent
    return float("inf")

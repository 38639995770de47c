"""Responses at once: a signal is read along all rays of one radius in one go, for all kernels of the catalogue.

Sampled on the nodes of the rule, the kernels span a space of few dimensions B. The signal is correlated with an
orthonormal basis of it; the response to a kernel is then a sum of B responses, which takes milliseconds.

    (k ⋆ f)(p) = Σ_b c_b (e_b ⋆ f)(p),    k(v_q) = Σ_b c_b e_b(v_q)

No operator is built: that pays only where many signals go through it, and takes thirty times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from manifoldconv.carried import carried_frames
from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import Kernel
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.surface.sweep import sweep_scalars, sweep_vectors
from manifoldconv.view.catalogue import GRADIENT_LIKE, SCALARS, SIGNED, VECTORS, Entry, entries, rule_for

Watch = Callable[[float], None]
"""Called with the share that is done, again and again: to show it, to let others have a turn, to end it by raising."""

# Singular values below this share of the largest one belong to no direction of their own.
RANK = 1e-12

# Few enough that whoever waits for a block to end hardly notices: tens of milliseconds.
RAYS_AT_A_TIME = 200_000


@dataclass(frozen=True, eq=False)
class Frames:
    """In which frames kernels are written at the vertices, and the group that they must respect there.

    Attributes:
        group: the holonomy group; where frames can be carried to no vertex with curvature of its own, enlarged to
            all rotations.
        local: whether they are the vertices' own.
        matrices: `(N, 2, 2)` in local coordinates; None for the local ones.
    """

    group: StructureGroup
    local: bool
    matrices: Tensor | None

    @classmethod
    def of(cls, surface: MeshSurface, sites: Sites) -> Frames:
        """Carried ones where the surface has them, else the local ones."""
        try:
            group, matrices = carried_frames(surface, sites, "zero", None, "parallel")
            local = False
        except GeometryError:
            group, matrices = carried_frames(surface, sites, "zero", None, "local")
            local = True
        if group is None:
            raise TypeError("only declared frames have no group")
        return cls(group, local, matrices)

    def to_local(self, vectors: Tensor) -> Tensor:
        """Vectors `(N, ..., 2)` or `(1, ..., 2)` in these frames, in the vertices' own: `(N, ..., 2)`."""
        if self.matrices is None:
            return vectors
        return torch.einsum(
            "pij,p...j->p...i", self.matrices, vectors.expand(len(self.matrices), *vectors.shape[1:])
        )

    def from_local(self, vectors: Tensor) -> Tensor:
        """The way back, `(N, 2)`."""
        return vectors if self.matrices is None else torch.einsum("pji,pj->pi", self.matrices, vectors)


@dataclass(frozen=True, eq=False)
class Basis:
    """All kernels that read scalars, at one radius.

    Attributes:
        rule: the nodes.
        functions: `(Q, B)`, orthonormal: the space of the kernels on the nodes.
    """

    rule: TangentRule
    functions: Tensor

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, radius: float, mean_edge: float) -> Basis:
        """For a radius on a mesh with edges of that length."""
        rule = rule_for(radius, mean_edge)
        samples = [
            sampled(kernel, rule).reshape(len(rule), -1)
            for fields in (SCALARS, SIGNED, GRADIENT_LIKE)
            for entry in entries(fields, radius, rule).values()
            for kernel in entry.kernels
        ]
        directions, sizes, _ = torch.linalg.svd(_unit_columns(torch.cat(samples, dim=1)), full_matrices=False)
        return cls(rule, directions[:, sizes > RANK * sizes[0]])

    def factors(self) -> Tensor:
        """What a node's reading counts in each response: `(Q, B)`."""
        return self.rule.weights[:, None] * self.functions

    def respond(self, entry: Entry, values: Tensor, through: Tensor) -> Tensor:
        """The response `(N, C_out)` to a signal `(N, 1)` of which the responses to the basis `(N, B)` are given."""
        parts = []
        for kernel in entry.kernels:
            wanted = sampled(kernel, self.rule).reshape(len(self.rule), -1)
            parts.append(through @ (self.functions.mT @ wanted))
        return entry.combine(values, tuple(parts))


def vector_factors(rule: TangentRule) -> Tensor:
    """`(Q, 1)`: that Gaussian. All kernels between vectors are g(v) M, and Σ g(v) M T u = M Σ g(v) T u."""
    mean = sampled(entries(VECTORS, rule.radius, rule)["gaussian"].drawn, rule)[:, 0, 0]
    return (rule.weights * mean)[:, None]


def respond_with_vectors(entry: Entry, mean: Tensor) -> Tensor:
    """The response `(N, 2)` of a kernel g(v) M where Σ g(v) T u is given."""
    matrix = entry.drawn(torch.zeros(2, dtype=torch.float64))
    return mean @ matrix.mT


def sweep(
    surface: MeshSurface, frames: Frames, rule: TangentRule, factors: Tensor, field: Tensor, watch: Watch
) -> Tensor:
    """Sums over the nodes at every vertex, off the surface 0.

    Args:
        frames: in which the nodes are written, and vectors.
        factors: `(Q, B)`; for vectors `(Q, 1)`.
        field: scalars `(N, 1)` or vectors `(N, 2)`.

    Returns:
        `(N, B)`, or `(N, 2)` for vectors.
    """
    polar = rule.nodes.reshape(*rule.shape, 2)
    radii = polar[:, 0].norm(dim=-1)
    towards = polar[-1] / radii[-1]
    shared = factors.reshape(*rule.shape, -1)
    points = surface.vertex_points()
    local = frames.to_local(field) if field.shape[1] == 2 else field
    parts = []
    rows = max(1, RAYS_AT_A_TIME // len(towards))
    for start in range(0, len(points), rows):
        block = points[start : start + rows]
        directions = towards.expand(len(block), -1, -1)
        if frames.matrices is not None:
            directions = torch.einsum("pij,aj->pai", frames.matrices[start : start + rows], towards)
        given = (surface.tables, block, directions, radii)
        if field.shape[1] == 2:
            parts.append(sweep_vectors(*given, shared[..., 0], local))
        else:
            parts.append(sweep_scalars(*given, shared, local[:, 0]))
        watch(min(1.0, (start + rows) / len(points)))
    whole = torch.cat(parts)
    return frames.from_local(whole) if field.shape[1] == 2 else whole


def sampled(kernel: Kernel, rule: TangentRule) -> Tensor:
    """k(v_q) `(Q, ...)`, divided by its integral where the kernel asks for that."""
    weights = kernel.weights(rule)
    return weights / rule.weights.reshape(-1, *[1] * (weights.ndim - 1))


def _unit_columns(matrix: Tensor) -> Tensor:
    """Kernels differ by orders of magnitude in size, which must not decide what counts as a direction."""
    return matrix / matrix.norm(dim=0).clamp(min=1e-300)

"""Responses at once: the geometry of one radius is traced and collapsed once, for all kernels of the catalogue.

Sampled on the nodes of the rule, the kernels span a space of few dimensions B. One sparse operator for each vector of
an orthonormal basis of it is kept: a signal goes through these once, and a kernel is then a sum of B responses.

    (k ⋆ f)(p) = Σ_b c_b (A_b f)(p),    k(v_q) = Σ_b c_b e_b(v_q)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from manifoldconv.carried import carried_frames
from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import Kernel
from manifoldconv.ops import SparseOperator, operators_from_factors
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.view.catalogue import GRADIENT_LIKE, SCALARS, SIGNED, VECTORS, Entry, entries, rule_for

Watch = Callable[[Iterator[Pullback], int], Iterable[Pullback]]
"""Wraps the blocks of a pullback that are traced one by one: to show progress, to let others have a turn."""

# Singular values below this share of the largest one belong to no direction of their own.
RANK = 1e-12

# Few enough that whoever waits for a block to end does not notice.
RAYS_AT_A_TIME = 200_000

# Bytes that one bank may take while it is built.
MOST_BYTES = 6e9


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


def unwatched(blocks: Iterator[Pullback], total: int) -> Iterable[Pullback]:
    """The blocks as they are."""
    return blocks


@dataclass(frozen=True, eq=False)
class Bank:
    """Operators for one surface and radius.

    Attributes:
        rule: the nodes.
        basis: `(Q, B)`, orthonormal, the space of the kernels on the nodes.
        operators: B sparse operators, float32, with one pattern.
    """

    rule: TangentRule
    basis: Tensor
    operators: tuple[SparseOperator, ...] = field(repr=False)

    @classmethod
    def build(
        cls, surface: MeshSurface, sites: Sites, frames: Frames, radius: float, watch: Watch = unwatched
    ) -> Bank:
        """Trace every node of every site and collapse; `GeometryError` where that would take too much memory."""
        rule = rule_for(radius, surface.mean_edge_length)
        samples = [
            sampled(kernel, rule).reshape(len(rule), -1)
            for fields in (SCALARS, SIGNED, GRADIENT_LIKE)
            for entry in entries(fields, radius, rule).values()
            for kernel in entry.kernels
        ]
        directions, sizes, _ = torch.linalg.svd(_unit_columns(torch.cat(samples, dim=1)), full_matrices=False)
        basis = directions[:, sizes > RANK * sizes[0]]
        require_room(surface, radius, basis.shape[1])
        factors = (rule.weights[:, None] * basis).mT[:, None, :]
        blocks = watched_blocks(surface, sites, frames, rule, watch)
        built = operators_from_factors((block, factors) for block in blocks)
        return cls(rule, basis, tuple(replace(op, values=op.values.to(torch.float32)) for op in built))

    def through(self, values: Tensor) -> Tensor:
        """The signal `(N, C)` through every operator: `(B, N, C)`, float32."""
        single = values.to(torch.float32)
        return torch.stack([operator(single) for operator in self.operators])

    def respond(self, entry: Entry, values: Tensor, through: Tensor) -> Tensor:
        """The response `(N, C_out)` to a signal `(N, C)` whose `through` is given; float64."""
        parts = []
        for kernel in entry.kernels:
            share = torch.linalg.lstsq(
                self.basis, sampled(kernel, self.rule).reshape(len(self.rule), -1)
            ).solution
            part = torch.einsum("bo,bnc->nco", share, through.to(torch.float64))
            parts.append(part.flatten(1))
        return entry.combine(values, tuple(parts))


@dataclass(frozen=True, eq=False)
class VectorBank:
    """The mean of carried vectors: g(v) times the identity, from which all kernels between vectors follow.

    These are g(v) M with a matrix M that does not depend on v, and Σ g(v) M T u = M Σ g(v) T u.
    """

    rule: TangentRule
    parts: tuple[tuple[SparseOperator, ...], ...] = field(repr=False)

    @classmethod
    def build(
        cls, surface: MeshSurface, sites: Sites, frames: Frames, radius: float, watch: Watch = unwatched
    ) -> VectorBank:
        """Trace, and collapse with each entry of the transport as a weight."""
        rule = rule_for(radius, surface.mean_edge_length)
        require_room(surface, radius, 4)
        mean = sampled(entries(VECTORS, radius, rule)["gaussian"].drawn, rule)[:, 0, 0]
        factors = (rule.weights * mean)[None, None]
        collected: dict[tuple[int, int], list[SparseOperator]] = {(i, j): [] for i in (0, 1) for j in (0, 1)}
        for block in watched_blocks(surface, sites, frames, rule, watch):
            for (i, j), parts in collected.items():
                entry = replace(block, weight=block.weight * block.transport[..., i, j])
                parts.extend(operators_from_factors([(entry, factors)]))
        return cls(rule, tuple(tuple(_stacked(collected[i, j]) for j in (0, 1)) for i in (0, 1)))

    def respond(self, entry: Entry, vectors: Tensor) -> Tensor:
        """The response `(N, 2)` to vectors `(N, 2)` in the frames of the bank."""
        single = vectors.to(torch.float32)
        rows = [a(single[:, :1]) + b(single[:, 1:]) for a, b in self.parts]
        at_origin = entry.drawn(torch.zeros(2, dtype=torch.float64))
        return torch.cat(rows, dim=1).to(torch.float64) @ at_origin.mT


def _stacked(parts: Sequence[SparseOperator]) -> SparseOperator:
    """Operators on the same signals as one, their rows one after the other, in float32."""
    lengths = torch.cat([part.row_start.diff() for part in parts])
    row_start = torch.cat([torch.zeros(1, dtype=torch.int64), torch.cumsum(lengths, 0)])
    column = torch.cat([part.column for part in parts])
    return SparseOperator(row_start, column, torch.cat([p.values for p in parts]).float(), parts[0].n_columns)


def sampled(kernel: Kernel, rule: TangentRule) -> Tensor:
    """k(v_q) `(Q, ...)`, divided by its integral where the kernel asks for that."""
    weights = kernel.weights(rule)
    return weights / rule.weights.reshape(-1, *[1] * (weights.ndim - 1))


def watched_blocks(
    surface: MeshSurface, sites: Sites, frames: Frames, rule: TangentRule, watch: Watch
) -> Iterable[Pullback]:
    """The pullback in blocks, with signals that count as 0 outside the surface."""
    blocks = Pullback.blocks(
        surface,
        *(sites, rule, "zero"),
        frames="local" if frames.local else "parallel",
        rows=max(1, RAYS_AT_A_TIME // len(rule)),
    )
    return watch(blocks, len(sites))


def pairs(surface: MeshSurface, radius: float) -> float:
    """About how many (site, neighbour) pairs a radius makes: the vertices within reach, all sites together."""
    within = math.pi * (radius + surface.mean_edge_length) ** 2 / max(surface.area, 1e-300)
    return surface.n_vertices * min(1.0, within) * surface.n_vertices


def bytes_needed(surface: MeshSurface, radius: float, functions: int) -> float:
    """About how much memory building a bank takes: a float64 for each pair and basis function, twice."""
    return pairs(surface, radius) * functions * 16


def require_room(surface: MeshSurface, radius: float, functions: int) -> None:
    """Raise `GeometryError` for a radius whose operators would not fit into memory."""
    needed = bytes_needed(surface, radius, functions)
    if needed > MOST_BYTES:
        raise GeometryError(
            f"a radius of {radius / surface.mean_edge_length:.3g} mean edges on {surface.n_vertices} vertices needs "
            f"about {needed / 1e9:.0f} GB of memory here, more than {MOST_BYTES / 1e9:.0f} GB; take a smaller radius, "
            "or make the mesh coarser with `manifoldconv remesh`"
        )


def _unit_columns(matrix: Tensor) -> Tensor:
    """Kernels differ by orders of magnitude in size, which must not decide what counts as a direction."""
    return matrix / matrix.norm(dim=0).clamp(min=1e-300)

"""The holonomy of a mesh as a report: its topology, the loops that generate the group, the group, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.groups import GeneratedReport, StructureGroup
from manifoldconv.orthogonal import reflection_matrix, rotation_matrix
from manifoldconv.surface.face_loops import FaceLoop, boundary_loops, loop_round_vertex
from manifoldconv.surface.homology import FaceTree, homotopy_basis, shortest_paths
from manifoldconv.surface.surface import MeshSurface

Kind = Literal["vertex", "handle", "orientation", "boundary"]

CHANCE = 0.01
"""A finite group that random angles would fit as well, with this probability, is called a possible coincidence."""

SAME_ANGLE = 1e-7
"""Angles nearer than this (radians) are one angle where coincidences are counted."""


@dataclass(frozen=True)
class Generator:
    """One loop of those that generate the holonomy group, and what it does to a vector carried round it.

    Attributes:
        kind: "vertex" (round an inner vertex), "handle" (of the tree-cotree basis, keeps orientation), "orientation"
            (of the same basis, reverses it), "boundary" (along a boundary curve).
        component: the component of the mesh.
        angle: in radians, in (-π, π]: by how much the first basis vector of the component's first face turns. Of a
            loop that keeps orientation on an orientable component no choice of frame changes it; of a reflection it is
            twice the angle of its mirror line in that frame.
        reflects: whether it reverses orientation.
        vertex: of kind "vertex", the vertex; its loop runs counterclockwise.
        loop: of the other kinds, the strip of faces, without the way to it and back.
    """

    kind: Kind
    component: int
    angle: float
    reflects: bool
    vertex: int | None = None
    loop: FaceLoop | None = None

    @property
    def matrix(self) -> Tensor:
        """`(2, 2)`, in the frame of the component's first face."""
        return reflection_matrix(self.angle / 2) if self.reflects else rotation_matrix(self.angle)

    def faces(self, surface: MeshSurface) -> list[int]:
        """The loop as faces, first = last, as `surface.holonomy(faces, kind="faces")` takes it."""
        if self.vertex is not None:
            return loop_round_vertex(surface.tables, self.vertex).faces
        return [] if self.loop is None else self.loop.faces


@dataclass(frozen=True)
class ComponentReport:
    """Topology and holonomy of one connected component.

    Attributes:
        vertices, edges, faces: how many.
        euler_characteristic: V - E + F.
        genus: the number of handles; None where not orientable.
        boundary_loops: the number of boundary curves.
        orientable: whether it has two sides.
        generated: the group, at several tolerances.
    """

    vertices: int
    edges: int
    faces: int
    euler_characteristic: int
    genus: int | None
    boundary_loops: int
    orientable: bool
    generated: GeneratedReport

    @property
    def group(self) -> StructureGroup:
        """Its holonomy group, at the first tolerance."""
        return self.generated.group


@dataclass(frozen=True)
class HolonomyReport:
    """The holonomy group of a mesh with its evidence.

    Attributes:
        components: each for itself.
        gauss_bonnet_residual: Σ curvature - 2π χ, in radians.
        generators: those of the topology first, then one for every inner vertex, in order.
        generated: the group of all components together, at several tolerances.
    """

    components: tuple[ComponentReport, ...]
    gauss_bonnet_residual: float
    generators: tuple[Generator, ...]
    generated: GeneratedReport

    @property
    def group(self) -> StructureGroup:
        """The group that all components generate together, at the first tolerance: what kernels must respect."""
        return self.generated.group

    @property
    def orientable(self) -> bool:
        """Whether every component is orientable."""
        return all(component.orientable for component in self.components)

    def of_kind(self, kind: Kind) -> list[Generator]:
        """The generators of one kind, those of the largest angles first."""
        chosen = [generator for generator in self.generators if generator.kind == kind]
        return sorted(chosen, key=lambda generator: -abs(generator.angle))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why this is the group, and how certain it is, in sentences."""
        return (self._why(), self._certainty(), *self._alternatives())

    def _why(self) -> str:
        group, tolerance = self.group, self.generated.tolerance
        mirrors = "" if not group.reverses_orientation else _MIRRORS[group.is_finite]
        if not group.is_finite:
            return (
                f"There is no n ≤ {self.generated.max_order} for which all angles are multiples of 2π/n within "
                f"{tolerance:g} rad. Then loops run through again and again turn a vector as near to any angle as one "
                f"likes: the group is dense in all rotations, and a continuous kernel must respect them all.{mirrors}"
            )
        if group.rotation_order == 1:
            if not mirrors:
                return "Every loop brings every vector back as it was."
            return f"Every loop that keeps orientation brings every vector back as it was.{mirrors}"
        n = group.rotation_order
        return f"All angles are multiples of 2π/{n} = {360 / (n or 1):g}°, and no smaller n will do.{mirrors}"

    def _certainty(self) -> str:
        exact = "Exact: the topology, which is counted, and which loops reverse orientation"
        residual = self.generated.residual
        if self.generated.certainty == "exact":
            return f"{exact}. The angles are what they are said to be up to rounding."
        if self.generated.certainty == "within tolerance":
            return f"{exact}. Within tolerance: the angles, which miss their multiples by up to {residual:.1g} rad."
        return (
            f"{exact}. Within tolerance: that no finite group fits. Whether an angle is a fraction of 2π is not "
            f"decidable from digits; none is one within {self.generated.tolerance:g} rad."
        )

    def _alternatives(self) -> list[str]:
        sentences = []
        for tolerance, group in self.generated.alternatives:
            doubt = ""
            if group.rotation_order not in (None, 1) and self._chance(group, tolerance) > CHANCE:
                doubt = " (which so few angles would fit by chance: it says little)"
            sentences.append(f"Within {tolerance:g} rad it would be {group.name}{doubt}.")
        return sentences

    def _chance(self, group: StructureGroup, tolerance: float) -> float:
        """The expected number of orders up to the group's that as many random angles would fit."""
        turns = np.array(
            [abs(g.angle) for g in self.generators if not g.reflects and abs(g.angle) > tolerance]
        )
        different = len(np.unique(np.round(turns / max(SAME_ANGLE, tolerance)))) or 1
        orders = np.arange(2, (group.rotation_order or 1) + 1)
        return float((np.minimum(1.0, orders * tolerance / math.pi) ** different).sum())

    def __str__(self) -> str:
        return f"{self.group.name}. " + " ".join(self.reasons)


_MIRRORS = {
    True: " A loop that reverses orientation adds a reflection.",
    False: " Loops that reverse orientation add the reflections.",
}


def holonomy_report(
    surface: MeshSurface, tolerances: Sequence[float] = (1e-9, 1e-6, 1e-3), max_order: int = 360
) -> HolonomyReport:
    """The holonomy group of a mesh from loops that one can look at, with the evidence for it.

    The loops generate the fundamental group of the surface without its vertices: the fan round every inner vertex,
    which turns by the curvature there; a tree-cotree basis for handles and orientation (`surface.homology`); and a
    strip of faces along each boundary curve. All are carried to the first face of their component, so the group is
    written in the frame in which `surface.holonomy_group()` writes it, and equals that.

    Args:
        surface: with any number of components.
        tolerances: in radians; the first decides, the others are told for comparison.
        max_order: finite groups of more rotations count as dense.

    Raises:
        ValueError: for a tolerance that is not positive and finite.

    >>> tetrahedron = MeshSurface(
    ...     [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])
    >>> report = holonomy_report(tetrahedron)
    >>> report.group.name, report.components[0].genus, [round(g.angle, 6) for g in report.generators]
    ('C(2)', 0, [3.141593, 3.141593, 3.141593, 3.141593])
    """
    if not tolerances or not all(0 < tolerance < math.inf for tolerance in tolerances):
        raise ValueError(f"tolerances must be positive angles in radians; got {list(tolerances)}")
    component_of = surface.connectivity.face_component
    roots = np.unique(component_of, return_index=True)[1]
    tree = shortest_paths(surface.tables, roots)
    basis = [_of_loop(surface, tree, loop, "handle") for loop in homotopy_basis(surface.tables, tree)]
    along = [_of_loop(surface, tree, loop, "boundary") for loop in boundary_loops(surface.tables)]
    vertices = _of_vertices(surface)
    generators = (*basis, *along, *vertices)
    together = _generated(generators, tolerances, max_order)
    count = surface.connectivity.n_components
    by_component: list[list[Generator]] = [[] for _ in range(count)]
    for generator in generators:
        by_component[generator.component].append(generator)
    alone = [together] if count == 1 else [_generated(own, tolerances, max_order) for own in by_component]
    components = _components(surface, [g.component for g in along], alone)
    return HolonomyReport(components, surface.gauss_bonnet_residual, generators, together)


def _of_loop(surface: MeshSurface, tree: FaceTree, loop: FaceLoop, kind: Kind) -> Generator:
    """A loop with its transport, carried to the root of the tree."""
    carried = tree.carried[loop.start]
    matrix = carried.T @ loop.transports(surface.tables)[-1] @ carried
    reflects = bool(np.linalg.det(matrix) < 0)
    angle = _principal(np.array([math.atan2(matrix[1, 0], matrix[0, 0])]))[0]
    if reflects:
        kind = "orientation"
    component = int(surface.connectivity.face_component[loop.start])
    return Generator(kind, component, float(angle), reflects, loop=loop)


def _of_vertices(surface: MeshSurface) -> list[Generator]:
    """The fans of all inner vertices: each turns by the curvature of its vertex."""
    tables = surface.tables
    inner = np.flatnonzero(surface.connectivity.referenced & ~tables.open_fan)
    angle = _principal(surface.vertex_curvature.numpy()[inner])
    face = tables.fan_corner[tables.fan_start[inner]] // 3
    component = surface.connectivity.face_component[face]
    return [
        Generator("vertex", own, turn, False, vertex)
        for own, turn, vertex in zip(component.tolist(), angle.tolist(), inner.tolist(), strict=True)
    ]


def _principal(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Modulo 2π in (-π, π]; what rounding puts beyond -π is π."""
    reduced = angle - 2 * math.pi * np.round(angle / (2 * math.pi))
    return np.where(reduced <= -math.pi + 1e-12, np.abs(reduced), reduced)


def _generated(
    generators: Sequence[Generator], tolerances: Sequence[float], max_order: int
) -> GeneratedReport:
    turns = torch.tensor([0.0, *(g.angle for g in generators if not g.reflects)], dtype=torch.float64)
    mirrors = [g.matrix for g in generators if g.reflects]
    matrices = torch.cat([rotation_matrix(turns), *(mirror[None] for mirror in mirrors)])
    return StructureGroup.generated_report(matrices, tolerances, max_order)


def _components(
    surface: MeshSurface, boundaries: Sequence[int], groups: Sequence[GeneratedReport]
) -> tuple[ComponentReport, ...]:
    mesh = surface.connectivity
    count = mesh.n_components
    own = np.repeat(mesh.face_component, 3)
    # Each vertex belongs to one component, as pinched vertices are refused.
    home = np.full(mesh.n_vertices, -1)
    home[mesh.tail] = own
    vertices = np.bincount(home[home >= 0], minlength=count)
    edges = np.bincount(own[(mesh.twin < 0) | (np.arange(len(own)) < mesh.twin)], minlength=count)
    faces = np.bincount(mesh.face_component, minlength=count)
    loops = np.bincount(np.array(boundaries, dtype=np.int64), minlength=count)
    reports = []
    for k in range(count):
        characteristic = int(vertices[k] - edges[k] + faces[k])
        orientable = bool(mesh.component_orientable[k])
        genus = (2 - characteristic - int(loops[k])) // 2 if orientable else None
        sizes = int(vertices[k]), int(edges[k]), int(faces[k])
        reports.append(ComponentReport(*sizes, characteristic, genus, int(loops[k]), orientable, groups[k]))
    return tuple(reports)

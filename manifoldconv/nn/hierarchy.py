"""Hierarchy: one manifold with fields on fewer and fewer sites, and the maps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from manifoldconv.carried import BoundaryPolicy, Frames, carried_frames
from manifoldconv.errors import GeometryError
from manifoldconv.frames import FrameField
from manifoldconv.manifolds.base import Manifold
from manifoldconv.nn.subset import VertexSubset, farthest_vertices
from manifoldconv.nn.transfer import Transfer, averaging, interpolating, mean_spacing, reading
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.surface.surface import MeshSurface

EDGES = 3.0
NODES = (4, 16)


def mesh_pullback(
    surface: MeshSurface,
    radius: float | None = None,
    *,
    nodes: tuple[int, int] = NODES,
    boundary: BoundaryPolicy = "zero",
    frames: Frames | FrameField = "local",
) -> Pullback:
    """A pullback at the vertices of a mesh, with the defaults of the ready networks.

    Args:
        surface: the mesh.
        radius: R, in units of length; by default 3 mean edge lengths, about 37 vertices. To batch meshes give all of
            them one radius, in a unit in which they are of one size.
        nodes: (radial, angular) nodes of the rule on the disc. More than twice as many angular ones as the kernels'
            band limit.
        boundary, frames: as for `Pullback.build`. The default, the vertices' own frames, works on every mesh for the
            kernels of SO(2) and O(2), the default of the layers. "parallel" is for smaller groups, on meshes that are
            flat at their vertices.

    >>> import manifoldconv as mc
    >>> mesh_pullback(mc.load_mesh("meshes/icosphere.ply"))
    Pullback(2562 sites, 64 nodes, stencils of 3, group SO(2), boundary 'zero')
    """
    radius = EDGES * surface.mean_edge_length if radius is None else float(radius)
    rule = TangentRule.polar(radius, *nodes)
    return Pullback.build(surface, surface.sites("vertices"), rule, boundary=boundary, frames=frames)


@dataclass(frozen=True, eq=False, repr=False)
class Hierarchy:
    """A pullback for each level, fine to coarse, and the maps down and up between neighbouring ones.

    All levels live on one manifold: geodesics, transport and the holonomy group of a coarse level are those of the
    fine mesh, not of a decimated copy. Networks such as `TangentUNet` take a hierarchy where others take a pullback.

    Attributes:
        pulls: one a level; the discs double in radius from level to level, where the distance of sites does.
        down: `down[l]` averages fields of level l round each site of level l + 1, after carrying them there.
        up: `up[l]` interpolates fields of level l + 1 at the sites of level l.
        chosen: `chosen[l]`, for a mesh: the sites of level l among those of level 0. None: there is no such relation.
    """

    pulls: tuple[Pullback, ...]
    down: tuple[Transfer, ...]
    up: tuple[Transfer, ...]
    chosen: tuple[Tensor, ...] | None = None

    @classmethod
    def of_mesh(
        cls,
        surface: MeshSurface,
        levels: int = 3,
        radius: float | None = None,
        *,
        ratio: int = 4,
        nodes: tuple[int, int] = NODES,
        boundary: BoundaryPolicy = "zero",
        frames: Frames | FrameField = "local",
    ) -> Hierarchy:
        """The vertices of a mesh, then each time a quarter of them, chosen farthest from one another.

        Args:
            surface: the mesh.
            levels: how many, 1 or more.
            radius: of the discs at level 0; by default 3 mean edge lengths. A level with a quarter of the sites has
                discs of twice the radius.
            ratio: how many times fewer sites a level has than the one before.
            nodes, boundary, frames: as for `mesh_pullback`.

        The choice is intrinsic (see `farthest_vertices`), a vertex between the chosen ones is interpolated from those
        nearest to it (`VertexSubset`), and all transport is along straight lines of the mesh itself. `decimate` would
        give coarser triangles instead; its levels are other surfaces, between which there is no transport.

        Raises:
            GeometryError: where a level would be left with fewer sites than the mesh has components.

        >>> import manifoldconv as mc
        >>> Hierarchy.of_mesh(mc.load_mesh("meshes/cone.ply"), levels=2).pulls[1].n_sources < 300
        True
        """
        _check_levels(levels, ratio)
        radius = EDGES * surface.mean_edge_length if radius is None else float(radius)
        counts = [len(surface.sites("vertices")) // ratio**level for level in range(1, levels)]
        if counts and counts[-1] < 1:
            raise GeometryError(f"a mesh of {surface.n_vertices} vertices has not enough for {levels} levels")
        order = farthest_vertices(surface, counts[0]) if counts else torch.empty(0, dtype=torch.int64)
        fine = surface.sites("vertices")
        places: list[Sites] = [fine, *(VertexSubset(surface, order[:count]) for count in counts)]
        chosen = (torch.arange(len(fine)), *(order[:count] for count in counts))
        growth = ratio**0.5
        rules = [TangentRule.polar(radius * growth**level, *nodes) for level in range(levels)]
        spacings = [rule.radius / EDGES for rule in rules]
        group, carried = carried_frames(surface, fine, boundary, None, frames)
        matrices = [None if carried is None else carried[index] for index in chosen]
        first = Pullback.build(surface, fine, rules[0], boundary=boundary, frames=frames)
        return cls._joined(surface, places, rules, spacings, group, matrices, boundary, first, chosen)

    @classmethod
    def build(
        cls,
        manifold: Manifold,
        places: Sequence[Sites],
        rules: Sequence[TangentRule],
        *,
        boundary: BoundaryPolicy = "zero",
        frames: Frames = "parallel",
    ) -> Hierarchy:
        """On any manifold, from its own sites of each level, such as `torus.sites(shape=(32, 32))` and (16, 16).

        Args:
            manifold: where all sites lie.
            places: the sites of each level, fine to coarse.
            rules: a rule for each level.
            boundary, frames: as for `Pullback.build`.

        The maps down are means with a Gaussian of half the coarse spacing: anti-aliased (see `averaging`), so that
        a shift by a fraction of the coarse spacing changes the coarse field as it should.
        """
        if not places or len(places) != len(rules):
            raise ValueError(
                f"a hierarchy needs one rule a level; got {len(places)} levels and {len(rules)} rules"
            )
        spacings = [mean_spacing(manifold, sites) for sites in places]
        group, found = None, []
        for sites in places:
            group, carried = carried_frames(manifold, sites, boundary, None, frames)
            found.append(carried)
        first = Pullback.build(manifold, places[0], rules[0], boundary=boundary, frames=frames)
        return cls._joined(manifold, places, rules, spacings, group, found, boundary, first, None)

    @classmethod
    def _joined(
        cls,
        manifold: Manifold,
        places: Sequence[Sites],
        rules: Sequence[TangentRule],
        spacings: Sequence[float],
        group: Any,
        carried: Sequence[Tensor | None],
        boundary: BoundaryPolicy,
        first: Pullback,
        chosen: tuple[Tensor, ...] | None,
    ) -> Hierarchy:
        pulls, down, up = [first], [], []
        for level in range(1, len(places)):
            fine, coarse = places[level - 1], places[level]
            here = (carried[level - 1], carried[level])
            pulls.append(
                reading(
                    manifold, coarse, coarse, rules[level], group, (carried[level], carried[level]), boundary
                )
            )
            down.append(averaging(manifold, fine, coarse, spacings[level], group, here))
            up.append(interpolating(manifold, coarse, fine, group, here[::-1]))
        return cls(tuple(pulls), tuple(down), tuple(up), chosen)

    @property
    def n_sources(self) -> int:
        """The number of sites of level 0."""
        return self.pulls[0].n_sources

    @property
    def levels(self) -> int:
        """The number of levels."""
        return len(self.pulls)

    def __len__(self) -> int:
        return len(self.pulls[0])

    def change_gauge(self, *gauges: Tensor) -> Hierarchy:
        """The same in other frames: `(N_l, d, d)` for each level, or for a mesh's level 0 alone.

        On a mesh the frames of level 0 may be changed alone: the chosen sites are vertices, and change with them.
        """
        if len(gauges) == 1 and self.levels > 1:
            if self.chosen is None:
                raise ValueError(f"change_gauge takes a gauge for each of the {self.levels} levels; got one")
            gauges = tuple(gauges[0][index] for index in self.chosen)
        if len(gauges) != self.levels:
            raise ValueError(f"change_gauge takes {self.levels} gauges, one a level; got {len(gauges)}")
        return replace(
            self,
            pulls=tuple(pull.change_gauge(g) for pull, g in zip(self.pulls, gauges, strict=True)),
            down=tuple(t.change_gauge(gauges[i], gauges[i + 1]) for i, t in enumerate(self.down)),
            up=tuple(t.change_gauge(gauges[i + 1], gauges[i]) for i, t in enumerate(self.up)),
        )

    def to(self, device: torch.device | str) -> Hierarchy:
        """The same on another device."""
        return replace(
            self,
            pulls=tuple(pull.to(device) for pull in self.pulls),
            down=tuple(transfer.to(device) for transfer in self.down),
            up=tuple(transfer.to(device) for transfer in self.up),
        )

    @staticmethod
    def batch(hierarchies: Sequence[Hierarchy]) -> Hierarchy:
        """Several manifolds as one, level by level; they need the same rules, so one radius (`of_mesh`)."""
        if not hierarchies:
            raise ValueError("a batch needs at least one hierarchy")
        first = hierarchies[0]
        for number, other in enumerate(hierarchies):
            if other.levels != first.levels:
                raise ValueError(
                    f"hierarchy {number} has {other.levels} levels, hierarchy 0 has {first.levels}"
                )
        chosen = None
        if all(h.chosen is not None for h in hierarchies):
            offsets = [sum(h.n_sources for h in hierarchies[:i]) for i in range(len(hierarchies))]
            chosen = tuple(
                torch.cat([h.chosen[level] + o for h, o in zip(hierarchies, offsets, strict=True)])  # type: ignore[index]
                for level in range(first.levels)
            )
        return Hierarchy(
            tuple(Pullback.batch([h.pulls[i] for h in hierarchies]) for i in range(first.levels)),
            tuple(Transfer.batch([h.down[i] for h in hierarchies]) for i in range(first.levels - 1)),
            tuple(Transfer.batch([h.up[i] for h in hierarchies]) for i in range(first.levels - 1)),
            chosen,
        )

    def __repr__(self) -> str:
        sites = ", ".join(str(len(pull)) for pull in self.pulls)
        return f"Hierarchy({self.levels} levels of {sites} sites)"


def _check_levels(levels: int, ratio: int) -> None:
    if isinstance(levels, bool) or not isinstance(levels, int) or levels < 1:
        raise ValueError(f"levels must be a whole number, 1 or more; got {levels!r}")
    if not isinstance(ratio, int) or ratio < 2:
        raise ValueError(f"ratio must be a whole number, 2 or more; got {ratio!r}")

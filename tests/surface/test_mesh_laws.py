"""The laws of every manifold, on meshes."""

from __future__ import annotations

import numpy as np
import pytest
import shapes
import torch

from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.testing import Isometry, ManifoldCase, check_laws, require

ROWS = 4


def inside_faces(surface: MeshSurface, least: float = 0.0):  # type: ignore[no-untyped-def]
    """A sampler of points inside faces, with barycentric coordinates of at least `least`."""

    def sample(generator: torch.Generator, count: int) -> SurfacePoint:
        face = torch.randint(len(surface.faces), (count,), generator=generator)
        weights = torch.rand(count, 3, generator=generator, dtype=torch.float64).log()
        weights = weights / weights.sum(dim=1, keepdim=True)
        return SurfacePoint(face, least + (1 - 3 * least) * weights)

    return sample


def flat(surface: MeshSurface, radius: float, *isometries: Isometry) -> ManifoldCase:
    """Points anywhere: without curvature, logarithms are unique up to half the shortest closed line."""
    embed = None if surface.vertices is None else surface.embed
    return ManifoldCase(surface, inside_faces(surface), radius, isometries=isometries, embed=embed)


def curved(soup: shapes.Soup) -> ManifoldCase:
    """Points away from the vertices, and vectors shorter than the way to them.

    Then a vector turns by less than a right angle about any vertex, so that there is no shorter line on its
    other side while the angle round the vertex is more than π.
    """
    surface = MeshSurface(*soup)
    assert surface.tables.total_angle.min() > np.pi
    least = 0.2
    radius = 0.9 * least * float(surface.tables.chart[:, 2].min())
    return ManifoldCase(surface, inside_faces(surface, least), radius, embed=surface.embed)


TORUS = shapes.glued(5, ROWS, 2.0, 1.3, twist=False, close=True)
# All cells are alike, so a shift by a column of cells keeps frames and barycentric coordinates.
SHIFT = Isometry(
    "shift by a column of cells",
    lambda x: SurfacePoint((x.face + 2 * ROWS) % len(TORUS.faces), x.barycentric),
    lambda x: torch.eye(2, dtype=torch.float64).expand(*x.shape, 2, 2),
)
CASES = {
    "square": flat(MeshSurface(*shapes.jittered_grid(5)), 0.6),
    "torus": flat(TORUS, 0.6, SHIFT),
    "Möbius band": flat(shapes.glued(5, ROWS, 2.0, 1.3, twist=True, close=False), 0.6),
    "Klein bottle": flat(shapes.glued(5, ROWS, 2.0, 1.3, twist=True, close=True), 0.6),
    "cube": curved(shapes.split_in_four(*shapes.cube())),
    "icosphere": curved(shapes.icosphere(2)),
    "bumpy": curved(shapes.bumpy(size=0.1)),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_meshes_obey_the_laws(name: str, seed: int) -> None:
    results = check_laws(CASES[name], torch.Generator().manual_seed(seed))
    if CASES[name].embed is None:  # given by edge lengths: its frames have no vectors in space
        results = [result for result in results if result.law != "the frame is orthonormal"]
    assert len(results) >= 8
    require(results)

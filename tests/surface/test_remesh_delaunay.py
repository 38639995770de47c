"""Intrinsic flips: the metric is the same to rounding, and every edge that could be flipped is Delaunay."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapes
import torch

from manifoldconv.surface.remesh import RemeshResult, intrinsic_delaunay
from manifoldconv.surface.surface import MeshSurface


def slanted(surface: MeshSurface, factor: float = 4.0) -> MeshSurface:
    """Stretched along x, so that many edges are to be flipped."""
    return MeshSurface(surface.vertices * torch.tensor([factor, 1.0, 1.0]), surface.faces)


def mixed() -> MeshSurface:
    """A stretched closed surface with every third face wound the other way."""
    vertices, faces = shapes.bumpy(2)
    faces = shapes.turned_over(faces, np.arange(0, len(faces), 3))
    return MeshSurface(vertices * [3.0, 1.0, 1.0], faces)


def cone() -> MeshSurface:
    """Uneven triangles round one vertex: a symmetric cone would have two shortest geodesics to many points."""
    vertices, faces = shapes.cone(2.0, 40)
    return MeshSurface(vertices + 0.03 * np.random.default_rng(2).normal(size=vertices.shape), faces)


CASES = {
    "closed": lambda: slanted(MeshSurface(*shapes.bumpy(2))),
    "mixed winding": mixed,
    "boundary": lambda: slanted(MeshSurface(*shapes.saddle())),
    "moebius": lambda: slanted(MeshSurface(*shapes.moebius_band())),
    "klein": lambda: shapes.glued(24, 5, 1.0, 2.0, twist=True, close=True),
    "cone": cone,
}


@pytest.fixture(scope="module", params=CASES)
def result(request: pytest.FixtureRequest) -> RemeshResult:
    return intrinsic_delaunay(CASES[request.param]())


def cotangents(surface: MeshSurface) -> np.ndarray:
    """The sum over both sides of each half-edge of cot of the opposite angle; NaN on the boundary."""
    opposite = np.roll(surface.tables.angle.reshape(-1, 3), -2, axis=1).reshape(-1)
    cot = 1 / np.tan(opposite)
    twin = surface.connectivity.twin
    return np.where(twin >= 0, cot + cot[twin], math.nan)


def test_every_edge_is_delaunay_but_the_blocked_ones(result: RemeshResult) -> None:
    # Angles are good to 1e-13 or so on these meshes; a tie counts as Delaunay.
    bad = cotangents(result.surface) < -1e-9
    assert bad.sum() == 2 * result.blocked
    assert (cotangents(result.old) < -1e-9).sum() >= 2 * min(result.flips, 1)


def test_the_topology_and_the_sums_are_the_same(result: RemeshResult) -> None:
    old, new = result.old, result.surface
    assert new.vertices is None
    assert new.n_vertices == old.n_vertices
    assert new.connectivity.euler_characteristic == old.connectivity.euler_characteristic
    assert new.connectivity.n_boundary_loops == old.connectivity.n_boundary_loops
    assert new.connectivity.orientable == old.connectivity.orientable
    assert new.area == pytest.approx(old.area, rel=1e-12)
    assert np.abs(new.tables.total_angle - old.tables.total_angle).max() < 1e-9


def test_geodesics_between_vertices_are_the_same(result: RemeshResult) -> None:
    """Lengths, and the angles between the geodesics at each start, read off the two triangulations."""
    old, new = result.old, result.surface
    random = np.random.default_rng(1)
    starts = random.choice(old.n_vertices, 12, replace=False)
    ends = np.concatenate([random.choice(old.n_vertices, 12, replace=False), starts[::-1]])
    x, y = np.repeat(starts, len(ends)), np.tile(ends, len(starts))
    here = old.log(old.vertex_points(x), old.vertex_points(y))
    there = new.log(new.vertex_points(x), new.vertex_points(y))
    both = ~torch.isnan(here[:, 0]) & ~torch.isnan(there[:, 0])
    assert both.float().mean() > 0.4
    # The search stops at a path along edges, which the two have in different places, so that one may see a longer one.
    lengths = here[both].norm(dim=1), there[both].norm(dim=1)
    assert torch.allclose(*lengths, rtol=0, atol=1e-9)
    end = new.geodesic(new.vertex_points(x[both]), there[both]).end
    assert float(new.distance(end, new.vertex_points(y[both])).max()) < 1e-9
    for start in starts:
        chosen = both & torch.from_numpy(x == start) & (here.norm(dim=1) > 0)
        first, second = (torch.atan2(v[chosen, 1], v[chosen, 0]) for v in (here, there))
        turns = [torch.remainder(a - a[:1], 2 * math.pi) for a in (first, second)]
        same = (turns[0] - turns[1] + math.pi).remainder(2 * math.pi) - math.pi
        mirrored = (turns[0] + turns[1] + math.pi).remainder(2 * math.pi) - math.pi
        assert min(float(same.abs().max()), float(mirrored.abs().max())) < 1e-8


def test_signals_at_vertices_are_untouched(result: RemeshResult) -> None:
    signal = torch.arange(result.old.n_vertices)
    assert torch.equal(result.push(signal), signal)
    assert torch.equal(result.pull(signal), signal)
    with pytest.raises(ValueError, match="after flips"):
        result.push(torch.zeros(len(result.old.faces)), "faces")


def test_a_plane_becomes_a_planar_delaunay_triangulation() -> None:
    surface = slanted(MeshSurface(*shapes.jittered_grid(8)), 3.0)
    result = intrinsic_delaunay(surface)
    assert result.flips > 20
    assert result.blocked == 0
    # In the plane the new edges are segments: their lengths are the distances, and no vertex lies in a circumcircle.
    place = surface.vertices.numpy()[:, :2]
    corner = place[result.surface.faces.numpy()]
    sides = np.linalg.norm(np.roll(corner, -1, axis=1) - corner, axis=2)
    assert np.abs(sides.reshape(-1) - result.surface.tables.chart[:, 0]).max() < 1e-13
    centre = np.linalg.solve(2 * (corner[:, 1:] - corner[:, :1]), (corner[:, 1:] ** 2).sum(2)[..., None] -
                             (corner[:, :1] ** 2).sum(2)[..., None])[..., 0]  # fmt: skip
    radius = np.linalg.norm(corner[:, 0] - centre, axis=1)
    gap = np.linalg.norm(place[None] - centre[:, None], axis=2) - radius[:, None]
    assert (gap / radius[:, None]).min() > -1e-9


def test_ties_end_and_change_nothing() -> None:
    square = MeshSurface(*shapes.grid(6, 6))
    assert intrinsic_delaunay(square).flips == 0
    assert torch.equal(intrinsic_delaunay(square).surface.faces, square.faces)


def test_an_edge_whose_flip_would_double_another_is_left() -> None:
    """A long thin pyramid: its base edge would flip to a second edge between the same corners."""
    vertices = [[0, 0, 0], [1, 0, 0], [0.5, 0.1, 0], [0.5, 0.05, 0.01]]
    faces = [[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]]
    result = intrinsic_delaunay(MeshSurface(vertices, faces))
    assert result.blocked >= 1
    assert (cotangents(result.surface) < -1e-9).sum() == 2 * result.blocked
    assert "left, as the flip would double an edge" in result.report


def test_vertices_of_no_face_keep_their_numbers() -> None:
    vertices, faces = shapes.jittered_grid(3)
    surface = MeshSurface(np.concatenate([vertices, [[9.0, 9, 9]]]) * [5, 1, 1], faces)
    result = intrinsic_delaunay(surface)
    assert result.surface.n_vertices == 17
    assert result.pull(result.push(np.arange(17)))[16] == 16

"""Subdivision is the same surface: points, geodesics, curvature, areas and signals agree."""

from __future__ import annotations

import numpy as np
import pytest
import shapes
import torch

from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.remesh import subdivide
from manifoldconv.surface.surface import MeshSurface

CASES = {
    "closed": lambda: MeshSurface(*shapes.bumpy(1)),
    "boundary": lambda: MeshSurface(*shapes.saddle(4)),
    "moebius": lambda: MeshSurface(*shapes.moebius_band()),
}


@pytest.fixture(params=CASES)
def surface(request: pytest.FixtureRequest) -> MeshSurface:
    return CASES[request.param]()


def test_the_midpoint_rule(surface: MeshSurface) -> None:
    result = subdivide(surface)
    mesh = surface.connectivity
    assert result.surface.n_vertices == surface.n_vertices + mesh.n_edges
    assert len(result.surface.faces) == 4 * len(surface.faces)
    quarter = surface.face_areas.repeat_interleave(4) / 4
    assert torch.allclose(result.surface.face_areas, quarter, rtol=1e-11)


def test_the_surface_is_the_same(surface: MeshSurface) -> None:
    result = subdivide(surface, 2)
    finer = result.surface
    old, new = surface.connectivity, finer.connectivity
    assert (old.euler_characteristic, old.orientable, old.n_boundary_loops, old.n_components) == (
        new.euler_characteristic,
        new.orientable,
        new.n_boundary_loops,
        new.n_components,
    )
    known = surface.n_vertices
    assert torch.equal(finer.vertices[:known], surface.vertices)
    assert torch.allclose(finer.vertex_curvature[:known], surface.vertex_curvature, rtol=0, atol=1e-10)
    assert float(finer.vertex_curvature[known:].abs().max()) < 1e-10  # new vertices are flat
    placed = surface.embed(result.on_old)
    assert torch.allclose(placed, finer.vertices, rtol=0, atol=1e-14)


def test_geodesics_are_unchanged(surface: MeshSurface) -> None:
    finer = subdivide(surface, 2).surface
    # The middle of the first part of the first part of a face (a, b, c), written on both meshes.
    chosen = torch.arange(len(surface.faces))
    here = SurfacePoint(chosen, torch.tensor([5 / 6, 1 / 12, 1 / 12], dtype=torch.float64))
    there = SurfacePoint(16 * chosen, torch.full((3,), 1 / 3, dtype=torch.float64))
    assert torch.allclose(surface.embed(here), finer.embed(there), rtol=0, atol=1e-14)
    velocity = shapes.random_vectors(len(chosen), 1.5)
    same = finer.to_tangent(there, surface.to_ambient(here, velocity))
    first, second = surface.geodesic(here, velocity), finer.geodesic(there, same)
    assert torch.equal(first.complete, second.complete)
    assert torch.allclose(first.length, second.length, rtol=0, atol=1e-10)
    assert torch.allclose(surface.embed(first.end), finer.embed(second.end), rtol=0, atol=1e-9)


def test_given_by_lengths_it_is_the_same() -> None:
    with_place = MeshSurface(*shapes.bumpy(1))
    lengths = with_place.tables.chart[:, 0].reshape(-1, 3)
    by_lengths = subdivide(MeshSurface.from_edge_lengths(with_place.faces, lengths), 2).surface
    expected = subdivide(with_place, 2).surface
    assert torch.equal(by_lengths.faces, expected.faces)
    assert np.abs(by_lengths.tables.chart - expected.tables.chart).max() < 1e-12


def test_signals_go_there_and_back(surface: MeshSurface) -> None:
    result = subdivide(surface, 2)
    signal = torch.randn(
        surface.n_vertices, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    assert torch.equal(result.pull(result.push(signal)), signal)
    # Positions are linear on each face, so carrying them gives the new positions.
    assert torch.allclose(result.push(surface.vertices), result.surface.vertices, rtol=0, atol=1e-14)
    on_faces = torch.arange(len(surface.faces))
    assert torch.equal(result.pull(result.push(on_faces, "faces"), "faces"), on_faces)
    areas = result.pull(result.surface.face_areas, "faces") * 16
    assert torch.allclose(areas, surface.face_areas, rtol=1e-11)


def test_carrying_keeps_types_and_lets_gradients_through(surface: MeshSurface) -> None:
    result = subdivide(surface)
    assert result.push(np.ones(surface.n_vertices, dtype=np.float32)).dtype == np.float32
    labels = np.arange(surface.n_vertices, dtype=np.int16)
    assert result.push(labels).dtype == np.int16
    assert set(result.push(labels)) == set(labels)
    values = torch.ones(surface.n_vertices, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(result.push(values).sum(), values)
    assert float(gradient.sum()) == pytest.approx(result.surface.n_vertices)


def test_a_gap_in_a_signal_does_not_spread_to_other_vertices(surface: MeshSurface) -> None:
    signal = np.zeros(surface.n_vertices)
    signal[0] = np.nan
    result = subdivide(surface)
    assert np.isnan(result.push(signal)[: len(signal)]).sum() == 1
    assert np.isnan(result.pull(result.push(signal))).sum() == 1


def test_what_is_refused(surface: MeshSurface) -> None:
    for times in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="times must be a whole number"):
            subdivide(surface, times)  # type: ignore[arg-type]
    result = subdivide(surface)
    with pytest.raises(ValueError, match=r"the signal must have shape \(\d+, ...\); got \(3,\)"):
        result.push(np.zeros(3))
    with pytest.raises(ValueError, match='on must be "vertices" or "faces"'):
        result.push(np.zeros(3), "edges")  # type: ignore[arg-type]

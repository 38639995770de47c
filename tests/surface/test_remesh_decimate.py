"""Decimation: a surface of the same topology, near the old one; closest points against brute force."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import shapes
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.surface.load import load_mesh
from manifoldconv.surface.remesh import decimate
from manifoldconv.surface.remesh.closest import closest_points
from manifoldconv.surface.surface import MeshSurface

MESHES = Path(__file__).resolve().parents[2] / "meshes"


@pytest.mark.parametrize("name", ["icosphere", "genus3", "klein", "moebius", "cone", "cube_fine"])
@pytest.mark.parametrize("share", [3, 40])
def test_the_topology_stays_and_the_number_is_reached(name: str, share: int) -> None:
    surface = load_mesh(MESHES / f"{name}.ply")
    target = len(surface.faces) // share
    result = decimate(surface, target)
    old, new = surface.connectivity, result.surface.connectivity
    assert target - 1 <= len(new.faces) <= target
    assert new.euler_characteristic == old.euler_characteristic
    assert new.n_boundary_loops == old.n_boundary_loops
    assert new.n_components == old.n_components
    assert new.orientable == old.orientable
    # A face of the new mesh spans about √share old edges; it leaves the surface by a fraction of that.
    assert result.deviation < 0.5 * result.surface.mean_edge_length


def test_a_mesh_of_no_more_faces_stays_as_it_is_and_says_so() -> None:
    surface = load_mesh(MESHES / "cube.ply")
    result = decimate(surface, 12)
    assert torch.equal(result.surface.faces, surface.faces)
    assert torch.equal(result.surface.vertices, surface.vertices)
    assert (
        result.report
        == "nothing was decimated: the mesh has 12 faces, no more than the 12 that were asked for"
    )


def test_a_plane_stays_the_plane_with_its_rim() -> None:
    result = decimate(MeshSurface(*shapes.jittered_grid(16)), 60)
    # Attachment lets vertices slide, in the plane only; corners may be cut by the rim's weight against it.
    assert float(result.surface.vertices[:, 2].abs().max()) < 1e-12
    assert result.surface.area == pytest.approx(1.0, rel=1e-2)


def test_errors_on_the_sphere_fall_with_the_number_of_faces() -> None:
    surface = MeshSurface(*shapes.icosphere(4))
    counts = [100, 400, 1600]
    errors = [decimate(surface, count).deviation for count in counts]
    # The sagitta of a triangle is its edge squared over 8: one over the number of faces.
    slope = math.log(errors[0] / errors[-1]) / math.log(counts[-1] / counts[0])
    assert 0.7 < slope < 1.3


def test_moving_and_scaling_changes_nothing() -> None:
    vertices, faces = shapes.bumpy(3)
    here = decimate(MeshSurface(vertices, faces), 300)
    there = decimate(MeshSurface(1e-3 * vertices @ shapes.rotation(4).T + [5, 0, 0], faces), 300)
    assert len(here.surface.faces) == len(there.surface.faces) == 300
    # Ties and rounding may choose differently; the quality may not change.
    assert there.deviation == pytest.approx(1e-3 * here.deviation, rel=0.3)


def test_smooth_signals_come_over_and_back() -> None:
    surface = MeshSurface(*shapes.icosphere(4))
    result = decimate(surface, 2000)
    height = surface.vertices[:, 2]
    edge = result.surface.mean_edge_length
    # Linear interpolation on either side: an edge squared over 8, and some for the displaced vertices.
    assert float((result.push(height) - result.surface.vertices[:, 2]).abs().max()) < edge**2
    assert float((result.pull(result.push(height)) - height).abs().max()) < edge**2
    assert torch.equal(result.push(torch.ones(len(surface.faces)), "faces"), torch.ones(2000))
    sign = (surface.vertices[surface.faces].mean(1)[:, 2] > 0).numpy()
    back = result.pull(result.push(sign, "faces"), "faces")
    assert back.dtype == bool
    assert (back == sign).mean() > 0.97


def test_closest_points_are_those_of_brute_force() -> None:
    surface = MeshSurface(*shapes.bumpy(2))
    random = np.random.default_rng(3)
    queries = random.normal(size=(40, 3)) * random.uniform(0.2, 2, size=(40, 1))
    point, distance = closest_points(surface, queries)
    surface.check_points(point)
    there = surface.embed(point).numpy()
    assert np.abs(np.linalg.norm(there - queries, axis=1) - distance).max() < 1e-14
    # A dense sample of every face: never nearer, and nearly as near. It is within h of every point of its face.
    steps = 24
    weights = (
        np.array([(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps
    )
    sample = np.einsum("wk,fkc->fwc", weights, surface.vertices.numpy()[surface.faces.numpy()]).reshape(-1, 3)
    nearest = np.array([np.linalg.norm(sample - query, axis=1).min() for query in queries])
    h = float(surface.tables.chart[:, 0].max()) / steps
    assert (distance <= nearest + 1e-14).all()
    assert (nearest - distance < h).all()


def test_vertices_on_the_mesh_are_their_own_closest_points() -> None:
    surface = MeshSurface(*shapes.bumpy(2))
    _, distance = closest_points(surface, surface.vertices.numpy())
    assert distance.max() == 0.0


def test_vertices_of_no_face_go_and_come_back_as_gaps() -> None:
    vertices, faces = shapes.icosphere(2)
    surface = MeshSurface(np.concatenate([[[7.0, 7, 7]], vertices]), faces + 1)
    result = decimate(surface, 100)
    assert bool(result.surface.connectivity.referenced.all())
    back = result.pull(torch.ones(result.surface.n_vertices))
    assert bool(torch.isnan(back[0]))
    assert torch.allclose(back[1:], torch.ones(len(back) - 1))
    labels = np.ones(result.surface.n_vertices, dtype=np.int64)
    with pytest.raises(ValueError, match="item 0 has no place on the other mesh"):
        result.pull(labels)
    assert result.pull(labels, fill=-1)[0] == -1


def test_what_is_refused() -> None:
    sphere = MeshSurface(*shapes.icosahedron())
    assert len(decimate(sphere, 4).surface.faces) == 4
    with pytest.raises(GeometryError, match=r"can't be decimated to 3: with 4 left"):
        decimate(sphere, 3)
    with pytest.raises(ValueError, match="target_faces must be a whole number"):
        decimate(sphere, 0)
    with pytest.raises(GeometryError, match="no embedding"):
        decimate(shapes.wheel(2 * math.pi), 4)


def test_a_mesh_that_is_small_enough_is_left_as_it_is() -> None:
    surface = MeshSurface(*shapes.bumpy(1))
    result = decimate(surface, len(surface.faces))
    assert torch.equal(result.surface.vertices, surface.vertices)
    assert torch.equal(result.surface.faces, surface.faces)
    assert result.deviation == 0.0

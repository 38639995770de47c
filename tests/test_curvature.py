"""Curvatures against the sphere, the torus, the plane, and Gauss-Bonnet."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import manifoldconv as mc
from manifoldconv.curvature import gaussian_curvature, mean_curvature, mixed_areas

MESHES = Path(__file__).parent.parent / "meshes"


@pytest.mark.parametrize("name", ["icosphere", "torus", "saddle", "klein", "octopus"])
def test_mixed_areas_add_up_to_the_area(name: str) -> None:
    surface = mc.load_mesh(MESHES / f"{name}.ply")
    assert float(mixed_areas(surface).sum()) == pytest.approx(surface.area, rel=1e-12)


def test_the_unit_sphere_has_curvatures_one() -> None:
    surface = mc.load_mesh(MESHES / "icosphere.ply")
    # Of second order in the edge length, 0.075.
    assert torch.allclose(mean_curvature(surface), torch.ones(2562, dtype=torch.float64), atol=2e-3)
    assert torch.allclose(gaussian_curvature(surface), torch.ones(2562, dtype=torch.float64), atol=3e-3)


def test_turning_the_faces_over_changes_the_sign_of_the_mean_curvature_only() -> None:
    surface = mc.load_mesh(MESHES / "torus.ply")
    turned = mc.MeshSurface(surface.vertices, surface.faces[:, [0, 2, 1]])
    assert torch.allclose(mean_curvature(turned), -mean_curvature(surface), atol=1e-9)
    assert torch.allclose(gaussian_curvature(turned), gaussian_curvature(surface), atol=1e-9)


def test_a_torus_of_revolution() -> None:
    surface = mc.load_mesh(MESHES / "torus.ply")
    x, y, _ = surface.vertices.T
    ring = torch.hypot(x, y)
    cosine = (ring - 1) / 0.4
    gauss = cosine / (0.4 * ring)
    mean = 0.5 * (1 / 0.4 + cosine / ring)
    # 32 vertices round the tube: second order in its angle step of 0.2, times the curvature 2.5 of the tube.
    assert float((gaussian_curvature(surface) - gauss).abs().max()) < 0.06 * 4.2
    assert float((mean_curvature(surface) - mean).abs().max()) < 0.02 * 2.5


def test_lengths_scale() -> None:
    surface = mc.load_mesh(MESHES / "octopus.ply")
    large = mc.MeshSurface(3 * surface.vertices, surface.faces)
    assert torch.allclose(mean_curvature(large), mean_curvature(surface) / 3, rtol=1e-9, atol=1e-9)
    assert torch.allclose(gaussian_curvature(large), gaussian_curvature(surface) / 9, rtol=1e-9, atol=1e-9)


def test_the_boundary_and_vertices_of_no_face_have_none() -> None:
    fan = [[0.0, 0, 0.5]] + [[math.cos(a), math.sin(a), 0] for a in (0.0, 1.5, 3.0, 4.5)] + [[9.0, 9, 9]]
    surface = mc.MeshSurface(fan, [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]])
    assert mean_curvature(surface)[1:].tolist() == [0, 0, 0, 0, 0]
    assert gaussian_curvature(surface)[1:].tolist() == [0, 0, 0, 0, 0]
    assert float(mean_curvature(surface)[0]) > 0 < float(gaussian_curvature(surface)[0])


def test_one_sided_surfaces_have_no_signed_mean_curvature() -> None:
    surface = mc.load_mesh(MESHES / "moebius.ply")
    with pytest.raises(mc.GeometryError, match="no sign"):
        mean_curvature(surface)
    gaussian_curvature(surface)

"""Input features: closed forms on the sphere and the torus, and what each is invariant under."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.errors import GeometryError
from manifoldconv.features import CATALOGUE, features_of, heat_kernel_signature, spectrum
from manifoldconv.groups import StructureGroup

MESHES = Path(__file__).parents[2] / "meshes"


@pytest.fixture(scope="module")
def fox() -> mc.MeshSurface:
    return mc.decimate(mc.load_mesh(MESHES / "fox.ply"), 2000).surface


def rotation(seed: int) -> torch.Tensor:
    q, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )
    return q * torch.linalg.det(q)


def test_eigenvalues_of_the_sphere_are_those_of_spherical_harmonics() -> None:
    """l (l + 1), 2 l + 1 times; the error falls with the square of the edge length."""
    errors = []
    exact = torch.tensor([n * (n + 1.0) for n in range(5) for _ in range(2 * n + 1)], dtype=torch.float64)
    for k in (2, 3, 4):
        sites = mc.Sphere().sites(icosphere=k)
        mesh = mc.MeshSurface(sites.points, sites.faces)
        errors.append(float((spectrum(mesh, 25).values - exact).abs().max()))
    slopes = np.diff(np.log2(errors))
    assert slopes == pytest.approx([-2, -2], abs=0.2)


def test_eigenfunctions_are_orthonormal_and_solve_the_equation(fox: mc.MeshSurface) -> None:
    found = spectrum(fox, 20)
    gram = found.functions.mT @ (found.area[:, None] * found.functions)
    assert torch.allclose(gram, torch.eye(20, dtype=torch.float64), atol=1e-9)
    assert float(found.values[0]) == pytest.approx(0, abs=1e-9 * float(found.values[-1]))
    assert float(found.area.sum()) == pytest.approx(fox.area, rel=1e-12)


def test_small_meshes_have_all_their_eigenvalues() -> None:
    cube = mc.load_mesh(MESHES / "cube.ply")
    found = spectrum(cube, 500)
    assert len(found.values) == cube.n_vertices
    some = spectrum(cube, min(6, cube.n_vertices - 2))
    assert torch.allclose(found.values[: len(some.values)], some.values, atol=1e-8 * float(found.values[-1]))


def test_two_components_have_two_constants() -> None:
    sphere = mc.load_mesh(MESHES / "icosphere.ply")
    vertices = torch.cat([sphere.vertices, sphere.vertices + 5, torch.zeros(1, 3, dtype=torch.float64)])
    faces = torch.cat([sphere.faces, sphere.faces + sphere.n_vertices])
    both = mc.MeshSurface(vertices, faces)
    found = spectrum(both, 4)
    assert (found.values[:2] < 1e-9).all()
    assert found.values[2] > 1
    assert (found.functions[-1] == 0).all()  # a vertex of no face


def test_the_mean_of_the_heat_kernel_signature_is_one(fox: mc.MeshSurface) -> None:
    h, area = heat_kernel_signature(fox, 8, 60), spectrum(fox, 1).area
    assert torch.allclose(area @ h / area.sum(), torch.ones(8, dtype=torch.float64), atol=1e-10)


def test_coordinates_and_curvatures_are_in_the_unit_of_the_unit_sphere() -> None:
    """Of any sphere, at any place: coordinates of length 1, curvatures 1; exact up to the faces' flatness."""
    sites = mc.Sphere().sites(icosphere=3)
    sphere = mc.MeshSurface(sites.points * 7.0 + 3.0, sites.faces)
    found = features_of(sphere, ["coordinates", "gaussian-curvature", "mean-curvature"]).values
    assert torch.allclose(torch.linalg.vector_norm(found[:, :3], dim=1), torch.ones(642).double(), atol=0.01)
    assert float((found[:, 3].abs() - 1).abs().mean()) < 0.02
    assert float((found[:, 4].abs() - 1).abs().mean()) < 0.02


def test_the_heat_kernel_signature_of_a_sphere_is_constant() -> None:
    """On the round sphere every point is like every other; 36 eigenvalues are whole degrees."""
    sites = mc.Sphere().sites(icosphere=4)
    h = heat_kernel_signature(mc.MeshSurface(sites.points, sites.faces), 6, 36)
    assert (h - 1).abs().max() < 0.02


def test_curvatures_of_the_sphere_are_one() -> None:
    sites = mc.Sphere(2, 3.0).sites(icosphere=3)
    found = features_of(mc.MeshSurface(sites.points, sites.faces), ["gaussian-curvature", "mean-curvature"])
    assert torch.allclose(found.values, torch.ones_like(found.values), atol=0.03)
    assert str(found.rep) == "1x0 + 1xsign"


INVARIANT = ("hks", "gaussian-curvature", "mean-curvature")


@pytest.mark.parametrize("name", CATALOGUE)
def test_translations_scale_and_renumbering(name: str, fox: mc.MeshSurface) -> None:
    order = torch.randperm(fox.n_vertices, generator=torch.Generator().manual_seed(0))
    place = torch.argsort(order)
    faces = place[fox.faces][torch.randperm(len(fox.faces), generator=torch.Generator().manual_seed(1))]
    moved = mc.MeshSurface(
        (7.0 * fox.vertices + torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))[order], faces
    )
    one, other = features_of(fox, [name]).values[order], features_of(moved, [name]).values
    assert (one - other).abs().max() < 1e-6 * one.abs().max()


@pytest.mark.parametrize("name", CATALOGUE)
def test_rotations_change_what_is_not_said_to_be_invariant(name: str, fox: mc.MeshSurface) -> None:
    turned = mc.MeshSurface(fox.vertices @ rotation(3).mT, fox.faces)
    gap = (features_of(fox, [name]).values - features_of(turned, [name]).values).abs().max()
    if "not rotations" in CATALOGUE[name].invariant_under:
        assert gap > 0.1
    else:
        assert gap < 1e-6 * features_of(fox, [name]).values.abs().max()


@pytest.mark.parametrize("name", ["mean-curvature", "normals"])
def test_turned_inside_out_signs_change(name: str, fox: mc.MeshSurface) -> None:
    out = mc.MeshSurface(fox.vertices, fox.faces.flip(-1))
    assert torch.allclose(features_of(out, [name]).values, -features_of(fox, [name]).values, atol=1e-9)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.intrinsic])
def test_intrinsic_features_need_edge_lengths_alone(name: str, fox: mc.MeshSurface) -> None:
    corners = fox.vertices[fox.faces]
    lengths = (corners.roll(-1, dims=1) - corners).norm(dim=-1)
    flat = mc.MeshSurface.from_edge_lengths(fox.faces, lengths)
    one, other = features_of(fox, [name]).values, features_of(flat, [name]).values
    assert (one - other).abs().max() < 1e-6 * one.abs().max()


def test_axes_are_the_tangent_parts_of_the_coordinate_axes(fox: mc.MeshSurface) -> None:
    values = features_of(fox, ["axes"]).values.reshape(-1, 3, 2)
    points = fox.vertex_points(torch.arange(fox.n_vertices))
    normal = fox.embedding.vertex_normals
    for i in range(3):
        in_space = fox.to_ambient(points, values[:, i])
        axis = torch.eye(3, dtype=torch.float64)[i]
        assert torch.allclose(in_space, axis - normal[:, i : i + 1] * normal, atol=1e-10)


def test_a_moebius_band_has_features() -> None:
    band = mc.load_mesh(MESHES / "moebius.ply")
    found = features_of(band, ["hks", "gaussian-curvature", "normals", "axes"])
    assert bool(torch.isfinite(found.values).all())
    with pytest.raises(GeometryError, match="no sign"):
        features_of(band, ["mean-curvature"])


def test_without_reflections_signs_are_scalars(fox: mc.MeshSurface) -> None:
    rep = features_of(fox, ["normals", "axes"], StructureGroup.special_orthogonal(2)).rep
    assert str(rep) == "3x0 + 3x1"


def test_bad_input(fox: mc.MeshSurface) -> None:
    with pytest.raises(ValueError, match="no feature 'hsk'; did you mean 'hks'"):
        features_of(fox, ["hsk"])
    with pytest.raises(ValueError, match="must be a list"):
        features_of(fox, "hks")
    with pytest.raises(ValueError, match="count must be a whole number"):
        spectrum(fox, 0)
    intrinsic = mc.MeshSurface.from_edge_lengths(
        torch.tensor([[0, 1, 2]]), torch.ones(1, 3, dtype=torch.float64)
    )
    with pytest.raises(GeometryError, match="embedding"):
        features_of(intrinsic, ["coordinates"])
    assert math.isfinite(float(features_of(intrinsic, ["gaussian-curvature"]).values.sum()))

"""Sites of a mesh: areas, partition of unity, linear functions, and parallel fields carried without error."""

from __future__ import annotations

import numpy as np
import pytest
import shapes
import torch
from torch import Tensor

from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

SURFACES = {
    "bumpy": MeshSurface(*shapes.bumpy()),
    "flat": MeshSurface(*shapes.jittered_grid(5)),
    "Möbius band": MeshSurface(*shapes.moebius_band()),
    "torus": shapes.glued(4, 3, 1.0, 0.7, twist=False, close=True),
    "Klein bottle": shapes.glued(4, 3, 1.0, 0.7, twist=True, close=True),
}
KINDS = ("vertices", "faces")


def close(first: Tensor, second: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=tolerance)


def some_points(surface: MeshSurface) -> list[SurfacePoint]:
    return [shapes.random_points(surface, 200), surface.vertex_points(), shapes.corner_points(surface)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SURFACES)
def test_areas_sum_to_that_of_the_surface(name: str, kind: str) -> None:
    surface = SURFACES[name]
    sites = surface.sites(kind)
    assert len(sites) == len(sites.area) == (surface.n_vertices if kind == "vertices" else len(surface.faces))
    assert sites.area.sum().item() == pytest.approx(surface.area, rel=1e-13)
    assert (sites.area > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SURFACES)
def test_stencils_are_a_partition_of_unity_with_orthogonal_transport(name: str, kind: str) -> None:
    surface = SURFACES[name]
    for points in some_points(surface):
        stencil = surface.sites(kind).stencil(points)
        close(stencil.weight.sum(-1), torch.ones(len(points), dtype=torch.float64), 1e-15)
        assert (stencil.weight >= 0).all()
        gram = stencil.transport.mT @ stencil.transport
        close(gram, torch.eye(2, dtype=torch.float64).expand_as(gram), 1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SURFACES)
def test_a_site_interpolates_to_itself(name: str, kind: str) -> None:
    sites = SURFACES[name].sites(kind)
    values = torch.randn(len(sites), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    close(interpolate(sites.stencil(sites.points), values), values)


def interpolate(stencil, values: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
    carried = (stencil.transport @ values[stencil.index][..., None])[..., 0]
    return (stencil.weight[..., None] * carried).sum(-2)


def test_linear_functions_are_exact_on_a_flat_mesh_and_on_each_face_of_any() -> None:
    for name in ("flat", "bumpy"):
        surface = SURFACES[name]
        f = surface.vertices @ torch.tensor([0.3, -1.7, 0.4], dtype=torch.float64) + 2
        for points in some_points(surface):
            stencil = surface.sites("vertices").stencil(points)
            value = (stencil.weight * f[stencil.index]).sum(-1)
            close(
                value, surface.embed(points) @ torch.tensor([0.3, -1.7, 0.4], dtype=torch.float64) + 2, 1e-13
            )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_parallel_vector_field_interpolates_to_itself_in_space(kind: str, turned: bool) -> None:
    vertices, faces = shapes.jittered_grid(5)
    if turned:
        faces = shapes.turned_over(faces, np.arange(1, len(faces), 2))
    surface = MeshSurface(vertices, faces)
    sites = surface.sites(kind)
    field = torch.tensor([0.6, -1.1, 0.0], dtype=torch.float64)
    values = surface.to_tangent(sites.points, field.expand(len(sites), 3))
    for points in some_points(surface):
        found = surface.to_ambient(points, interpolate(sites.stencil(points), values))
        close(found, field.expand(len(points), 3), 1e-12)


@pytest.mark.parametrize("name", SURFACES)
def test_the_transport_of_a_stencil_is_that_of_the_geodesic_to_its_vertex(name: str) -> None:
    surface = SURFACES[name]
    points = shapes.random_points(surface, 100, seed=2)
    stencil = surface.sites("vertices").stencil(points)
    for s in range(3):
        vertex = surface.vertex_points(stencil.index[:, s])
        v = surface.log(vertex, points)
        g = surface.geodesic(vertex, v)
        straight = g.complete & (g.end.face == points.face)
        assert straight.double().mean() > 0.8
        close(stencil.transport[straight, s], g.transport[straight], 1e-10)


def test_a_vertex_of_no_face_interpolates_to_its_own_value_and_no_face() -> None:
    vertices, faces = shapes.tetrahedron()
    surface = MeshSurface(np.concatenate([vertices, [[5, 5, 5]]]), faces)
    lost = surface.vertex_points([4])
    stencil = surface.sites("vertices").stencil(lost)
    assert (stencil.index[0, 0].item(), stencil.weight[0].tolist()) == (4, [1, 0, 0])
    assert surface.sites("faces").stencil(lost).weight.tolist() == [[0.0]]


def test_batch_axes_are_kept_and_other_kinds_refused() -> None:
    surface = SURFACES["bumpy"]
    for kind, size in (("vertices", 3), ("faces", 1)):
        stencil = surface.sites(kind).stencil(shapes.random_points(surface, 12).reshape(3, 4))
        assert stencil.index.shape == stencil.weight.shape == (3, 4, size)
        assert stencil.transport.shape == (3, 4, size, 2, 2)
    with pytest.raises(ValueError, match='"vertices" or "faces"; got \'edges\''):
        surface.sites("edges")

"""Fields read along rays are those that tracing to each node and interpolating there gives."""

from __future__ import annotations

import pytest
import torch

import manifoldconv as mc
from manifoldconv.surface.sweep import sweep_scalars, sweep_vectors

# Cone points and saddles, a boundary, one-sidedness (with faces that disagree), flatness with sharp corners.
MESHES = ("fox", "moebius", "klein", "saddle", "cone", "cube_fine")
EXACT = 1e-12  # the same sums in another order


@pytest.mark.parametrize("name", MESHES)
def test_readings_are_those_of_geodesics_and_stencils(name: str) -> None:
    surface = mc.load_mesh(f"meshes/{name}.ply")
    random = torch.Generator().manual_seed(0)
    every = surface.vertex_points()
    points = every[torch.randperm(len(every), generator=random)[:60]]
    radii = surface.mean_edge_length * torch.tensor([0.01, 0.7, 1.9, 4.1], dtype=torch.float64)
    angle = 6.3 * torch.rand(len(points), 5, generator=random, dtype=torch.float64)
    directions = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)
    factors = torch.randn(4, 5, 3, generator=random, dtype=torch.float64)
    field = torch.randn(surface.n_vertices, 2, generator=random, dtype=torch.float64)

    nodes = radii[:, None, None, None] * directions  # (J, P, A, 2)
    geodesic = surface.geodesic(points[:, None].expand(4, len(points), 5), nodes)
    stencil = surface.sites("vertices").stencil(geodesic.end)
    weight = stencil.weight * geodesic.complete[..., None]
    scalars = (weight * field[:, 0][stencil.index]).sum(-1)
    expected = torch.einsum("jpa,jab->pb", scalars, factors)
    got = sweep_scalars(surface.tables, points, directions, radii, factors, field[:, 0])
    assert float((got - expected).abs().max()) < EXACT * float(expected.abs().max())

    there = (stencil.transport @ field[stencil.index][..., None])[..., 0]
    back = (geodesic.transport.mT @ (weight[..., None] * there).sum(-2)[..., None])[..., 0]
    expected = torch.einsum("jpai,ja->pi", back, factors[..., 0])
    got = sweep_vectors(surface.tables, points, directions, radii, factors[..., 0], field)
    assert float((got - expected).abs().max()) < EXACT * float(expected.abs().max())


def test_rays_through_vertices_and_nodes_on_them_are_read_there() -> None:
    """Along the edges of a regular grid, node by node on its vertices."""
    steps = torch.arange(5, dtype=torch.float64)
    x, y = torch.meshgrid(steps, steps, indexing="xy")
    vertices = torch.stack([x, y, torch.zeros_like(x)], dim=-1).reshape(-1, 3)
    low = torch.tensor([5 * row + column for row in range(4) for column in range(4)])
    faces = torch.cat([torch.stack([low, low + 1, low + 6], 1), torch.stack([low, low + 6, low + 5], 1)])
    surface = mc.MeshSurface(vertices, faces)
    points = surface.vertex_points()[torch.tensor([12])]  # the middle
    radii = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)  # the last one is off the plate
    axes = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [-1.0, 0, 0]], dtype=torch.float64)
    directions = surface.to_tangent(points[:, None], axes[None])
    values = torch.arange(25, dtype=torch.float64).square()
    factors = torch.eye(9, dtype=torch.float64).reshape(3, 3, 9)
    got = sweep_scalars(surface.tables, points, directions, radii, factors, values)[0]
    assert got.tolist() == pytest.approx([13**2, 17**2, 11**2, 14**2, 22**2, 10**2, 0, 0, 0])
    vectors = surface.to_tangent(surface.vertex_points(), values[:, None] * axes[0])
    mean = sweep_vectors(surface.tables, points, directions, radii, torch.ones(3, 3), vectors)
    assert surface.to_ambient(points, mean)[0].tolist() == pytest.approx([float(got.sum()), 0, 0])


def test_a_vertex_of_no_face_reads_nothing() -> None:
    surface = mc.MeshSurface([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5]], [[0, 1, 2]])
    one = torch.ones(1, 1, dtype=torch.float64)
    direction = torch.tensor([[[1.0, 0.0]]], dtype=torch.float64).expand(4, 1, 2)
    got = sweep_scalars(
        surface.tables, surface.vertex_points(), direction, one[0], one[..., None], torch.ones(4)
    )
    assert float(got[3]) == 0.0

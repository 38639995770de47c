"""Frames: orthonormal, chosen by the geometry alone, and without a say in any measurable answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapes
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

SOUPS = {
    "bumpy": shapes.bumpy(),
    "icosphere": shapes.icosphere(2),
    "cube": shapes.cube(),
    "saddle": shapes.saddle(),
    "Möbius band": shapes.moebius_band(),
}
WITHOUT_TIES = ["bumpy", "saddle"]


def close(first: Tensor, second: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=tolerance)


def all_frames(surface: MeshSurface) -> tuple[Tensor, Tensor]:
    """The frames (F, 3, 2) of the faces and (V, 3, 2) of the vertices."""
    return surface.frame(surface.sites("faces").points), surface.frame(surface.vertex_points())


def outward_normals(surface: MeshSurface) -> tuple[Tensor, Tensor]:
    """Unit normals of the faces by their own winding, and angle-weighted means at the vertices."""
    corners = surface.vertices[surface.faces]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = torch.nn.functional.normalize(normal, dim=1)
    weighted = torch.from_numpy(surface.tables.angle)[:, None] * normal.repeat_interleave(3, dim=0)
    total = torch.zeros_like(surface.vertices).index_add(0, surface.faces.reshape(-1), weighted)
    return normal, torch.nn.functional.normalize(total, dim=1)


@pytest.mark.parametrize("name", SOUPS)
def test_frames_are_orthonormal(name: str) -> None:
    for frame in all_frames(MeshSurface(*SOUPS[name])):
        close(frame.mT @ frame, torch.eye(2, dtype=torch.float64).expand(len(frame), 2, 2), 1e-13)


@pytest.mark.parametrize("name", ["bumpy", "icosphere", "cube", "saddle"])
def test_frames_are_counterclockwise_about_the_normals(name: str) -> None:
    surface = MeshSurface(*SOUPS[name])
    for frame, normal in zip(all_frames(surface), outward_normals(surface), strict=True):
        close(torch.linalg.cross(frame[..., 0], frame[..., 1]), normal)


@pytest.mark.parametrize("name", WITHOUT_TIES)
def test_axes_are_along_the_longest_edges(name: str) -> None:
    surface = MeshSurface(*SOUPS[name])
    faces, vertices = all_frames(surface)
    corners = surface.vertices[surface.faces]
    edges = corners.roll(-1, dims=1) - corners
    longest = edges[torch.arange(len(edges)), edges.norm(dim=2).argmax(dim=1)]
    close(torch.linalg.cross(faces[..., 0], longest), torch.zeros_like(longest))
    normal = outward_normals(surface)[1]
    for vertex in range(surface.n_vertices):
        if surface.tables.open_fan[vertex]:
            continue
        around = surface.faces[(surface.faces == vertex).any(dim=1)].unique()
        spokes = (surface.vertices[around] - surface.vertices[vertex])[around != vertex]
        spoke = spokes[spokes.norm(dim=1).argmax()]
        above = torch.nn.functional.normalize(spoke - (spoke @ normal[vertex]) * normal[vertex], dim=0)
        close(vertices[vertex, :, 0], above)


def test_boundary_frames_are_along_the_boundary_with_the_surface_on_the_left() -> None:
    surface = MeshSurface(*shapes.grid(3, 3))
    along = {0: [1, 0], 4: [1, 0], 12: [0, 1], 13: [0, 1], 15: [-1, 0], 3: [0, -1], 1: [0, -1]}
    for vertex, direction in along.items():
        frame = surface.frame(surface.vertex_points(vertex))
        close(frame[:2, 0], torch.tensor(direction, dtype=torch.float64))


@pytest.mark.parametrize("name", WITHOUT_TIES)
def test_renumbering_changes_no_frame(name: str) -> None:
    vertices, faces = SOUPS[name]
    random = np.random.default_rng(0)
    order, rows = random.permutation(len(vertices)), random.permutation(len(faces))
    new_name = np.argsort(order)
    rolled = np.array([np.roll(face, random.integers(3)) for face in new_name[faces][rows]])
    before, after = MeshSurface(vertices, faces), MeshSurface(vertices[order], rolled)
    (faces_before, vertices_before), (faces_after, vertices_after) = all_frames(before), all_frames(after)
    close(faces_after, faces_before[torch.from_numpy(rows)])
    close(vertices_after, vertices_before[torch.from_numpy(order)])


@pytest.mark.parametrize("name", SOUPS)
def test_rigid_motions_carry_the_frames_along_even_with_ties(name: str) -> None:
    vertices, faces = SOUPS[name]
    turn, shift = shapes.rotation(3), np.array([0.3, -2.0, 1.0])
    before, after = MeshSurface(vertices, faces), MeshSurface(vertices @ turn.T + shift, faces)
    for old, new in zip(all_frames(before), all_frames(after), strict=True):
        close(new, torch.from_numpy(turn) @ old, 1e-11)


@pytest.mark.parametrize("name", SOUPS)
@pytest.mark.parametrize("scale", [1e-3, 0.1, 7.3, 25.4])
def test_uniform_scaling_changes_no_frame(name: str, scale: float) -> None:
    vertices, faces = SOUPS[name]
    before, after = MeshSurface(vertices, faces), MeshSurface(vertices * scale, faces)
    for old, new in zip(all_frames(before), all_frames(after), strict=True):
        close(new, old, 1e-11)


@pytest.mark.parametrize("name", ["bumpy", "saddle", "cube"])
def test_turning_faces_over_changes_nothing_that_can_be_measured(name: str) -> None:
    # All but the first face, which gives the orientation; ends, logs and transports as vectors of space.
    vertices, faces = SOUPS[name]
    chosen = 1 + np.flatnonzero(np.random.default_rng(5).random(len(faces) - 1) < 0.5)
    before, after = MeshSurface(vertices, faces), MeshSurface(vertices, shapes.turned_over(faces, chosen))
    x = shapes.random_points(before, 150)
    swapped = torch.from_numpy(np.isin(x.face.numpy(), chosen))[:, None]
    same = SurfacePoint(x.face, torch.where(swapped, x.barycentric[:, [0, 2, 1]], x.barycentric))
    inner = torch.from_numpy(np.flatnonzero(~before.tables.open_fan))
    for start, image in ((x, same), (before.vertex_points(inner), after.vertex_points(inner))):
        v = shapes.random_vectors(len(start), 5 * before.mean_edge_length)
        if name == "cube" and start is not x:
            continue  # with ties the zero of a vertex's angles may move, and they are scaled ones
        one = before.geodesic(start, v)
        two = after.geodesic(image, after.to_tangent(image, before.to_ambient(start, v)))
        close(after.embed(two.end), before.embed(one.end), 1e-10)
        assert (one.complete == two.complete).all()
        close(
            shapes.ambient_transport(after, image, two.end, two.transport),
            shapes.ambient_transport(before, start, one.end, one.transport),
            1e-10,
        )
        first, second = before.log(start, one.end), after.log(image, two.end)
        known = ~torch.isnan(first).any(dim=1)
        close(after.to_ambient(image, second)[known], before.to_ambient(start, first)[known], 1e-9)
    close(after.vertex_curvature, before.vertex_curvature)
    assert after.area == pytest.approx(before.area, rel=1e-14)


def test_turning_a_whole_mesh_over_mirrors_its_frames() -> None:
    vertices, faces = SOUPS["bumpy"]
    before, after = MeshSurface(vertices, faces), MeshSurface(vertices, faces[:, [0, 2, 1]])
    for old, new in zip(all_frames(before), all_frames(after), strict=True):
        close(new[..., 0], old[..., 0])
        close(new[..., 1], -old[..., 1])


def test_points_embed_and_vectors_go_to_space_and_back() -> None:
    surface = MeshSurface(*SOUPS["bumpy"])
    close(surface.embed(surface.vertex_points()), surface.vertices, 0)
    corners = shapes.corner_points(surface)
    close(surface.embed(corners), surface.vertices[surface.faces.reshape(-1)], 1e-15)
    x, v = shapes.random_points(surface, 50), shapes.random_vectors(50, 1.0)
    close(surface.to_tangent(x, surface.to_ambient(x, v)), v)
    normal = outward_normals(surface)[0][x.face]
    close(surface.to_tangent(x, surface.to_ambient(x, v) + 3 * normal), v)
    # The first step of a geodesic is along its vector.
    step = 1e-6 * v
    close(
        (surface.embed(surface.geodesic(x, step).end) - surface.embed(x)) / 1e-6,
        surface.to_ambient(x, v),
        1e-8,
    )


def test_angles_at_a_vertex_of_a_regular_pyramid_are_those_seen_from_above() -> None:
    surface = MeshSurface(*shapes.cone(4.0, n=8))
    x = surface.vertex_points(0)
    logs = surface.log(x.expand(8), surface.vertex_points(torch.arange(1, 9)))
    seen = surface.to_tangent(x.expand(8), surface.vertices[1:] - surface.vertices[0])
    angle = torch.atan2(logs[:, 1], logs[:, 0]) - torch.atan2(seen[:, 1], seen[:, 0])
    close(torch.remainder(angle + math.pi, 2 * math.pi) - math.pi, torch.zeros(8, dtype=torch.float64))


def test_vectors_of_any_real_kind_are_taken_and_wrong_shapes_named() -> None:
    surface = MeshSurface(np.eye(3), [[0, 1, 2]])
    point = surface.vertex_points(0)
    exact = surface.to_tangent(point, torch.tensor([1.0, -2.0, 4.0], dtype=torch.float64))
    for vector in (
        [1, -2, 4],
        torch.tensor([1.0, -2.0, 4.0]),
        torch.tensor([1, -2, 4]),
        np.array([1.0, -2, 4]),
    ):
        assert torch.equal(surface.to_tangent(point, vector), exact)
    assert bool(surface.to_ambient(point, [math.nan, 0.0]).isnan().all()), "no logarithm here, none there"
    assert torch.equal(surface.to_ambient(point, [1, 0]), surface.frame(point)[:, 0])
    with pytest.raises(ValueError, match=r"ambient must have last axes \(3\); got shape \(2,\)"):
        surface.to_tangent(point, [1.0, 2.0])
    with pytest.raises(ValueError, match=r"u must have last axes \(2\); got shape \(3,\)"):
        surface.to_ambient(point, [1.0, 2.0, 3.0])


def test_points_that_carry_a_gradient_are_taken() -> None:
    surface = MeshSurface(np.eye(3), [[0, 1, 2]])
    weights = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64, requires_grad=True)
    position = surface.embed(SurfacePoint(0, weights))
    (gradient,) = torch.autograd.grad(position[0], weights)
    assert gradient.tolist() == [1.0, 0.0, 0.0]
    assert surface.exp(SurfacePoint(0, weights), [0.0, 0.0]).barycentric.tolist() == [0.5, 0.25, 0.25]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_coordinates_of_low_precision_are_freed_from_its_rounding(dtype: torch.dtype) -> None:
    """Three thirds sum to 1 + 3e-8 in float32: a point of the face all the same; two halves and more are not."""
    surface = MeshSurface([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    random = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
    weights = (random / random.sum(-1, keepdim=True)).to(dtype)
    points = SurfacePoint(0, weights)
    assert (points.barycentric.sum(-1) - 1).abs().max() < 1e-15
    assert (points.barycentric - weights).abs().max() <= 8 * torch.finfo(dtype).eps
    assert surface.embed(points).shape == (200, 3)
    with pytest.raises(GeometryError, match="barycentric coordinates must be non-negative with sum 1"):
        surface.embed(SurfacePoint(0, torch.tensor([0.5, 0.5, 0.25], dtype=dtype)))

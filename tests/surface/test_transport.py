"""Transport along paths and round loops: angle defects, the formula for loops of edges, orientation."""

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

BUMPY = MeshSurface(*shapes.bumpy(1))
EYE = torch.eye(2, dtype=torch.float64)


def close(first: Tensor, second: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=tolerance)


def gap_of_angles(first: float, second: float) -> float:
    return abs(math.remainder(first - second, 2 * math.pi))


def loop_round(surface: MeshSurface, vertex: int) -> SurfacePoint:
    """A closed polyline from edge to edge round an inner vertex, counterclockwise, close to it."""
    start, end = surface.tables.fan_start[vertex], surface.tables.fan_start[vertex + 1]
    corners, senses = surface.tables.fan_corner[start:end], surface.tables.fan_sense[start:end]
    faces, weights = [], []
    for corner, sense in zip(corners.tolist(), senses.tolist(), strict=True):
        i = corner % 3
        for other in ((i + 1) % 3, (i + 2) % 3) if sense > 0 else ((i + 2) % 3, (i + 1) % 3):
            b = [0.0, 0.0, 0.0]
            b[i], b[other] = 0.7, 0.3
            faces.append(corner // 3)
            weights.append(b)
    closed = torch.tensor([*weights, weights[0]], dtype=torch.float64)
    return SurfacePoint(torch.tensor([*faces, faces[0]]), closed)


def test_round_every_vertex_of_a_bumpy_mesh_a_loop_turns_by_the_angle_defect() -> None:
    curvature = BUMPY.vertex_curvature
    assert curvature.min() < 0
    assert curvature.max() > 0.1
    for vertex in range(BUMPY.n_vertices):
        turned = BUMPY.holonomy(loop_round(BUMPY, vertex))
        assert not turned.reflects
        assert gap_of_angles(turned.angle, float(curvature[vertex])) < 1e-9


def test_on_a_band_every_loop_round_an_inner_vertex_turns_by_its_defect_up_to_the_local_orientation() -> None:
    band = MeshSurface(*shapes.moebius_band(12))
    inner = np.flatnonzero(~band.tables.open_fan)
    for vertex in inner.tolist():
        turned = band.holonomy(loop_round(band, vertex))
        first = int(band.tables.fan_start[vertex])
        # The loop is counterclockwise in the vertex's orientation; its first face may have the other one.
        sense = float(band.tables.fan_sense[first])
        assert not turned.reflects
        assert gap_of_angles(turned.angle, sense * float(band.vertex_curvature[vertex])) < 1e-9


def test_round_a_corner_of_a_cube_a_loop_turns_by_a_right_angle() -> None:
    cube = MeshSurface(*shapes.cube())
    for vertex in range(8):
        assert cube.holonomy(loop_round(cube, vertex)).angle == pytest.approx(math.pi / 2, abs=1e-12)
        backwards = loop_round(cube, vertex)[torch.arange(len(loop_round(cube, vertex)) - 1, -1, -1)]
        assert cube.holonomy(backwards).angle == pytest.approx(-math.pi / 2, abs=1e-12)


def loop_of_edges(surface: MeshSurface, ring: list[int]) -> SurfacePoint:
    return surface.vertex_points([*ring, ring[0]])


def star_ring(surface: MeshSurface, vertex: int) -> list[int]:
    """The neighbours of a vertex, counterclockwise."""
    corners = surface.tables.fan_corner[
        surface.tables.fan_start[vertex] : surface.tables.fan_start[vertex + 1]
    ]
    return [int(surface.connectivity.head[corner]) for corner in corners]


def test_a_loop_of_edges_turns_by_the_curvature_inside_and_its_share_on_the_loop() -> None:
    # Σ_inside K + Σ_on the loop K_v α_v / Θ_v, with α_v the true inner angle.
    angle = BUMPY.tables.angle
    for vertex in range(0, BUMPY.n_vertices, 5):
        ring = star_ring(BUMPY, vertex)
        inside = [f for f in range(len(BUMPY.faces)) if vertex in BUMPY.faces[f].tolist()]
        expected = float(BUMPY.vertex_curvature[vertex])
        for v in ring:
            own = sum(angle[3 * f + i] for f in inside for i in range(3) if int(BUMPY.faces[f, i]) == v)
            expected += float(BUMPY.vertex_curvature[v]) * own / float(BUMPY.tables.total_angle[v])
        turned = BUMPY.holonomy(loop_of_edges(BUMPY, ring))
        assert gap_of_angles(turned.angle, expected) < 1e-9


def test_round_a_face_of_an_octahedron_the_edges_turn_by_a_right_angle() -> None:
    octahedron = MeshSurface(*shapes.octahedron())
    for face in octahedron.faces.tolist():
        assert octahedron.holonomy(loop_of_edges(octahedron, face)).angle == pytest.approx(
            math.pi / 2, abs=1e-12
        )


def test_round_the_core_of_a_moebius_band_transport_reflects() -> None:
    n, across = 24, 3
    band = MeshSurface(*shapes.moebius_band(n))
    # The middle strip of cells: lower and upper halves in turn.
    middle = [2 * (i * across + 1) + half for i in range(n) for half in (0, 1)]
    loop = SurfacePoint(
        torch.tensor([*middle, middle[0]]), torch.full((2 * n + 1, 3), 1 / 3, dtype=torch.float64)
    )
    turned = band.holonomy(loop)
    assert turned.reflects
    assert turned.enclosed_curvature is None
    twice = SurfacePoint.stack([loop[i] for i in [*range(2 * n), *range(2 * n + 1)]])
    assert not band.holonomy(twice).reflects


def test_on_flat_meshes_every_loop_is_the_identity() -> None:
    surface = MeshSurface(*shapes.jittered_grid(5))
    points = shapes.random_points(surface, 30)
    loop = SurfacePoint.stack([*(points[i] for i in range(30)), points[0]])
    close(surface.holonomy(loop).matrix, EYE, 1e-11)
    moved = shapes.ambient_transport(surface, points[0], points[29], surface.transport(points))
    close(moved[:2, :2], EYE, 1e-11)


def test_a_path_and_back_is_the_identity_and_paths_compose() -> None:
    x = shapes.random_points(BUMPY, 1, seed=3)
    path = [x[0]]
    for step in range(6):
        path.append(BUMPY.exp(path[-1], shapes.random_vectors(1, 0.3, seed=step)[0]))
    there = BUMPY.transport(path)
    back = BUMPY.transport(path[::-1])
    close(back @ there, EYE, 1e-10)
    close(BUMPY.transport(path[3:]) @ BUMPY.transport(path[:4]), there, 1e-10)


@pytest.mark.parametrize("turned", [False, True])
def test_transport_does_not_ask_in_which_face_an_edge_point_is_written(turned: bool) -> None:
    vertices, faces = shapes.bumpy(1)
    if turned:
        faces = shapes.turned_over(faces, np.arange(1, len(faces), 3))
    surface = MeshSurface(vertices, faces)
    mesh = surface.connectivity
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    for h in range(0, 3 * len(faces), 11):
        twin = int(mesh.twin[h])
        one, other = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
        one[h % 3], one[(h + 1) % 3] = 0.6, 0.4
        at_tail, at_head = (0.6, 0.4) if mesh.flip[h] else (0.4, 0.6)
        other[twin % 3], other[(twin + 1) % 3] = at_tail, at_head
        first, last = SurfacePoint(h // 3, third), SurfacePoint(twin // 3, third)
        in_first, in_last = SurfacePoint(h // 3, one), SurfacePoint(twin // 3, other)
        close(surface.embed(in_first), surface.embed(in_last), 1e-14)
        through_first = surface.transport([first, in_first, last])
        close(through_first, surface.transport([first, in_last, last]), 1e-11)
        close(through_first, surface.transport([first, in_first, in_last, last]), 1e-11)


def test_open_loops_and_impossible_paths_are_refused() -> None:
    x = shapes.random_points(BUMPY, 3)
    with pytest.raises(GeometryError, match="not closed"):
        BUMPY.holonomy(x)
    vertices, faces = shapes.tetrahedron()
    two = MeshSurface(np.concatenate([vertices, vertices + 10]), np.concatenate([faces, faces + 4]))
    with pytest.raises(GeometryError, match="from point 0 of the path to point 1"):
        two.transport(two.vertex_points([0, 4]))


def test_loops_of_fewer_than_two_points_are_refused() -> None:
    surface = MeshSurface(torch.eye(3), [[0, 1, 2]])
    messages = (r"a path on a mesh is .*; got points of shape \(0,\)", "ends where it starts; got 1")
    for count, message in enumerate(messages):
        with pytest.raises(GeometryError, match=message):
            surface.holonomy(surface.vertex_points(list(range(count))))


def test_unknown_boundary_policies_are_refused() -> None:
    surface = MeshSurface(torch.eye(3), [[0, 1, 2]])
    with pytest.raises(ValueError, match='boundary must be "stop" or "reflect"; got \'zero\''):
        surface.geodesic(surface.vertex_points(0), [0.1, 0.1], boundary="zero")

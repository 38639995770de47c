"""Straightest geodesics: another library's end points, plane geometry, cones, boundaries and billiards."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapes
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.surface.load import load_mesh
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

potpourri3d = pytest.importorskip("potpourri3d")

EYE = torch.eye(2, dtype=torch.float64)
SQUARE = MeshSurface(*shapes.jittered_grid(6))
BUMPY = MeshSurface(*shapes.bumpy())
SURFACES = {
    "bumpy": BUMPY,
    "cube": MeshSurface(*shapes.cube()),
    "saddle": MeshSurface(*shapes.saddle()),
    "sharp cone": MeshSurface(*shapes.cone(1.0, n=5)),
    "wide cone": shapes.wheel(8.0),
    "ell": MeshSurface(*shapes.ell()),
    "Möbius band": MeshSurface(*shapes.moebius_band()),
    "Klein bottle": shapes.glued(6, 4, 2.0, 1.3, twist=True, close=True),
}


def close(first: Tensor, second: Tensor, tolerance: float = 1e-11) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=tolerance)


def flat(vectors: Tensor) -> Tensor:
    """Plane vectors (..., 2) as vectors of space in z = 0."""
    return torch.cat([vectors, torch.zeros_like(vectors[..., :1])], dim=-1)


def shoot(surface: MeshSurface, x: SurfacePoint, vectors: Tensor, boundary: str = "stop"):
    """On a flat mesh in z = 0: the geodesic along plane vectors (..., 2); end and transport in the plane."""
    x = x.expand(*torch.broadcast_shapes(x.shape, vectors.shape[:-1]))
    g = surface.geodesic(x, surface.to_tangent(x, flat(vectors)), boundary=boundary)
    return (
        g,
        surface.embed(g.end)[..., :2],
        shapes.ambient_transport(surface, x, g.end, g.transport)[..., :2, :2],
    )


# --- against potpourri3d ---


def peers() -> list[str]:
    shared = ["bunny_small.ply", "fertility.off", "torus.obj", "camelhead.off", "spot.obj"]
    own = sorted(path.name for path in (shapes.ROOT / "meshes").glob("*.ply"))
    return own + [f"shared/{name}" for name in shared]


@pytest.mark.parametrize("name", ["bumpy", "saddle", *peers()])
def test_ends_from_face_points_are_those_of_potpourri3d(name: str) -> None:
    if name in SURFACES:
        surface = SURFACES[name]
    else:
        path = shapes.SHARED / name[7:] if name.startswith("shared/") else shapes.ROOT / "meshes" / name
        if not path.is_file():
            pytest.skip(f"{path.name} is not here")
        surface = load_mesh(path)
    mesh = surface.connectivity
    if mesh.flip.any() or not mesh.referenced.all():
        pytest.skip("potpourri3d takes consistently wound meshes without unused vertices only")
    vertices = surface.vertices.numpy()
    count, diagonal = 300, float(np.linalg.norm(np.ptp(vertices, axis=0)))
    x, v = shapes.random_points(surface, count), shapes.random_vectors(count, 30 * surface.mean_edge_length)
    g = surface.geodesic(x, v)
    ends, directions = surface.embed(g.end).numpy(), surface.to_ambient(x, v).numpy()
    tracer = potpourri3d.GeodesicTracer(vertices, mesh.faces)
    theirs = np.array(
        [
            tracer.trace_geodesic_from_face(int(x.face[i]), x.barycentric[i].numpy(), directions[i])[-1]
            for i in range(count)
        ]
    )
    gap = np.linalg.norm(ends - theirs, axis=1) / diagonal
    assert gap.max() < 1e-8
    assert bool(g.complete.all()) or surface.has_boundary


def ray_in_space(surface: MeshSurface, face: int, point: np.ndarray, velocity: np.ndarray) -> np.ndarray:
    """A straightest ray by other means: in space, face by face, the direction turned over about each edge."""
    vertices, faces, twin = surface.vertices.numpy(), surface.faces.numpy(), surface.connectivity.twin
    left, entered = float(np.linalg.norm(velocity)), -1
    direction = velocity / left
    while True:
        corners = vertices[faces[face]]
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        inwards = np.cross(normal, np.roll(corners, -1, axis=0) - corners)
        inwards /= np.linalg.norm(inwards, axis=1, keepdims=True)
        speed = -(inwards @ direction)
        gap = ((point - corners) * inwards).sum(axis=1)
        distance = [gap[i] / speed[i] if speed[i] > 0 and i != entered else np.inf for i in range(3)]
        edge = int(np.argmin(distance))
        if distance[edge] >= left:
            return point + left * direction
        left -= distance[edge]
        point = point + distance[edge] * direction
        other = int(twin[3 * face + edge])
        along = np.roll(corners, -1, axis=0)[edge] - corners[edge]
        along /= np.linalg.norm(along)
        next_face = vertices[faces[other // 3]]
        beyond = np.cross(np.cross(next_face[1] - next_face[0], next_face[2] - next_face[0]), along)
        beyond *= np.sign(beyond @ (next_face[(other + 2) % 3] - corners[edge]))
        direction = (direction @ along) * along + speed[edge] * beyond / np.linalg.norm(beyond)
        face, entered = other // 3, other % 3


@pytest.mark.parametrize("name", ["bumpy", "fandisk.obj", "fixed_top.ply"])
def test_ends_are_those_of_a_ray_followed_in_space(name: str) -> None:
    # On these CAD parts potpourri3d errs by up to 1e-7 of the bounding box; rays run back here return.
    if name != "bumpy" and not (shapes.SHARED / name).is_file():
        pytest.skip("the shared test meshes are not here")
    surface = BUMPY if name == "bumpy" else load_mesh(shapes.SHARED / name)
    count = 40
    x, v = shapes.random_points(surface, count), shapes.random_vectors(count, 20 * surface.mean_edge_length)
    ends, directions = surface.embed(surface.geodesic(x, v).end), surface.to_ambient(x, v)
    starts = surface.embed(x)
    theirs = [
        ray_in_space(surface, int(x.face[i]), starts[i].numpy(), directions[i].numpy()) for i in range(count)
    ]
    diagonal = float((surface.vertices.amax(dim=0) - surface.vertices.amin(dim=0)).norm())
    assert (ends - torch.from_numpy(np.array(theirs))).norm(dim=1).max() < 1e-10 * diagonal


def test_ends_from_inner_vertices_are_those_of_potpourri3d() -> None:
    # Both scale the angles round a vertex; only their zeros differ, by one turn for all rays of a vertex.
    vertices, faces = shapes.bumpy()
    tracer = potpourri3d.GeodesicTracer(vertices, faces)
    basis_x, basis_y, _ = potpourri3d.MeshVectorHeatSolver(vertices, faces).get_tangent_frames()
    random = np.random.default_rng(4)
    for vertex in random.integers(len(vertices), size=25):
        x = BUMPY.vertex_points(int(vertex))
        frame = np.stack([basis_x[vertex], basis_y[vertex]], axis=1)
        length = 0.2 * float(BUMPY.tables.chart[faces.reshape(-1) == vertex, 0].min())
        angles = np.linspace(0, 2 * math.pi, 7)[:-1]
        theirs = np.array(
            [
                tracer.trace_geodesic_from_vertex(int(vertex), length * frame @ [math.cos(a), math.sin(a)])[
                    -1
                ]
                for a in angles
            ]
        )
        logs = BUMPY.log(x.expand(6), nearest_face_points(BUMPY, theirs))
        zero = torch.atan2(logs[:, 1], logs[:, 0]) - torch.from_numpy(angles)
        close(torch.sin(zero - zero[0]), torch.zeros(6, dtype=torch.float64), 1e-8)
        close(torch.cos(zero - zero[0]), torch.ones(6, dtype=torch.float64), 1e-8)


def nearest_face_points(surface: MeshSurface, positions: np.ndarray) -> SurfacePoint:
    """Points of space on an embedded mesh as face points."""
    corners = surface.vertices.numpy()[surface.faces.numpy()]
    edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=2)
    inverse = np.linalg.pinv(edges)
    found = []
    for p in positions:
        rest = p - corners[:, 0]
        weights = np.einsum("fij,fj->fi", inverse, rest)
        off = np.linalg.norm(rest - np.einsum("fij,fj->fi", edges, weights), axis=1)
        barycentric = np.concatenate([1 - weights.sum(axis=1, keepdims=True), weights], axis=1)
        score = off + np.maximum(-barycentric.min(axis=1), 0)
        face = int(score.argmin())
        clipped = np.maximum(barycentric[face], 0)
        found.append((face, clipped / clipped.sum()))
    return SurfacePoint(
        torch.tensor([f for f, _ in found]), torch.from_numpy(np.array([b for _, b in found]))
    )


# --- the plane ---


def test_on_a_flat_mesh_rays_are_straight_and_transport_is_the_identity_of_the_plane() -> None:
    surface = SQUARE
    x, v = shapes.random_points(surface, 500), shapes.random_vectors(500, 1.0)
    start = surface.embed(x)[:, :2]
    inside = ((start + v > 1e-6) & (start + v < 1 - 1e-6)).all(dim=1)
    g, end, transport = shoot(surface, x, v)
    close(end[inside], (start + v)[inside], 1e-13)
    assert (g.complete == inside).all()
    assert inside.sum() > 100
    close(transport, EYE.expand(500, 2, 2), 1e-12)


def test_rays_stop_exactly_at_the_boundary() -> None:
    x, v = (
        shapes.random_points(SQUARE, 300, seed=1),
        3 * torch.nn.functional.normalize(shapes.random_vectors(300, 1.0)),
    )
    start = SQUARE.embed(x)[:, :2]
    way = torch.where(v > 0, (1 - start) / v, -start / v).min(dim=1).values
    g, end, _ = shoot(SQUARE, x, v)
    assert not g.complete.any()
    close(g.length, 3 * way, 1e-13)
    close(end, start + way[:, None] * v, 1e-13)


def test_a_ray_that_ends_on_the_boundary_is_complete() -> None:
    x = shapes.point_at(SQUARE, [0.3, 0.45])
    g, end, _ = shoot(SQUARE, x, torch.tensor([[0.7, 0.0], [-0.3, 0.0], [0.0, 0.55]], dtype=torch.float64))
    assert g.complete.all()
    close(g.length, torch.tensor([0.7, 0.3, 0.55], dtype=torch.float64), 1e-14)
    close(end[:, 0], torch.tensor([1.0, 0.0, 0.3], dtype=torch.float64), 1e-13)


@pytest.mark.parametrize("slope", [(1, 1), (1, 0), (0, 1), (1, 2), (2, 1), (-1, 1)])
def test_rays_through_many_flat_vertices_stay_straight(slope: tuple[int, int]) -> None:
    # Cells are split along (1, 1), so these rays run along edges, or from vertex to vertex across faces.
    n = 40
    surface = MeshSurface(*shapes.grid(n, n, n, n))
    i, j = (n - 1 if s < 0 else 1 for s in slope)
    x = surface.vertex_points(i * (n + 1) + j)
    steps = (n - 2) // max(abs(s) for s in slope)
    v = steps * torch.tensor(slope, dtype=torch.float64)
    g, end, transport = shoot(surface, x, v)
    assert g.complete
    target = torch.tensor([i, j]) + v
    close(end, target, 1e-12)
    assert g.end.vertex == int(target[0]) * (n + 1) + int(target[1])
    close(transport, EYE, 1e-12)


@pytest.mark.parametrize("where", [[0.5, 0.5], [0.25, 0.5], [0.3, 0.5], [0.3, 0.3], [0.0, 0.3], [0.5, 0.0]])
def test_rays_from_edge_points_and_corners_written_in_any_face(where: list[float]) -> None:
    surface = MeshSurface(*shapes.grid(4, 4))
    angle = torch.linspace(0, 2 * math.pi, 33, dtype=torch.float64)[:-1]
    v = shapes.at_angles(angle, 0.2)
    expected = torch.tensor(where, dtype=torch.float64) + v
    inside = ((expected > -1e-12) & (expected < 1 + 1e-12)).all(dim=1)
    corners = surface.vertices[surface.faces][..., :2]
    holding = 0
    for face in range(len(surface.faces)):
        solved = torch.linalg.solve(
            torch.cat([corners[face].T, torch.ones(1, 3, dtype=torch.float64)]),
            torch.tensor([*where, 1.0], dtype=torch.float64),
        )
        if solved.min() < -1e-12:
            continue
        holding += 1
        x = SurfacePoint(face, (solved.clamp(min=0) / solved.clamp(min=0).sum()))
        g, end, transport = shoot(surface, x, v)
        assert (g.complete == inside).all()
        close(end[inside], expected[inside], 1e-12)
        close(transport, EYE.expand(32, 2, 2), 1e-12)
        assert bool((g.length[~inside] <= 1e-15).all())
    assert holding >= (2 if min(where) > 0 else 1)


def test_long_rays_stay_accurate() -> None:
    # On a flat torus the end is known in closed form; a ray of length 3000 crosses some 10⁴ edges.
    n_x, n_y, length, height = 4, 3, 1.0, 0.7
    torus = shapes.glued(n_x, n_y, length, height, twist=False, close=True)
    angle = torch.tensor([0.3, 1.234, 2.9, 4.1, 5.5], dtype=torch.float64)
    face, barycentric = 0, torch.tensor([0.3, 0.36, 0.34], dtype=torch.float64)
    dx, dy = length / n_x, height / n_y
    corners = torch.tensor([[0, 0], [dx, 0], [dx, dy]], dtype=torch.float64)
    start = barycentric @ corners
    # The frame of face 0: along the diagonal, away from its corner with the longer leg (dx), the origin.
    turn = math.atan2(dy, dx)
    g = torus.geodesic(SurfacePoint(face, barycentric), shapes.at_angles(angle - turn, 3000.0))
    end = start + shapes.at_angles(angle, 3000.0)
    expected = torch.remainder(end, torch.tensor([length, height], dtype=torch.float64))
    found = cell_position(g.end, n_y, dx, dy)
    gap = (found - expected + 0.35).remainder(torch.tensor([length, height], dtype=torch.float64)) - 0.35
    close(gap, torch.zeros(5, 2, dtype=torch.float64), 1e-10)
    close(torch.linalg.det(g.transport), torch.ones(5, dtype=torch.float64))
    # Both halves of a cell have the diagonal as axis, from the corners where it meets a leg of length dx.
    upper = (g.end.face % 2 == 1)[:, None, None]
    close(g.transport, torch.where(upper, -EYE, EYE), 1e-10)


def cell_position(x: SurfacePoint, n_y: int, dx: float, dy: float) -> Tensor:
    """Positions (..., 2) on a glued grid, from the face's cell and half."""
    cell = torch.div(x.face, 2, rounding_mode="floor")
    i, j = torch.div(cell, n_y, rounding_mode="floor"), cell % n_y
    upper = x.face % 2 == 1
    b = x.barycentric
    along = torch.where(upper, b[..., 1], b[..., 1] + b[..., 2])
    across = torch.where(upper, b[..., 1] + b[..., 2], b[..., 2])
    return torch.stack([(i + along) * dx, (j + across) * dy], dim=-1)


# --- laws ---


@pytest.mark.parametrize("name", SURFACES)
def test_a_ray_run_back_returns_with_the_inverse_transport(name: str) -> None:
    surface = SURFACES[name]
    size = 4 * surface.mean_edge_length
    starts = [shapes.random_points(surface, 200), surface.vertex_points()]
    for x in starts:
        v = shapes.random_vectors(len(x), size, seed=2)
        out = surface.geodesic(x, v)
        went = out.complete & (out.end.vertex < 0)
        velocity = (out.transport @ v[..., None])[..., 0]
        back = surface.geodesic(out.end[went], -velocity[went])
        gap = surface.distance_between_points(back.end, x[went])
        close(gap, torch.zeros_like(gap), 1e-9)
        total = surface.reframe(back.end, x[went]) @ back.transport @ out.transport[went]
        close(total, EYE.expand_as(total), 1e-9)
        close(out.length[went], v[went].norm(dim=1), 1e-13)
        assert went.any()


@pytest.mark.parametrize("name", SURFACES)
def test_transport_is_orthogonal_and_reflects_where_orientations_disagree(name: str) -> None:
    surface = SURFACES[name]
    x = shapes.random_points(surface, 300, seed=5)
    g = surface.geodesic(x, shapes.random_vectors(300, 20 * surface.mean_edge_length))
    close(g.transport.mT @ g.transport, EYE.expand(300, 2, 2), 1e-13)
    sign = torch.linalg.det(g.transport).sign()
    if surface.connectivity.orientable:
        assert (sign > 0).all()
    else:
        assert (sign > 0).any()
        assert (sign < 0).any()


@pytest.mark.parametrize("name", SURFACES)
def test_a_ray_in_two_parts_is_the_ray(name: str) -> None:
    surface = SURFACES[name]
    x, v = (
        shapes.random_points(surface, 200, seed=6),
        shapes.random_vectors(200, 6 * surface.mean_edge_length, seed=6),
    )
    whole = surface.geodesic(x, v)
    first = surface.geodesic(x, 0.37 * v)
    rest = surface.geodesic(first.end, 0.63 * (first.transport @ v[..., None])[..., 0])
    both = rest.complete & first.complete
    assert (both == whole.complete).all()
    gap = surface.distance_between_points(rest.end, whole.end)[both]
    close(gap, torch.zeros_like(gap), 1e-9)
    composed = surface.reframe(rest.end[both], whole.end[both]) @ (rest.transport @ first.transport)[both]
    close(composed, whole.transport[both], 1e-9)


def test_a_moebius_band_reflects_once_round_its_core() -> None:
    n_x, n_y, length = 8, 3, 4.0
    band = shapes.glued(n_x, n_y, length, 1.0, twist=True, close=False)
    # The lower half of the middle cell of column 0; its axis is along the diagonal of the cell.
    x = SurfacePoint(2, [0.25, 0.25, 0.5])
    turn = math.atan2(1 / n_y, length / n_x)
    core = shapes.at_angles(-turn, length)
    once = band.geodesic(x, core)
    assert once.complete
    assert once.end.face == 2
    close(once.end.barycentric, x.barycentric, 1e-12)
    direction = core / length
    mirror = 2 * torch.outer(direction, direction) - EYE
    close(once.transport, mirror, 1e-12)
    close(band.geodesic(x, 2 * core).transport, EYE, 1e-12)


# --- cones ---


@pytest.mark.parametrize("total", [1.0, 2.0, 3.5, 5.0, 7.0, 8.5])
def test_a_closed_polygon_round_a_cone_turns_by_its_curvature(total: float) -> None:
    surface = shapes.wheel(total, n=12)
    centroids = SurfacePoint(torch.arange(13) % 12, torch.full((13, 3), 1 / 3, dtype=torch.float64))
    turned = surface.holonomy(centroids)
    expected = math.remainder(2 * math.pi - total, 2 * math.pi)
    assert not turned.reflects
    assert math.remainder(turned.angle - expected, 2 * math.pi) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("total", [0.8, 2.0, math.pi, 5.0, 8.5])
def test_a_ray_into_an_apex_halves_the_angle_round_it(total: float) -> None:
    n = 12
    surface = shapes.wheel(total, n)
    # Towards the apex along the bisector of face 0, whose legs have length 1, and half an edge beyond it.
    x = SurfacePoint(0, [0.5, 0.25, 0.25])
    to_apex = surface.log(x, surface.vertex_points(0))
    g = surface.geodesic(x, to_apex * (1 + 0.5 / to_apex.norm()))
    assert g.complete
    # The other side is half of the n faces further: on the bisector of face n / 2.
    assert g.end.face == n // 2
    close(g.end.barycentric[1], g.end.barycentric[2], 1e-9)
    height = math.cos(total / n / 2)
    assert g.end.barycentric[1].item() == pytest.approx(0.25 / height, abs=1e-12)


def test_an_apex_written_as_a_corner_is_left_at_true_angles_about_the_bisector() -> None:
    for total in (1.0, 2.0, 4.0, 6.0):
        surface = MeshSurface(*shapes.cone(total, n=12))
        angle = torch.linspace(-3.1, 3.1, 40, dtype=torch.float64)
        for face in (0, 5):
            corners = surface.vertices[surface.faces[face]]
            bisector = surface.to_tangent(
                SurfacePoint(face, [1.0, 0, 0]), corners[1] + corners[2] - 2 * corners[0]
            )
            zero = torch.atan2(bisector[1], bisector[0])
            x = SurfacePoint(face, [1.0, 0.0, 0.0]).expand(40)
            v = shapes.at_angles(zero + angle, 0.3)
            g = surface.geodesic(x, v)
            # Round the apex: the angle from the first edge of face 0, modulo the angle of the cone.
            expected = torch.remainder(angle + (face + 0.5) * total / 12, total)
            assert (g.end.face == (expected / total * 12).floor()).all()
            inside = (angle.abs() < total / 2 - 0.01) & (angle.abs() < math.pi)
            close(surface.log(x, g.end)[inside], v[inside], 1e-12)


def test_leaving_an_inner_vertex_scales_the_angle() -> None:
    for total in (2.0, 8.5):
        surface = shapes.wheel(total, n=12)
        x = surface.vertex_points(0)
        rims = surface.vertex_points(torch.arange(1, 13))
        logs = surface.log(x.expand(12), rims)
        close(logs.norm(dim=1), torch.ones(12, dtype=torch.float64), 1e-13)
        angle = torch.atan2(logs[:, 1], logs[:, 0])
        steps = torch.remainder(angle.roll(-1) - angle, 2 * math.pi)
        close(steps, torch.full((12,), 2 * math.pi / 12, dtype=torch.float64), 1e-12)
        ends = surface.geodesic(x.expand(12), logs)
        assert (ends.end.vertex == torch.arange(1, 13)).all()


# --- directions at the boundary ---


def test_the_corner_of_a_square_sees_a_quarter_of_its_disc() -> None:
    surface = MeshSurface(*shapes.grid(3, 3))
    angle = (torch.arange(400, dtype=torch.float64) + 0.5) * 2 * math.pi / 400
    for corner, expected in ((0, 0.25), (3, 0.25), (12, 0.25), (15, 0.25), (1, 0.5), (4, 0.5), (5, 1.0)):
        g = surface.geodesic(surface.vertex_points(corner), shapes.at_angles(angle, 0.2))
        assert g.complete.double().mean().item() == expected
        outside = ~g.complete
        assert (g.length[outside] == 0).all()
        assert (g.end.vertex[outside] == corner).all()
        close(g.transport[outside], EYE.expand_as(g.transport[outside]), 1e-15)


def test_a_reflex_corner_sees_three_quarters_from_every_face() -> None:
    surface = MeshSurface(*shapes.ell())
    tip = int(surface.vertices.norm(dim=1).argmin())
    angle = (torch.arange(40, dtype=torch.float64) + 0.5) * 2 * math.pi / 40
    v = shapes.at_angles(angle, 0.3)
    inside = ~((v[:, 0] > 0) & (v[:, 1] < 0))
    faces = torch.nonzero((surface.faces == tip).any(dim=1))[:, 0].tolist()
    assert len(faces) >= 3
    for x in [
        surface.vertex_points(tip),
        *(SurfacePoint(f, (surface.faces[f] == tip).double()) for f in faces),
    ]:
        g, end, transport = shoot(surface, x, v)
        assert (g.complete == inside).all()
        close(end[inside], v[inside], 1e-13)
        close(transport[inside], EYE.expand(30, 2, 2), 1e-13)


def test_rays_along_the_boundary_go_on_to_the_corner() -> None:
    surface = MeshSurface(*shapes.grid(5, 5))
    x = shapes.point_at(surface, [0.1, 0.0])
    g, end, _ = shoot(surface, x, torch.tensor([[0.8, 0.0], [2.0, 0.0], [-2.0, 0.0]], dtype=torch.float64))
    assert g.complete.tolist() == [True, False, False]
    close(end, torch.tensor([[0.9, 0.0], [1.0, 0.0], [0.0, 0.0]], dtype=torch.float64), 1e-12)
    close(g.length, torch.tensor([0.8, 0.9, 0.1], dtype=torch.float64), 1e-12)


def test_a_ray_that_touches_a_reflex_corner_goes_on_and_one_that_hits_it_stops() -> None:
    surface = MeshSurface(*shapes.ell())
    lines = [[1.0, 1.0], [0.0, 1.0], [-1.0, 0.0], [2.0, 1.0]]
    for line in lines:
        d = torch.tensor(line, dtype=torch.float64) / 3
        g, end, transport = shoot(surface, shapes.point_at(surface, -0.6 * d), d)
        assert g.complete == (not (-d[0] > 0 > -d[1] or d[0] > 0 > d[1]))
        close(end, 0.4 * d, 1e-12)
        close(transport, EYE, 1e-12)
    d = torch.tensor([0.5, -0.4], dtype=torch.float64)
    g, end, _ = shoot(surface, shapes.point_at(surface, -0.5 * d), d)
    assert not g.complete
    close(end, torch.zeros(2, dtype=torch.float64), 1e-12)
    assert g.length.item() == pytest.approx(0.5 * d.norm().item(), abs=1e-12)


# --- reflection ---


def billiard(start: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """In the unit square: the end of a billiard path, and its transport, by unfolding the plane."""
    end = start + v
    odd = torch.remainder(torch.floor(end), 2) == 1
    inside = torch.remainder(end, 1)
    return torch.where(odd, 1 - inside, inside), torch.diag_embed(torch.where(odd, -1.0, 1.0).double())


@pytest.mark.parametrize("surface", [SQUARE, MeshSurface(*shapes.grid(5, 5))], ids=["jittered", "regular"])
def test_reflected_rays_are_billiard_paths(surface: MeshSurface) -> None:
    inner, boundary = shapes.random_points(surface, 300, seed=8), surface.vertex_points()
    for x in (inner, boundary):
        v = shapes.random_vectors(len(x), 5.0, seed=8)
        g, end, transport = shoot(surface, x, v, boundary="reflect")
        expected, mirrors = billiard(surface.embed(x)[:, :2], v)
        close(end, expected, 1e-11)
        close(transport, mirrors, 1e-11)
        assert g.complete.all()
        close(g.length, v.norm(dim=1), 1e-13)


@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_billiard_ball_in_a_corner_returns_after_two_bounces(corner: tuple[float, float]) -> None:
    surface = MeshSurface(*shapes.grid(4, 4))
    target = torch.tensor(corner, dtype=torch.float64)
    for start in ([0.3, 0.2], [0.5, 0.5], [0.37, 0.61]):
        x = shapes.point_at(surface, start)
        d = target - torch.tensor(start, dtype=torch.float64)
        _, end, transport = shoot(surface, x, 1.5 * d, boundary="reflect")
        close(end, target - 0.5 * d, 1e-12)
        close(transport, -EYE, 1e-12)


def test_from_a_corner_directions_outside_are_folded_in() -> None:
    surface = MeshSurface(*shapes.grid(4, 4))
    angle = (torch.arange(24, dtype=torch.float64) + 0.5) * 2 * math.pi / 24
    v = shapes.at_angles(angle, 0.3)
    expected, mirrors = v.abs(), torch.diag_embed(v.sign())
    corner = int(surface.vertices.norm(dim=1).argmin())
    faces = torch.nonzero((surface.faces == corner).any(dim=1))[:, 0].tolist()
    written = [SurfacePoint(f, (surface.faces[f] == corner).double()) for f in faces]
    for x in [surface.vertex_points(corner), *written]:
        if x.vertex >= 0:  # its frame is along the boundary, counterclockwise
            close(surface.frame(x)[:2], EYE, 1e-13)
        _, end, transport = shoot(surface, x, v, boundary="reflect")
        close(end, expected, 1e-12)
        close(transport, mirrors, 1e-12)


def test_folding_at_a_blunt_corner_is_at_the_nearer_edge() -> None:
    # A corner of 3π/4, which does not divide π: just outside an edge a direction is mirrored in that edge.
    surface = shapes.wheel(math.pi, 4)  # four faces of angle π/4
    faces, lengths = surface.faces[:3], surface.tables.chart[:9, 0].reshape(3, 3)
    fan = MeshSurface.from_edge_lengths(faces, lengths)
    x, total, small = fan.vertex_points(0), 3 * math.pi / 4, 0.1
    for angle, inside in ((-small, small), (total + small, total - small)):
        g = fan.geodesic(x, shapes.at_angles(angle, 0.5), boundary="reflect")
        straight = fan.geodesic(x, shapes.at_angles(inside, 0.5))
        close(fan.log(x, g.end), fan.log(x, straight.end), 1e-12)
        assert torch.linalg.det(g.transport) < 0


# --- the smallest and the largest ---


def test_zero_vectors_stay_where_they_are() -> None:
    for x in (shapes.random_points(BUMPY, 5), BUMPY.vertex_points(torch.arange(5))):
        g = BUMPY.geodesic(x, torch.zeros(2, dtype=torch.float64))
        assert (g.end.face == x.face).all()
        assert (g.end.vertex == x.vertex).all()
        assert (g.end.barycentric == x.barycentric).all()
        assert (g.transport == EYE).all()
        assert (g.length == 0).all()
        assert g.complete.all()


def test_rays_from_a_vertex_of_no_face_are_not_complete() -> None:
    vertices, faces = shapes.tetrahedron()
    surface = MeshSurface(np.concatenate([vertices, [[5, 5, 5]]]), faces)
    x = surface.vertex_points(4)
    for boundary in ("stop", "reflect"):
        g = surface.geodesic(x, torch.tensor([0.1, 0.2], dtype=torch.float64), boundary=boundary)
        assert not g.complete
        assert g.length == 0
        assert g.end.vertex == 4
        assert (g.transport == EYE).all()
    close(surface.embed(x), torch.full((3,), 5.0, dtype=torch.float64))


def test_scale_does_not_matter() -> None:
    vertices, faces = shapes.bumpy()
    x, v = shapes.random_points(BUMPY, 100), shapes.random_vectors(100, 1.0)
    expected = BUMPY.geodesic(x, v)
    for scale in (1e-25, 1e-6, 1e7, 1e25):
        g = MeshSurface(vertices * scale, faces).geodesic(x, v * scale)
        assert (g.end.face == expected.end.face).all()
        close(g.end.barycentric, expected.end.barycentric, 1e-11)
        close(g.transport, expected.transport, 1e-11)


def test_batches_broadcast_and_indices_select() -> None:
    x, v = shapes.random_points(BUMPY, 6).reshape(6, 1), shapes.random_vectors(4, 0.5)
    g = BUMPY.geodesic(x, v)
    assert g.length.shape == (6, 4)
    assert g.transport.shape == (6, 4, 2, 2)
    assert g.end.shape == (6, 4)
    one = BUMPY.geodesic(x[3, 0], v[2])
    assert one.length.shape == ()
    assert one.end.face == g.end.face[3, 2]
    assert (one.transport == g.transport[3, 2]).all()
    assert BUMPY.geodesic(BUMPY.vertex_points(torch.arange(0)), torch.zeros(0, 2)).length.shape == (0,)


@pytest.mark.parametrize(
    ("point", "text"),
    [
        (SurfacePoint(320, [1.0, 0, 0]), "face 320 does not exist; the mesh has 320 faces"),
        (SurfacePoint(-1, [1.0, 0, 0]), "face -1 does not exist"),
        (SurfacePoint(0, [1.0, 0, 0], 999), "vertex 999 does not exist; the mesh has 162 vertices"),
        (SurfacePoint(0, [1.0, 0, 0], -2), "vertex -2 does not exist"),
        (SurfacePoint(0, [0.5, 0.2, 0.2]), "sum 1"),
        (SurfacePoint(0, [1.5, -0.5, 0]), "non-negative"),
        (SurfacePoint(0, [math.nan, 0.5, 0.5]), "barycentric"),
    ],
)
def test_points_that_are_not_on_the_mesh_are_refused(point: SurfacePoint, text: str) -> None:
    v = torch.zeros(2, dtype=torch.float64)
    calls = [
        lambda: BUMPY.geodesic(point, v),
        lambda: BUMPY.embed(point),
        lambda: BUMPY.frame(point),
        lambda: BUMPY.log(point, BUMPY.vertex_points(0)),
        lambda: BUMPY.log(BUMPY.vertex_points(0), point),
        lambda: BUMPY.sites("vertices").stencil(point),
        lambda: BUMPY.sites("faces").stencil(point),
    ]
    for call in calls:
        with pytest.raises(GeometryError, match=text):
            call()


def test_a_vertex_that_is_not_in_its_face_is_refused() -> None:
    face = 0
    stranger = next(v for v in range(BUMPY.n_vertices) if v not in BUMPY.faces[face].tolist())
    with pytest.raises(GeometryError, match=f"vertex {stranger} is not where its face {face}"):
        BUMPY.geodesic(SurfacePoint(face, [1.0, 0, 0], stranger), torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_vectors_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="v must be finite"):
        BUMPY.geodesic(BUMPY.vertex_points(0), torch.tensor([0.0, value]))

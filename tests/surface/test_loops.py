"""Holonomy of loops on meshes: transport against enclosed curvature, found by independent routes."""

import math

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.manifolds import icosphere

OCTAHEDRON = (
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]],
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]],
)


def modulo_turns(angle):
    return (angle + math.pi) % (2 * math.pi) - math.pi


@pytest.fixture(scope="module")
def bumpy():
    vertices, faces = icosphere(2)
    radii = 1 + 0.1 * np.random.default_rng(0).standard_normal((len(vertices), 1))
    return mc.MeshSurface(np.asarray(vertices) * radii, faces)


@pytest.fixture(scope="module")
def cap(bumpy):
    """The same with its faces below z = -0.2 cut off."""
    centroid = bumpy.vertices[bumpy.faces].mean(dim=1)
    return mc.MeshSurface(bumpy.vertices, bumpy.faces[centroid[:, 2] > -0.2])


def round_vertex(surface, vertex):
    """The faces round an inner vertex, counterclockwise, first = last."""
    tables = surface.tables
    fan = tables.fan_corner[tables.fan_start[vertex] : tables.fan_start[vertex + 1]] // 3
    return [*fan.tolist(), int(fan[0])]


def random_polygon(surface, rng, length, vertices=()):
    """A closed polyline whose corners are reached by random geodesics; some corners are vertices."""
    face = torch.tensor(int(rng.integers(len(surface.faces))))
    points = [mc.SurfacePoint(face, torch.tensor(rng.dirichlet([1, 1, 1])))]
    for _ in range(int(rng.integers(2, 5))):
        points.append(surface.exp(points[-1], torch.tensor(rng.normal(size=2)) * length))
    for corner in vertices:
        points[corner] = surface.vertex_points(surface.faces[points[corner].face, int(rng.integers(3))])
    return [*points, points[0]]


def test_loops_of_faces_round_a_vertex_turn_by_its_curvature(bumpy):
    for vertex in range(0, bumpy.n_vertices, 7):
        curvature = float(bumpy.vertex_curvature[vertex])
        loop = round_vertex(bumpy, vertex)
        ahead = bumpy.holonomy(loop, kind="faces")
        assert ahead.enclosed_curvature == pytest.approx(curvature, abs=1e-12)
        assert modulo_turns(ahead.angle - curvature) == pytest.approx(0, abs=1e-12)
        back = bumpy.holonomy(loop[::-1], kind="faces")
        assert modulo_turns(back.angle + curvature) == pytest.approx(0, abs=1e-12)
        assert back.enclosed_curvature == pytest.approx(4 * math.pi - curvature, abs=1e-9)


def test_a_loop_of_edges_meets_its_formula(bumpy):
    """Σ over the loop of K_v α_v / Θ_v for one face, whose inside holds no vertex."""
    tables = bumpy.tables
    for face in range(0, len(bumpy.faces), 11):
        a, b, c = bumpy.faces[face].tolist()
        expected = sum(
            float(bumpy.vertex_curvature[v]) * tables.angle[3 * face + i] / tables.total_angle[v]
            for i, v in enumerate((a, b, c))
        )
        found = bumpy.holonomy([a, b, c, a], kind="edges")
        assert found.enclosed_curvature == pytest.approx(expected, abs=1e-12)
        assert modulo_turns(found.angle - expected) == pytest.approx(0, abs=1e-12)


def test_an_edge_loop_of_the_octahedron_need_not_lie_in_the_group():
    surface = mc.MeshSurface(*OCTAHEDRON)
    found = surface.holonomy([0, 2, 4, 0], kind="edges")
    assert found.angle == pytest.approx(math.pi / 2, abs=1e-12)
    group = surface.holonomy_group()
    assert group.name == "C(3)"
    assert not group.contains(found.matrix)


@pytest.mark.parametrize("name", ["bumpy", "cap"])
@pytest.mark.parametrize("vertices", [(), (1,), (0,), (0, 2)])
def test_polygons_turn_by_the_curvature_that_they_enclose(name, vertices, request):
    surface = request.getfixturevalue(name)
    rng = np.random.default_rng(7)
    compared = 0
    for _ in range(60):
        polygon = random_polygon(surface, rng, 0.3, vertices)
        corners = [int(point.vertex) for point in polygon[:-1] if point.vertex >= 0]
        twice = len(set(corners)) < len(corners)
        on_boundary = any(point.vertex < 0 and point.barycentric.min() < 1e-6 for point in polygon)
        if twice or on_boundary:  # may run through a vertex twice
            continue
        try:
            found = surface.holonomy(polygon)
        except mc.GeometryError:  # no straight line between two of the corners
            continue
        assert not found.reflects
        assert found.enclosed_curvature is not None
        assert modulo_turns(found.angle - found.enclosed_curvature) == pytest.approx(0, abs=1e-9)
        compared += 1
    assert compared >= 10


def test_on_a_cap_a_clockwise_loop_encloses_minus_the_curvature(cap):
    inner = int(torch.nonzero(torch.from_numpy(~cap.tables.open_fan & (cap.tables.total_angle > 0)))[0, 0])
    loop = round_vertex(cap, inner)
    curvature = float(cap.vertex_curvature[inner])
    assert cap.holonomy(loop, kind="faces").enclosed_curvature == pytest.approx(curvature, abs=1e-12)
    assert cap.holonomy(loop[::-1], kind="faces").enclosed_curvature == pytest.approx(-curvature, abs=1e-12)


def grid(n_x, n_y, glide):
    """A strip of n_x by n_y squares with unit edges, glued in x, by a glide reflection or not: edge lengths only."""

    def vertex(i, j):
        return (i % n_x) * (n_y + 1) + (n_y - j if glide and i == n_x else j)

    faces, lengths = [], []
    for i in range(n_x):
        for j in range(n_y):
            a, b, c, d = vertex(i, j), vertex(i + 1, j), vertex(i + 1, j + 1), vertex(i, j + 1)
            faces += [[a, b, c], [a, c, d]]
            lengths += [[1.0, 1.0, math.sqrt(2)], [math.sqrt(2), 1.0, 1.0]]
    return mc.MeshSurface.from_edge_lengths(faces, lengths)


@pytest.mark.parametrize("glide", [False, True])
def test_the_core_of_a_strip_bounds_nothing(glide):
    surface = grid(5, 2, glide)
    core = [vertex * 3 + 1 for vertex in range(5)] + [1]
    found = surface.holonomy(core, kind="edges")
    assert found.reflects == glide
    assert found.enclosed_curvature is None
    expected = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)) if glide else torch.eye(2)
    # The core runs along the first axis or at 45 degrees to it, as the longest edge at its first vertex has it.
    assert torch.linalg.det(found.matrix) == pytest.approx(float(torch.linalg.det(expected)), abs=1e-12)
    assert surface.holonomy_group().name == ("reflection" if glide else "trivial")


def test_a_small_loop_on_a_moebius_band_bounds_a_disc():
    band = mc.load_mesh("meshes/moebius.ply")
    rng = np.random.default_rng(3)
    compared = 0
    for _ in range(60):
        try:
            found = band.holonomy(random_polygon(band, rng, 2 * band.mean_edge_length))
        except mc.GeometryError:
            continue
        if found.reflects:
            assert found.enclosed_curvature is None
            continue
        assert found.enclosed_curvature is not None
        assert modulo_turns(found.angle - found.enclosed_curvature) == pytest.approx(0, abs=1e-9)
        compared += 1
    assert compared >= 30


def test_a_meridian_of_the_torus_bounds_nothing_and_a_disc_on_it_does():
    vertices = [[math.cos(t) * (2 + math.cos(s)), math.sin(t) * (2 + math.cos(s)), math.sin(s)]
                for t in np.linspace(0, 2 * math.pi, 12, endpoint=False)
                for s in np.linspace(0, 2 * math.pi, 8, endpoint=False)]  # fmt: skip
    faces = []
    for i in range(12):
        for j in range(8):
            a, b = i * 8 + j, (i + 1) % 12 * 8 + j
            c, d = (i + 1) % 12 * 8 + (j + 1) % 8, i * 8 + (j + 1) % 8
            faces += [[a, b, c], [a, c, d]]
    torus = mc.MeshSurface(vertices, faces)
    assert torus.holonomy([*range(8), 0], kind="edges").enclosed_curvature is None
    assert torus.holonomy(round_vertex(torus, 3), kind="faces").enclosed_curvature == pytest.approx(
        float(torus.vertex_curvature[3]), abs=1e-12
    )


def test_bad_loops_are_named(bumpy):
    with pytest.raises(mc.GeometryError, match="ends where it starts"):
        bumpy.holonomy([0, 1, 2], kind="faces")
    far = int(torch.nonzero((bumpy.faces != bumpy.faces[0, 0]).all(dim=1))[-1, 0])
    with pytest.raises(mc.GeometryError, match="share no edge"):
        bumpy.holonomy([0, far, 0], kind="faces")
    with pytest.raises(mc.GeometryError, match="vertex 999 does not exist"):
        bumpy.holonomy([0, 999, 0], kind="edges")
    with pytest.raises(mc.GeometryError, match="not closed"):
        bumpy.holonomy(bumpy.vertex_points([0, 1, 2]))
    with pytest.raises(ValueError, match="kind must be"):
        bumpy.holonomy([0, 1, 0], kind="lines")


def test_numbers_need_their_kind(bumpy):
    with pytest.raises(mc.GeometryError, match='kind="faces" or kind="edges"'):
        bumpy.holonomy([0, 1, 2, 0])
    with pytest.raises(mc.GeometryError, match="list of whole numbers"):
        bumpy.holonomy([0.5, 1, 0.5], kind="faces")

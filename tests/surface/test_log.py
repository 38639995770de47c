"""The logarithm: inverse of exp, plane coordinates, shortest of straight lines, and where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapes
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.surface.load import load_mesh
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

SURFACES = {
    "cube": MeshSurface(*shapes.split_in_four(*shapes.cube())),
    "bumpy": MeshSurface(*shapes.bumpy()),
    "saddle": MeshSurface(*shapes.saddle()),
    "sharp cone": MeshSurface(*shapes.cone(1.0, n=5)),
    "wide cone": shapes.wheel(8.0),
    "ell": MeshSurface(*shapes.ell()),
    "Möbius band": MeshSurface(*shapes.moebius_band()),
    "Klein bottle": shapes.glued(6, 4, 2.0, 1.3, twist=True, close=True),
    "two triangles": shapes.glued(3, 3, 1.0, 1.0, twist=False, close=True),
}


def close(first: Tensor, second: Tensor, tolerance: float = 1e-11) -> None:
    torch.testing.assert_close(first, second, rtol=0, atol=tolerance)


def lowest_height(surface: MeshSurface) -> float:
    """The least height of a triangle: shorter rays from anywhere meet the star of one vertex at most."""
    chart = surface.tables.chart
    return float(chart[:, 2].min())


def every_kind_of_point(surface: MeshSurface) -> dict[str, SurfacePoint]:
    """Points inside faces, vertices, points of edges and corners written as points of a face."""
    inside = shapes.random_points(surface, 150)
    random = torch.Generator().manual_seed(0)
    along = torch.rand(150, generator=random, dtype=torch.float64)
    on_edge = torch.stack([along, 1 - along, torch.zeros_like(along)], dim=1)
    turned = torch.stack([on_edge[i].roll(i) for i in range(150)])
    return {
        "faces": inside,
        "vertices": surface.vertex_points(),
        "edges": SurfacePoint(inside.face, turned),
        "corners": shapes.corner_points(surface),
    }


@pytest.mark.parametrize("name", SURFACES)
def test_log_inverts_exp_for_short_vectors_from_every_kind_of_point(name: str) -> None:
    # exp from a corner written in a face covers some directions twice where Θ < 2π: log gives one of the two.
    surface = SURFACES[name]
    for kind, x in every_kind_of_point(surface).items():
        v = shapes.random_vectors(len(x), 0.45 * lowest_height(surface), seed=3)
        g = surface.geodesic(x, v)
        w = surface.log(x, g.end)[g.complete]
        again = surface.geodesic(x[g.complete], w)
        assert again.complete.all(), kind
        gap = surface.distance_between_points(again.end, g.end[g.complete])
        close(gap, torch.zeros_like(gap), 1e-9)
        assert (w.norm(dim=1) <= v[g.complete].norm(dim=1) + 1e-12).all(), kind
        if kind == "vertices" or surface.vertex_curvature.abs().max() < 1e-9:
            close(w, v[g.complete], 1e-10)


@pytest.mark.parametrize("name", SURFACES)
def test_the_log_of_every_kind_of_point_leads_there(name: str) -> None:
    surface = SURFACES[name]
    kinds = every_kind_of_point(surface)
    for source in kinds.values():
        for target in kinds.values():
            count = min(60, len(source), len(target))
            chosen = torch.randperm(len(target), generator=torch.Generator().manual_seed(1))[:count]
            x, y = source[:count], target[chosen]
            v = surface.log(x, y)
            found = ~torch.isnan(v).any(dim=1)
            assert found.any()
            g = surface.geodesic(x[found], v[found])
            gap = surface.distance_between_points(g.end, y[found])
            close(gap[g.complete], torch.zeros_like(gap[g.complete]), 1e-9)
            # A line along a convex boundary vertex may stop there; no other may.
            assert g.complete.double().mean() > 0.95


@pytest.mark.parametrize("name", SURFACES)
def test_the_log_is_as_long_both_ways_and_no_longer_than_any_path_along_edges(name: str) -> None:
    surface = SURFACES[name]
    x, y = shapes.random_points(surface, 60, seed=7), shapes.random_points(surface, 60, seed=8)
    there, bound = surface.log_with_bound(x, y)
    back, _ = surface.log_with_bound(y, x)
    close(there.norm(dim=1).nan_to_num(-1), back.norm(dim=1).nan_to_num(-1), 1e-10)
    found = ~torch.isnan(there).any(dim=1)
    assert (there.norm(dim=1)[found] <= bound[found] * (1 + 1e-8)).all()
    close(surface.distance(x, y), surface.distance(y, x), 1e-10)


@pytest.mark.parametrize("name", ["bumpy", "ell", "Möbius band"])
def test_between_vertices_the_bound_is_the_distance_in_the_graph_of_edges(name: str) -> None:
    surface = SURFACES[name]
    tail, head = surface.connectivity.tail, surface.connectivity.head
    n = surface.n_vertices
    pairs, first = np.unique(np.minimum(tail, head) * n + np.maximum(tail, head), return_index=True)
    graph = coo_array((surface.tables.chart[first, 0], (pairs // n, pairs % n)), shape=(n, n)).tocsr()
    expected = torch.from_numpy(dijkstra(graph, directed=False, indices=[0, 5]))
    for row, source in enumerate((0, 5)):
        x = surface.vertex_points(source).expand(n)
        close(surface.log_with_bound(x, surface.vertex_points())[1], expected[row], 1e-12)


# --- flat surfaces ---


def test_on_a_flat_disc_the_log_is_the_difference_of_positions() -> None:
    disc = MeshSurface(*shapes.jittered_grid(8))
    check_plane_coordinates(disc, 1e-13)


@pytest.mark.skipif(
    not (shapes.SHARED / "circle.obj").is_file(), reason="the shared test meshes are not here"
)
def test_on_the_shared_disc_the_log_is_the_difference_of_positions() -> None:
    check_plane_coordinates(load_mesh(shapes.SHARED / "circle.obj"), 1e-12, count=40)


def check_plane_coordinates(surface: MeshSurface, tolerance: float, count: int = 150) -> None:
    kinds = [shapes.random_points(surface, count), inner_vertices(surface, count)]
    for x in kinds:
        for y in (
            shapes.random_points(surface, len(x), seed=9),
            inner_vertices(surface, len(x)).reshape(-1)[: len(x)],
        ):
            x_part = x[: len(y)]
            v = surface.to_ambient(x_part, surface.log(x_part, y))
            close(v, surface.embed(y) - surface.embed(x_part), tolerance)


def inner_vertices(surface: MeshSurface, count: int) -> SurfacePoint:
    inner = np.flatnonzero(~surface.tables.open_fan & surface.connectivity.referenced)
    chosen = np.random.default_rng(2).choice(inner, size=min(count, len(inner)), replace=False)
    return surface.vertex_points(torch.from_numpy(chosen))


def test_round_a_torus_the_log_takes_the_shorter_way_even_within_one_face() -> None:
    # Sheared by hand: cells 1 × 0.1 cut along (3, 0.1), so that faces are longer than the torus (1 round) is.
    height, rows = 0.3, 3
    faces, lengths = [], []
    vertex = [[3 * j + i for i in range(3)] for j in range(rows)]
    for j in range(rows):
        for i in range(3):
            a, b = vertex[j][i], vertex[j][(i + 1) % 3]
            d, c = vertex[(j + 1) % rows][i], vertex[(j + 1) % rows][(i + 1) % 3]
            # Vertex d stands 2 to the right of where it looks: the torus is sheared by 2 per row.
            side, diagonal = math.hypot(2.0, 0.1), math.hypot(2 + 1 / 3, 0.1)
            faces += [(a, b, c), (a, c, d)]
            lengths += [(1 / 3, side, diagonal), (diagonal, 1 / 3, side)]
    surface = MeshSurface.from_edge_lengths(faces, lengths)
    assert surface.vertex_curvature.abs().max() < 1e-9
    assert surface.area == pytest.approx(height)
    x, y = SurfacePoint(0, [0.9, 0.05, 0.05]), SurfacePoint(0, [0.05, 0.05, 0.9])
    # In the plane: 0.85 × (2 + 1/3, 0.1), and the lattice of (1, 0) and (6, 0.3), which holds (0, 0.3).
    straight = 0.85 * np.array([2 + 1 / 3, 0.1])
    images = [straight + np.array([i, 0.3 * j]) for i in range(-4, 5) for j in (-1, 0, 1)]
    expected = min(np.linalg.norm(image) for image in images)
    assert surface.log(x, y).norm().item() == pytest.approx(expected, abs=1e-9)
    assert expected < 0.5 * np.linalg.norm(straight)


# --- the shortest of all ---


def distance_by_shooting(surface: MeshSurface, source: int, targets: np.ndarray) -> Tensor:
    """Distances by shooting: of the rays of a dense fan that pass a target closely, refined, the shortest."""
    x = surface.vertex_points(source)
    best = torch.full((len(targets),), math.inf, dtype=torch.float64)
    positions = torch.from_numpy(targets)
    angles = torch.linspace(0, 2 * math.pi, 361, dtype=torch.float64)[:-1]
    lengths = torch.linspace(0.02, 3.0, 100, dtype=torch.float64)
    ends = surface.embed(surface.geodesic(x, shapes.at_angles(angles[:, None], lengths[None])).end)
    for k, position in enumerate(positions):
        gap = (ends - position).norm(dim=-1)
        starts = torch.nonzero(gap < 0.05)
        v = shapes.at_angles(angles[starts[:, 0]], lengths[starts[:, 1]])
        for _ in range(8):  # Newton on the unfolded plane: the rest is straight within the last face
            g = surface.geodesic(x.expand(len(v)), v)
            rest = surface.to_tangent(g.end, position - surface.embed(g.end))
            v = v + (g.transport.mT @ rest[..., None])[..., 0]
        g = surface.geodesic(x.expand(len(v)), v)
        hit = (surface.embed(g.end) - position).norm(dim=-1) < 1e-9
        if hit.any():
            best[k] = v[hit].norm(dim=-1).min()
    return best


@pytest.mark.parametrize("name", ["cube", "octahedron"])
def test_on_convex_polyhedra_the_log_is_the_shortest_line_found_by_shooting(name: str) -> None:
    soup = shapes.split_in_four(*getattr(shapes, name)())
    surface = MeshSurface(*soup)
    # A vertex in the middle of an edge: flat, so that the disc of directions is covered evenly.
    source = int(surface.vertex_curvature.abs().argmin())
    y = shapes.random_points(surface, 12, seed=11)
    ours = surface.log(surface.vertex_points(source).expand(12), y).norm(dim=1)
    theirs = distance_by_shooting(surface, source, surface.embed(y).numpy())
    assert torch.isfinite(theirs).sum() >= 10
    found = torch.isfinite(theirs)
    close(ours[found], theirs[found], 1e-8)


def test_distances_on_a_cube_in_closed_form() -> None:
    surface = MeshSurface(*shapes.cube())
    middles = surface.vertices[surface.faces].mean(dim=1)
    assert middles.shape == (12, 3)
    # Corner (0, 0, 0) to points of the opposite faces: the least over the unfoldings across the other faces.
    x = surface.vertex_points(0)
    for face in range(12):
        y = SurfacePoint(face, [0.2, 0.3, 0.5])
        a, b, c = sorted(surface.embed(y).tolist())
        if c < 1:
            continue  # on a face of the corner itself: the straight segment
        # Through either of the two faces that share an edge with both.
        expected = min(math.hypot(1 + a, b), math.hypot(1 + b, a))
        found = surface.log(x, y).norm().item()
        assert found == pytest.approx(expected, abs=1e-12)


# --- where there is none ---


def test_behind_a_saddle_vertex_there_is_a_shadow() -> None:
    total, n = 9.0, 12
    surface = shapes.wheel(total, n)
    x = SurfacePoint(0, [0.5, 0.25, 0.25])  # on the bisector of face 0
    step = total / n
    for face in range(1, n):
        y = SurfacePoint(face, [0.5, 0.25, 0.25])
        between = min(face, n - face) * step  # the angle between them at the apex, on the shorter side
        v = surface.log(x, y)
        if between > math.pi:
            assert torch.isnan(v).all()
            to_apex = 0.5 * math.cos(step / 2)
            assert surface.distance(x, y).item() >= 2 * to_apex - 1e-12
        else:
            radius = 0.5 * math.cos(step / 2)
            assert v.norm().item() == pytest.approx(2 * radius * math.sin(between / 2), abs=1e-12)


def test_another_component_is_out_of_reach() -> None:
    vertices, faces = shapes.tetrahedron()
    two = MeshSurface(np.concatenate([vertices, vertices + 10]), np.concatenate([faces, faces + 4]))
    x, y = SurfacePoint(0, [0.2, 0.3, 0.5]), SurfacePoint(5, [0.2, 0.3, 0.5])
    for first, second in ((x, y), (two.vertex_points(0), two.vertex_points(4)), (x, two.vertex_points(7))):
        assert torch.isnan(two.log(first, second)).all()
        assert two.distance(first, second) == math.inf
        assert two.distance_between_points(first, second) == math.inf


def test_a_vertex_of_no_face_reaches_itself_only() -> None:
    vertices, faces = shapes.tetrahedron()
    surface = MeshSurface(np.concatenate([vertices, [[5, 5, 5]]]), faces)
    lost, other = surface.vertex_points(4), surface.vertex_points(0)
    assert (surface.log(lost, lost) == 0).all()
    assert torch.isnan(surface.log(lost, other)).all()
    assert torch.isnan(surface.log(other, lost)).all()


@pytest.mark.parametrize("name", SURFACES)
def test_from_a_point_to_itself_in_any_writing_the_log_is_zero(name: str) -> None:
    surface = SURFACES[name]
    corners = shapes.corner_points(surface)
    as_vertices = surface.vertex_points(surface.faces.reshape(-1))
    for x, y in (
        (corners, as_vertices),
        (as_vertices, corners),
        (corners, corners),
        (as_vertices, as_vertices),
    ):
        assert (surface.log(x, y) == 0).all()
    twin = torch.from_numpy(surface.connectivity.twin)
    inner = torch.nonzero(twin >= 0)[:, 0]
    middle = torch.tensor([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]], dtype=torch.float64)
    x = SurfacePoint(inner // 3, middle[inner % 3])
    y = SurfacePoint(twin[inner] // 3, middle[twin[inner] % 3])
    close(surface.log(x, y), torch.zeros(len(inner), 2, dtype=torch.float64), 1e-14)


def test_corners_of_one_face_are_reached_along_its_edges() -> None:
    # From a corner written in a face, with the other point in the same face: this search once had no bound.
    for name in ("bumpy", "Klein bottle"):
        surface = SURFACES[name]
        x = shapes.corner_points(surface)
        for shift in (1, 2):
            y = SurfacePoint(x.face, x.barycentric.roll(shift, dims=-1))
            edge = 3 * x.face + (x.barycentric.argmax(-1) + (0 if shift == 1 else 2)) % 3
            close(surface.log(x, y).norm(dim=1), torch.from_numpy(surface.tables.chart)[edge, 0], 1e-12)
        inside = SurfacePoint(x.face, torch.full((3,), 1 / 3, dtype=torch.float64))
        assert torch.isfinite(surface.log(x, inside)).all()


# --- the vector heat method ---


def test_the_vector_heat_log_agrees_near_the_source_of_a_fine_sphere() -> None:
    # Its error is that of linear elements and of heat with t = h²: a few per cent at 2 to 5 edges.
    vertices, faces = shapes.icosphere(4)
    surface = MeshSurface(vertices, faces)
    for source in (0, 100, 777):
        near = torch.nonzero((surface.vertices - surface.vertices[source]).norm(dim=1) < 0.4)[:, 0]
        near = near[near != source]
        x, y = surface.vertex_points(source).expand(len(near)), surface.vertex_points(near)
        straight, smooth = surface.log(x, y), surface.log(x, y, method="vector-heat")
        gap = (straight - smooth).norm(dim=1) / straight.norm(dim=1)
        assert gap.max() < 0.1
        assert gap.mean() < 0.03


def test_the_vector_heat_log_refuses_what_it_cannot_do() -> None:
    band = SURFACES["Möbius band"]
    x = band.vertex_points([0])
    with pytest.raises(GeometryError, match="orientable"):
        band.log(x, x, method="vector-heat")
    vertices, faces = shapes.icosphere(1)
    turned = MeshSurface(vertices, shapes.turned_over(faces, np.array([3])))
    with pytest.raises(GeometryError, match="same way"):
        turned.log(turned.vertex_points([0]), turned.vertex_points([5]), method="vector-heat")
    loose = MeshSurface(np.concatenate([vertices, [[3, 3, 3]]]), faces)
    with pytest.raises(GeometryError, match=f"vertex {len(vertices)} has none"):
        loose.log(loose.vertex_points([0]), loose.vertex_points([5]), method="vector-heat")
    sphere = MeshSurface(vertices, faces)
    with pytest.raises(GeometryError, match="starts from vertices"):
        sphere.log(shapes.random_points(sphere, 1), sphere.vertex_points([5]), method="vector-heat")
    with pytest.raises(ValueError, match="method must be"):
        sphere.log(sphere.vertex_points([0]), sphere.vertex_points([5]), method="heat")

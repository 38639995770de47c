"""Loops of faces: as many as the topology says, independent, and with the transport of the mesh."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import shapes

import manifoldconv as mc
from manifoldconv.surface.face_loops import boundary_loops, loop_round, loop_round_vertex
from manifoldconv.surface.homology import centroid_distances, homotopy_basis, shortest_paths

MESHES = Path(__file__).resolve().parents[2] / "meshes"
NAMES = ["icosphere", "torus", "genus2", "genus3", "moebius", "klein", "cone", "cube"]


def roots_of(surface: mc.MeshSurface) -> np.ndarray:
    return np.unique(surface.connectivity.face_component, return_index=True)[1]


def basis_of(surface: mc.MeshSurface) -> list:
    return homotopy_basis(surface.tables, shortest_paths(surface.tables, roots_of(surface)))


def surfaces() -> dict[str, mc.MeshSurface]:
    found = {name: mc.load_mesh(MESHES / f"{name}.ply") for name in NAMES}
    found |= {
        f"glued{twist:d}{close:d}": shapes.glued(8, 4, 2.0, 1.0, twist, close)
        for twist in (False, True)
        for close in (False, True)
    }
    found["one strip wide"] = shapes.glued(8, 1, 2.0, 1.0, True, False)
    found["one triangle"] = mc.MeshSurface([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    return found


SURFACES = surfaces()


@pytest.mark.parametrize("name", SURFACES)
def test_there_are_two_loops_for_each_handle_one_for_each_crosscap(name: str) -> None:
    surface = SURFACES[name]
    mesh = surface.connectivity
    expected = 2 * mesh.n_components - mesh.euler_characteristic - mesh.n_boundary_loops
    loops = basis_of(surface)
    assert len(loops) == expected
    if mesh.genus is not None:
        assert len(loops) == 2 * mesh.genus
    assert len(boundary_loops(surface.tables)) == mesh.n_boundary_loops


@pytest.mark.parametrize("name", SURFACES)
def test_loops_close_and_their_transport_is_that_of_the_surface(name: str) -> None:
    surface = SURFACES[name]
    for loop in [*basis_of(surface), *boundary_loops(surface.tables)]:
        if len(loop):
            told = surface.holonomy(loop.faces, kind="faces").matrix.numpy()
            assert np.allclose(loop.transports(surface.tables)[-1], told, atol=1e-11)


def winding(surface: mc.MeshSurface, chain: np.ndarray) -> np.ndarray:
    """The crossings of each edge by a loop, with signs by the direction of the half-edge that is listed first."""
    twin = surface.tables.twin
    counts = np.zeros(len(twin))
    for h in chain.tolist():
        other = int(twin[h])
        counts[min(h, other)] += 1 if h < other else -1
    return counts


@pytest.mark.parametrize("name", ["torus", "genus2", "genus3"])
def test_handle_loops_are_independent_in_homology(name: str) -> None:
    # Loops of faces are cycles of the dual complex, whose boundaries are the fans; a face that disagrees in winding
    # would need signs, but these meshes are wound consistently. Rank by exact elimination would be slow: float rank of
    # a few rows against 0/±1 fans, on a coarse stand-in of the same genus.
    surface = shapes_of_genus(name)
    fans = [
        winding(surface, loop_round_vertex(surface.tables, v).half_edges) for v in range(surface.n_vertices)
    ]
    loops = [winding(surface, loop.half_edges) for loop in basis_of(surface)]
    rank_of_fans = np.linalg.matrix_rank(np.array(fans))
    assert rank_of_fans == surface.n_vertices - 1
    assert np.linalg.matrix_rank(np.array(fans + loops)) == rank_of_fans + len(loops)


def shapes_of_genus(name: str) -> mc.MeshSurface:
    """Cubes of a grid without some: the surface of a slab with one, two or three holes."""
    holes = {"torus": 1, "genus2": 2, "genus3": 3}[name]
    solid = np.zeros((2 * holes + 3, 5, 3), dtype=bool)
    solid[1:-1, 1:-1, 1] = True
    solid[2:-1:2, 2, 1] = False
    quads = []
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    for cell in np.argwhere(solid):
        for axis in range(3):
            for side in (0, 1):
                beside = cell.copy()
                beside[axis] += 2 * side - 1
                if not solid[tuple(beside)]:
                    quad = np.zeros((4, 3), dtype=int)
                    quad[:, axis] = side
                    quad[:, [(axis + 1) % 3, (axis + 2) % 3]] = corners if side else corners[::-1]
                    quads.append(cell + quad)
    points, index = np.unique(np.concatenate(quads), axis=0, return_inverse=True)
    index = index.reshape(-1, 4)
    return mc.MeshSurface(points.astype(float), np.concatenate([index[:, [0, 1, 2]], index[:, [0, 2, 3]]]))


def test_a_loop_round_a_vertex_turns_by_its_curvature() -> None:
    surface = mc.MeshSurface(*shapes.bumpy(2))
    for vertex in range(0, surface.n_vertices, 7):
        loop = loop_round_vertex(surface.tables, vertex)
        found = surface.holonomy(loop.faces, kind="faces")
        assert math.remainder(
            found.angle - float(surface.vertex_curvature[vertex]), 2 * math.pi
        ) == pytest.approx(0, abs=1e-11)
        assert found.enclosed_curvature == pytest.approx(float(surface.vertex_curvature[vertex]), abs=1e-9)


def test_a_loop_round_some_vertices_encloses_their_curvature() -> None:
    surface = mc.MeshSurface(*shapes.bumpy(3))
    inside = (surface.vertices[:, 2] > 0.6 * surface.vertices.norm(dim=1)).numpy()  # a cap
    tail, head = surface.connectivity.tail, surface.connectivity.head
    first = int(np.flatnonzero(inside[tail] & ~inside[head])[0])
    loop = loop_round(surface.tables, inside, first)
    assert loop is not None
    found = surface.holonomy(loop.faces, kind="faces")
    total = float(surface.vertex_curvature[inside].sum())
    gaps = [abs(math.remainder(found.angle - sign * total, 2 * math.pi)) for sign in (1, -1)]
    assert min(gaps) < 1e-10


def test_a_loop_round_vertices_at_the_boundary_does_not_close() -> None:
    surface = mc.MeshSurface(*shapes.grid(4, 4))
    inside = np.zeros(surface.n_vertices, dtype=bool)
    inside[0] = True
    tail, head = surface.connectivity.tail, surface.connectivity.head
    first = int(np.flatnonzero(inside[tail] & ~inside[head])[0])
    assert loop_round(surface.tables, inside, first) is None


@pytest.mark.parametrize("turned", [False, True])
def test_distances_between_centroids(turned: bool) -> None:
    vertices, faces = shapes.jittered_grid(4)
    if turned:
        faces = shapes.turned_over(faces, np.arange(0, len(faces), 3))
    surface = mc.MeshSurface(vertices, faces)
    centroid = vertices[faces].mean(axis=1)
    distance, twin = centroid_distances(surface.tables), surface.tables.twin
    inner = np.flatnonzero(twin >= 0)
    assert np.allclose(
        distance[inner], np.linalg.norm(centroid[inner // 3] - centroid[twin[inner] // 3], axis=1), atol=1e-12
    )
    assert (distance[twin < 0] == 0).all()


def test_started_elsewhere_it_is_the_same_loop() -> None:
    surface = SURFACES["torus"]
    loop = basis_of(surface)[0]
    other = loop.started_at(5)
    assert set(other.faces) == set(loop.faces)
    angles = [surface.holonomy(each.faces, kind="faces").angle for each in (loop, other)]
    assert math.remainder(angles[0] - angles[1], 2 * math.pi) == pytest.approx(0, abs=1e-10)

"""Connectivity: counts and topology of known shapes, twins and signs, and the place of every fault."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapes
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.surface.mesh import Connectivity, build_connectivity
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

SOUPS = {
    "tetrahedron": shapes.tetrahedron(),
    "cube": shapes.cube(),
    "octahedron": shapes.octahedron(),
    "icosahedron": shapes.icosahedron(),
    "icosphere": shapes.icosphere(2),
    "grid": shapes.grid(3, 4),
    "cone": shapes.cone(3.0),
    "ell": shapes.ell(),
    "Möbius band": shapes.moebius_band(),
}
GLUED = {
    "cylinder": shapes.glued(5, 4, 2.0, 1.0, twist=False, close=False),
    "flat Möbius band": shapes.glued(5, 4, 2.0, 1.0, twist=True, close=False),
    "torus": shapes.glued(5, 4, 2.0, 1.0, twist=False, close=True),
    "Klein bottle": shapes.glued(5, 4, 2.0, 1.0, twist=True, close=True),
}
# vertices, edges, faces, boundary loops, genus (None: not orientable)
FIGURES = {
    "tetrahedron": (4, 6, 4, 0, 0),
    "cube": (8, 18, 12, 0, 0),
    "octahedron": (6, 12, 8, 0, 0),
    "icosahedron": (12, 30, 20, 0, 0),
    "icosphere": (162, 480, 320, 0, 0),
    "grid": (20, 43, 24, 1, 0),
    "cone": (13, 24, 12, 1, 0),
    "ell": (21, 44, 24, 1, 0),
    "Möbius band": (96, 240, 144, 1, None),
    "cylinder": (25, 65, 40, 2, 0),
    "flat Möbius band": (25, 65, 40, 1, None),
    "torus": (20, 60, 40, 0, 1),
    "Klein bottle": (20, 60, 40, 0, None),
}


def connectivity(name: str) -> Connectivity:
    if name in GLUED:
        return GLUED[name].connectivity
    vertices, faces = SOUPS[name]
    return build_connectivity(faces, len(vertices))


@pytest.mark.parametrize("name", FIGURES)
def test_known_shapes_have_their_counts_and_topology(name: str) -> None:
    mesh = connectivity(name)
    vertices, edges, faces, loops, genus = FIGURES[name]
    assert (int(mesh.referenced.sum()), mesh.n_edges, len(mesh.faces)) == (vertices, edges, faces)
    assert mesh.euler_characteristic == vertices - edges + faces
    assert (mesh.n_boundary_loops, mesh.genus) == (loops, genus)
    assert mesh.orientable is (genus is not None)
    assert mesh.n_components == 1


@pytest.mark.parametrize("name", FIGURES)
def test_twins_lie_on_the_same_edge_and_flip_where_they_run_the_same_way(name: str) -> None:
    mesh = connectivity(name)
    inner = np.flatnonzero(mesh.twin >= 0)
    twin = mesh.twin[inner]
    assert (mesh.twin[twin] == inner).all()
    assert (twin != inner).all()
    same = (mesh.tail[inner] == mesh.tail[twin]) & (mesh.head[inner] == mesh.head[twin])
    opposite = (mesh.tail[inner] == mesh.head[twin]) & (mesh.head[inner] == mesh.tail[twin])
    assert (same ^ opposite).all()
    assert (mesh.flip[inner] == same).all()
    assert not mesh.flip[mesh.twin < 0].any()
    edge = np.sort(np.stack([mesh.tail, mesh.head], axis=1), axis=1)
    _, count = np.unique(edge, axis=0, return_counts=True)
    assert (mesh.twin < 0).sum() == (count == 1).sum()


@pytest.mark.parametrize("name", ["icosphere", "grid", "cube"])
def test_face_signs_undo_faces_that_are_turned_over(name: str) -> None:
    vertices, faces = SOUPS[name]
    chosen = np.random.default_rng(1).random(len(faces)) < 0.4
    mesh = build_connectivity(shapes.turned_over(faces, np.flatnonzero(chosen)), len(vertices))
    expected = np.where(chosen == chosen[0], 1, -1)  # the first face says which orientation is meant
    assert mesh.orientable
    assert (mesh.face_sign == expected).all()
    inner = mesh.twin >= 0
    disagree = mesh.face_sign[np.arange(len(mesh.twin)) // 3] != mesh.face_sign[mesh.twin // 3]
    assert (mesh.flip[inner] == disagree[inner]).all()


def test_components_are_counted_apart_and_the_genus_is_summed() -> None:
    sphere_faces, flat_faces = shapes.icosahedron()[1], shapes.grid(2, 2)[1]
    band, band_faces = shapes.moebius_band()
    two = build_connectivity(np.concatenate([sphere_faces, flat_faces + 12]), 12 + 9)
    assert (two.n_components, two.euler_characteristic, two.n_boundary_loops, two.genus) == (2, 3, 1, 0)
    assert two.face_component.tolist() == [0] * 20 + [1] * 8
    mixed = build_connectivity(np.concatenate([sphere_faces, band_faces + 12]), 12 + len(band))
    assert mixed.component_orientable.tolist() == [True, False]
    assert not mixed.orientable
    assert mixed.genus is None
    assert (mixed.face_sign[20:] == 1).all()


def test_an_inner_hole_is_a_boundary_loop_of_its_own() -> None:
    vertices, faces = shapes.grid(5, 5)
    middle = vertices[faces].mean(axis=1)[:, :2]
    hole = (np.abs(middle - 0.5) < 0.1).all(axis=1)
    mesh = build_connectivity(faces[~hole], len(vertices))
    assert hole.sum() == 2
    assert (mesh.n_boundary_loops, mesh.euler_characteristic, mesh.genus) == (2, 0, 0)


def test_vertices_of_no_face_are_kept_and_do_not_count() -> None:
    vertices, faces = shapes.tetrahedron()
    surface = MeshSurface(np.concatenate([vertices, [[9, 9, 9], [8, 8, 8]]]), faces)
    assert surface.n_vertices == 6
    assert surface.connectivity.referenced.tolist() == [True] * 4 + [False] * 2
    assert surface.connectivity.euler_characteristic == 2
    assert surface.vertex_curvature[4:].tolist() == [0, 0]
    assert surface.sites("vertices").area[4:].tolist() == [0, 0]


def test_vertices_and_faces_are_kept_as_given_from_arrays_and_tensors() -> None:
    vertices, faces = shapes.bumpy(1)
    for surface in (
        MeshSurface(vertices, faces),
        MeshSurface(torch.from_numpy(vertices), torch.from_numpy(faces).to(torch.int32)),
        MeshSurface(vertices.tolist(), faces.astype(np.uint16).tolist()),
    ):
        assert surface.vertices.dtype == torch.float64
        assert surface.faces.dtype == torch.int64
        assert (surface.vertices.numpy() == vertices).all()
        assert (surface.faces.numpy() == faces).all()


# --- faults ---


def message(vertices: object, faces: object) -> str:
    """The one line of the GeometryError that a mesh ends in."""
    with pytest.raises(GeometryError) as caught:
        MeshSurface(vertices, faces)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_faces(*more: tuple[int, int, int], n_vertices: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """A 2 × 2 grid of 8 faces on vertices 0 to 8, and further faces and vertices out of its plane."""
    vertices, faces = shapes.grid(2, 2)
    extra = np.array([0, 0, 3]) + np.random.default_rng(0).normal(size=(n_vertices - 9, 3))
    return np.concatenate([vertices, extra]), np.concatenate([faces, np.array(more).reshape(-1, 3)])


def test_an_edge_of_three_faces_is_named_with_its_faces() -> None:
    vertices, faces = with_faces((4, 0, 9), n_vertices=10)
    text = message(vertices, faces)
    around = [f for f in range(len(faces)) if {0, 4} <= set(faces[f].tolist())]
    assert "the edge between vertices 0 and 4 has 3 faces" in text
    assert all(f"face {f}" in text for f in around)


def test_several_crowded_edges_are_counted() -> None:
    vertices, faces = with_faces((4, 0, 9), (8, 4, 10), n_vertices=11)
    assert "and 1 more edges like it" in message(vertices, faces)


def test_a_pinched_vertex_is_named_with_a_face_of_each_fan() -> None:
    vertices, faces = with_faces((4, 9, 10), n_vertices=11)
    text = message(vertices, faces)
    assert "vertex 4 is pinched" in text
    assert "face 8" in text


def test_two_fans_on_a_boundary_vertex_are_pinched_too() -> None:
    vertices, faces = with_faces((0, 9, 10), n_vertices=11)
    text = message(vertices, faces)
    assert "vertex 0 is pinched" in text
    assert "face 0 and face 8" in text


def test_a_face_that_names_a_vertex_twice() -> None:
    assert "face 8 names a vertex twice: [4, 5, 4]" in message(*with_faces((4, 5, 4)))


@pytest.mark.parametrize("index", [-1, 9, 1 << 40])
def test_an_index_out_of_range(index: int) -> None:
    text = message(*with_faces((4, 5, index)))
    assert f"face 8 refers to vertex {index}; the mesh has 9 vertices (0 to 8)" in text


def test_a_degenerate_face_is_named_with_its_area() -> None:
    vertices, faces = with_faces((2, 9, 10), n_vertices=11)
    vertices[9:] = vertices[2] + [[1, 1, 1], [3, 3, 3]]
    faces = np.array([[0, 1, 4], faces[-1]])
    assert "face 1 is degenerate: its area is" in message(vertices, faces)


def test_needles_above_the_threshold_are_accepted() -> None:
    assert MeshSurface([[0, 0, 0], [1, 0, 0], [0.5, 1e-8, 0]], [[0, 1, 2]]).area == pytest.approx(5e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_coordinates_that_are_not_finite(value: float) -> None:
    vertices, faces = shapes.grid(2, 2)
    vertices[5, 1] = vertices[7, 0] = value
    text = message(vertices, faces)
    assert "vertex 5 is not finite" in text
    assert "1 more" in text


@pytest.mark.parametrize("unit", [1e-100, 1e-29, 1e29, 1e100])
def test_units_are_free_as_far_as_numbers_reach(unit: float) -> None:
    vertices, faces = unit * np.eye(3), [[0, 1, 2]]
    lengths = np.full((1, 3), unit * math.sqrt(2))
    if 1e-30 < unit < 1e30:
        for mesh in (MeshSurface(vertices, faces), MeshSurface.from_edge_lengths(faces, lengths)):
            assert mesh.area / unit**2 == pytest.approx(math.sqrt(3) / 2, rel=1e-12)
        return
    message = r"the longest edge has length 1\.41e.* give the mesh in other units"
    with pytest.raises(GeometryError, match=message):
        MeshSurface(vertices, faces)
    with pytest.raises(GeometryError, match=message):
        MeshSurface.from_edge_lengths(faces, lengths)


def test_nothing_at_all() -> None:
    assert "no faces" in message(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    assert "no faces" in message(np.eye(3), [])


def test_wrong_shapes_and_kinds() -> None:
    vertices, faces = shapes.tetrahedron()
    assert "(V, 3)" in message(vertices[:, :2], faces)
    assert "(F, 3)" in message(vertices, faces[:, :2])
    assert "whole numbers" in message(vertices, faces.astype(float))


def test_the_source_of_a_face_is_named_as_the_reader_says() -> None:
    vertices, faces = with_faces((4, 5, 4))
    with pytest.raises(GeometryError, match="line 17 names a vertex twice"):
        MeshSurface(vertices, faces, describe=lambda face: f"line {face + 9}")


def test_numbers_that_would_be_cut_off_are_refused() -> None:
    with pytest.raises(GeometryError, match="vertices must be real numbers; got dtype"):
        MeshSurface(1j * np.eye(3), [[0, 1, 2]])
    triangle = MeshSurface(np.eye(3), [[0, 1, 2]])
    for index in (1.7, [0.0, 1.0], [True, False, True]):
        with pytest.raises(ValueError, match="index must be whole numbers; got dtype"):
            triangle.vertex_points(index)
    with pytest.raises(ValueError, match="face must be whole numbers; got dtype"):
        SurfacePoint(0.5, [1.0, 0.0, 0.0])


def test_views_that_run_backwards_turn_a_mesh_over() -> None:
    vertices, faces = np.eye(3), np.array([[0, 1, 2]])
    turned = MeshSurface(vertices[::-1], faces[:, ::-1])
    assert turned.faces.tolist() == [[2, 1, 0]]
    assert turned.vertices.tolist() == vertices[::-1].tolist()


def test_edge_lengths_that_carry_a_gradient_or_batch_axes() -> None:
    lengths = torch.tensor([[3.0, 4.0, 5.0]], requires_grad=True)
    assert MeshSurface.from_edge_lengths([[0, 1, 2]], lengths).area == 6.0
    with pytest.raises(GeometryError, match=r"lengths must have shape \(1, 3\); got \(2, 1, 3\)"):
        MeshSurface.from_edge_lengths([[0, 1, 2]], lengths[None].expand(2, 1, 3))

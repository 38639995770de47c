"""Angles, curvature and charts: from positions, from edge lengths, and what makes no triangle."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapes
import torch

from manifoldconv.errors import GeometryError
from manifoldconv.surface.intrinsic import TIE, reference_half_edges
from manifoldconv.surface.surface import MeshSurface

SURFACES = {
    "tetrahedron": MeshSurface(*shapes.tetrahedron()),
    "cube": MeshSurface(*shapes.cube()),
    "octahedron": MeshSurface(*shapes.octahedron()),
    "icosahedron": MeshSurface(*shapes.icosahedron()),
    "bumpy": MeshSurface(*shapes.bumpy()),
    "saddle": MeshSurface(*shapes.saddle()),
    "ell": MeshSurface(*shapes.ell()),
    "cone": MeshSurface(*shapes.cone(2.0)),
    "wide cone": shapes.wheel(8.0),
    "Möbius band": MeshSurface(*shapes.moebius_band()),
    "flat Möbius band": shapes.glued(6, 3, 2.0, 1.0, twist=True, close=False),
    "Klein bottle": shapes.glued(6, 3, 2.0, 1.0, twist=True, close=True),
    "torus": shapes.glued(6, 3, 2.0, 1.0, twist=False, close=True),
}


def edge_lengths(surface: MeshSurface) -> np.ndarray:
    """(F, 3), by subtraction of positions."""
    corner = surface.vertices.numpy()[surface.faces.numpy()]
    return np.linalg.norm(np.roll(corner, -1, axis=1) - corner, axis=2)


@pytest.mark.parametrize("name", SURFACES)
def test_the_angles_of_a_face_sum_to_pi(name: str) -> None:
    angles = SURFACES[name].tables.angle.reshape(-1, 3)
    assert angles.min() > 0
    np.testing.assert_allclose(angles.sum(axis=1), math.pi, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", SURFACES)
def test_gauss_bonnet(name: str) -> None:
    surface = SURFACES[name]
    # One rounding of π a corner.
    assert abs(surface.gauss_bonnet_residual) < 1e-15 * 3 * len(surface.faces) + 1e-13


@pytest.mark.parametrize(
    ("name", "curvature"),
    [
        ("tetrahedron", math.pi),
        ("cube", math.pi / 2),
        ("octahedron", 2 * math.pi / 3),
        ("icosahedron", math.pi / 3),
    ],
)
def test_every_vertex_of_a_platonic_solid_has_the_same_curvature(name: str, curvature: float) -> None:
    torch.testing.assert_close(
        SURFACES[name].vertex_curvature,
        torch.full((SURFACES[name].n_vertices,), curvature, dtype=torch.float64),
        rtol=0,
        atol=1e-13,
    )


def test_curvature_of_cones_corners_and_edges() -> None:
    assert SURFACES["cone"].vertex_curvature[0].item() == pytest.approx(2 * math.pi - 2.0, abs=1e-12)
    assert SURFACES["wide cone"].vertex_curvature[0].item() == pytest.approx(2 * math.pi - 8.0, abs=1e-12)
    flat = MeshSurface(*shapes.grid(2, 2)).vertex_curvature
    corners = torch.tensor([0, 2, 6, 8])
    torch.testing.assert_close(flat[corners], torch.full((4,), math.pi / 2, dtype=torch.float64))
    assert flat.sum().item() == pytest.approx(2 * math.pi, abs=1e-12)
    ell = SURFACES["ell"]
    reflex = int(ell.vertices.norm(dim=1).argmin())
    assert ell.vertex_curvature[reflex].item() == pytest.approx(-math.pi / 2, abs=1e-12)


@pytest.mark.parametrize("name", ["torus", "Klein bottle", "flat Möbius band"])
def test_flat_quotients_by_edge_lengths_are_flat(name: str) -> None:
    surface = SURFACES[name]
    assert surface.vertex_curvature.abs().max() < 1e-12
    assert surface.area == pytest.approx(2.0, rel=1e-14)


def test_areas_and_mean_edge_length() -> None:
    assert SURFACES["cube"].area == pytest.approx(6.0, rel=1e-15)
    assert SURFACES["octahedron"].area == pytest.approx(8 * math.sqrt(3) / 2, rel=1e-15)
    # Twelve edges of length 1 and six diagonals, each counted once.
    assert SURFACES["cube"].mean_edge_length == pytest.approx((12 + 6 * math.sqrt(2)) / 18, rel=1e-15)


@pytest.mark.parametrize("name", ["cube", "bumpy", "saddle", "ell", "Möbius band"])
def test_edge_lengths_give_the_same_geometry_as_positions(name: str) -> None:
    embedded = SURFACES[name]
    surface = MeshSurface.from_edge_lengths(embedded.faces, edge_lengths(embedded))
    np.testing.assert_allclose(surface.tables.angle, embedded.tables.angle, rtol=0, atol=1e-12)
    torch.testing.assert_close(surface.face_areas, embedded.face_areas, rtol=1e-12, atol=0)
    x, v = shapes.random_points(embedded, 100), shapes.random_vectors(100, 5 * embedded.mean_edge_length)
    ours, theirs = surface.geodesic(x, v), embedded.geodesic(x, v)
    assert (ours.end.face == theirs.end.face).all()
    torch.testing.assert_close(ours.end.barycentric, theirs.end.barycentric, rtol=0, atol=1e-11)
    torch.testing.assert_close(ours.transport, theirs.transport, rtol=0, atol=1e-11)


def test_lengths_of_a_needle_keep_their_relative_accuracy() -> None:
    # Legs 1, base b: the apex angle is 2 asin(b / 2), the area b / 2 √(1 - b² / 4); Heron loses all of it.
    base = 1e-8
    surface = MeshSurface.from_edge_lengths([[0, 1, 2]], [[1.0, base, 1.0]])
    assert surface.area == pytest.approx(base / 2, rel=1e-14)
    assert surface.tables.angle[0] == pytest.approx(base, rel=1e-14)


# --- what makes no surface ---


@pytest.mark.parametrize("lengths", [[1.0, 2.0, 3.5], [1.0, 2.0, 3.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
def test_lengths_that_make_no_triangle_are_refused(lengths: list[float]) -> None:
    with pytest.raises(GeometryError, match="face 1"):
        MeshSurface.from_edge_lengths([[0, 1, 2], [2, 1, 3]], [[1.0, 1.0, 1.0], lengths])


def test_an_edge_with_two_lengths_is_refused_with_both_faces() -> None:
    with pytest.raises(GeometryError, match=r"face 0 and face 1 .* different lengths: 1\.\d* and 1\.1"):
        MeshSurface.from_edge_lengths([[0, 1, 2], [2, 1, 3]], [[1.0, 1.0, 1.0], [1.1, 1.0, 1.0]])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_lengths_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="lengths must be finite"):
        MeshSurface.from_edge_lengths([[0, 1, 2]], [[1.0, value, 1.0]])


def test_lengths_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="lengths"):
        MeshSurface.from_edge_lengths([[0, 1, 2]], [[1.0, 1.0]])
    with pytest.raises(GeometryError, match="no faces"):
        MeshSurface.from_edge_lengths([], np.zeros((0, 3)))


def test_what_needs_an_embedding_says_so() -> None:
    surface = SURFACES["torus"]
    x = surface.vertex_points([0])
    assert surface.vertices is None
    for call in (surface.embed, surface.frame):
        with pytest.raises(GeometryError, match="no embedding"):
            call(x)
    with pytest.raises(GeometryError, match="vector-heat"):
        surface.log(x, x, method="vector-heat")


# --- the reference edge of a face ---


def test_the_axis_of_a_face_is_its_longest_edge_away_from_the_second_longest() -> None:
    for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [1, 0, 2], [0, 2, 1]):
        # Corners A, B, C with |AB| = 5 longest and |AC| = 4: the axis leaves A, which both have, towards B.
        distance = {frozenset((0, 1)): 5.0, frozenset((0, 2)): 4.0, frozenset((1, 2)): 3.0}
        length = np.array([distance[frozenset((order[i], order[(i + 1) % 3]))] for i in range(3)])
        edge, against = reference_half_edges(length)
        ends = [order[edge[0]], order[(edge[0] + 1) % 3]]
        assert (ends[::-1] if against[0] else ends) == [0, 1]


def test_rounding_does_not_choose_between_equal_edges() -> None:
    equal = np.array([1.0, 1.0 + TIE / 10, 1.0 - TIE / 10])
    edge, against = reference_half_edges(equal)
    assert (edge[0], bool(against[0])) == (0, False)

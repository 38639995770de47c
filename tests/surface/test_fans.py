"""Fans: the corners of every vertex, each sharing an edge with the next, counterclockwise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapes

from manifoldconv.surface.fans import Fans, build_fans
from manifoldconv.surface.mesh import Connectivity, build_connectivity

SOUPS = {
    "cube": shapes.cube(),
    "bumpy": shapes.bumpy(1),
    "grid": shapes.grid(3, 2),
    "ell": shapes.ell(),
    "Möbius band": shapes.moebius_band(12),
}


def build(name: str, turned: bool) -> tuple[Connectivity, Fans]:
    vertices, faces = SOUPS[name]
    if turned:
        faces = shapes.turned_over(faces, np.flatnonzero(np.random.default_rng(3).random(len(faces)) < 0.5))
    mesh = build_connectivity(faces, len(vertices))
    return mesh, build_fans(mesh)


def sides(mesh: Connectivity, corner: int, sense: int) -> tuple[int, int]:
    """The far ends of the two edges of a corner, clockwise one first."""
    face, i = divmod(corner, 3)
    after, before = int(mesh.faces[face, (i + 1) % 3]), int(mesh.faces[face, (i + 2) % 3])
    return (after, before) if sense > 0 else (before, after)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", SOUPS)
def test_a_fan_holds_every_corner_once_and_goes_on_across_edges(name: str, turned: bool) -> None:
    mesh, fans = build(name, turned)
    assert sorted(fans.corner.tolist()) == list(range(3 * len(mesh.faces)))
    for vertex in range(mesh.n_vertices):
        row = slice(fans.start[vertex], fans.start[vertex + 1])
        corners, senses = fans.corner[row].tolist(), fans.sense[row].tolist()
        assert (mesh.tail[corners] == vertex).all()
        ends = [sides(mesh, corner, sense) for corner, sense in zip(corners, senses, strict=True)]
        for (_, last), (first, _) in pairwise(ends):
            assert last == first
        assert fans.open[vertex] == (ends[-1][1] != ends[0][0])


@pytest.mark.parametrize("name", ["cube", "bumpy", "grid", "ell"])
def test_senses_follow_the_signs_of_the_faces_of_an_orientable_mesh(name: str) -> None:
    mesh, fans = build(name, turned=True)
    assert (fans.sense == mesh.face_sign[fans.corner // 3]).all()


@pytest.mark.parametrize("name", ["grid", "ell", "Möbius band"])
def test_open_fans_are_those_of_the_boundary(name: str) -> None:
    mesh, fans = build(name, turned=True)
    on_boundary = np.zeros(mesh.n_vertices, dtype=bool)
    on_boundary[mesh.tail[mesh.twin < 0]] = on_boundary[mesh.head[mesh.twin < 0]] = True
    assert (fans.open == on_boundary).all()


def test_a_vertex_of_no_face_has_an_empty_fan() -> None:
    vertices, faces = shapes.tetrahedron()
    fans = build_fans(build_connectivity(faces, len(vertices) + 1))
    assert fans.start.tolist() == [0, 3, 6, 9, 12, 12]
    assert not fans.open.any()

"""The meshes of the folder meshes/: their table, recomputed here by other means, and their known geometry."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from manifoldconv.surface.io import read_mesh

FOLDER = Path(__file__).resolve().parents[1] / "meshes"
TABLE: dict[str, dict[str, object]] = json.loads((FOLDER / "table.json").read_text(encoding="utf-8"))
CLOSED = [name for name, row in TABLE.items() if row["boundary_loops"] == 0]
LEVEL_SETS = ["genus2", "genus3", "octopus", "fox"]


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    mesh = read_mesh(FOLDER / f"{name}.ply")
    assert mesh.notices == ()
    return mesh.vertices, mesh.faces


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_meshes", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


def edge_faces(faces: np.ndarray) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Undirected edge → (face, +1 or -1 for the direction in which the face runs along it)."""
    result: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for face, corners in enumerate(faces.tolist()):
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            result.setdefault((min(a, b), max(a, b)), []).append((face, 1 if a < b else -1))
    return result


def groups(pairs: list[tuple[int, int]], size: int) -> int:
    """Connected components of `size` nodes."""
    rows, columns = np.array(pairs, dtype=int).reshape(-1, 2).T
    return int(connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(size, size)))[0])


def is_orientable(edges: dict[tuple[int, int], list[tuple[int, int]]], count: int) -> bool:
    """Two copies of each face, one turned over: joined so that neighbours agree, they stay apart or meet."""
    pairs = []
    for around in edges.values():
        if len(around) == 2:
            (first, way), (second, other) = around
            turn = 0 if way != other else 1
            pairs += [(2 * first, 2 * second + turn), (2 * first + 1, 2 * second + 1 - turn)]
    return groups(pairs, 2 * count) == 2


def angle_sums(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """By the law of cosines, from lengths alone."""
    sides = [np.linalg.norm(vertices[faces[:, i - 2]] - vertices[faces[:, i - 1]], axis=1) for i in range(3)]
    sums = np.zeros(len(vertices))
    for corner in range(3):
        opposite, left, right = sides[corner], sides[corner - 1], sides[corner - 2]
        cosine = (left**2 + right**2 - opposite**2) / (2 * left * right)
        np.add.at(sums, faces[:, corner], np.arccos(np.clip(cosine, -1, 1)))
    return sums


@pytest.mark.parametrize("name", TABLE)
def test_topology_is_that_of_the_table(name: str) -> None:
    vertices, faces = load(name)
    row, edges = TABLE[name], edge_faces(faces)
    rim = [edge for edge, around in edges.items() if len(around) == 1]
    inner_loops = (
        groups(rim, len(vertices)) - (len(vertices) - len({v for edge in rim for v in edge})) if rim else 0
    )
    euler = len(np.unique(faces)) - len(edges) + len(faces)
    assert max(len(around) for around in edges.values()) == 2
    assert (len(vertices), len(faces), len(edges)) == (row["vertices"], row["faces"], row["edges"])
    assert euler == row["euler_characteristic"]
    assert inner_loops == row["boundary_loops"]
    assert is_orientable(edges, len(faces)) == row["orientable"]
    if row["orientable"]:
        assert 2 - 2 * row["genus"] - row["boundary_loops"] == euler  # type: ignore[operator]
        assert all(sum(way for _, way in around) == 0 for around in edges.values() if len(around) == 2)
    else:
        assert row["genus"] is None
    assert groups([(a[0][0], a[1][0]) for a in edges.values() if len(a) == 2], len(faces)) == 1


@pytest.mark.parametrize("name", TABLE)
def test_vertices_are_used_and_have_one_fan_of_faces(name: str) -> None:
    vertices, faces = load(name)
    corner = {(face, v): 3 * face + i for face, row in enumerate(faces.tolist()) for i, v in enumerate(row)}
    joined = []
    for edge, around in edge_faces(faces).items():
        if len(around) == 2:
            joined += [(corner[around[0][0], v], corner[around[1][0], v]) for v in edge]
    assert len(np.unique(faces)) == len(vertices)
    assert groups(joined, 3 * len(faces)) == len(vertices)


@pytest.mark.parametrize("name", TABLE)
def test_geometry_is_that_of_the_table(name: str) -> None:
    vertices, faces = load(name)
    row = TABLE[name]
    a, b, c = (np.linalg.norm(vertices[faces[:, i]] - vertices[faces[:, i - 1]], axis=1) for i in range(3))
    s = (a + b + c) / 2
    area = np.sqrt(s * (s - a) * (s - b) * (s - c)).sum()  # Heron: good to 1e-10 for triangles this round
    assert area == pytest.approx(row["area"], rel=1e-10)
    assert np.isfinite(vertices).all()
    if row["volume"] is not None:
        volume = np.linalg.det(vertices[faces]).sum() / 6
        assert volume == pytest.approx(row["volume"], rel=1e-10)
        assert volume > 0  # outward


@pytest.mark.parametrize("name", TABLE)
def test_gauss_bonnet(name: str) -> None:
    vertices, faces = load(name)
    rim = sorted({v for edge, around in edge_faces(faces).items() if len(around) == 1 for v in edge})
    curvature = 2 * np.pi - angle_sums(vertices, faces)
    curvature[rim] -= np.pi
    # Angles by the law of cosines err by about 1e-15 / sin(angle); 1e-9 is far above their sum over a mesh.
    assert curvature.sum() == pytest.approx(
        2 * np.pi * int(str(TABLE[name]["euler_characteristic"])), abs=1e-9
    )


def test_positions_on_closed_forms() -> None:
    sphere, _ = load("icosphere")
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=1), 1.0, atol=1e-15)
    torus, _ = load("torus")
    np.testing.assert_allclose(np.hypot(np.hypot(torus[:, 0], torus[:, 1]) - 1, torus[:, 2]), 0.4, atol=1e-15)
    cube, _ = load("cube")
    np.testing.assert_array_equal(np.abs(cube), 0.5)
    fine, _ = load("cube_fine")
    np.testing.assert_allclose(np.abs(fine).max(axis=1), 0.5, atol=1e-15)


@pytest.mark.parametrize(("name", "curvature"), [("cone", np.pi / 2), ("saddle", -np.pi / 2)])
def test_one_vertex_has_all_the_curvature(name: str, curvature: float) -> None:
    vertices, faces = load(name)
    rim = sorted({v for edge, around in edge_faces(faces).items() if len(around) == 1 for v in edge})
    defect = 2 * np.pi - angle_sums(vertices, faces)
    tip = int(np.argmin(np.linalg.norm(vertices, axis=1)))
    assert defect[tip] == pytest.approx(curvature, abs=1e-13)
    others = np.setdiff1d(np.arange(len(vertices)), [*rim, tip])
    np.testing.assert_allclose(defect[others], 0.0, atol=1e-12)


@pytest.mark.parametrize(("name", "corners"), [("cube", 8), ("cube_fine", 8)])
def test_a_cube_is_flat_but_for_its_corners(name: str, corners: int) -> None:
    vertices, faces = load(name)
    defect = 2 * np.pi - angle_sums(vertices, faces)
    curved = np.abs(defect) > 1e-9
    assert curved.sum() == corners
    np.testing.assert_allclose(defect[curved], np.pi / 2, atol=1e-12)


@pytest.mark.parametrize("name", LEVEL_SETS)
def test_level_sets_have_good_triangles_and_no_ties(name: str) -> None:
    vertices, faces = load(name)
    edges = np.array(sorted(edge_faces(faces)))
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    assert float(str(TABLE[name]["min_angle_degrees"])) > 20
    assert len(np.unique(lengths)) == len(lengths)


def test_klein_bottle_shares_no_vertex_where_it_passes_through_itself() -> None:
    vertices, _ = load("klein")
    assert len(np.unique(np.round(vertices, 6), axis=0)) == len(vertices)


def test_the_folder_is_small_and_complete() -> None:
    files = sorted(FOLDER.glob("*.ply"))
    assert [path.stem for path in files] == sorted(TABLE)
    assert sum(path.stat().st_size for path in files) < 5_000_000


def test_make_gives_the_closed_forms_again() -> None:
    make = maker()
    assert list(make.SHAPES) == list(TABLE)
    for name in set(TABLE) - set(LEVEL_SETS):
        vertices, faces = make.SHAPES[name][0]()
        stored_vertices, stored_faces = load(name)
        np.testing.assert_array_equal(stored_faces, faces, err_msg=name)
        np.testing.assert_allclose(stored_vertices, vertices, rtol=0, atol=1e-9, err_msg=name)


def test_the_readme_shows_the_table() -> None:
    make = maker()
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert make.readme_table(TABLE) in text

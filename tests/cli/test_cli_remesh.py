"""`manifoldconv remesh`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import manifoldconv as mc
from manifoldconv.surface.io import read_mesh, write_mesh

MESHES = Path(__file__).resolve().parents[2] / "meshes"


@pytest.fixture
def square(tmp_path: Path) -> Path:
    path = tmp_path / "square.ply"
    corners = np.array([[0, 0, 0], [4, 0, 0], [2, 1, 0], [2, -1, 0.0]])
    heat, part = np.array([0.0, 1, 2, 3]), np.array([7, 8], dtype=np.int32)
    write_mesh(path, corners, np.array([[0, 1, 2], [1, 0, 3]]), {"heat": heat}, {"part": part})
    return path


def test_subdivision_carries_the_properties(run, square: Path, tmp_path: Path) -> None:
    out = tmp_path / "fine.ply"
    outcome = run("remesh", square, "--subdivide", 2, "--out", out)
    assert (outcome.status, outcome.err) == (0, "")
    assert "32 faces in place of 2" in outcome.out
    fine = read_mesh(out)
    assert fine.vertex_data["heat"][:4].tolist() == [0, 1, 2, 3]
    assert fine.vertex_data["heat"].max() == 3
    assert np.bincount(fine.face_data["part"]).tolist() == [0] * 7 + [16, 16]


def test_decimation_reaches_the_number(run, tmp_path: Path) -> None:
    out = tmp_path / "coarse.off"
    content = json.loads(
        run("remesh", MESHES / "torus.ply", "--target-faces", 600, "--out", out, "--json").out
    )
    assert content["after"]["faces"] == len(read_mesh(out).faces) == 600
    assert 0 < content["deviation"] < content["after"]["mean_edge"]
    assert mc.load_mesh(out).connectivity.genus == 1


def test_delaunay_is_written_by_lengths(run, square: Path, tmp_path: Path) -> None:
    assert "1 edge flipped" in run("remesh", square, "--delaunay").out
    out = tmp_path / "better.npz"
    content = json.loads(run("remesh", square, "--delaunay", "--out", out, "--json").out)
    assert (content["flips"], content["blocked"]) == (1, 0)
    assert content["after"]["smallest_angle"] > content["before"]["smallest_angle"]
    with np.load(out) as arrays:
        surface = mc.MeshSurface.from_edge_lengths(**arrays)
    assert surface.n_vertices == 4
    assert surface.area == pytest.approx(4, rel=1e-15)


def test_properties_that_a_format_cannot_hold_are_named(run, square: Path, tmp_path: Path) -> None:
    outcome = run("remesh", square, "--subdivide", 1, "--out", tmp_path / "fine.obj")
    assert "no room for the properties heat, part" in outcome.err


def test_mistakes_are_one_line(run, square: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.ply"
    assert "choose one" in run("remesh", square, "--out", out).complaint
    assert "choose one" in run("remesh", square, "--delaunay", "--subdivide", 1, "--out", out).complaint
    assert "give --out" in run("remesh", square, "--subdivide", 1).complaint
    assert "another surface" in run("remesh", square, "--delaunay", "--out", out).complaint
    assert "--subdivide must be" in run("remesh", square, "--subdivide", 0, "--out", out).complaint
    assert "--target-faces must be" in run("remesh", square, "--target-faces", 0, "--out", out).complaint
    few = run("remesh", MESHES / "cube.ply", "--target-faces", 3, "--out", out).complaint
    assert "can't be decimated to 3: with 4 left" in few
    assert not out.exists()
    assert "ends in" in run("remesh", square, "--subdivide", 1, "--out", tmp_path / "o.stl").complaint
    assert "would write over" in run("remesh", square, "--subdivide", 1, "--out", square).complaint

"""`manifoldconv exp`: geodesics of closed forms, curves that stay on the surface, files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.cli.disc import ExponentialDisc, unbroken

MESHES = Path(__file__).parent.parent.parent / "meshes"


def test_on_the_sphere_geodesics_are_great_circles(run) -> None:
    arguments = ("exp", MESHES / "icosphere.ply", "--vertex", 7, "--radius", 1.0, "--rays", 12, "--json")
    figures = json.loads(run(*arguments).out)
    start = mc.load_mesh(MESHES / "icosphere.ply").vertices[7].numpy()
    assert figures["complete"] == len(figures["rays"]) == 12
    for i, ray in enumerate(figures["rays"]):
        assert ray["angle"] == pytest.approx(2 * math.pi * i / 12)
        assert ray["length"] == pytest.approx(1.0)
        # The mesh has edges of 0.075 and lies up to 0.001 inside the sphere.
        assert math.acos(np.dot(ray["end"], start)) == pytest.approx(1.0, abs=0.01)


def test_geodesics_stop_at_the_boundary_and_curves_stay_on_the_surface() -> None:
    surface = mc.load_mesh(MESHES / "saddle.ply")
    disc = ExponentialDisc.trace(surface, 10, 0.8, 16)
    assert 0 < disc.complete.sum() < 16
    assert (disc.length[~disc.complete] < 0.8).all()
    for path, end in zip(disc.rays, disc.end[disc.length > 0], strict=True):
        assert np.allclose(path[-1], end)
        lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
        # Equal steps; a chord over a crease is a little shorter than its geodesic.
        assert lengths.max() <= lengths.mean() * 1.05
    assert all(len(circle) > 1 for circle in disc.circles)


def test_tears_break_a_curve() -> None:
    line = np.stack([np.arange(10.0), np.zeros(10), np.zeros(10)], axis=1)
    line[5:, 1] += 20
    there = np.ones(10, dtype=bool)
    assert [len(piece) for piece in unbroken(line, there)] == [5, 5]
    there[2] = False
    assert [len(piece) for piece in unbroken(line, there)] == [2, 2, 5]
    assert unbroken(line, np.zeros(10, dtype=bool)) == []


def test_files(run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    obj, table, picture = tmp_path / "disc.obj", tmp_path / "disc.csv", tmp_path / "disc.png"
    start = ("exp", MESHES / "cone.ply", "--vertex", 3, "--rays", 8)
    assert run(*start, "--out", obj, "--picture", picture, "--up", "z").status == 0
    assert run(*start, "--out", table).status == 0
    lines = obj.read_text().splitlines()
    vertices = [line for line in lines if line.startswith("v ")]
    used = [int(i) for line in lines if line.startswith("l ") for i in line.split()[1:]]
    assert used == list(range(1, len(vertices) + 1))
    assert len(table.read_text().splitlines()) == len(vertices) + 1
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vertex", 99999), "vertex 99999 does not exist; the mesh has 8 vertices"),
        (("--vertex", -1), "vertex -1 does not exist"),
        (("--vertex", 0, "--radius", "x"), "--radius must be a positive length"),
        (("--vertex", 0, "--rays", 0), "--rays"),
        (("--vertex", 0, "--out", "a.ply"), "expected a name that ends in .obj, .csv"),
        ((), "--vertex"),
    ],
)
def test_mistakes(run, arguments, message: str) -> None:
    assert message in run("exp", MESHES / "cube.ply", *arguments).complaint


def test_a_vertex_of_no_face_has_no_disc(run, tmp_path: Path) -> None:
    from manifoldconv.surface.io import write_mesh

    path = tmp_path / "lonely.ply"
    write_mesh(path, torch.eye(4, 3).numpy(), [[0, 1, 2]])
    assert "vertex 3 belongs to no face" in run("exp", path, "--vertex", 3).complaint

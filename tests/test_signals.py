"""Signals by name: values that closed forms know, files of numbers, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.signals import read_signal
from manifoldconv.surface.io import write_mesh

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float64)
FACES = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.fixture
def square(tmp_path: Path) -> mc.MeshSurface:
    """A unit square with properties of vertices and faces."""
    path = tmp_path / "square.ply"
    data = {"heat": np.arange(4.0), "color": np.eye(4, 3), "noise": np.full(4, 7.0), "wind": np.ones((4, 3))}
    write_mesh(path, VERTICES, FACES, data, {"part": np.array([3, 4])})
    return mc.load_mesh(path)


def test_coordinates_are_those_of_vertices_or_centroids(square: mc.MeshSurface) -> None:
    assert read_signal(square, "y").values[:, 0].tolist() == [0, 0, 1, 1]
    centroids = read_signal(square, "x", "faces").values[:, 0]
    assert torch.allclose(centroids, torch.tensor([2 / 3, 1 / 3], dtype=torch.float64), atol=1e-15)


def test_noise_is_fixed_by_its_seed_and_standard_normal() -> None:
    surface = mc.load_mesh(Path(__file__).parent.parent / "meshes" / "icosphere.ply")
    first, again, other = (read_signal(surface, f"noise:{seed}").values for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert torch.equal(read_signal(surface, "noise").values, read_signal(surface, "noise:0").values)
    # 2562 independent numbers: means and correlations have a standard deviation of 0.02.
    assert abs(float(first.mean())) < 0.1
    assert abs(float(first.std()) - 1) < 0.1
    assert abs(float((first * other).mean())) < 0.1


def test_delta_is_one_at_its_site(square: mc.MeshSurface) -> None:
    assert read_signal(square, "delta:2").values[:, 0].tolist() == [0, 0, 1, 0]
    assert read_signal(square, "delta:1", "faces").values[:, 0].tolist() == [0, 1]


def test_properties_of_the_file_are_found_where_they_live(square: mc.MeshSurface) -> None:
    heat = read_signal(square, "heat")
    assert (heat.sites, heat.property_of_file, heat.values[:, 0].tolist()) == (
        "vertices",
        "heat",
        [0, 1, 2, 3],
    )
    part = read_signal(square, "part")
    assert (part.sites, part.values[:, 0].tolist()) == ("faces", [3, 4])
    color = read_signal(square, "color")
    assert torch.equal(color.values, torch.eye(4, 3, dtype=torch.float64))
    assert not torch.equal(
        read_signal(square, "noise").values[:, 0], torch.full((4,), 7.0, dtype=torch.float64)
    )
    assert read_signal(square, "property:noise").values[:, 0].tolist() == [7, 7, 7, 7]


def test_a_vector_field_has_three_channels(square: mc.MeshSurface) -> None:
    assert read_signal(square, "wind").kind == "scalar"
    assert read_signal(square, "wind", vector=True).kind == "vector"
    with pytest.raises(mc.GeometryError, match=r"three components.*the signal heat has 1"):
        read_signal(square, "heat", vector=True)


def test_npy_files(square: mc.MeshSurface, tmp_path: Path) -> None:
    table = np.arange(8.0).reshape(4, 2)
    np.save(tmp_path / "f.npy", table)
    np.save(tmp_path / "faces.npy", np.array([5, 6], dtype=np.int16))
    assert np.array_equal(read_signal(square, f"{tmp_path}/f.npy").values, table)
    assert np.array_equal(read_signal(square, f"{tmp_path}/f.npy:1").values, table[:, 1:])
    on_faces = read_signal(square, f"{tmp_path}/faces.npy")
    assert (on_faces.sites, on_faces.values[:, 0].tolist()) == ("faces", [5, 6])


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("id,heat\n0,1.5\n1,2.5\n2,3.5\n3,4.5\n", ":heat", [1.5, 2.5, 3.5, 4.5]),
        ("id;heat\n0;1.5\n1;2.5\n2;3.5\n3;4.5\n", ":1", [1.5, 2.5, 3.5, 4.5]),
        ("1\n2\n3\n4\n", "", [1, 2, 3, 4]),
        ("\ufeffheat\n1e0\n\n2\n3\n4\n", ":heat", [1, 2, 3, 4]),
    ],
)
def test_csv_files(
    square: mc.MeshSurface, tmp_path: Path, text: str, column: str, expected: list[float]
) -> None:
    (tmp_path / "f.csv").write_text(text, encoding="utf-8")
    assert read_signal(square, f"{tmp_path}/f.csv{column}").values[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("heta", r"no signal 'heta' \(did you mean heat\?\).*properties heat, "),
        ("delta:4", r"delta:4 names no site; the mesh has 4 vertices \(0 to 3\)"),
        ("delta", r"expected the number of a site after delta:"),
        ("noise:-1", r"expected a seed after noise:.*got '-1'"),
        ("absent.npy", r"absent.npy: there is no such file"),
        ("TMP/long.npy", r"long.npy has 5 rows; the mesh has 4 vertices \(and 2 faces\)"),
        ("TMP/nan.npy", r"is nan at vertex 2"),
        ("TMP/complex.npy", r"expected real numbers.*complex128"),
        ("TMP/text.npy", r"expected an NPY file of numbers"),
        ("TMP/words.csv:heat", r"words.csv \(line 3\): expected a number in column heat, got 'warm'"),
        ("TMP/words.csv:cold", r"has the columns id, heat; there is no column 'cold'"),
        ("TMP/long.npy:3", r"has the columns 0 to 0; there is no column '3'"),
    ],
)
def test_mistakes_are_told_what_came_and_where(
    square: mc.MeshSurface, tmp_path: Path, spec: str, message: str
) -> None:
    np.save(tmp_path / "long.npy", np.zeros(5))
    np.save(tmp_path / "nan.npy", np.array([0, 0, np.nan, 0]))
    np.save(tmp_path / "complex.npy", np.zeros(4, dtype=complex))
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "words.csv").write_text("id,heat\n0,1\n1,warm\n2,1\n3,1\n")
    with pytest.raises(mc.GeometryError, match=message):
        read_signal(square, spec.replace("TMP", str(tmp_path)))


def test_sites_that_do_not_fit_are_refused(square: mc.MeshSurface) -> None:
    with pytest.raises(mc.GeometryError, match="lives on the faces of the mesh; use the sites faces"):
        read_signal(square, "part", "vertices")
    with pytest.raises(mc.GeometryError, match="lives on the vertices"):
        read_signal(square, "gaussian-curvature", "faces")

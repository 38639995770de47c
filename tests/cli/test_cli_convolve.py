"""`manifoldconv convolve`: what it writes, what it refuses, and that it writes all or nothing."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.surface.io import read_mesh, write_mesh

MESHES = Path(__file__).parent.parent.parent / "meshes"
BROKEN = Path(__file__).parent.parent.parent.parent / "shared" / "meshes" / "broken"
SPHERE = MESHES / "icosphere.ply"


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """A grid with properties on its vertices and faces."""
    n = 6
    x, y = np.meshgrid(np.arange(n, dtype=np.float64), np.arange(n, dtype=np.float64))
    vertices = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    i = (np.arange(n - 1)[:, None] * n + np.arange(n - 1)).reshape(-1)
    faces = np.concatenate([np.stack([i, i + 1, i + n + 1], 1), np.stack([i, i + n + 1, i + n], 1)])
    rng = np.random.default_rng(0)
    on_vertices = {
        "heat": rng.standard_normal(n * n),
        "wind": rng.standard_normal((n * n, 3)) * [1, 1, 0],
        "color": np.rint(rng.random((n * n, 3)) * 255) / 255,
    }
    path = tmp_path / "square.ply"
    write_mesh(path, vertices, faces, on_vertices, {"part": np.arange(len(faces))})
    return path


def test_it_agrees_with_the_library(run, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    arguments = ("--signal", "noise:3", "--kernel", "gaussian", "--radius", "0.3", "--sigma", "0.1")
    outcome = run("convolve", SPHERE, *arguments, "--out", out, "--json")
    figures = json.loads(outcome.out)
    surface = mc.load_mesh(SPHERE)
    rule = mc.TangentRule.polar(0.3, figures["n_radial"], figures["n_angular"])
    pull = mc.Pullback.build(surface, surface.sites(), rule)
    noise = torch.randn(2562, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    expected = mc.correlate(noise, mc.kernels.gaussian(0.1), pull)[:, 0].numpy()
    assert np.allclose(np.load(out), expected, rtol=0, atol=1e-12)
    assert figures["nodes"] == len(rule)
    assert figures["radius"] == 0.3
    assert figures["max"] == pytest.approx(float(expected.max()))
    assert figures["mean"] == pytest.approx(float(expected.mean()))
    assert figures["nonzeros"] == len(pull.operator(mc.kernels.gaussian(0.1)).values)
    assert figures["outputs"] == [str(out)]
    assert figures["seconds"] > 0


def test_the_radius_may_be_in_mean_edges(run) -> None:
    edge = mc.load_mesh(SPHERE).mean_edge_length
    figures = json.loads(run("convolve", SPHERE, "--signal", "z", "--radius", "3e", "--json").out)
    assert figures["radius"] == pytest.approx(3 * edge, rel=1e-15)
    assert figures["radius_in_mean_edges"] == pytest.approx(3)
    assert figures["outputs"] == []


def test_ply_keeps_what_the_file_held(run, square: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ply"
    assert run("convolve", square, "--signal", "noise", "--out", out).status == 0
    before, after = read_mesh(square), read_mesh(out)
    assert np.array_equal(before.vertices, after.vertices)
    assert np.array_equal(before.faces, after.faces)
    for name, values in before.vertex_data.items():
        assert np.array_equal(after.vertex_data[name], values), name
    assert np.array_equal(after.face_data["part"], before.face_data["part"])
    assert after.vertex_data["response"].shape == after.vertex_data["signal"].shape == (36,)
    again = tmp_path / "again.ply"
    outcome = run("convolve", out, "--signal", "noise:2", "--out", again)
    assert "were replaced" in outcome.err
    assert not np.array_equal(read_mesh(again).vertex_data["signal"], after.vertex_data["signal"])


def test_channels_vectors_and_faces(run, square: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ply"
    run("convolve", square, "--signal", "color", "--out", out)
    held = read_mesh(out).vertex_data
    assert {"response_0", "response_1", "response_2", "red"} <= set(held)
    assert "signal" not in held
    run("convolve", square, "--signal", "wind", "--vector", "--out", out)
    assert read_mesh(out).vertex_data["response"].shape == (36, 3)
    outcome = run("convolve", square, "--signal", "wind", "--out", out)
    assert "--vector carries tangent vectors" in outcome.err
    run("convolve", square, "--signal", "part", "--out", out)
    assert read_mesh(out).face_data["response"].shape == (50,)


def test_csv_has_one_row_a_site_with_exact_digits(run, square: Path, tmp_path: Path) -> None:
    table, array = tmp_path / "out.csv", tmp_path / "out.npy"
    run("convolve", square, "--signal", "heat", "--out", table)
    run("convolve", square, "--signal", "heat", "--out", array)
    rows = list(csv.DictReader(table.open()))
    assert [int(row["vertex"]) for row in rows] == list(range(36))
    assert [float(row["response"]) for row in rows] == np.load(array).tolist()
    # What it wrote, it reads.
    assert run("convolve", square, "--signal", f"{table}:response", "--json").status == 0


def test_boundary_policies_differ_and_defaults_are_said(run, square: Path) -> None:
    maxima = {}
    for policy in ("zero", "renormalise", "reflect"):
        arguments = ("--signal", "heat", "--boundary", policy, "--radius", "2.5", "--json")
        maxima[policy] = json.loads(run("convolve", square, *arguments).out)["max"]
    assert len(set(maxima.values())) == 3
    for kernel, default in (("smooth", "reflect"), ("gaussian", "zero")):
        figures = json.loads(run("convolve", square, "--signal", "heat", "--kernel", kernel, "--json").out)
        assert figures["boundary"] == default


def test_without_outputs_it_writes_the_mesh_here(
    run, square: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run("convolve", square, "--signal", "heat").status == 0
    assert os.listdir() == ["square-smooth.ply"]


def test_a_picture(run, square: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "picture.png"
    outcome = run(
        "convolve", square, "--signal", "heat", "--kernel", "edges", "--picture", picture, "--up", "z"
    )
    assert outcome.status == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_gauge_dependent_lifts_the_refusal(run, tmp_path: Path) -> None:
    arguments = ("convolve", SPHERE, "--signal", "z", "--kernel", "derivative", "--json")
    complaint = run(*arguments).complaint
    assert "SO(2)" in complaint
    assert "--gauge-dependent" in complaint
    assert "gauge_dependent=True" not in complaint
    assert run(*arguments, "--gauge-dependent").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--signal", "heta"), "did you mean heat?"),
        (("--signal", "heat", "--kernel", "blur"), "presets are smooth, sharpen, edges, ridges"),
        (("--signal", "heat", "--radius", "0"), "--radius must be a positive length"),
        (("--signal", "heat", "--radius", "-2e"), "--radius must be a positive length"),
        (("--signal", "heat", "--radius", "nane"), "--radius must be a positive length"),
        (("--signal", "heat", "--radius", "wide"), "got 'wide'"),
        (("--signal", "heat", "--sigma", "0"), "--sigma must be a positive length"),
        (("--signal", "heat", "--radius", "1e9e"), "take a smaller radius"),
        (("--signal", "short.npy"), "short.npy has 3 rows; the mesh has 36 vertices (and 50 faces)"),
        (("--signal", "delta:99"), "the mesh has 36 vertices (0 to 35)"),
        (("--signal", "heat", "--sites", "faces"), "lives on the vertices"),
        (("--signal", "heat", "--vector"), "three components"),
        (("--signal", "heat", "--normalise"), "has its own normalisation"),
        (("--signal", "heat", "--kernel", "edges", "--boundary", "renormalise"), "choose reflect or zero"),
        (("--signal", "heat", "--kernel", "ridges", "--angular", "3"), "needs at least 5 angles"),
        (("--signal", "heat", "--angular", "0"), "--angular"),
        (("--signal", "heat", "--out", "out.xyz"), "expected a name that ends in .ply, .npy, .csv"),
        (("--signal", "heat", "--out", "no/such/out.ply"), "there is no folder"),
        (("--signal", "heat", "--out", "square.ply"), "would write over the input"),
        (("--signal", "heat", "--out", "a.ply", "--picture", "a.txt"), "--picture a.txt: expected a name"),
        (("--signal", "heat", "--boundary", "none"), "--boundary"),
        ((), "--signal"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing_behind(
    run, square: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("short.npy", np.zeros(3))
    before = sorted(os.listdir())
    assert message in run("convolve", square, *arguments).complaint
    assert sorted(os.listdir()) == before


def test_without_matplotlib_pictures_are_refused_before_the_work(
    run, square: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "matplotlib" else real(name, *a)
    )
    out = tmp_path / "out.ply"
    arguments = ("--signal", "heat", "--out", out, "--picture", tmp_path / "picture.png")
    assert "pip install 'manifoldconv[plot]'" in run("convolve", square, *arguments).complaint
    assert not out.exists()


def test_when_the_picture_fails_no_result_appears(
    run, square: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from manifoldconv.cli import results

    def fail(path: Path, *rest: object) -> None:
        path.write_bytes(b"half of a pic")
        raise ValueError("the pen broke")

    monkeypatch.setattr(results, "draw", fail)
    before = sorted(os.listdir(tmp_path))
    arguments = ("--signal", "heat", "--out", tmp_path / "out.ply", "--picture", tmp_path / "picture.png")
    assert "the pen broke" in run("convolve", square, *arguments).complaint
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.skipif(not BROKEN.is_dir(), reason="the collection of broken meshes is not there")
def test_broken_meshes_give_a_result_or_one_line(run, tmp_path: Path) -> None:
    for path in sorted(BROKEN.iterdir()):
        if path.stat().st_size > 2_000_000:
            continue  # a whole scan of 134 000 vertices; `info` reads it in its own test
        out = tmp_path / "out.npy"
        outcome = run("convolve", path, "--signal", "x", "--radius", "2e", "--out", out, "--json")
        if outcome.status == 0:
            assert np.isfinite(np.load(out)).all()
            out.unlink()
        else:
            assert str(path) in outcome.complaint
        assert os.listdir(tmp_path) == []

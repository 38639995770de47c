"""The entry: version, help, exit statuses as the shell sees them, the demo."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import manifoldconv as mc
from manifoldconv.surface.io import read_mesh

MESHES = Path(__file__).parent.parent.parent / "meshes"


def shell(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "manifoldconv", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_version_and_help(run) -> None:
    assert run("--version").out == f"manifoldconv {mc.__version__}\n"
    for command in ((), ("info",), ("convolve",), ("exp",), ("demo",)):
        outcome = run(*command, "--help")
        assert outcome.status == 0
        assert "Usage" in outcome.out


def test_nothing_to_do_shows_the_help(run) -> None:
    outcome = run()
    assert "convolve" in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inof", "mesh.ply"), "inof"),
        (("info",), "MESH"),
        (("info", "a.ply", "b.ply"), "b.ply"),
        (("info", "no\nsuch.ply"), "there is no such file"),
        (("info", "mesh.txt"), "there is no such file"),
        (("--bad",), "--bad"),
        (("info", "."), "got a folder"),
    ],
)
def test_mistakes_get_one_line(run, arguments, message: str) -> None:
    assert message in run(*arguments).complaint


def test_the_shell_sees_status_and_streams(tmp_path: Path) -> None:
    done = shell("info", MESHES / "cube.ply", "--json")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["faces"]) == (0, "", 12)
    (tmp_path / "bad.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n")
    refused = shell("convolve", "bad.obj", "--signal", "x", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert "bad.obj: face 0 (line 4) refers to vertex 9" in refused.stderr
    assert os.listdir(tmp_path) == ["bad.obj"]


def test_the_demo(run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    outcome = run("demo", "--out", tmp_path / "out")
    assert (outcome.status, outcome.err) == (0, "")
    assert sorted(os.listdir(tmp_path / "out")) == ["figures.json", "picture.png", "response.ply"]
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    held = read_mesh(tmp_path / "out" / "response.ply").vertex_data
    assert len(held["response"]) == figures["vertices"]
    assert figures["max"] == pytest.approx(float(held["response"].max()))
    odd, loop = figures["odd_kernel"], figures["holonomy_witness"]
    assert "is not invariant under the holonomy group (SO(2))" in odd["refusal"]
    # Turned by an angle, v·e changes by 2 sin(angle / 2) of its largest value; between nodes it is a bit less.
    turn = 2 * abs(math.sin(math.radians(loop["angle_in_degrees"]) / 2))
    assert 0.95 * turn < odd["change_round_the_loop"] < 1.01 * turn
    for words in ("fox.ply", "add up to 4π", "SO(2)", "refused", "picture.png"):
        assert words in outcome.out
    assert len(outcome.out.splitlines()) <= 32
    cases = {case["manifold"]: case for case in figures["three_manifolds"]}
    judged = {name: (case["group"], case["admitted"]) for name, case in cases.items()}
    assert judged == {
        "flat torus": ("trivial", True),
        "Möbius strip": ("reflection", False),
        "sphere": ("SO(2)", True),
    }
    assert (
        "Under the reflection diag(1, -1) it changes by 2 times its largest value"
        in cases["Möbius strip"]["reason"]
    )
    for name, within in (("flat torus", 5e-3), ("sphere", 5e-3)):  # of the interpolation between the sites
        assert cases[name]["response"] == pytest.approx(cases[name]["closed_form"], rel=within)
        assert name in outcome.out
    assert "\x1b" not in outcome.out


def test_the_demo_needs_its_mesh_and_a_folder(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file; name a folder" in run("demo", "--out", tmp_path / "file").complaint
    assert "there is no folder" in run("demo", "--out", tmp_path / "a" / "b").complaint
    monkeypatch.setattr(sys.modules["manifoldconv.cli.demo"], "DEMO_MESH", "unicorn.ply")
    assert "run it from a clone" in run("demo", "--out", tmp_path / "out").complaint
    assert not (tmp_path / "out").exists()

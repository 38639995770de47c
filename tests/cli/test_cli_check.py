"""`manifoldconv check`: faults in words and as JSON, and the repaired mesh."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from manifoldconv.surface.io import read_mesh, write_mesh

MESHES = Path(__file__).parent.parent.parent / "meshes"
BOW_TIE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0], [9, 9, 9]]


@pytest.fixture
def bow_tie(tmp_path: Path) -> Path:
    path = tmp_path / "bow.ply"
    write_mesh(path, BOW_TIE, [[0, 1, 2], [0, 3, 4]], {"heat": np.arange(6.0)})
    return path


@pytest.mark.parametrize("name", ["icosphere", "cube", "torus", "genus3", "cone", "fox"])
def test_nothing_is_wrong_with_the_meshes_that_come_along(run, name: str) -> None:
    outcome = run("check", MESHES / f"{name}.ply")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.endswith("nothing is wrong\n")


def test_faults_and_what_they_do(run, bow_tie: Path) -> None:
    outcome = run("check", bow_tie)
    assert outcome.status == 0
    assert "- 1 pinched vertex: vertex 0\n  The directions there form several fans" in outcome.out
    assert "- 1 vertex of no face: vertex 5\n" in outcome.out
    assert "can't be used as it is (pinched_vertices)" in outcome.out


def test_the_repaired_mesh_is_sound_and_has_the_signals(run, bow_tie: Path, tmp_path: Path) -> None:
    out = tmp_path / "good.ply"
    outcome = run("check", bow_tie, "--repair", out, "--json")
    content = json.loads(outcome.out)
    assert content["usable"] is False
    assert [fault["name"] for fault in content["faults"]] == ["pinched_vertices", "unreferenced_vertices"]
    assert content["repair"]["vertex_map"] == [0, 1, 2, 3, 4, -1]
    mesh = read_mesh(out)
    assert mesh.faces.tolist() == [[0, 1, 2], [5, 3, 4]]
    assert mesh.vertex_data["heat"].tolist() == [0, 1, 2, 3, 4, 0]
    first, touching, *_ = run("check", out).out.splitlines()
    assert first.endswith("nothing is wrong")
    assert touching.startswith("- 1 vertex at the place of another that it only touches: vertex 5")


def test_some_repairs_alone(run, bow_tie: Path, tmp_path: Path) -> None:
    out = tmp_path / "good.obj"
    outcome = run("check", bow_tie, "--repair", out, "--only", "unreferenced-vertices, winding")
    assert "repaired: 1 vertex of no face was dropped: vertex 5" in outcome.out
    assert len(read_mesh(out).vertices) == 5


def test_mistakes_are_one_line(run, bow_tie: Path, tmp_path: Path) -> None:
    assert (
        "unknown repair 'weld'"
        in run("check", bow_tie, "--repair", tmp_path / "o.ply", "--only", "weld").complaint
    )
    assert "--only" in run("check", bow_tie, "--only", "winding").complaint
    assert "expected a name that ends in" in run("check", bow_tie, "--repair", tmp_path / "o.stl").complaint
    assert "tolerance must be" in run("check", bow_tie, "--tolerance", "-1").complaint
    assert "no such file" in run("check", tmp_path / "absent.ply").complaint
    assert list(tmp_path.iterdir()) == [bow_tie]


def test_a_repair_never_writes_over_its_input(tmp_path, capsys):
    from manifoldconv.cli import main

    path = tmp_path / "triangle.off"
    path.write_text("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n")
    before = path.read_bytes()
    assert main(["check", str(path), "--repair", str(path)]) == 2
    assert "would write over the input" in capsys.readouterr().err
    assert path.read_bytes() == before


BROKEN = Path(__file__).resolve().parents[3] / "shared" / "meshes" / "broken"
SMALL = 30_000  # bytes: the large ones are mended and convolved in tests/surface/test_repair_signals.py


def small_broken_files() -> list[str]:
    return sorted(file.name for file in BROKEN.glob("*") if file.stat().st_size < SMALL)


@pytest.mark.skipif(not BROKEN.is_dir(), reason="the shared broken meshes are not here")
@pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")
@pytest.mark.parametrize("name", small_broken_files())
def test_broken_files_are_repaired_and_convolve_or_say_why_not(run, name: str, tmp_path: Path) -> None:
    out = tmp_path / "good.ply"
    outcome = run("check", BROKEN / name, "--repair", out)
    if outcome.status:
        assert outcome.complaint.startswith(f"manifoldconv: error: {BROKEN / name}")
        assert not out.exists()
        return
    response = tmp_path / "response.npy"
    assert run("convolve", out, "--signal", "noise:1", "--out", response).status == 0
    assert np.isfinite(np.load(response)).all()

"""`manifoldconv precompute`: its counts, its report, its exit status, and what it refuses."""

import json
import shutil
from pathlib import Path

import pytest

import manifoldconv as mc
from manifoldconv.precompute import job

MESHES = Path(__file__).parent.parent.parent / "meshes"
LEAN = ("--radius", "0.2", "--radial", "1", "--angular", "8", "--sites", "faces")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch) -> None:
    """Processes are the business of `test_precompute`."""

    def here(files, recipe, folder, token, workers):
        return (job.work_on(file, recipe, folder, token) for file in files)

    monkeypatch.setattr("manifoldconv.precompute.processes.in_processes", here)


def test_a_run_and_its_resumption(run, tmp_path) -> None:
    folder, out = tmp_path / "meshes", tmp_path / "new" / "out"
    folder.mkdir()
    for name in ("cube", "cube_fine"):
        shutil.copy(MESHES / f"{name}.ply", folder)
    (folder / "notes.txt").write_text("no mesh")
    outcome = run("precompute", folder, "--out", out, *LEAN, "--json")
    assert outcome.status == 0, outcome.err
    figures = json.loads(outcome.out)
    assert (figures["built"], figures["kept"], figures["failed"]) == (2, 0, 0)
    assert figures == json.loads((out / "report.json").read_text())
    for entry in figures["files"]:
        surface = mc.load_mesh(entry["file"])
        pull = mc.Pullback.load(entry["output"], manifold=surface)
        assert (len(pull), pull.rule.radius, pull.rule.shape) == (len(surface.faces), 0.2, (1, 8))
    again = run("precompute", folder / "cube.ply", folder, "--out", out, *LEAN)
    assert again.status == 0
    assert "kept     2" in again.out
    assert not any("cube_fine" in note for note in again.err.splitlines() if "error" in note)


def test_failed_files_are_reported_and_the_others_done(run, tmp_path) -> None:
    outcome = run("precompute", MESHES / "cube.ply", tmp_path / "none.ply", "--out", tmp_path / "out", *LEAN)
    assert outcome.status == 2
    errors = [line for line in outcome.err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith(f"manifoldconv: error: {tmp_path / 'none.ply'}: No such file")
    states = [entry["state"] for entry in json.loads((tmp_path / "out" / "report.json").read_text())["files"]]
    assert states == ["built", "failed"]
    corner = run("precompute", MESHES / "cube.ply", "--out", tmp_path / "out", "--radius", "1e")
    assert "use --sites faces, or --local-frames" in corner.err


def test_refusals(run, tmp_path) -> None:
    cube = MESHES / "cube.ply"
    (tmp_path / "empty").mkdir()
    assert (
        "--radius must be a positive length"
        in run("precompute", cube, "--out", tmp_path, "--radius", "wide").complaint
    )
    assert (
        "there is no mesh in this folder"
        in run("precompute", tmp_path / "empty", "--out", tmp_path).complaint
    )
    assert "is no folder" in run("precompute", cube, "--out", cube).complaint
    assert "Missing argument" in run("precompute", "--out", tmp_path).complaint
    assert "--workers" in run("precompute", cube, "--out", tmp_path, "--workers", "0").complaint


def test_an_interrupted_run_says_how_to_go_on(run, tmp_path, monkeypatch) -> None:
    def interrupted(*arguments, **choices):
        raise KeyboardInterrupt

    monkeypatch.setattr("manifoldconv.precompute.precompute", interrupted)
    outcome = run("precompute", MESHES / "cube.ply", "--out", tmp_path)
    assert outcome.status == 130
    assert outcome.err.splitlines() == [
        f"manifoldconv: interrupted; what is finished is in {tmp_path}, the same command goes on from there"
    ]

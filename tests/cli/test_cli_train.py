"""Training and prediction from the shell, on a tiny data set: spheres and tori with bumps."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

import manifoldconv as mc
from manifoldconv.cli import main
from manifoldconv.surface.io import write_mesh

SMALL = [
    "--fields",
    "4x0 + 2x1",
    "--blocks",
    "1",
    "--radius",
    "0.15",
    "--no-cache",
    "--learning-rate",
    "0.02",
]


def torus(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    n, m = 16, 8
    u, v = torch.meshgrid(torch.arange(n), torch.arange(m), indexing="ij")
    a, b = u.double() * (2 * math.pi / n), v.double() * (2 * math.pi / m)
    small = 0.4 + 0.02 * torch.cos(3 * a + seed)
    around = 1 + small * torch.cos(b)
    vertices = torch.stack([around * torch.cos(a), around * torch.sin(a), small * torch.sin(b)], -1)
    here, right = u * m + v, (u + 1) % n * m + v
    up, over = u * m + (v + 1) % m, (u + 1) % n * m + (v + 1) % m
    faces = torch.stack([here, right, over, here, over, up], -1).reshape(-1, 3)
    return vertices.reshape(-1, 3), faces


def sphere(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    sites = mc.Sphere().sites(icosphere=2)
    bumps = 1 + 0.05 * torch.sin(4 * sites.points[:, :1] + seed)
    return sites.points * bumps, sites.faces


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    for name, make in (("sphere", sphere), ("torus", torus)):
        for number in range(4):
            folder = root / "shrec_16" / name / ("train" if number < 3 else "test")
            folder.mkdir(parents=True, exist_ok=True)
            write_mesh(folder / f"T{number}.obj", *make(number))
    return root


def train(data: Path, out: Path, *more: str) -> int:
    common = ["train", "shrec11", "--data", str(data), "--out", str(out), "--train-per-class", "3"]
    return main([*common, *SMALL, *more])


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "first"
    assert train(data, out, "--epochs", "12") == 0
    return out


def test_it_learns_and_leaves_what_it_says(run: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("last.pt", "best.pt", "log.csv", "curves.png", "confusion.png"):
        assert (run / name).stat().st_size > 0
    assert train(data, run, "--epochs", "12", "--json") == 0  # a finished run: nothing more to do
    figures = json.loads(capsys.readouterr().out)
    assert figures["epochs"] == 12
    assert figures["test_accuracy"] == 1.0


def test_a_mesh_is_labelled(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sphere", "torus"):
        mesh, out, picture = data / f"shrec_16/{name}/test/T3.obj", tmp_path / "o.ply", tmp_path / "p.png"
        arguments = ["predict", str(run / "best.pt"), str(mesh), "--out", str(out), "--picture", str(picture)]
        assert main([*arguments, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said["counts"] == {name: 1}
        assert 0.5 < said["mean_certainty"] <= 1
        labelled = mc.load_mesh(out)
        assert labelled.file is not None
        assert set(labelled.file.vertex_data["label"].tolist()) == {("sphere", "torus").index(name)}
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_faces_are_labelled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way of the segmentation data set: scores of a face are the mean of its corners'."""
    from manifoldconv.training import Checkpoint, ClassifierSpec, Recipe, save_checkpoint

    spec = ClassifierSpec(Recipe(radius=0.15), ("head", "arm", "leg"), "faces", "2x0 + 1x1", 1)
    network = spec.build()
    save_checkpoint(
        Checkpoint(network.state_dict(), 1, {}, about={"classifier": spec.as_dict()}), tmp_path / "w.pt"
    )
    write_mesh(tmp_path / "m.obj", *sphere(0))
    out = tmp_path / "o.ply"
    arguments = ["predict", str(tmp_path / "w.pt"), str(tmp_path / "m.obj"), "--out", str(out)]
    assert main([*arguments, "--picture", str(tmp_path / "p.png")]) == 0
    assert "of the faces" in " ".join(capsys.readouterr().out.split())
    data = mc.load_mesh(out).file.face_data  # type: ignore[union-attr]
    assert len(data["label"]) == 320
    assert float(data["certainty"].min()) >= 1 / 3 - 1e-6


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_bad_input(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mesh = str(data / "shrec_16/torus/test/T3.obj")
    assert "is no checkpoint" in refused(capsys, "predict", mesh, mesh)
    assert "is no file" in refused(capsys, "predict", str(tmp_path / "none.pt"), mesh)
    assert "ends in .ply" in refused(capsys, "predict", str(run / "best.pt"), mesh, "--out", "a.obj")
    folder = ["--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert "expected" in refused(capsys, "train", "faust", *folder)
    known = ["--data", str(data), "--out", str(tmp_path / "run"), "--train-per-class", "3"]
    assert "did you mean 'hks'" in refused(capsys, "train", "shrec11", *known, "--features", "hsk")
    assert "epochs must be" in refused(capsys, "train", "shrec11", *known, "--epochs", "0")
    assert train(data, run, "--epochs", "12", "--seed", "5") == 2
    assert "seed was 0, is 5" in capsys.readouterr().err
    torch.save({"format": 1, "network": {}, "epoch": 1, "config": {}}, tmp_path / "other.pt")
    assert "no classifier's" in refused(capsys, "predict", str(tmp_path / "other.pt"), mesh)

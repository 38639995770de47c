"""The training loop: it learns, it resumes to the same bits, and any number of processes takes the same steps."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from toy import Smoother, samples

import manifoldconv as mc
from manifoldconv.datasets import Labelled
from manifoldconv.training import (
    Checkpoint,
    Recipe,
    Sample,
    TrainingConfig,
    evaluate,
    fit,
    load_checkpoint,
    save_checkpoint,
)

CONFIG = TrainingConfig(epochs=6, meshes_a_step=2, learning_rate=0.05, seed=3, decay_every=2)


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_it_learns(tmp_path: Path) -> None:
    network, data = Smoother(2, 2), samples(4)
    before = evaluate(network, data)
    result = fit(network, data, data, TrainingConfig(epochs=30, learning_rate=0.05), tmp_path)
    after = evaluate(network, data)
    assert after.accuracy > max(0.8, before.accuracy)
    assert after.loss == pytest.approx(min(row["validation_loss"] for row in result.history), abs=1e-12)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation_loss"]) for row in rows] == [
        row["validation_loss"] for row in result.history
    ]


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_run_in_two_parts_is_the_run(tmp_path: Path, dropout: float) -> None:
    """To the same bits, with what dropout draws, the optimiser's moments and the learning rate's decay."""
    data = samples(3)
    whole, parts, rest = (Smoother(2, 2, dropout) for _ in range(3))
    fit(whole, data, data[:1], CONFIG, tmp_path / "whole")
    fit(parts, data, data[:1], TrainingConfig(**{**CONFIG.as_dict(), "epochs": 3}), tmp_path / "parts")
    halfway = load_checkpoint(tmp_path / "parts/last.pt")
    torch.rand(17)  # what the process does in between must not matter
    result = fit(rest, data, data[:1], CONFIG, tmp_path / "parts")
    assert same_weights(whole, rest)
    assert halfway.epoch == 3
    assert [row["epoch"] for row in result.history] == [1, 2, 3, 4, 5, 6]
    ends = [load_checkpoint(tmp_path / name / "last.pt").network for name in ("whole", "parts")]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    assert not any(torch.equal(ends[0][key], halfway.network[key]) for key in ends[0])
    assert (tmp_path / "whole/log.csv").read_text() == (tmp_path / "parts/log.csv").read_text()


def test_the_same_seed_is_the_same_run_and_another_is_not(tmp_path: Path) -> None:
    data = samples(3)
    networks = [Smoother(2, 2) for _ in range(3)]
    for network, seed in zip(networks, (3, 3, 4), strict=True):
        fit(network, data, (), TrainingConfig(epochs=3, seed=seed))
    assert same_weights(networks[0], networks[1])
    assert not same_weights(networks[0], networks[2])


def test_patience_ends_a_run() -> None:
    data = samples(2)
    network = Smoother(2, 2)
    # With such steps the validation loss cannot fall for long.
    result = fit(network, data[:1], data[1:], TrainingConfig(epochs=200, learning_rate=3.0, patience=3))
    assert result.stopped_early
    assert len(result.history) == result.best_epoch + 3
    losses = [row["validation_loss"] for row in result.history]
    assert losses.index(min(losses)) + 1 == result.best_epoch


def torchrun(folder: Path, processes: int, *arguments: str) -> dict[str, torch.Tensor]:
    folder.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["--max-restarts=3", str(Path(__file__).with_name("toy.py")), str(folder), *arguments]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "MANIFOLDCONV_TIMEOUT": "30",
    }
    log = folder / "output.txt"
    with log.open("w") as output:
        done = subprocess.run(command, stdout=output, stderr=output, timeout=300, env=environment)
    assert done.returncode == 0, log.read_text()[-3000:]
    return torch.load(folder / "weights.pt", weights_only=True)


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """Five meshes, four a step: the last step has one mesh, and a process without any."""
    data, network = samples(5), Smoother(2, 2)
    config = TrainingConfig(epochs=4, meshes_a_step=4, learning_rate=0.05, seed=3)
    result = fit(network, data, data[:2], config, tmp_path / "one")
    weights = torchrun(tmp_path / "two", 2, "4")
    history = load_checkpoint(tmp_path / "two/last.pt").history
    for name in ("train_loss", "validation_loss", "train_accuracy"):
        assert [row[name] for row in history] == pytest.approx(
            [row[name] for row in result.history], abs=1e-6
        )
    for name, value in network.state_dict().items():
        assert torch.allclose(weights[name], value, atol=1e-9, rtol=0)


def test_a_killed_worker_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    """In the midst of its third epoch; to the bits of the run that was not disturbed."""
    undisturbed = torchrun(tmp_path / "undisturbed", 2, "4")
    killed = torchrun(tmp_path / "killed", 2, "4", "8")
    assert (tmp_path / "killed/killed").exists()
    assert all(torch.equal(killed[name], undisturbed[name]) for name in undisturbed)


# ------------------------------------------------------------------------------------------------ bad input


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    fit(Smoother(2, 2), samples(1), (), CONFIG, tmp_path)
    other = TrainingConfig(**{**CONFIG.as_dict(), "learning_rate": 0.1})
    with pytest.raises(ValueError, match=r"learning_rate was 0\.05, is 0\.1"):
        fit(Smoother(2, 2), samples(1), (), other, tmp_path)


def test_no_samples() -> None:
    with pytest.raises(ValueError, match="no training samples"):
        fit(Smoother(2, 2), [])
    with pytest.raises(ValueError, match="no samples"):
        evaluate(Smoother(2, 2), [])


def test_labels_out_of_range_are_named() -> None:
    good = samples(1)[0]
    labels = good.labels.clone()
    labels[7] = 2
    bad = Sample(good.field, good.pull, labels, name="left foot")
    with pytest.raises(ValueError, match="left foot: label 2 at 7; the network has 2 classes, 0 to 1"):
        fit(Smoother(2, 2), [bad])


def test_what_is_not_labelled_counts_for_nothing() -> None:
    whole = samples(1)[0]
    labels = whole.labels.clone()
    labels[10:] = -1
    network = Smoother(2, 2)
    some = evaluate(network, [Sample(whole.field, whole.pull, labels)])
    assert int(some.confusion.sum()) == 10
    scores = network(whole.field, whole.pull)[:10].detach()
    assert some.loss == pytest.approx(float(torch.nn.functional.cross_entropy(scores, labels[:10])))
    with pytest.raises(ValueError, match="nothing on it is labelled"):
        evaluate(network, [Sample(whole.field, whole.pull, torch.full_like(labels, -1))])


def test_a_loss_that_is_not_finite_names_the_mesh() -> None:
    good = samples(1)[0]
    bad = Sample(good.field * float("nan"), good.pull, good.labels, name="left foot")
    with pytest.raises(ArithmeticError, match="nan on left foot in epoch 1"):
        fit(Smoother(2, 2), [bad])


def test_samples_of_the_wrong_shape() -> None:
    good = samples(1)[0]
    sites = len(good.field)
    with pytest.raises(ValueError, match=rf"field must have shape \({sites}, channels\)"):
        Sample(good.field[1:], good.pull, good.labels)
    with pytest.raises(ValueError, match=rf"vertices must have shape \({sites},\)"):
        Sample(good.field, good.pull, good.labels[1:])
    with pytest.raises(ValueError, match="must be int64"):
        Sample(good.field, good.pull, good.labels.double())
    with pytest.raises(ValueError, match="need the faces"):
        Sample(good.field, good.pull, good.labels, "faces")


def test_a_vertex_of_several_landmarks_has_the_first() -> None:
    """Two points of a template may correspond to one vertex of a coarser mesh; which one counts is not by chance."""
    surface = mc.load_mesh(Path(__file__).parents[2] / "meshes/cube.ply")
    recipe = Recipe(("gaussian-curvature",), 0.3)
    example = Labelled(surface, torch.tensor([5, 2, 5, 0, 2]), "landmarks", "cube")
    assert recipe.sample(example).labels.tolist() == [3, -1, 1, -1, -1, 0, -1, -1]


def test_a_network_that_says_something_else() -> None:
    whole = samples(1, where="mesh")[0]
    with pytest.raises(ValueError, match="must say one thing of the mesh"):
        fit(Smoother(2, 2), [whole])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number ≥ 1; got 0"),
        ({"learning_rate": -1.0}, "learning_rate must be positive"),
        ({"weight_decay": float("nan")}, "weight_decay must not be negative"),
    ],
)
def test_settings_out_of_range(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**setting)  # type: ignore[arg-type]


def test_settings_by_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"unknown settings \['epoch'\]"):
        TrainingConfig.from_dict({"epoch": 3})


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no archive", b"hello", b"epoch,learning_rate\n1.0,0.01\n", None]
)
def test_files_that_are_no_checkpoints(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "last.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"last\.pt is no"):
        load_checkpoint(path)


def test_a_checkpoint_of_something_else(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match="no checkpoint of this package"):
        load_checkpoint(tmp_path / "other.pt")


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(Checkpoint({"w": torch.zeros(1000)}, 1, {}), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"a\.pt is no checkpoint, or a damaged one"):
        load_checkpoint(path)


def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(Checkpoint({"w": torch.ones(3)}, 1, {}), path)
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(Checkpoint({"w": lambda: 0}, 2, {}), path)
    assert load_checkpoint(path).epoch == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]

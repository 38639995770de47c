"""Pictures of a training run."""

from __future__ import annotations

from pathlib import Path

import torch

from manifoldconv.plot.training import confusion_picture, curves_picture


def test_pictures_are_written(tmp_path: Path) -> None:
    history = [
        {"epoch": float(e), "train_loss": 2 / e, "train_accuracy": 1 - 0.5 / e, "validation_loss": 2.2 / e}
        for e in range(1, 9)
    ]
    curves_picture(history, tmp_path / "curves.png")
    confusion = torch.tensor([[90, 10, 0], [5, 80, 15], [0, 0, 0]])
    confusion_picture(confusion, ["head", "arm", "a class without members"], tmp_path / "confusion.svg")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "confusion.svg").read_text().count("<path") > 10

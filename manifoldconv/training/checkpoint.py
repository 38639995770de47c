"""Checkpoints: all that a run needs to go on to the same bits, in one file that is whole or not there."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from manifoldconv.surface.io import write_atomically

FORMAT = 1


@dataclass
class Checkpoint:
    """The state of a run after an epoch.

    Attributes:
        network: the state of its parameters and buffers.
        optimiser, scheduler: their states; None in a file of weights alone.
        random: the state of torch's generator.
        epoch: epochs done.
        best_loss, best_epoch: the lowest validation loss, and when.
        history: one dictionary of figures an epoch.
        config: the settings (see `TrainingConfig.as_dict`).
        about: what the user adds, such as how to build the network, its input features, the names of the classes;
            numbers, strings, lists and dictionaries.
    """

    network: dict[str, Any]
    epoch: int
    config: dict[str, Any]
    optimiser: dict[str, Any] | None = None
    scheduler: dict[str, Any] | None = None
    random: torch.Tensor | None = None
    best_loss: float = float("inf")
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a checkpoint; a process that is killed meanwhile leaves the old file as it was."""
    content = {"format": FORMAT, **{f.name: getattr(checkpoint, f.name) for f in fields(checkpoint)}}
    write_atomically(path, lambda stream: torch.save(content, stream))


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint, on the CPU; nothing in the file is executed.

    Raises `ValueError` for a file that is no checkpoint of this package, or of another format.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} is no file; expected a checkpoint that training wrote")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # a file that is none can fail anywhere in the reader: IndexError, AttributeError, ...
        raise ValueError(f"{path} is no checkpoint, or a damaged one ({_first_line(error)})") from None
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError(f"{path} is no checkpoint of this package in format {FORMAT}")
    try:
        return Checkpoint(**content)
    except TypeError as error:
        raise ValueError(f"{path} is no checkpoint in format {FORMAT} ({error})") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]

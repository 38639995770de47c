"""`manifoldconv train`: a classifier on a data set that lies on the disk."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifoldconv.cli import options
from manifoldconv.cli.outputs import require_plot
from manifoldconv.cli.report import show_json, show_table

if TYPE_CHECKING:
    from manifoldconv.datasets import MeshExamples


class DatasetName(StrEnum):
    """Data sets that are read in the layout in which they come."""

    faust = "faust"
    faust_remeshed = "faust-remeshed"
    shrec11 = "shrec11"
    human_segmentation = "human-segmentation"


class GroupName(StrEnum):
    """Structure groups of a surface network."""

    o2 = "O(2)"
    so2 = "SO(2)"


def train(
    dataset: Annotated[DatasetName, typer.Argument(help="Which data set the folder holds.")],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Its folder, as it comes; nothing is downloaded.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="For checkpoints, figures and pictures; an old run goes on.")
    ],
    features: Annotated[
        str,
        typer.Option(metavar="NAMES", help="What the network reads, by commas: hks, axes, coordinates, ..."),
    ] = "hks",
    fields: Annotated[str, typer.Option(metavar="TYPE", help="The field type inside it.")] = "32x0 + 16x1",
    blocks: Annotated[int, typer.Option(help="Residual blocks of two convolutions.")] = 4,
    rings: Annotated[int, typer.Option(help="Radial functions of the kernels.")] = 2,
    radius: Annotated[float, typer.Option(help="Of the discs, as a fraction of √area.")] = 0.06,
    group: Annotated[GroupName, typer.Option(help="The structure group.")] = GroupName.o2,
    dropout: Annotated[float, typer.Option(help="Share of the fields dropped in training.")] = 0.0,
    epochs: Annotated[int, typer.Option(help="Passes over the training meshes.")] = 50,
    meshes_a_step: Annotated[int, typer.Option(help="Meshes that one step takes.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Of AdamW.")] = 0.0,
    decay_every: Annotated[
        int, typer.Option(help="Epochs after which the learning rate halves; 0: never.")
    ] = 0,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without progress; 0: never.")] = 0,
    train_per_class: Annotated[int, typer.Option(help="shrec11: training meshes of each class.")] = 10,
    seed: Annotated[int, typer.Option(help="Of weights, order and dropout, and of shrec11's split.")] = 0,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep pullbacks on disk for the next run.")
    ] = True,
    json: options.Json = False,
) -> None:
    """Train a classifier on the training meshes of a data set, and test it on the others after every epoch.

    Under torchrun the meshes of a step are shared out over the processes. The folder holds last.pt, from which the
    same command goes on, best.pt for `manifoldconv predict`, log.csv, curves.png and confusion.png.
    """
    require_plot("train")
    import torch

    from manifoldconv.plot.training import confusion_picture, curves_picture
    from manifoldconv.storage import Cache
    from manifoldconv.training import ClassifierSpec, PreparedSamples, Recipe, TrainingConfig, evaluate, fit

    parts = [_read(dataset, data, split, train_per_class, seed) for split in ("train", "test")]
    names = tuple(name.strip() for name in features.split(",") if name.strip())
    spec = ClassifierSpec(
        Recipe(names, radius, n_angular=16, group=group.value),
        parts[0].classes,
        "vertices" if parts[0].where == "landmarks" else parts[0].where,
        fields,
        blocks,
        rings,
        dropout,
    )
    config = TrainingConfig(
        epochs,
        meshes_a_step,
        learning_rate,
        weight_decay,
        decay_every,
        patience=patience,
        seed=seed,
    )
    torch.manual_seed(seed)
    network = spec.build()
    kept = Cache() if cache else None
    training, testing = (PreparedSamples(part, spec.recipe, kept) for part in parts)
    about = {"classifier": spec.as_dict(), "dataset": dataset.value}
    result = fit(network, training, testing, config, out, about=about)
    if _is_first():
        score = evaluate(network, testing)
        curves_picture(result.history, out / "curves.png")
        if len(spec.classes) <= 200:
            confusion_picture(score.confusion, spec.classes, out / "confusion.png")
        figures: dict[str, Any] = {
            "training meshes": len(training),
            "test meshes": len(testing),
            "epochs": len(result.history),
            "best epoch": result.best_epoch,
            "stopped early": result.stopped_early,
            "test loss": round(score.loss, 6),
            "test accuracy": round(score.accuracy, 6),
            "wrote": str(out),
        }
        if json:
            show_json({key.replace(" ", "_"): value for key, value in figures.items()})
        else:
            show_table(f"{dataset.value} in {data}", figures)


def _read(dataset: DatasetName, data: Path, split: Any, train_per_class: int, seed: int) -> MeshExamples:
    from manifoldconv import datasets

    if dataset is DatasetName.shrec11:
        return datasets.shrec11(data, split, train_per_class=train_per_class, seed=seed)
    readers = {
        DatasetName.faust: datasets.faust,
        DatasetName.faust_remeshed: datasets.faust_remeshed,
        DatasetName.human_segmentation: datasets.human_segmentation,
    }
    return readers[dataset](data, split)


def _is_first() -> bool:
    """Whether this process writes: the only one, or the first of torchrun's."""
    import os

    return os.environ.get("RANK", "0") == "0"

"""The training loop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from manifoldconv.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from manifoldconv.training.config import TrainingConfig
from manifoldconv.training.logs import write_history
from manifoldconv.training.processes import Processes, processes
from manifoldconv.training.samples import UNLABELLED, Sample
from manifoldconv.training.score import evaluate, sample_loss

if TYPE_CHECKING:
    from rich.progress import Progress

LAST, BEST, LOG = "last.pt", "best.pt", "log.csv"


@dataclass(frozen=True, eq=False)
class Result:
    """How a run ended.

    Attributes:
        history: one dictionary of figures an epoch: epoch, train_loss, train_accuracy, learning_rate and, with
            validation, validation_loss and validation_accuracy.
        best_epoch: of the lowest validation loss (without validation: training loss), from 1.
        stopped_early: whether patience ended it.
    """

    history: list[dict[str, float]]
    best_epoch: int
    stopped_early: bool


def fit(
    network: nn.Module,
    train: Sequence[Sample],
    validation: Sequence[Sample] = (),
    config: TrainingConfig | None = None,
    folder: str | Path | None = None,
    *,
    about: dict[str, Any] | None = None,
    progress: bool = True,
) -> Result:
    """Train a network: AdamW on the mean over meshes of the mean cross-entropy of each.

    Under `torchrun` each process takes its share of the meshes of a step and gradients are averaged, so any number of
    processes takes the same steps (up to the order of sums). Where `folder` holds a checkpoint the run goes on from
    there: to the same bits as if it had not been interrupted. At the end the network has its best weights.

    Args:
        network: called as `network(field, pull)`; gives `(N, classes)`, or for whole meshes `(1, classes)`.
        train: at least one sample. All processes get all of them (a list that reads its items when asked for will
            read only this process's share).
        validation: after every epoch; decides which weights are the best, and when to stop.
        config: the settings.
        folder: for `last.pt` (goes on from here), `best.pt` (weights) and `log.csv`; None: nothing is written.
        about: kept in the checkpoints.
        progress: a bar, where there is a terminal.

    Raises:
        ValueError: no training samples; labels that are no classes; a folder whose checkpoint has other settings.
        ArithmeticError: a loss that is not finite; names the mesh and the epoch.
    """
    config = config or TrainingConfig()
    if not len(train):
        raise ValueError("there are no training samples")
    place = Path(folder) if folder is not None else None
    with processes() as group, closing(_Run(network, config, place, about or {}, group)) as run:
        run.start()
        with _bar(progress and group.rank == 0) as bar:
            task = bar.add_task("training", total=config.epochs, completed=run.epoch, figures="")
            while run.epoch < config.epochs and not run.out_of_patience():
                figures = run.one_epoch(train, validation)
                bar.update(task, completed=run.epoch, figures=_shown(figures))
        stopped = run.epoch < config.epochs
        network.load_state_dict(run.best_weights)
        return Result(run.history, run.best_epoch, stopped)


class _Run:
    """The moving parts of one run."""

    def __init__(
        self,
        network: nn.Module,
        config: TrainingConfig,
        folder: Path | None,
        about: dict[str, Any],
        group: Processes,
    ) -> None:
        self.network, self.config, self.folder, self.about, self.group = network, config, folder, about, group
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        every = config.decay_every or config.epochs + 1
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimiser, every, config.decay_rate)
        self.epoch, self.best_loss, self.best_epoch = 0, float("inf"), 0
        self.history: list[dict[str, float]] = []
        self.best_weights = _copy(network.state_dict())
        self.parallel = network

    def close(self) -> None:
        """Let go of what holds the group of processes, before that is destroyed.

        Were DistributedDataParallel the last to hold the group, the group's threads would be joined under Python's
        global lock, for which one of them may be waiting to let go of a tensor: a process that never ends.
        """
        self.parallel = self.network

    def start(self) -> None:
        """Seed torch, or go on from the folder's checkpoint; the same parameters in every process."""
        torch.manual_seed(self.config.seed + self.group.rank)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            if (self.folder / LAST).is_file():
                self._resume(load_checkpoint(self.folder / LAST), load_checkpoint(self.folder / BEST))
        if self.group.count > 1:
            for tensor in self.network.state_dict().values():
                torch.distributed.broadcast(tensor, 0)
        self.parallel = (
            nn.parallel.DistributedDataParallel(self.network) if self.group.count > 1 else self.network
        )

    def _resume(self, last: Checkpoint, best: Checkpoint) -> None:
        # A finished run may be continued: only the number of epochs may differ.
        mine, theirs = ({**c, "epochs": 0} for c in (self.config.as_dict(), last.config))
        if mine != theirs:
            changed = sorted(name for name in mine if mine[name] != theirs.get(name))
            raise ValueError(
                f"{self.folder} holds a run with other settings: "
                + ", ".join(f"{name} was {theirs.get(name)!r}, is {mine[name]!r}" for name in changed)
                + "; use another folder"
            )
        self.network.load_state_dict(last.network)
        self.optimiser.load_state_dict(last.optimiser or {})
        self.scheduler.load_state_dict(last.scheduler or {})
        self.epoch, self.best_loss, self.best_epoch = last.epoch, last.best_loss, last.best_epoch
        self.history, self.best_weights = last.history, best.network
        if last.random is not None:
            torch.set_rng_state(last.random)
        if self.group.rank:  # the file has the first process's state; others draw from their own seeds
            torch.manual_seed(self.config.seed + self.group.rank + self.group.count * self.epoch)

    def out_of_patience(self) -> bool:
        return 0 < self.config.patience <= self.epoch - self.best_epoch

    def one_epoch(self, train: Sequence[Sample], validation: Sequence[Sample]) -> dict[str, float]:
        """All training meshes once, then the validation and the files."""
        self.network.train()
        generator = torch.Generator().manual_seed(self.config.seed + 1_000_003 * (self.epoch + 1))
        order = torch.randperm(len(train), generator=generator).tolist()
        losses = torch.zeros(len(train), dtype=torch.float64)
        right = torch.zeros(2, dtype=torch.float64)
        rate = self.optimiser.param_groups[0]["lr"]
        for start in range(0, len(order), self.config.meshes_a_step):
            self._step(train, order[start : start + self.config.meshes_a_step], losses, right)
        self.scheduler.step()
        self.epoch += 1
        losses, right = self.group.sum(losses), self.group.sum(right)
        figures = {
            "epoch": float(self.epoch),
            "learning_rate": rate,
            "train_loss": float(losses.mean()),
            "train_accuracy": float(right[0] / right[1]),
        }
        if len(validation):
            score = evaluate(self.network, validation, self.group)
            figures |= {"validation_loss": score.loss, "validation_accuracy": score.accuracy}
        self.history.append(figures)
        decisive = figures.get("validation_loss", figures["train_loss"])
        if decisive < self.best_loss:
            self.best_loss, self.best_epoch = decisive, self.epoch
            self.best_weights = _copy(self.network.state_dict())
        if self.folder is not None and self.group.rank == 0:
            self._write(self.folder)
        return figures

    def _step(self, train: Sequence[Sample], chosen: list[int], losses: Tensor, right: Tensor) -> None:
        """One step on the mean loss of the chosen meshes, of which this process takes every count-th."""
        self.optimiser.zero_grad(set_to_none=True)
        mine = chosen[self.group.rank :: self.group.count]
        # A process without a mesh takes part with weight 0: the others wait for its gradients.
        weighted = [(number, self.group.count / len(chosen)) for number in mine] or [(chosen[0], 0.0)]
        for turn, (number, weight) in enumerate(weighted):
            last = turn == len(weighted) - 1
            sample = train[number]
            if self.group.count > 1 and not last:
                with self.parallel.no_sync():  # type: ignore[operator]
                    loss = self._backward(sample, weight, right)
            else:
                loss = self._backward(sample, weight, right)
            if weight:
                losses[number] = loss
        if self.config.gradient_limit:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_limit)
        self.optimiser.step()

    def _backward(self, sample: Sample, weight: float, right: Tensor) -> float:
        loss, scores = sample_loss(self.parallel, sample)
        value = float(loss.detach())
        if not abs(value) < float("inf"):
            raise ArithmeticError(f"the loss is {value} on {sample.name} in epoch {self.epoch + 1}")
        (weight * loss).backward()
        if weight:
            right[0] += float((scores.detach().argmax(dim=-1) == sample.labels.reshape(-1)).sum())
            right[1] += float((sample.labels != UNLABELLED).sum())
        return value

    def _write(self, folder: Path) -> None:
        common: dict[str, Any] = {
            "config": self.config.as_dict(),
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "about": self.about,
        }
        # The best weights first: a run that goes on from last.pt finds the best ones it speaks of.
        if self.best_epoch == self.epoch:
            save_checkpoint(Checkpoint(self.best_weights, self.epoch, **common), folder / BEST)
        last = Checkpoint(
            self.network.state_dict(),
            self.epoch,
            optimiser=self.optimiser.state_dict(),
            scheduler=self.scheduler.state_dict(),
            random=torch.get_rng_state(),
            history=self.history,
            **common,
        )
        save_checkpoint(last, folder / LAST)
        write_history(self.history, folder / LOG)


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in state.items()}


def _bar(wanted: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs"),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not (wanted and console.is_terminal),
    )


def _shown(figures: dict[str, float]) -> str:
    kind = "validation" if "validation_loss" in figures else "train"
    return f"{kind} loss {figures[f'{kind}_loss']:.3f}, accuracy {figures[f'{kind}_accuracy']:.3f}"

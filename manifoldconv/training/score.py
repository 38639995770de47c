"""How good a network is on samples: loss, accuracy and the confusion of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from manifoldconv.training.processes import Processes
from manifoldconv.training.samples import UNLABELLED, Sample


@dataclass(frozen=True, eq=False)
class Score:
    """Over all samples.

    Attributes:
        loss: the mean over the meshes of the mean cross-entropy of each, as in training.
        confusion: `(classes, classes)` int64, how often a thing of the class of the row was said to be that of the
            column.
    """

    loss: float
    confusion: Tensor

    @property
    def accuracy(self) -> float:
        """The share of labelled things (vertices, faces, meshes) that were said to be what they are."""
        return int(self.confusion.diagonal().sum()) / int(self.confusion.sum())


def sample_loss(network: nn.Module, sample: Sample) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy on one mesh, and the scores `(things, classes)`; checks the labels."""
    scores = sample.scores(network(sample.field, sample.pull))
    sample.check_labels(scores.shape[-1])
    labels = sample.labels.reshape(-1)
    return nn.functional.cross_entropy(scores, labels, ignore_index=UNLABELLED), scores


@torch.no_grad()
def evaluate(network: nn.Module, samples: Sequence[Sample], processes: Processes | None = None) -> Score:
    """The score of a network, in evaluation mode; with several processes each takes a share of the samples.

    Raises `ValueError` where there are no samples.
    """
    if not len(samples):
        raise ValueError("there are no samples to evaluate on")
    processes = processes or Processes()
    was_training = network.training
    network.eval()
    # Each loss has a place of its own, and the sum a fixed order: any number of processes gives the same bits.
    losses = torch.zeros(len(samples), dtype=torch.float64)
    confusion: Tensor | None = None
    for number in range(processes.rank, len(samples), processes.count):
        sample = samples[number]
        loss, scores = sample_loss(network, sample)
        losses[number] = float(loss)
        classes = scores.shape[-1]
        labels = sample.labels.reshape(-1)
        known = labels != UNLABELLED
        pairs = labels[known] * classes + scores.argmax(dim=-1)[known]
        counted = torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes).cpu()
        confusion = counted if confusion is None else confusion + counted
    network.train(was_training)
    losses = processes.sum(losses)
    return Score(float(losses.mean()), processes.sum_counts(confusion))

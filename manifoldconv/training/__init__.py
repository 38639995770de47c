"""Training networks on labelled meshes: one process or many, interrupted and resumed to the same bits."""

from manifoldconv.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from manifoldconv.training.config import TrainingConfig
from manifoldconv.training.samples import Sample
from manifoldconv.training.score import Score, evaluate
from manifoldconv.training.trainer import Result, fit

__all__ = [
    "Checkpoint",
    "Result",
    "Sample",
    "Score",
    "TrainingConfig",
    "evaluate",
    "fit",
    "load_checkpoint",
    "save_checkpoint",
]

"""Training networks on labelled meshes: one process or many, interrupted and resumed to the same bits."""

from manifoldconv.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from manifoldconv.training.classifier import Classifier, ClassifierSpec, Prediction, classifier_from, predict
from manifoldconv.training.config import TrainingConfig
from manifoldconv.training.recipe import PreparedSamples, Recipe
from manifoldconv.training.samples import Sample
from manifoldconv.training.score import Score, evaluate
from manifoldconv.training.trainer import Result, fit

__all__ = [
    "Checkpoint",
    "Classifier",
    "ClassifierSpec",
    "Prediction",
    "PreparedSamples",
    "Recipe",
    "Result",
    "Sample",
    "Score",
    "TrainingConfig",
    "classifier_from",
    "evaluate",
    "fit",
    "load_checkpoint",
    "predict",
    "save_checkpoint",
]

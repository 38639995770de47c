"""A classifier of vertices, faces or whole meshes, built from values that a checkpoint can hold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from manifoldconv.nn import GlobalPool, TangentResNet
from manifoldconv.pullback import Pullback
from manifoldconv.representations import Representation
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.training.checkpoint import Checkpoint
from manifoldconv.training.recipe import Recipe
from manifoldconv.training.samples import Sample, Where


@dataclass(frozen=True)
class ClassifierSpec:
    """All that a classifier is, but its weights.

    Attributes:
        recipe: what it reads.
        classes: the names of the classes.
        where: what they are of: "mesh", "vertices" or "faces".
        fields: the field type inside the network.
        blocks: residual blocks.
        rings: radial functions of its kernels.
        dropout: share of the fields that is dropped in training.
    """

    recipe: Recipe
    classes: tuple[str, ...]
    where: Where = "vertices"
    fields: str = "32x0 + 16x1"
    blocks: int = 4
    rings: int = 2
    dropout: float = 0.0

    def build(self) -> Classifier:
        """The network, with new weights."""
        return Classifier(self)

    def as_dict(self) -> dict[str, Any]:
        """The values by name, for a checkpoint."""
        return {**asdict(self), "recipe": self.recipe.as_dict(), "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ClassifierSpec:
        """From values by name; `ValueError` for values that are no classifier's."""
        try:
            recipe, classes = Recipe.from_dict(values["recipe"]), tuple(values["classes"])
            return cls(**{**values, "recipe": recipe, "classes": classes})
        except (KeyError, TypeError) as error:
            raise ValueError(f"these values are no classifier's ({error})") from None


class Classifier(nn.Module):
    """`TangentResNet`, and for whole meshes a mean of invariants: scores `(N, classes)` or `(1, classes)`."""

    def __init__(self, spec: ClassifierSpec) -> None:
        super().__init__()
        self.spec = spec
        group, count = spec.recipe.structure_group, len(spec.classes)
        rep_in = spec.recipe.field_type
        rep_out = Representation(spec.fields if spec.where == "mesh" else f"{count}x0", group)
        self.body = TangentResNet(
            rep_in, rep_out, spec.fields, spec.blocks, group=group, rings=spec.rings, dropout=spec.dropout
        )
        self.pool = GlobalPool(rep_out) if spec.where == "mesh" else None
        self.head = nn.Linear(self.pool.size, count) if self.pool is not None else None
        self.to(getattr(torch, spec.recipe.dtype))

    def forward(self, field: Tensor, pull: Pullback) -> Tensor:
        """Scores of the classes, at each vertex or for the mesh."""
        out = self.body(field, pull)
        if self.pool is None or self.head is None:
            return out
        return self.head(self.pool(out))[None]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a classifier says of a mesh.

    Attributes:
        labels: int64 classes from 0, of the vertices, the faces, or the mesh `(1,)`.
        certainty: the probability that the network gives to each.
    """

    labels: Tensor
    certainty: Tensor


@torch.no_grad()
def predict(network: Classifier, surface: MeshSurface) -> Prediction:
    """The most probable class of everything on a mesh.

    Raises `GeometryError` for a mesh that has not the features that the network reads, and `HolonomyError` for one
    whose holonomy its kernels do not respect.
    """
    field, _, pull = network.spec.recipe.prepare(surface)
    count = {"mesh": (), "vertices": (surface.n_vertices,), "faces": (len(surface.faces),)}[
        network.spec.where
    ]
    blank = torch.zeros(count, dtype=torch.int64)
    sample = Sample(field, pull, blank, network.spec.where, surface.faces)
    network.eval()
    probability, labels = sample.scores(network(field, pull)).softmax(dim=-1).max(dim=-1)
    return Prediction(labels, probability)


def classifier_from(checkpoint: Checkpoint) -> Classifier:
    """The network of a checkpoint, with its weights; `ValueError` where it is no classifier's."""
    network = ClassifierSpec.from_dict(checkpoint.about.get("classifier", {})).build()
    try:
        network.load_state_dict(checkpoint.network)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"the weights do not fit the network that the checkpoint describes: {reason}"
        ) from None
    return network

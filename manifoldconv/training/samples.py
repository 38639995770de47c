"""A sample: what a network reads on one mesh, and what it should say there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from manifoldconv.pullback import Pullback

Where = Literal["mesh", "vertices", "faces"]

# The label of what has none.
UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Sample:
    """One mesh, ready for a network: the input field, the pullback, and the labels.

    Attributes:
        field: `(N, C)`, the input features at the sites.
        pull: the mesh's pullback, built once.
        labels: int64 classes from 0: of the vertices `(N,)`, the faces `(F,)`, or the whole mesh `()`; -1 where there
            is none, which counts for nothing.
        where: which of these.
        faces: `(F, 3)`, needed where labels belong to faces: a face says the mean of what its corners say.
        name: for messages.
    """

    field: Tensor
    pull: Pullback
    labels: Tensor
    where: Where = "vertices"
    faces: Tensor | None = None
    name: str = "mesh"

    def __post_init__(self) -> None:
        sites = self.pull.n_sources
        if self.field.ndim != 2 or len(self.field) != sites:
            raise ValueError(
                f"{self.name}: the field must have shape ({sites}, channels) for a pullback of {sites} sites; "
                f"got {tuple(self.field.shape)}"
            )
        if self.labels.dtype != torch.int64:
            raise ValueError(f"{self.name}: labels must be int64; got {self.labels.dtype}")
        if self.where == "faces" and self.faces is None:
            raise ValueError(f"{self.name}: labels of faces need the faces")
        shapes = {"mesh": (), "vertices": (sites,)}
        wanted = shapes[self.where] if self.faces is None or self.where != "faces" else (len(self.faces),)
        if tuple(self.labels.shape) != wanted:
            raise ValueError(
                f"{self.name}: labels of its {self.where} must have shape {wanted}; got {tuple(self.labels.shape)}"
            )

    def scores(self, output: Tensor) -> Tensor:
        """What the network says of each labelled thing: `(things, classes)`.

        `output` is `(N, classes)` at the sites, or `(classes,)` or `(1, classes)` for the whole mesh.
        """
        if self.where == "mesh":
            if output.numel() != output.shape[-1]:
                raise ValueError(
                    f"{self.name}: the network must say one thing of the mesh, (classes,) or (1, classes); "
                    f"got {tuple(output.shape)}"
                )
            return output.reshape(1, -1)
        if output.ndim != 2 or len(output) != self.pull.n_sources:
            raise ValueError(
                f"{self.name}: the network must give ({self.pull.n_sources}, classes); got {tuple(output.shape)}"
            )
        return output if self.faces is None or self.where != "faces" else output[self.faces].mean(dim=1)

    def check_labels(self, classes: int) -> None:
        """Raise `ValueError` for a label that is no class, or where nothing is labelled."""
        if bool((self.labels == UNLABELLED).all()):
            raise ValueError(f"{self.name}: nothing on it is labelled")
        outside = torch.nonzero((self.labels < UNLABELLED) | (self.labels >= classes))
        if len(outside):
            place = tuple(outside[0].tolist())
            at = f" at {place[0]}" if place else ""
            raise ValueError(
                f"{self.name}: label {int(self.labels[place])}{at}; the network has {classes} classes, "
                f"0 to {classes - 1}"
            )

    def to(self, device: torch.device | str) -> Sample:
        """The same on another device."""
        return replace(
            self,
            field=self.field.to(device),
            pull=self.pull.to(device),
            labels=self.labels.to(device),
            faces=None if self.faces is None else self.faces.to(device),
        )

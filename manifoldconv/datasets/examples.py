"""Labelled meshes: a list of files that are read when they are asked for, and what is checked then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from manifoldconv.errors import GeometryError
from manifoldconv.surface.load import load_mesh
from manifoldconv.surface.surface import MeshSurface

Where = Literal["mesh", "vertices", "faces", "landmarks"]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A mesh with its labels.

    Attributes:
        surface: the mesh, with the file's own vertices in its own order.
        labels: int64. Of the whole mesh `()`, its vertices `(V,)` or its faces `(F,)`: classes, counted from 0. As
            landmarks `(L,)`: the vertex of this mesh that corresponds to each of L points of a template.
        where: which of these.
        name: the file's name without its ending.
    """

    surface: MeshSurface
    labels: Tensor
    where: Where
    name: str


@dataclass(frozen=True)
class Source:
    """Where an example comes from: the mesh file, how its labels are found, and the file they are in (for errors)."""

    mesh: Path
    labels: Callable[[MeshSurface], Tensor]
    label_file: Path | None = None


class MeshExamples(Dataset[Labelled]):
    """A data set of labelled meshes; an example is read from its file when it is asked for.

    Attributes:
        sources: one a mesh.
        where: what the labels belong to.
        classes: the names of the classes, or their number.

    Raises:
        GeometryError: when an example is read whose file is no mesh, whose labels are not one for each vertex (or
            face) of it, or are out of range; it names both files.
    """

    def __init__(self, sources: Sequence[Source], where: Where, classes: Sequence[str] | int) -> None:
        self.sources = tuple(sources)
        self.where = where
        self.classes = tuple(classes) if not isinstance(classes, int) else tuple(map(str, range(classes)))

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, number: int) -> Labelled:
        source = self.sources[number]
        surface = load_mesh(source.mesh)
        labels = source.labels(surface)
        self._check(source, surface, labels)
        return Labelled(surface, labels, self.where, source.mesh.stem)

    def __repr__(self) -> str:
        return f"MeshExamples({len(self)} meshes, labels of {self.where}, {len(self.classes)} classes)"

    def _check(self, source: Source, surface: MeshSurface, labels: Tensor) -> None:
        wanted = {"vertices": surface.n_vertices, "faces": len(surface.faces)}.get(self.where)
        come_from = source.label_file or source.mesh
        if wanted is not None and labels.shape != (wanted,):
            raise GeometryError(
                f"{come_from} has {len(labels)} labels; {source.mesh} has {wanted} {self.where}"
            )
        limit = surface.n_vertices if self.where == "landmarks" else len(self.classes)
        outside = torch.nonzero((labels < 0) | (labels >= limit)).flatten()
        if len(outside):
            place = int(outside[0])
            # Files count labels from 1.
            value, line = int(labels.reshape(-1)[place]) + 1, place + 1
            raise GeometryError(f"{come_from}, line {line}: label {value}; expected 1 to {limit}")


def whole_numbers(path: Path) -> Tensor:
    """The whole numbers of a text file, one a line, `(n,)` int64; `GeometryError` for any other line."""
    numbers = []
    for line, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        for word in text.split():
            try:
                value = float(word)  # some files write 3.0000e+00
            except ValueError:
                value = float("nan")
            if not value.is_integer():  # nor is nan, nor infinity
                raise GeometryError(f"{path}, line {line}: expected a whole number; got {word[:40]!r}")
            numbers.append(int(value))
    return torch.tensor(numbers, dtype=torch.int64)

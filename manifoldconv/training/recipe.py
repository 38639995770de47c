"""How a mesh becomes what a network reads: kept beside the weights, so that prediction does what training did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from manifoldconv.datasets import Labelled, MeshExamples
from manifoldconv.features import feature_type, features_of
from manifoldconv.groups import StructureGroup
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation
from manifoldconv.storage import Cache
from manifoldconv.surface.surface import MeshSurface
from manifoldconv.training.samples import UNLABELLED, Sample

GROUPS = {"O(2)": StructureGroup.orthogonal(2), "SO(2)": StructureGroup.special_orthogonal(2)}


@dataclass(frozen=True)
class Recipe:
    """Input features and tangent discs.

    Attributes:
        features: names of `manifoldconv.features.CATALOGUE`.
        radius: of the discs, as a fraction of the square root of the mesh's area, so that meshes of any size and
            resolution are seen at one scale.
        n_radial, n_angular: nodes of the polar rule.
        group: "O(2)" or "SO(2)", the structure group of the fields.
        dtype: "float32" or "float64", of the fields.

    Raises `ValueError` for a value out of range, by name.
    """

    features: tuple[str, ...] = ("hks",)
    radius: float = 0.06
    n_radial: int = 3
    n_angular: int = 16
    group: str = "O(2)"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        if not 0 < self.radius < 1:
            raise ValueError(
                f"radius must be a fraction of the square root of the area, between 0 and 1; got {self.radius!r}"
            )
        if self.group not in GROUPS:
            raise ValueError(f"group must be one of {', '.join(GROUPS)}; got {self.group!r}")
        feature_type(self.features, self.structure_group)  # refuses unknown names
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f'dtype must be "float32" or "float64"; got {self.dtype!r}')

    @property
    def structure_group(self) -> StructureGroup:
        """The structure group of the fields."""
        return GROUPS[self.group]

    @property
    def field_type(self) -> Representation:
        """The type of the input field."""
        return feature_type(self.features, self.structure_group)

    def prepare(
        self, surface: MeshSurface, cache: Cache | None = None
    ) -> tuple[Tensor, Representation, Pullback]:
        """The input field `(V, channels)`, its type, and the pullback of the vertices (from a cache, if one is given).

        Raises `GeometryError` for a mesh that has not the features.
        """
        found = features_of(surface, self.features, self.structure_group)
        rule = TangentRule.polar(self.radius * math.sqrt(surface.area), self.n_radial, self.n_angular)
        choices: dict[str, Any] = {"frames": "local"}  # any mesh, also one that is flat in places
        build = Pullback.build if cache is None else cache.pullback
        pull = build(surface, surface.sites("vertices"), rule, **choices)
        return found.values.to(getattr(torch, self.dtype)), found.rep, pull

    def sample(self, example: Labelled, cache: Cache | None = None) -> Sample:
        """A labelled mesh as a sample; landmarks become labels of the vertices that they are at."""
        field, _, pull = self.prepare(example.surface, cache)
        labels, where = example.labels, example.where
        if where == "landmarks":
            labels = _first_landmarks(example.labels, example.surface.n_vertices)
            where = "vertices"
        faces = example.surface.faces if where == "faces" else None
        return Sample(field, pull, labels, where, faces, example.name)

    def as_dict(self) -> dict[str, Any]:
        """The values by name, for a checkpoint."""
        return {**asdict(self), "features": list(self.features)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """From values by name; `ValueError` for a name that there is not."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"a recipe has no {', '.join(unknown)}")
        return cls(**values)


def _first_landmarks(vertices: Tensor, count: int) -> Tensor:
    """The number of the landmark at each vertex `(count,)`, the least where there are several; else unlabelled."""
    numbers = torch.arange(len(vertices))
    first = torch.full((count,), len(vertices), dtype=torch.int64).scatter_reduce(
        0, vertices, numbers, "amin"
    )
    return torch.where(first < len(vertices), first, UNLABELLED)


class PreparedSamples(Sequence[Sample]):
    """The samples of a data set; each is made when it is first asked for, and kept.

    Args:
        examples: labelled meshes.
        recipe: how a mesh becomes a sample.
        cache: keeps pullbacks on disk for the next run; None: they are built anew in each.
    """

    def __init__(self, examples: MeshExamples, recipe: Recipe, cache: Cache | None = None) -> None:
        self.examples, self.recipe, self.cache = examples, recipe, cache
        self._known: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} samples; got {number}")
        number %= len(self)
        if number not in self._known:
            self._known[number] = self.recipe.sample(self.examples[number], self.cache)
        return self._known[number]

"""Points of a triangle mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def whole_indices(name: str, value: Any) -> Tensor:
    """`value` as int64; `ValueError` for numbers that are not whole ones, which a cast would cut off in silence."""
    given = torch.as_tensor(value)
    if given.numel() and (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool):
        raise ValueError(f"{name} must be whole numbers; got dtype {given.dtype}")
    return given.to(torch.int64)


def _as_float64(value: Any) -> Tensor:
    """Barycentric coordinates in float64; those of a lower precision freed from its rounding."""
    tensor = torch.as_tensor(value, dtype=torch.float64)
    came = torch.as_tensor(value).dtype if hasattr(value, "dtype") else torch.float64
    if not came.is_floating_point or came == torch.float64:
        return tensor
    rounding = 4 * torch.finfo(came).eps
    clamped = torch.where((tensor < 0) & (tensor >= -rounding), 0.0, tensor)
    total = clamped.sum(-1, keepdim=True)
    return torch.where((total - 1).abs() <= rounding, clamped / total, tensor)


@dataclass(frozen=True)
class SurfacePoint:
    """Points of a mesh, with any batch axes `...`.

    Attributes:
        face: `(...,)` int64, the face that the point lies in (-1 for a vertex of no face).
        barycentric: `(..., 3)` float64, its weights on the face's corners; they sum to 1. Given in lower precision
            (`float32`) they are divided by their sum where that is 1 up to their own rounding.
        vertex: `(...,)` int64, -1 or the vertex that the point is. Where it is ≥ 0, tangent vectors at the point are
            in the vertex's frame, elsewhere in the face's.

    >>> point = SurfacePoint(face=0, barycentric=[0.5, 0.25, 0.25])
    >>> point.shape, point.vertex
    (torch.Size([]), tensor(-1))
    """

    face: Tensor
    barycentric: Tensor
    vertex: Tensor = field(default=-1)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        face, vertex = whole_indices("face", self.face), whole_indices("vertex", self.vertex)
        barycentric = _as_float64(self.barycentric)
        if barycentric.shape[-1:] != (3,):
            raise ValueError(f"barycentric must have a last axis of 3; got shape {tuple(barycentric.shape)}")
        shape = torch.broadcast_shapes(face.shape, barycentric.shape[:-1], vertex.shape)
        object.__setattr__(self, "face", face.expand(shape))
        object.__setattr__(self, "barycentric", barycentric.expand(*shape, 3))
        object.__setattr__(self, "vertex", vertex.expand(shape))

    @property
    def shape(self) -> torch.Size:
        """The batch axes."""
        return self.face.shape

    def __len__(self) -> int:
        return len(self.face)

    def __getitem__(self, index: Any) -> SurfacePoint:
        """Index the batch axes, as for a tensor."""
        barycentric = self.barycentric
        columns = [barycentric[..., i][index] for i in range(3)]
        return SurfacePoint(self.face[index], torch.stack(columns, dim=-1), self.vertex[index])

    def reshape(self, *shape: int) -> SurfacePoint:
        """The same points with other batch axes."""
        return SurfacePoint(
            self.face.reshape(shape), self.barycentric.reshape(*shape, 3), self.vertex.reshape(shape)
        )

    def expand(self, *shape: int) -> SurfacePoint:
        """Broadcast the batch axes."""
        return SurfacePoint(
            self.face.expand(shape), self.barycentric.expand(*shape, 3), self.vertex.expand(shape)
        )

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Face, barycentric coordinates and vertex as contiguous arrays, the one layout that is compiled for."""
        return (
            self.face.contiguous().numpy(),
            self.barycentric.detach().contiguous().numpy(),
            self.vertex.contiguous().numpy(),
        )

    @staticmethod
    def stack(points: Sequence[SurfacePoint]) -> SurfacePoint:
        """Stack points of equal shape along a new first axis."""
        return SurfacePoint(
            torch.stack([point.face for point in points]),
            torch.stack([point.barycentric for point in points]),
            torch.stack([point.vertex for point in points]),
        )

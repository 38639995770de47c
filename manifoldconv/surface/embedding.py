"""A mesh in space: positions, normals and frames as vectors of R³."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manifoldconv.surface.intrinsic import Tables
from manifoldconv.surface.points import SurfacePoint

Floats = NDArray[np.float64]


class Embedding:
    """What needs the vertex positions `(V, 3)`, beside the intrinsic geometry in `tables`."""

    def __init__(self, vertices: Floats, tables: Tables) -> None:
        self.vertices = vertices
        self.tables = tables
        self.corners = vertices[tables.tail].reshape(-1, 3, 3)

    @cached_property
    def winding_normals(self) -> Floats:
        """`(F, 3)` unit normals by the order of each face's own corners."""
        first, second = self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0]
        return _unit(np.cross(first, second))

    @cached_property
    def vertex_normals(self) -> Tensor:
        """`(V, 3)` unit normals, the mean of the faces' normals weighted by their angles; 0 at a vertex of no face.

        On the side from which the vertex's frame is counterclockwise.
        """
        tables = self.tables
        weight = tables.angle[tables.fan_corner] * tables.fan_sense
        slots = weight[:, None] * self.winding_normals[tables.fan_corner // 3]
        vertex = tables.tail[tables.fan_corner]
        total = np.stack(
            [np.bincount(vertex, slots[:, i], minlength=len(self.vertices)) for i in range(3)], axis=1
        )
        return torch.from_numpy(_unit(total))

    @cached_property
    def face_frames(self) -> Tensor:
        """`(F, 3, 2)` orthonormal vectors of each face's plane, as columns."""
        along = _unit(self.corners[:, 1] - self.corners[:, 0])
        normal = self.tables.face_sign[:, None] * self.winding_normals
        left = np.cross(normal, along)
        c, s = self.tables.direction[::3, :1], self.tables.direction[::3, 1:]
        return torch.from_numpy(np.stack([c * along - s * left, s * along + c * left], axis=2))

    @cached_property
    def vertex_frames(self) -> Tensor:
        """`(V, 3, 2)` orthonormal vectors orthogonal to the vertex normals; the x and y axes at a vertex of no face."""
        tables = self.tables
        used = np.flatnonzero(tables.fan_start[:-1] < tables.fan_start[1:])
        slot = tables.fan_start[used]
        corner = tables.fan_corner[slot]
        after, before = corner - corner % 3 + (corner + 1) % 3, corner - corner % 3 + (corner + 2) % 3
        end = np.where(tables.fan_sense[slot] > 0, tables.tail[after], tables.tail[before])
        edge = self.vertices[end] - self.vertices[used]
        normal = self.vertex_normals.numpy()[used]
        first = _unit(edge - (edge * normal).sum(axis=1, keepdims=True) * normal)
        frames = np.tile(np.eye(3)[:, :2], (len(self.vertices), 1, 1))
        frames[used] = np.stack([first, np.cross(normal, first)], axis=2)
        return torch.from_numpy(frames)

    def positions(self, x: SurfacePoint) -> Tensor:
        """`(..., 3)`."""
        corners = torch.from_numpy(self.corners)[x.face.clamp(min=0)]
        inside = (x.barycentric[..., None] * corners).sum(dim=-2)
        exact = torch.from_numpy(self.vertices)[x.vertex.clamp(min=0)]
        return torch.where((x.vertex >= 0)[..., None], exact, inside)

    def frame(self, x: SurfacePoint) -> Tensor:
        """`(..., 3, 2)`."""
        at_vertex = (x.vertex >= 0)[..., None, None]
        return torch.where(
            at_vertex, self.vertex_frames[x.vertex.clamp(min=0)], self.face_frames[x.face.clamp(min=0)]
        )


def _unit(vectors: NDArray[Any]) -> Floats:
    """Vectors of length 1, zero vectors unchanged."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)

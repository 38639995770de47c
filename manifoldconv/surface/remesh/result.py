"""A remeshed surface, where its vertices lie on the old one, and how signals are carried over and come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from manifoldconv.surface.io import MeshFile
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

Array = np.ndarray
Places = Literal["vertices", "faces"]


@dataclass(frozen=True)
class Shares:
    """Each of M new values as a weighted sum of K of the `count` values of a signal.

    Attributes:
        index: `(M, K)` int64, which values; -1, with weight 0, where there is none.
        weight: `(M, K)` float64; each row sums to 1, or to 0 where the item has no value at all.
        count: how many values the signal has.
    """

    index: Array
    weight: Array
    count: int

    def carry(self, signal: Any, fill: float | None) -> Any:
        """`(count, ...)` to `(M, ...)`, of the same kind and type; items of no value get `fill` (default NaN).

        Real numbers are summed; of integers and truth values (labels) the one of the largest weight is taken.
        """
        values = signal if isinstance(signal, Tensor) else torch.from_numpy(np.array(signal))
        if values.ndim == 0 or len(values) != self.count:
            raise ValueError(f"the signal must have shape ({self.count}, ...); got {tuple(values.shape)}")
        real = values.is_floating_point() or values.is_complex()
        absent = torch.from_numpy(self.weight.sum(axis=1) == 0)
        if bool(absent.any()) and not real and fill is None:
            place = int(torch.nonzero(absent)[0])
            raise ValueError(
                f"item {place} has no place on the other mesh, and {values.dtype} has no NaN: give fill for it"
            )
        result = self._sum(values) if real else self._pick(values)
        if bool(absent.any()):
            wide = absent.to(values.device).reshape(-1, *[1] * (values.ndim - 1))
            result = result.masked_fill(wide, math.nan if fill is None else fill)
        return result if isinstance(signal, Tensor) else result.numpy()

    def _sum(self, values: Tensor) -> Tensor:
        result = values.new_zeros((len(self.index), *values.shape[1:]))
        for column in range(self.index.shape[1]):
            # Rows of weight 0 are left out, so that a NaN beside a vertex does not reach the vertex itself.
            rows = np.flatnonzero(self.weight[:, column] != 0)
            if len(rows) == 0:
                continue
            source = torch.from_numpy(self.index[rows, column]).to(values.device)
            share = torch.from_numpy(self.weight[rows, column]).to(values.device, values.dtype)
            part = values[source] * share.reshape(-1, *[1] * (values.ndim - 1))
            result = result.index_add(0, torch.from_numpy(rows).to(values.device), part)
        return result

    def _pick(self, values: Tensor) -> Tensor:
        best = self.weight.argmax(axis=1)
        chosen = self.index[np.arange(len(best)), best]
        return values[torch.from_numpy(np.maximum(chosen, 0)).to(values.device)]


def shares_of_points(surface: MeshSurface, points: SurfacePoint) -> Shares:
    """Values at points `(M,)` from those at the vertices, linear on each face; a vertex has its own value exactly."""
    face, barycentric, vertex = points.arrays()
    index, weight = surface.faces.numpy()[np.maximum(face, 0)], barycentric.copy()
    weight[face < 0] = 0.0
    alone = vertex >= 0
    index[alone], weight[alone] = vertex[alone, None], [1.0, 0.0, 0.0]
    return Shares(index, weight, surface.n_vertices)


def shares_of_faces(chosen: Array, count: int) -> Shares:
    """Each item has the mean of the values of the faces `chosen` `(M, K)` out of `count`."""
    return Shares(chosen, np.full(chosen.shape, 1.0 / chosen.shape[1]), count)


@dataclass(frozen=True)
class RemeshResult:
    """A new mesh of V' vertices and F' faces for a surface that had V and F.

    Attributes:
        surface: the new mesh.
        old: the mesh that it was made from.
        on_old: `(V',)` points, where each new vertex lies on the old mesh (after decimation: the closest point).
        on_new: `(V,)` points, where each old vertex lies on the new mesh; face -1 and vertex -1 where nowhere.
        face_push, face_pull: how signals on faces are carried; None where new faces are no parts of old ones.
        report: a sentence that says what was done.
        flips: edges flipped (`intrinsic_delaunay`).
        blocked: edges that should have been flipped and could not be (`intrinsic_delaunay`).
        deviation: the largest distance from an old vertex to the new mesh (`decimate`), in units of the mesh; 0
            where the surface is the same.
    """

    surface: MeshSurface
    old: MeshSurface
    on_old: SurfacePoint
    on_new: SurfacePoint
    face_push: Shares | None
    face_pull: Shares | None
    report: str
    flips: int = 0
    blocked: int = 0
    deviation: float = 0.0

    def push(self, signal: Any, on: Places = "vertices") -> Any:
        """Carry a signal of the old mesh over to the new one.

        A vertex gets the value that the old signal, linear on each old face, has where the vertex lies; a face that
        of the old face there. Of integers and truth values (labels) that of the nearest corner is taken. Signals
        that are coordinates in the frames of the vertices can't be carried so: carry vectors in space.

        Args:
            signal: `(V, ...)`, or `(F, ...)` for faces; an array or a tensor, through which gradients flow.
            on: "vertices" or "faces".

        Returns:
            `(V', ...)` or `(F', ...)`, of the same kind and type.

        Raises:
            ValueError: for another shape, and for faces where new ones are no parts of old ones (flips).
        """
        return self._shares(on, forth=True).carry(signal, None)

    def pull(self, signal: Any, on: Places = "vertices", fill: float | None = None) -> Any:
        """Bring a signal of the new mesh back to the old one; `pull(push(signal))` is the signal where the surface
        is the same.

        Args:
            signal: `(V', ...)`, or `(F', ...)` for faces; an array or a tensor.
            on: "vertices" or "faces"; a face that was subdivided gets the mean of its parts.
            fill: the value of vertices of no face, which have no place on a decimated mesh; default NaN.

        Raises:
            ValueError: as `push`, and where such a vertex exists and the signal has no NaN: give `fill`.
        """
        return self._shares(on, forth=False).carry(signal, fill)

    def _shares(self, on: Places, forth: bool) -> Shares:
        if on == "vertices":
            if forth:
                return shares_of_points(self.old, self.on_old)
            return shares_of_points(self.surface, self.on_new)
        if on != "faces":
            raise ValueError(f'on must be "vertices" or "faces"; got {on!r}')
        shares = self.face_push if forth else self.face_pull
        if shares is None:
            raise ValueError(
                "after flips a face is no part of one old face, so signals on faces can't be carried; "
                "carry them at the vertices"
            )
        return shares

    def file(self) -> MeshFile | None:
        """What the old mesh's file held, carried to the new mesh; None where the mesh came from no file or the new
        one has no place in space."""
        held = self.old.file
        if held is None or self.surface.vertices is None:
            return None
        return MeshFile(
            path=held.path,
            vertices=self.surface.vertices.numpy(),
            faces=self.surface.faces.numpy(),
            vertex_data={name: self.push(values) for name, values in held.vertex_data.items()},
            face_data={name: self.push(values, "faces") for name, values in held.face_data.items()},
            face_polygon=np.arange(len(self.surface.faces)),
            notices=(*held.notices, self.report),
        )

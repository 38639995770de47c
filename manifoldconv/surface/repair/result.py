"""The repaired mesh, what was done, and how signals are carried over and come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray
Places = Literal["vertices", "faces"]


@dataclass(frozen=True)
class RepairStep:
    """What one repair did.

    Attributes:
        name: of the repair, as in `Repairs`.
        count: how many faults it met; 0 where there was nothing to do.
        text: a sentence with the number and the first places, in the numbers and lines of the file.
    """

    name: str
    count: int
    text: str


@dataclass(frozen=True)
class RepairResult:
    """A repaired mesh of V' vertices and F' faces, from one of V and F.

    Attributes:
        vertices: `(V', 3)` float64.
        faces: `(F', 3)` int64.
        vertex_map: `(V,)` for each old vertex the new one that stands for it, the first of its copies where
            it was split; -1 where it was dropped.
        face_map: `(F,)` the same for the faces.
        vertex_pairs: `(P, 2)` rows (old, new): all vertices that stand for each other.
        face_pairs: `(Q, 2)` the same for the faces.
        report: what each repair that was asked for did, in their order.
    """

    vertices: Array
    faces: Array
    vertex_map: Array
    face_map: Array
    vertex_pairs: Array
    face_pairs: Array
    report: tuple[RepairStep, ...]

    def push(self, signal: Any, on: Places = "vertices") -> Any:
        """Carry a signal of the old mesh over to the new one.

        Where several vertices were merged, real numbers are averaged, and integers and truth values (labels)
        taken from the first of them; where one was split, each copy has its value. Signals that are
        coordinates in the frames of the vertices can't be carried so: carry vectors in space.

        Args:
            signal: `(V, ...)`, or `(F, ...)` for faces; an array or a tensor, through which gradients flow.
            on: "vertices" or "faces".

        Returns:
            `(V', ...)` or `(F', ...)`, of the same kind and type.
        """
        pairs, old, new = self._pairs(on)
        return _carry(signal, pairs, old, new, None)

    def pull(self, signal: Any, on: Places = "vertices", fill: float | None = None) -> Any:
        """Bring a signal of the new mesh back to the old one.

        Merged vertices all have the value of the one that they became; a vertex that was split has the mean
        of its copies (of integers and truth values: that of the first). So `pull(push(signal))` is the signal
        itself where nothing was merged or dropped.

        Args:
            signal: `(V', ...)`, or `(F', ...)` for faces; an array or a tensor.
            on: "vertices" or "faces".
            fill: the value where a vertex or face was dropped; default NaN.

        Raises:
            ValueError: where something was dropped and the signal has no NaN (integers): give `fill`.
        """
        pairs, old, new = self._pairs(on)
        return _carry(signal, pairs[:, ::-1], new, old, fill)

    def _pairs(self, on: Places) -> tuple[Array, int, int]:
        if on not in ("vertices", "faces"):
            raise ValueError(f'on must be "vertices" or "faces"; got {on!r}')
        if on == "vertices":
            return self.vertex_pairs, len(self.vertex_map), len(self.vertices)
        return self.face_pairs, len(self.face_map), len(self.faces)


def first_partner(pairs: Array, count: int) -> Array:
    """`(count,)` for each item of column 0 the least of column 1; -1 where it has none."""
    result = np.full(count, -1, dtype=np.int64)
    ordered = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))][::-1]
    result[ordered[:, 0]] = ordered[:, 1]
    return result


def _carry(signal: Any, pairs: Array, count: int, target: int, fill: float | None) -> Any:
    """Values `(count, ...)` carried along pairs (from, to): each of `target` items gets a mean."""
    values = signal if isinstance(signal, Tensor) else np.asarray(signal)
    if values.ndim == 0 or len(values) != count:
        raise ValueError(f"the signal must have shape ({count}, ...); got {tuple(values.shape)}")
    first = first_partner(pairs[:, ::-1], target)
    gone = np.flatnonzero(first < 0)
    if isinstance(values, Tensor):
        real = values.is_floating_point() or values.is_complex()
    else:
        real = values.dtype.kind in "fc"
    if len(gone) and not real and fill is None:
        raise ValueError(
            f"item {gone[0]} was dropped by the repair, and {values.dtype} has no NaN: give fill for it"
        )
    gap = math.nan if fill is None else fill
    if real:
        tensor = values if isinstance(values, Tensor) else torch.from_numpy(values.copy())
        result = _mean(tensor, pairs, first, gap)
        return result if isinstance(signal, Tensor) else result.numpy()
    chosen = np.maximum(first, 0)
    result = (
        values[torch.from_numpy(chosen).to(values.device)] if isinstance(values, Tensor) else values[chosen]
    )
    if len(gone):
        result[gone] = gap
    return result


def _mean(values: Tensor, pairs: Array, first: Array, gap: float) -> Tensor:
    """The mean of the real values that arrive at each item; of equal values exactly theirs."""
    arriving = np.bincount(pairs[:, 1], minlength=len(first))
    result = values[torch.from_numpy(np.maximum(first, 0)).to(values.device)]
    wide = (-1, *[1] * (values.ndim - 1))
    if (arriving > 1).any():
        several = torch.from_numpy(arriving > 1).to(values.device).reshape(wide)
        source, end = (torch.from_numpy(column.copy()).to(values.device) for column in pairs.T)
        # Of the differences from the first: three equal values have exactly that mean.
        total = torch.zeros_like(result).index_add(0, end, values[source] - result[end])
        share = torch.from_numpy(np.maximum(arriving, 1)).to(values.device, values.dtype).reshape(wide)
        result = torch.where(several, result + total / share, result)
    if (first < 0).any():
        missing = torch.from_numpy(first < 0).to(values.device).reshape(wide)
        result = result.masked_fill(missing, gap)
    return result

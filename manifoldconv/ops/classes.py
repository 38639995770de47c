"""Transports that take few values: each (source site, value) becomes a column of its own.

The field is then carried once for each column, not once for each pair; and where all transports are the identity, as
on a flat torus, not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from manifoldconv.compiled import leaf

if TYPE_CHECKING:
    from manifoldconv.pullback import Pullback

# More classes than this are no few values.
MOST = 64
EXACT = 1e-9


@dataclass(frozen=True, eq=False)
class Classes:
    """Some matrices, and which of them a transport is.

    Attributes:
        matrices: `(K, d, d)`; empty where the field does not feel transports.
        mirrors: only the sign of the determinant counts, as two classes: 1 and diag(1, -1).
        tolerance: how far a transport may lie from its matrix.
    """

    matrices: Tensor
    mirrors: bool = False
    tolerance: float = EXACT

    @classmethod
    def none(cls) -> Classes:
        """For scalars, and where values hold the whole transport."""
        return cls(torch.empty(0, 0, 0, dtype=torch.float64))

    @classmethod
    def mirrored(cls, pull: Pullback) -> Classes:
        """By whether a planar transport keeps the orientation; one class where all do."""
        transport = pull.transport.detach().cpu()
        eye = torch.eye(2, dtype=torch.float64)
        reversing = bool(((_determinant(transport) < 0) & (pull.weight.detach().cpu() != 0)).any())
        matrices = torch.stack([eye, torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64))])
        return cls(matrices if reversing else matrices[:1], mirrors=True)

    @property
    def count(self) -> int:
        """K, at least 1."""
        return max(1, len(self.matrices))

    @property
    def trivial(self) -> bool:
        """Whether the field needs no carrying at all."""
        if self.count > 1:
            return False
        return not len(self.matrices) or bool(
            torch.allclose(
                self.matrices[0], torch.eye(self.matrices.shape[-1], dtype=torch.float64), rtol=0, atol=EXACT
            )
        )

    def of(self, transport: Tensor) -> Tensor:
        """The class of each transport `(..., d, d)`: `(...,)` int64; that of weight 0 may be any."""
        if self.mirrors:
            return (_determinant(transport) < 0).long()
        d = transport.shape[-1]
        found = np.zeros(transport.numel() // (d * d), dtype=np.int64)
        flat = np.ascontiguousarray(transport.detach().reshape(-1, d * d).numpy())
        _assign(flat, self.matrices.reshape(-1, d * d).numpy(), self.tolerance, found)
        return torch.from_numpy(np.maximum(found, 0)).reshape(transport.shape[:-2])


def transport_classes(pull: Pullback, rep: Any) -> Classes | None:
    """The values that the transports of a pullback take, or None where they are many.

    Where the field type is defined on the elements of a finite group only ("regular"), these are the values.
    """
    d = pull.transport.shape[-1]
    flat = np.ascontiguousarray(pull.transport.detach().cpu().reshape(-1, d * d).numpy())
    used = np.ascontiguousarray(pull.weight.detach().cpu().reshape(-1).numpy())
    matrices = np.empty((MOST, d * d))
    count = _distinct(flat, used, EXACT, matrices)
    if count >= 0:
        return Classes(torch.from_numpy(matrices[:count].copy()).reshape(-1, d, d))
    if not rep.group.is_finite or all(
        block.irrep.name[0].isdigit() and block.irrep.size > 1 for block in rep.blocks
    ):
        return None
    elements = rep.group.elements()
    known = np.ascontiguousarray(elements.reshape(-1, d * d).numpy())
    found = np.zeros(len(flat), dtype=np.int64)
    _assign(flat, known, 1e-3, found)
    return None if bool(((found < 0) & (used != 0)).any()) else Classes(elements, tolerance=1e-3)


def _determinant(matrices: Tensor) -> Tensor:
    return matrices[..., 0, 0] * matrices[..., 1, 1] - matrices[..., 0, 1] * matrices[..., 1, 0]


@leaf
def _distinct(flat, used, tolerance, matrices):  # type: ignore[no-untyped-def]
    """How many different matrices of weight there are, written to `matrices`; -1 where they don't fit."""
    count = 0
    for n in range(len(flat)):
        if used[n] != 0.0 and _nearest(flat, n, matrices, count, tolerance) < 0:
            if count == len(matrices):
                return -1
            for i in range(flat.shape[1]):
                matrices[count, i] = flat[n, i]
            count += 1
    return count


@leaf
def _assign(flat, matrices, tolerance, found):  # type: ignore[no-untyped-def]
    for n in range(len(flat)):
        found[n] = _nearest(flat, n, matrices, len(matrices), tolerance)


@leaf
def _nearest(flat, n, matrices, count, tolerance):  # type: ignore[no-untyped-def]
    """The first matrix that no entry differs from by more than the tolerance, or -1."""
    for k in range(count):
        near = True
        for i in range(flat.shape[1]):
            if abs(flat[n, i] - matrices[k, i]) > tolerance:
                near = False
                break
        if near:
            return k
    return -1

"""Frame fields: an orthonormal frame at every site, chosen by the user (a G-structure)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64


@dataclass(frozen=True, eq=False)
class FrameField:
    """Orthonormal frames with respect to which kernels are written; any kernel is then admissible.

    Attributes:
        matrices: `(N, d, d)` orthogonal; column i is the i-th vector of the frame, in the local frame of the site.
        singular: `(k,)` int64, sites where what the frames were made from has no direction, and they were taken from a
            neighbour (see `manifoldconv.frame_fields`); empty by default.

    >>> FrameField.from_vectors(torch.tensor([[0.0, 2.0]])).matrices[0].round(decimals=6).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """

    matrices: Tensor
    singular: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def __post_init__(self) -> None:
        matrices = float64("matrices", self.matrices, (None, None))
        if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
            raise ValueError(f"a frame field needs matrices of shape (N, d, d); got {tuple(matrices.shape)}")
        error = (
            (matrices.mT @ matrices - torch.eye(matrices.shape[-1], dtype=torch.float64))
            .abs()
            .amax(dim=(1, 2))
        )
        if len(error) and float(error.max()) > 1e-9:
            site = int(error.argmax())
            raise GeometryError(
                f"frames must be orthonormal; that of site {site} is not: {matrices[site].tolist()}"
            )
        object.__setattr__(self, "matrices", matrices)

    @classmethod
    def from_vectors(cls, vectors: Tensor) -> FrameField:
        """The frames of the plane whose first vector points along `vectors` `(N, 2)`, in local coordinates.

        Raises `GeometryError` for a vector of length 0, naming the site.
        """
        first = float64("vectors", vectors, (2,))
        if first.ndim != 2:
            raise ValueError(f"vectors must have shape (N, 2), one for each site; got {tuple(first.shape)}")
        length = first.norm(dim=-1)
        if bool((length == 0).any()):
            raise GeometryError(
                f"the vector at site {int((length == 0).nonzero()[0, 0])} has length 0: no frame there"
            )
        first = first / length[:, None]
        second = torch.stack([-first[:, 1], first[:, 0]], dim=-1)
        return cls(torch.stack([first, second], dim=-1))

"""Feature tensors in the channel orders of e3nn and escnn, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from manifoldconv.representations.harmonics import wigner_matrix
from manifoldconv.representations.representation import Representation

# The cyclic turn (x, y, z) ↦ (y, z, x) of the coordinates, from polar axis y to polar axis z.
POLAR_AXIS_TURN = ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))


def to_e3nn_order(field: Tensor, representation: Representation) -> Tensor:
    """A field `(..., size)` in the layout of e3nn's `Irreps` with the same terms: the same numbers.

    e3nn keeps copies of a block contiguous as we do ("mul_ir" layout) and has the same basis; "2x0e + 1x1o" there is
    "2x0e + 1x1o" here. Raises `ValueError` outside dimension 3 and for regular blocks, which e3nn does not have.
    """
    _require_e3nn(field, representation)
    return field


def from_e3nn_order(field: Tensor, representation: Representation) -> Tensor:
    """The inverse of `to_e3nn_order`."""
    _require_e3nn(field, representation)
    return field


def to_escnn_order(field: Tensor, representation: Representation) -> Tensor:
    """A field `(..., size)` in the layout of escnn's `FieldType` with the same terms in the same order.

    In the plane the same numbers: escnn's irrep(m) of SO(2) and C(n), irrep(1, m) of O(2) and D(n) have our basis, its
    regular representation our order of elements (mirrors at axis 0). In space escnn's harmonics have the polar axis z
    (a vector is (y, z, x)): each block of degree l is multiplied by the D_l of the cyclic turn of the coordinates.

    Raises `ValueError` for groups whose mirrors lie elsewhere than escnn's, and for dimensions beyond 3.
    """
    return _turned(field, representation, inverse=False)


def from_escnn_order(field: Tensor, representation: Representation) -> Tensor:
    """The inverse of `to_escnn_order`."""
    return _turned(field, representation, inverse=True)


def _require_e3nn(field: Tensor, representation: Representation) -> None:
    representation.check_field(field)
    if representation.group.dimension != 3 or any(
        p.name.startswith("regular") for p, _ in representation.terms
    ):
        raise ValueError(f"e3nn has no field type {representation!r}")


def _turned(field: Tensor, representation: Representation, *, inverse: bool) -> Tensor:
    representation.check_field(field)
    group = representation.group
    if group.dimension == 2:
        if group.axis:
            raise ValueError(
                f"escnn's mirrors lie along the first axis, not at {group.axis:.4g} rad as in {group!r}"
            )
        return field
    if group.dimension != 3 or any(part.name.startswith("regular") for part, _ in representation.terms):
        raise ValueError(
            f"the order of escnn is known for the plane and for degrees in space; not for {representation!r}"
        )
    turn = torch.tensor(POLAR_AXIS_TURN, dtype=torch.float64)
    turn = turn.mT if inverse else turn
    parts = []
    for part, count, place in representation.blocks:
        matrix = wigner_matrix(turn, part.frequency).to(field.dtype)
        copies = field[..., place].unflatten(-1, (count, part.size))
        parts.append((copies @ matrix.mT).flatten(-2))
    return torch.cat(parts, -1)

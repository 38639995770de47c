"""Feature tensors in the channel orders of e3nn and escnn, and back."""

from __future__ import annotations

from torch import Tensor

from manifoldconv.representations.representation import Representation


def to_e3nn_order(field: Tensor, representation: Representation) -> Tensor:
    """A field `(..., size)` in the layout of e3nn's `Irreps` with the same terms: the same numbers.

    e3nn keeps copies of a block contiguous as we do ("mul_ir" layout) and has the same basis; "2x0e + 1x1o"
    there is "2x0e + 1x1o" here. Raises `ValueError` outside dimension 3 and for regular blocks, which e3nn
    does not have.
    """
    _require_e3nn(field, representation)
    return field


def from_e3nn_order(field: Tensor, representation: Representation) -> Tensor:
    """The inverse of `to_e3nn_order`."""
    _require_e3nn(field, representation)
    return field


def to_escnn_order(field: Tensor, representation: Representation) -> Tensor:
    """A field `(..., size)` in the layout of escnn's `FieldType` with the same terms: the same numbers.

    escnn's irrep(m) of SO(2) and C(n) and irrep(1, m) of O(2) and D(n) have our basis, and its regular
    representation our order of elements; its mirrors lie along the first axis.

    Raises `ValueError` for groups whose mirrors lie elsewhere, and outside the plane.
    """
    _require_escnn(field, representation)
    return field


def from_escnn_order(field: Tensor, representation: Representation) -> Tensor:
    """The inverse of `to_escnn_order`."""
    _require_escnn(field, representation)
    return field


def _require_e3nn(field: Tensor, representation: Representation) -> None:
    representation.check_field(field)
    if representation.group.dimension != 3 or any(
        p.name.startswith("regular") for p, _ in representation.terms
    ):
        raise ValueError(f"e3nn has no field type {representation!r}")


def _require_escnn(field: Tensor, representation: Representation) -> None:
    representation.check_field(field)
    group = representation.group
    if group.dimension != 2:
        raise ValueError(f"the order of escnn is known in the plane; not for {representation!r}")
    if group.axis:
        raise ValueError(
            f"escnn's mirrors lie along the first axis, not at {group.axis:.4g} rad as in {group!r}"
        )

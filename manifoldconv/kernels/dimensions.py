"""How many kernels a group admits between field types: the table that a holonomy group decides."""

from __future__ import annotations

from collections.abc import Sequence

from manifoldconv.groups import StructureGroup
from manifoldconv.kernels.radial import RadialBasis
from manifoldconv.kernels.space import KernelSpace

BAND_LIMIT = 4
"""Angular orders up to this are counted: for SO(2) and O(2), all that there are between frequencies up to 2."""


def simple_field_types(group: StructureGroup) -> list[str]:
    """Names of the field types that exist for every group of the plane: scalars, signs, vectors, frequency 2.

    "sign" is there only where the group reverses orientation; elsewhere it is "0".

    >>> simple_field_types(StructureGroup.reflection())
    ['0', 'sign', '1', '2']
    """
    return ["0", "sign", "1", "2"] if group.reverses_orientation else ["0", "1", "2"]


def admissible_dimensions(
    group: StructureGroup, names: Sequence[str] | None = None, band_limit: int = BAND_LIMIT
) -> dict[tuple[str, str], int]:
    """For each pair (from, to) of field types the number of admissible kernels, for each radial function.

    Args:
        group: of the plane.
        names: default `simple_field_types(group)`.
        band_limit: the largest angular order that is counted.

    >>> table = admissible_dimensions(StructureGroup.special_orthogonal(2))
    >>> table["0", "0"], table["0", "1"], table["1", "1"]
    (1, 2, 4)
    """
    chosen = simple_field_types(group) if names is None else names
    one = RadialBasis.gaussian_rings(1.0, 1)
    return {
        (a, b): KernelSpace(a, b, group, one, band_limit).angular_dimension for a in chosen for b in chosen
    }

"""Which irreducible representations a group has, and which of them a tensor product holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.representations.blocks import block

if TYPE_CHECKING:
    from manifoldconv.representations.representation import Representation


def irreducible_names(group: StructureGroup, limit: int) -> list[str]:
    """The names of the irreducible representations over the reals; of infinite groups up to a frequency."""
    mirrors = group.reverses_orientation
    if group.dimension == 3 and group.holds_rotations:
        return [f"{degree}{parity}" for degree in range(limit + 1) for parity in ("eo" if mirrors else ("",))]
    if group.dimension != 2:
        raise ValueError(
            f"irreducible field types are listed for the plane, SO(3) and O(3); not for {group!r}"
        )
    n = group.rotation_order
    names = ["0", "sign"] if mirrors else ["0"]
    names += [str(m) for m in range(1, (limit if n is None else (n - 1) // 2) + 1)]
    if n is not None and n % 2 == 0:
        half = n // 2
        names += [f"{half}+", f"{half}-"] if mirrors else ["half" if n == 2 else str(half)]
    return names


def product_names(first: Representation, second: Representation) -> list[tuple[str, int]]:
    """The named representations in a tensor product, with multiplicities, in their listed order."""
    group = first.group
    if group.dimension == 3:
        return _in_space(first, second)
    if group.dimension != 2:
        return _of_signs(first, second)
    stand_in = group
    if not group.is_finite:
        # Frequencies up to half the order of C(n), D(n) are told apart by those, and have the same names
        # there.
        n = 2 * (first.frequency + second.frequency) + 3
        stand_in = StructureGroup.dihedral(n) if group.reverses_orientation else StructureGroup.cyclic(n)
    elements = stand_in.elements()
    character = _character(first, elements) * _character(second, elements)
    found = []
    for name in irreducible_names(stand_in, 0):
        own = block(name, stand_in).function(elements).diagonal(dim1=-2, dim2=-1).sum(-1)
        # ⟨χ, χ⟩ is 2 for real irreducible representations of complex type, as the planes of C(n).
        count = round(float((character * own).sum() / (own * own).sum()))
        if count:
            found.append((name, count))
    return found


def _character(representation: Representation, elements: Tensor) -> Tensor:
    return representation.matrix(elements).diagonal(dim1=-2, dim2=-1).sum(-1)


def _in_space(first: Representation, second: Representation) -> list[tuple[str, int]]:
    """l ⊗ l' = |l - l'| ⊕ ... ⊕ (l + l'), parities multiply; regular ⊗ ρ is dim ρ copies of regular."""
    counts: Counter[tuple[int, str]] = Counter()
    regular = 0
    for one, times in first.terms:
        for two, again in second.terms:
            names = (one.name, two.name)
            if any(" of " in name for name in names):
                raise ValueError(f"{names[0]} times {names[1]} has no name among the field types")
            if "regular" in names:
                regular += times * again * one.size * two.size
                continue
            parity = "" if one.name.isdigit() else "e" if one.name[-1] == two.name[-1] else "o"
            for degree in range(abs(one.frequency - two.frequency), one.frequency + two.frequency + 1):
                counts[degree, parity] += times * again
    found = [(f"{degree}{parity}", count) for (degree, parity), count in sorted(counts.items())]
    order = first.group.order
    return found + ([("regular", regular // order)] if order and regular else [])


def _of_signs(first: Representation, second: Representation) -> list[tuple[str, int]]:
    """Scalars and signs times anything, in dimensions where nothing else is named."""
    counts: Counter[str] = Counter()
    for one, times in first.terms:
        for two, again in second.terms:
            if one.name == "0" or two.name == "0":
                counts[two.name if one.name == "0" else one.name] += times * again
            elif one.name == two.name == "sign":
                counts["0"] += times * again
            else:
                raise ValueError(
                    f"{one.name} times {two.name} has no name among the field types of {first.group!r}"
                )
    return list(counts.items())

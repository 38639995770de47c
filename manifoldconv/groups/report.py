"""How certain a group is that was found from matrices within a tolerance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manifoldconv.groups.group import StructureGroup

ROUNDING = 1e-12
"""A residual below this is what products of exact rotations show in float64."""


@dataclass(frozen=True)
class GeneratedReport:
    """The closure of a generated group at several tolerances.

    Attributes:
        groups: one for each tolerance.
        tolerances: the first is the one that was asked for, the others are for comparison.
        max_order: finite groups of more rotations about an axis count as dense.
    """

    groups: tuple[StructureGroup, ...]
    tolerances: tuple[float, ...]
    max_order: int

    @property
    def group(self) -> StructureGroup:
        """The group at the first tolerance."""
        return self.groups[0]

    @property
    def tolerance(self) -> float:
        """The first tolerance."""
        return self.tolerances[0]

    @property
    def residual(self) -> float:
        """How far the matrices lie from elements of `group`, in radians or matrix entries."""
        return self.group.residual

    @property
    def certainty(self) -> str:
        """ "exact" (the residual is rounding), "within tolerance", or "dense" (no finite group fits)."""
        if not self.group.is_finite:
            return "dense"
        return "exact" if self.residual <= ROUNDING else "within tolerance"

    @property
    def alternatives(self) -> tuple[tuple[float, StructureGroup], ...]:
        """(tolerance, group) where another tolerance gives another group."""
        pairs = zip(self.tolerances[1:], self.groups[1:], strict=True)
        return tuple((tolerance, group) for tolerance, group in pairs if group.name != self.group.name)

    def __str__(self) -> str:
        reasons = {
            "exact": f"the matrices are elements of it up to rounding, {self.residual:.1g}",
            "within tolerance": f"within {self.tolerance:g}; the matrices miss it by {self.residual:.1g}",
            "dense": f"no finite group of at most {self.max_order} rotations lies within {self.tolerance:g}",
        }
        told = f"{self.group.name} ({reasons[self.certainty]})"
        at: dict[str, list[str]] = {}
        for tolerance, group in self.alternatives:
            at.setdefault(group.name, []).append(f"{tolerance:g}")
        return "; ".join([told, *(f"{name} within {' and '.join(limits)}" for name, limits in at.items())])

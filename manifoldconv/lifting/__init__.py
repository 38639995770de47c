"""Lifting to the group: fields on SE(2) and SO(3), on which every kernel is admissible, and the way back."""

from manifoldconv.lifting.cost import Cost, cost_of
from manifoldconv.lifting.orientations import (
    fourier_type,
    from_fourier,
    orientation_angles,
    project,
    regular_to_irreps,
    to_fourier,
)
from manifoldconv.lifting.pullbacks import group_pullback, lift_pullback
from manifoldconv.lifting.rules import group_rule

__all__ = [
    "Cost",
    "cost_of",
    "fourier_type",
    "from_fourier",
    "group_pullback",
    "group_rule",
    "lift_pullback",
    "orientation_angles",
    "project",
    "regular_to_irreps",
    "to_fourier",
]

"""Faults of meshes: found, explained, and repaired so that signals carry over and come back."""

from manifoldconv.surface.repair.diagnose import Fault, diagnose
from manifoldconv.surface.repair.options import Repairs
from manifoldconv.surface.repair.repair import repair_mesh, repaired_file
from manifoldconv.surface.repair.result import RepairResult, RepairStep

__all__ = ["Fault", "RepairResult", "RepairStep", "Repairs", "diagnose", "repair_mesh", "repaired_file"]

"""Structure groups: the closed subgroups of O(d) that a kernel can be asked to respect.

They are the word that geometry and kernels share: a manifold says which group its parallel transport
generates, a kernel says under which group it is invariant.
"""

from manifoldconv.groups.group import StructureGroup
from manifoldconv.groups.report import GeneratedReport

__all__ = ["GeneratedReport", "StructureGroup"]

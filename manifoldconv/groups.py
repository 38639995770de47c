"""Structure groups: the closed subgroups of O(d) that a kernel can be asked to respect."""
# placeholder: written by the kernels' part
from __future__ import annotations


class StructureGroup:
    pass

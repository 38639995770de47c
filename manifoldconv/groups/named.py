"""Groups of the plane by their names, as messages and field types write them."""

from __future__ import annotations

import re

from manifoldconv.groups.group import StructureGroup

KNOWN = '"trivial", "reflection", "SO(2)", "O(2)", and "C(n)" and "D(n)" for n from 1 to 999, such as "C(4)"'


def named_group(name: str) -> StructureGroup:
    """A group of the plane by its name, blanks and case aside.

    Raises `ValueError` with the names that there are.

    >>> named_group("c(4)").name, named_group("SO2").name
    ('C(4)', 'SO(2)')
    """
    text = re.sub(r"\s", "", name).lower()
    known = {
        "trivial": StructureGroup.trivial(2),
        "1": StructureGroup.trivial(2),
        "reflection": StructureGroup.reflection(),
        "so(2)": StructureGroup.special_orthogonal(2),
        "so2": StructureGroup.special_orthogonal(2),
        "o(2)": StructureGroup.orthogonal(2),
        "o2": StructureGroup.orthogonal(2),
    }
    if text in known:
        return known[text]
    parts = re.fullmatch(r"([cd])\(?([1-9]\d{0,2})\)?", text)
    if not parts or text.count("(") != text.count(")"):
        raise ValueError(f"no group of the plane has the name {name!r}; there are {KNOWN}")
    n = int(parts[2])
    return StructureGroup.cyclic(n) if parts[1] == "c" else StructureGroup.dihedral(n)

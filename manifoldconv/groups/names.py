"""The name of a closed subgroup of O(d), read from its elements."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from manifoldconv.groups.structure import Structure

NEAR = 1e-6
"""Entries of different elements of the groups named here differ by far more (C(360): 2e-4)."""


def group_name(structure: Structure) -> str | None:
    """The name, or None in dimensions above 3 for all but trivial, reflection, inversion, SO(d), O(d)."""
    components, blocks = structure.components, structure.blocks
    d = components.shape[-1]
    reverses = bool(torch.linalg.det(components[-1]) < 0)
    if any(block.shape[1] == d for block in blocks):
        return f"{'O' if reverses else 'SO'}({d})"
    if not blocks and len(components) == 1:
        return "trivial"
    if not blocks and len(components) == 2 and reverses:
        trace = round(float(components[1].trace()))
        if trace in (d - 2, -d):
            return "reflection" if trace == d - 2 else "inversion"
    if d == 2:
        return f"D({len(components) // 2})" if reverses else f"C({len(components)})"
    if d == 3:
        return _infinite_axial_name(components, blocks[0]) if blocks else _finite_name(components)
    return None


def axis_direction(structure: Structure) -> Tensor | None:
    """d = 3: the line `(3,)` about which the group turns, its largest coordinate positive; or None.

    Of a reflection: the line across its plane. None for the polyhedral groups, SO(3), O(3), 1 and ±1.
    """
    components, blocks = structure.components, structure.blocks
    if components.shape[-1] != 3 or any(block.shape[1] == 3 for block in blocks):
        return None
    if blocks:
        axis = torch.linalg.cross(blocks[0][:, 0], blocks[0][:, 1])
    else:
        rotations = components[torch.linalg.det(components) > 0]
        n, main = _main_rotation(rotations)
        if n == 1:
            if group_name(structure) != "reflection":
                return None
            main = -components[1]
        elif len(rotations) not in (n, 2 * n):
            return None
        axis = torch.linalg.eigh((main + main.mT) / 2).eigenvectors[:, -1]
    return axis * torch.sign(axis[int((axis.abs() > axis.abs().max() - NEAR).nonzero()[0, 0])])


def _infinite_axial_name(components: Tensor, block: Tensor) -> str:
    """SO(2) about an axis, by its components: (determinant across the axis, sign along it)."""
    axis = torch.linalg.cross(block[:, 0], block[:, 1])
    kinds = set()
    for component in components:
        along = float(axis @ component @ axis) < 0
        across = (float(torch.linalg.det(component)) < 0) != along
        kinds.add((across, along))
    if len(kinds) == 4:
        return "O(2) x reflection"
    if (True, False) in kinds:
        return "O(2) x trivial"
    if (False, True) in kinds:
        return "SO(2) x reflection"
    return "SO(2) x trivial" if len(kinds) == 1 else "Schoenflies D∞"


def _main_rotation(rotations: Tensor) -> tuple[int, Tensor]:
    """The largest order of a rotation, and one of that order by the smallest angle."""
    cosines = (rotations.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    cosines = torch.where(cosines > 1 - 1e-9, -2.0, cosines)
    main = int(cosines.argmax())
    if float(cosines[main]) < -1.5:
        return 1, rotations[0]
    return round(2 * math.pi / math.acos(max(-1.0, float(cosines[main])))), rotations[main]


def _finite_name(components: Tensor) -> str:
    """The finite subgroups of O(3): products where they are such, else by Schoenflies' symbol."""
    determinants = torch.linalg.det(components)
    rotations, reversing = components[determinants > 0], components[determinants < 0]
    n, main = _main_rotation(rotations)
    inversion = _holds(reversing, -torch.eye(3, dtype=torch.float64))
    polyhedron = {(12, 3): "T", (24, 4): "O", (60, 5): "I"}.get((len(rotations), n))
    if polyhedron:
        suffix = "" if not len(reversing) else "h" if inversion else "d"
        return f"Schoenflies {polyhedron}{suffix}"
    axis = torch.linalg.eigh((main + main.mT) / 2).eigenvectors[:, -1]
    across = torch.eye(3, dtype=torch.float64) - 2 * axis[:, None] * axis
    flat = _holds(reversing, across)
    if len(rotations) == n:  # C(n)
        if not len(reversing):
            return f"C({n}) x trivial"
        if flat:
            return f"C({n}) x reflection"
        upright = float(axis @ reversing[0] @ axis) > 0
        return f"D({n}) x trivial" if upright else f"Schoenflies S({2 * n})"
    if not len(reversing):
        return f"Schoenflies D({n})"
    return f"D({n}) x reflection" if flat else f"Schoenflies D({n})d"


def _holds(matrices: Tensor, matrix: Tensor) -> bool:
    return bool(len(matrices)) and float((matrices - matrix).abs().amax((-2, -1)).min()) < NEAR

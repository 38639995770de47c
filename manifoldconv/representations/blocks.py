"""The building blocks of field types: named representations of a structure group."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.groups.named import named_group
from manifoldconv.representations.harmonics import wigner_matrix

NEAR_THE_GROUP = 1e-3
"""How far a matrix may lie from an element of the group and still act as it in a block that only the group's
own elements act on ("regular", the one-dimensional blocks of frequency n/2)."""


@dataclass(frozen=True)
class Block:
    """A representation of a group that has a name. Compared by name and key: within one group that is enough.

    Attributes:
        name: as in a field type.
        size: its dimension.
        frequency: the largest angular frequency (plane) or degree (space) of functions that it needs.
        function: g `(..., d, d)` to ρ(g) `(..., size, size)`.
        key: what else the matrices depend on: for "regular" the elements in their order, which equal groups may
            list differently.
        origin: the name and the group that `block` made it from. That is what is pickled: functions can't be.
    """

    name: str
    size: int
    frequency: int
    function: Callable[[Tensor], Tensor]
    key: bytes = b""
    origin: tuple[str, StructureGroup] | None = None

    def __reduce__(self) -> tuple[object, ...]:
        if self.origin is None:
            raise TypeError(f"the block {self.name!r} was not made by name, and can't be copied or pickled")
        return _made_again, (*self.origin, self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Block) and (self.name, self.size, self.key) == (
            other.name,
            other.size,
            other.key,
        )

    def __hash__(self) -> int:
        return hash((self.name, self.size, self.key))


def block(name: str, group: StructureGroup) -> Block:
    """The block of that name for a group. Raises `ValueError` for names that the group does not have."""
    if name == "regular":
        return replace(_regular(group), origin=(name, group))
    if name.startswith("regular of "):
        return regular_of(_larger_group(name), group)
    if name == "sign" and not group.reverses_orientation:
        name = "0"
    makers = {2: _planar, 3: _spatial}
    found = makers.get(group.dimension, _general)(name, group)
    if found is None:
        raise ValueError(
            f"{group.name} in dimension {group.dimension} has no field type {name!r}; {_known(group)}"
        )
    return replace(found, origin=(name, group))


def _made_again(made_as: str, group: StructureGroup, name: str) -> Block:
    """A block from its pickled form; `name` differs from the first one for what was restricted to a subgroup."""
    return replace(block(made_as, group), name=name)


def _planar(name: str, group: StructureGroup) -> Block | None:
    n, mirrors = group.rotation_order, group.reverses_orientation
    if name == "0":
        return Block("0", 1, 0, _ones)
    if name == "sign":
        return Block("sign", 1, 0, _determinant)
    if name == "half" and n == 2 and not mirrors:
        return Block("half", 1, 1, _alternating(1, 0.0, 1, group))
    signed = re.fullmatch(r"([1-9]\d*)([+-])", name)
    if signed and mirrors and n is not None and 2 * int(signed[1]) == n:
        sign = 1 if signed[2] == "+" else -1
        return Block(name, 1, n // 2, _alternating(n // 2, group.axis or 0.0, sign, group))
    if not re.fullmatch(r"[1-9]\d*", name):
        return None
    m = int(name)
    if n is not None and not mirrors and n > 2 and 2 * m == n:
        return Block(name, 1, m, _alternating(m, 0.0, 1, group))
    return Block(name, 2, m, lambda g: _frequency(g, m))


def _spatial(name: str, group: StructureGroup) -> Block | None:
    name = "0o" if name == "sign" else name
    parts = re.fullmatch(r"(0|[1-9]\d*)([eo]?)", name)
    if not parts:
        return None
    degree = int(parts[1])
    natural = "eo"[degree % 2]
    parity = parts[2] or natural
    name = f"{degree}{parity}" if group.reverses_orientation else str(degree)

    def function(g: Tensor) -> Tensor:
        matrix = wigner_matrix(g, degree)
        return matrix if parity == natural else matrix * _determinant(g)

    return Block(name, 2 * degree + 1, degree, function)


def _general(name: str, group: StructureGroup) -> Block | None:
    if name == "0":
        return Block("0", 1, 0, _ones)
    if name == "sign":
        return Block("sign", 1, 0, _determinant)
    return Block("1", group.dimension, 1, lambda g: g) if name == "1" else None


def _known(group: StructureGroup) -> str:
    regular = ' and "regular"' if group.is_finite else ""
    if group.dimension == 3:
        return f'there are "0", "1", "2", ... with parities as in "0e", "1o"{regular}'
    if group.dimension != 2:
        return f'there are "0", "sign", "1" (vectors){regular}'
    n = group.rotation_order or 1
    extra = ""
    if n % 2 == 0:
        extra = f', "{n // 2}+", "{n // 2}-"' if group.reverses_orientation else ', "half"' if n == 2 else ""
    return f'there are "0", "sign", "1", "2", ...{extra}{regular}'


def _ones(g: Tensor) -> Tensor:
    return torch.ones_like(g[..., :1, :1])


def _determinant(g: Tensor) -> Tensor:
    return torch.linalg.det(g.detach()).sign()[..., None, None]


def _first_column_angle(g: Tensor) -> Tensor:
    return torch.atan2(g[..., 1, 0], g[..., 0, 0])


def _frequency(g: Tensor, m: int) -> Tensor:
    """R(mφ) diag(1, det g), φ the angle of the first column: rotations by θ ↦ R(mθ), mirrors to mirrors."""
    if m == 1:
        return g
    angle = m * _first_column_angle(g)
    sign = _determinant(g)[..., 0, 0]
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack([torch.stack([cosine, -sign * sine], -1), torch.stack([sine, sign * cosine], -1)], -2)


def _alternating(m: int, axis: float, mirror_sign: int, group: StructureGroup) -> Callable[[Tensor], Tensor]:
    """Rotations by θ to cos mθ = ±1, the mirror across the line at `axis` to `mirror_sign`."""

    def function(g: Tensor) -> Tensor:
        reverses = _determinant(g)[..., 0, 0] < 0
        turn = _first_column_angle(g.detach()) - 2 * axis * reverses
        value = torch.cos(m * turn)
        # 1 - |cos m ε| is about (m ε)² / 2 for a turn that lies ε from the group.
        if bool((value.abs() < 1 - (m * NEAR_THE_GROUP) ** 2 / 2).any()):
            raise ValueError(f"a matrix is not in {group.name}, on which alone this field type is defined")
        value = value.round() * torch.where(reverses, float(mirror_sign), 1.0)
        return value[..., None, None]

    return function


def regular_of(larger: StructureGroup, group: StructureGroup) -> Block:
    """The regular block of a larger finite group, as a representation of a subgroup: the same channels.

    Its name is "regular of D(4)", and where that is not the D(4) with a mirror along the first axis, "regular of D(4)
    at 0.3" (radians).
    """
    if not larger.contains_group(group):
        raise ValueError(f"{group!r} is not a subgroup of {larger!r}")
    whole = _regular(larger)
    turned = f" at {larger.axis!r}" if larger.axis else ""
    return replace(whole, name=f"regular of {larger.name}{turned}", origin=("regular", larger))


def _larger_group(name: str) -> StructureGroup:
    """The group of the plane in "regular of D(4)" or "regular of D(4) at 0.3"."""
    parts = re.fullmatch(r"regular of ([^ ]+)(?: at ([0-9.e+-]+))?", name)
    if not parts:
        raise ValueError(
            f'a restricted regular block is read as "regular of D(4)" or "regular of D(4) at 0.3"; got {name!r}'
        )
    found = named_group(parts[1])
    if parts[2] is None:
        return found
    if not found.reverses_orientation or found.rotation_order is None:
        raise ValueError(f"{found.name} has no mirror line to lie at an angle; got {name!r}")
    return StructureGroup.dihedral(found.rotation_order, float(parts[2]))


def _regular(group: StructureGroup) -> Block:
    if not group.is_finite:
        raise ValueError(f'"regular" is for finite groups only; {group.name} has infinitely many elements')
    elements = group.elements()
    n = len(elements)
    # products[i, j]: which element h_i h_j is.
    products = torch.stack(
        [torch.cdist((h @ elements).flatten(1), elements.flatten(1)).argmin(-1) for h in elements]
    )
    permutations = torch.zeros(n, n, n, dtype=torch.float64).scatter_(1, products[:, None], 1.0)

    def function(g: Tensor) -> Tensor:
        flat = elements.to(g.device).flatten(1)
        distance, nearest = torch.cdist(g.detach().flatten(-2).reshape(-1, flat.shape[1]), flat).min(-1)
        if bool((distance > NEAR_THE_GROUP).any()):
            raise ValueError(
                f'a matrix lies {float(distance.max()):.3g} from {group.name}, on which "regular" is defined'
            )
        return permutations.to(g.device)[nearest].reshape(*g.shape[:-2], n, n)

    frequency = (group.rotation_order or 1) // 2
    # Rounded off the places where entries of common groups lie, so that rounding can't tell equal lists apart.
    key = ((elements * 1e4 + 0.123).round() + 0.0).numpy().tobytes()
    return Block("regular", n, frequency, function, key)

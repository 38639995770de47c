"""Representation: the type of a feature field, a direct sum of named representations of a structure group."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.groups import StructureGroup
from manifoldconv.representations.blocks import Block, block, regular_of
from manifoldconv.representations.decompose import irreducible_names, product_names


class Summand(NamedTuple):
    """One term of a field type: `multiplicity` copies of `irrep`, contiguous in the channels of `slice`."""

    irrep: Block
    multiplicity: int
    slice: slice


@dataclass(frozen=True, init=False, repr=False)
class Representation:
    """The type of a feature field: how its channels change when the frame turns by g.

        ρ(g) = ρ_1(g) ⊕ ... ⊕ ρ_1(g) ⊕ ρ_2(g) ⊕ ...,    f ↦ ρ(g) f

    Written as a string, "2x0 + 1x1": two scalars, then a vector. Channels lie block after block; the copies
    of a block are contiguous, and within a copy its components are. So "2x1" has the channels (x, y, x', y').

    Names in the plane:
        "0": scalars. "sign": scalars that change sign under reflections (the determinant).
        "m" ≥ 1: frequency m, two channels: rotation by θ ↦ R(mθ), reflection across the line at angle a ↦
            reflection across the line at angle m a. "1" is the vector field, in coordinates of the frame. For
            every subgroup of O(2) it is the restriction of O(2)'s, irreducible or not, with the exception of:
        C(n), n ≥ 4 even: "n/2" is one channel, cos(nθ/2) = ±1; for C(2), where "1" is the vector, it is
        "half". D(n), n even: "n/2+" and "n/2-" are one channel each, +1 and -1 on the mirror at
            `group.axis`; escnn calls them (0, n/2) and (1, n/2), and "m", "sign" and "0" there are (1, m),
            (1, 0) and (0, 0).
        "regular": finite groups; ρ(g) e_h = e_{gh}, channels in the order of `group.elements()`. "regular of
            D(4)": that of a larger group, for a subgroup of it, as `restrict` gives it.
    Names in space:
        "l": degree l, 2l + 1 channels, in the basis of e3nn (real spherical harmonics, polar axis y, m =
            -l, ..., l), so "1" is the vector (x, y, z). "le" and "lo" add the parity under -1, where the
            group reverses orientation; without a parity it is that of polynomials, (-1)^l. "sign" is "0o".
        "regular": as above.
    In other dimensions: "0", "sign", "1" (vectors), "regular".

    Attributes:
        group: the structure group.
        terms: `((block, multiplicity), ...)`, neighbours different.

    Raises `ValueError` for a string that is no such sum, and for names that the group does not have.

    >>> from manifoldconv.groups import StructureGroup
    >>> rep = Representation("2x0 + 1", StructureGroup.special_orthogonal(2))
    >>> rep, rep.size
    (Representation('2x0 + 1x1', SO(2)), 4)
    """

    group: StructureGroup
    terms: tuple[tuple[Block, int], ...]

    def __init__(self, text: str, group: StructureGroup) -> None:
        self._set(group, [(block(name, group), count) for name, count in _parsed(text)])

    def _set(self, group: StructureGroup, terms: list[tuple[Block, int]]) -> None:
        merged: list[tuple[Block, int]] = []
        for part, count in terms:
            if merged and merged[-1][0] == part:
                merged[-1] = (part, merged[-1][1] + count)
            elif count:
                merged.append((part, count))
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "terms", tuple(merged))

    @classmethod
    def of_terms(cls, group: StructureGroup, terms: list[tuple[Block, int]]) -> Representation:
        """The direct sum of blocks with multiplicities."""
        found = cls.__new__(cls)
        found._set(group, terms)
        return found

    @staticmethod
    def irreps(group: StructureGroup, limit: int = 3) -> list[Representation]:
        """The irreducible field types of a group over the reals; of infinite ones up to frequency `limit`.

        For the groups of the plane, SO(3) and O(3). Raises `ValueError` for others.

        >>> [str(irrep) for irrep in Representation.irreps(StructureGroup.dihedral(4))]
        ['1x0', '1xsign', '1x1', '1x2+', '1x2-']
        """
        return [Representation(name, group) for name in irreducible_names(group, limit)]

    # ---------------------------------------------------------------- what it is

    @property
    def size(self) -> int:
        """The number of channels."""
        return sum(part.size * count for part, count in self.terms)

    @property
    def blocks(self) -> list[Summand]:
        """The summands with their channels: `(irrep, multiplicity, slice)`."""
        found, start = [], 0
        for part, count in self.terms:
            stop = start + part.size * count
            found.append(Summand(part, count, slice(start, stop)))
            start = stop
        return found

    @property
    def is_scalar(self) -> bool:
        """Whether every channel is a scalar, ρ(g) = 1."""
        return all(part.name in ("0", "0e") for part, _ in self.terms)

    @property
    def frequency(self) -> int:
        """The largest angular frequency, or degree, among the blocks."""
        return max((part.frequency for part, _ in self.terms), default=0)

    def matrix(self, g: Tensor) -> Tensor:
        """ρ(g) `(..., size, size)`, float64, for orthogonal matrices g `(..., d, d)`.

        Most blocks are defined on all of O(d), whatever the group. "regular" and the one-channel blocks of
        frequency n/2 take the nearest element of the group, and raise `ValueError` where there is none
        within 1e-3.
        """
        d = self.group.dimension
        g = float64("g", g, (d, d))
        out = g.new_zeros(*g.shape[:-2], self.size, self.size)
        start = 0
        for part, count in self.terms:
            value = part.function(g)
            for _ in range(count):
                stop = start + part.size
                out[..., start:stop, start:stop] = value
                start = stop
        return out

    def derivative(self, x: Tensor) -> Tensor:
        """dρ(X) `(size, size)`, the derivative of ρ(exp(tX)) at t = 0, for skew X in the Lie algebra."""
        x = float64("x", x, (self.group.dimension, self.group.dimension))
        identity = torch.eye(self.group.dimension, dtype=torch.float64)
        # Backwards twice: d/dX of the pairing <u, ρ> is linear in u, and its gradient is the derivative. (torch's own
        # functions for it load sympy first, which takes a second or two.)
        with torch.enable_grad():
            g = identity.requires_grad_()
            value = self._joined(g)
            if not value.requires_grad:
                return torch.zeros_like(value)
            pairing = torch.zeros_like(value).requires_grad_()
            (slope,) = torch.autograd.grad((value * pairing).sum(), g, create_graph=True)
            return torch.autograd.grad((slope * x).sum(), pairing)[0]

    def _joined(self, g: Tensor) -> Tensor:
        return torch.block_diag(*[part.function(g) for part, count in self.terms for _ in range(count)])

    def check_field(self, field: Tensor) -> None:
        """Raise `ValueError` unless the last axis of a field `(..., size)` holds this type's channels."""
        if field.ndim < 1 or field.shape[-1] != self.size:
            came = field.shape[-1] if field.ndim else "a single number"
            raise ValueError(f"a field of type {self} has {self.size} channels; got {came}")

    # ---------------------------------------------------------------- others from it

    @property
    def dual(self) -> Representation:
        """ρ(g⁻¹)ᵀ, which is ρ itself: all blocks are orthogonal."""
        return self

    def __add__(self, other: Representation) -> Representation:
        if not isinstance(other, Representation):
            return NotImplemented
        self._require_same_group(other)
        return Representation.of_terms(self.group, [*self.terms, *other.terms])

    def tensor_product(self, other: Representation) -> Representation:
        """The type of ρ ⊗ ρ', as a sum of named ones, a change of basis away.

        Irreducible ones for the groups of the plane, SO(3) and O(3). For other groups of space the degrees into
        which the product falls under SO(3) or O(3), and regular ⊗ ρ = dim ρ copies of regular. In other dimensions
        where one factor consists of scalars, or both of one-channel blocks. Raises `ValueError` elsewhere.

        >>> vector = Representation("1", StructureGroup.orthogonal(2))
        >>> vector.tensor_product(vector)
        Representation('1x0 + 1xsign + 1x2', O(2))
        """
        self._require_same_group(other)
        names = product_names(self, other)
        return Representation.of_terms(self.group, [(block(name, self.group), k) for name, k in names])

    def restrict(self, subgroup: StructureGroup) -> Representation:
        """The same matrices, as a representation of a subgroup; channels stay where they are.

        A regular block keeps the channels of the larger group, and is then called "regular of D(4)", or "regular of
        D(4) at 0.3" where its mirror lies at 0.3 rad. For groups of the plane `Representation` reads this name too.

        >>> Representation("sign + 2", StructureGroup.orthogonal(2)).restrict(StructureGroup.cyclic(4))
        Representation('1x0 + 2x2', C(4))

        Raises `ValueError` where the group does not hold the subgroup.
        """
        if not self.group.contains_group(subgroup):
            raise ValueError(f"{subgroup!r} is not a subgroup of {self.group!r}")
        if subgroup == self.group:
            return Representation.of_terms(subgroup, list(self.terms))
        terms = [
            (part, times * count)
            for old, count in self.terms
            for part, times in [self._restricted(old, subgroup)]
        ]
        return Representation.of_terms(subgroup, terms)

    def _restricted(self, old: Block, subgroup: StructureGroup) -> tuple[Block, int]:
        """The block of a subgroup, and how many copies of it, with the same matrices."""
        if old.name.startswith("regular"):
            return (old if " of " in old.name else regular_of(self.group, subgroup)), 1
        candidates = [old.name]
        if old.size == 1:
            names = {2: irreducible_names(subgroup, 1) if subgroup.dimension == 2 else [], 3: ["0e", "0o"]}
            candidates = names.get(subgroup.dimension, ["0", "sign"])
        for name in candidates:
            new = block(name, subgroup)
            if old.size % new.size == 0 and self._agree(old, new, subgroup):
                return new, old.size // new.size
        raise ValueError(
            f"{old.name} of {self.group.name} has no name among the field types of {subgroup.name}"
        )

    @staticmethod
    def _agree(old: Block, new: Block, subgroup: StructureGroup) -> bool:
        for g in subgroup.generators:
            copies = torch.block_diag(*[new.function(g)] * (old.size // new.size))
            if float((old.function(g) - copies).abs().max()) > 1e-9:
                return False
        return True

    def _require_same_group(self, other: Representation) -> None:
        if self.group != other.group:
            raise ValueError(
                f"field types of different groups, {self.group!r} and {other.group!r}; restrict one"
            )

    def __str__(self) -> str:
        return " + ".join(f"{count}x{part.name}" for part, count in self.terms)

    def __repr__(self) -> str:
        return f"Representation({str(self)!r}, {self.group.name})"


def _parsed(text: str) -> list[tuple[str, int]]:
    """[(name, multiplicity), ...] of "2x0 + 1x1"; a bare name counts once."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f'a field type is written as "2x0 + 1x1"; got {text!r}')
    terms = []
    # "2+" is a name: only a plus before another term joins.
    for term in re.split(r"\s*\+\s*(?=[A-Za-z0-9])", text.strip()):
        found = re.fullmatch(r"(?:(\d+)\s*x\s*)?([A-Za-z0-9]+[+-]?|regular of .+)", term.strip())
        if not found:
            raise ValueError(
                f'a field type is written as "2x0 + 1x1"; got {text!r}, where {term!r} is no term'
            )
        terms.append((found[2], int(found[1] or 1)))
    if not any(count for _, count in terms):
        raise ValueError(f"a field type needs at least one channel; got {text!r}")
    return terms

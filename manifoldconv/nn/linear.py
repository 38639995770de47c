"""Linear maps at each site that a group admits: endomorphisms of field types, and the biases among them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.kernels.angular import angular_solutions
from manifoldconv.nn.fields import FieldModule, described, type_pair
from manifoldconv.representations import Representation
from manifoldconv.representations.blocks import block


class Piece(NamedTuple):
    """The admissible maps between one summand of the input and one of the output.

    Attributes:
        solutions: `(n, size_out, size_in)`, between single copies, tr(Aᵀ A) = 1.
        copies: `(copies_out, copies_in)`.
        start: where its weights `(n, copies_out, copies_in)` start among all.
    """

    solutions: Tensor
    copies: tuple[int, int]
    start: int

    @property
    def n_weights(self) -> int:
        """The number of weights."""
        return len(self.solutions) * self.copies[0] * self.copies[1]


def intertwiners(rep_in: Representation, rep_out: Representation) -> list[list[Piece]]:
    """All matrices A with A ρ_in(h) = ρ_out(h) A for every h: for each output summand, a piece for each input one."""
    start, rows = 0, []
    for out in rep_out.blocks:
        row = []
        for into in rep_in.blocks:
            solutions = angular_solutions(into.irrep, out.irrep, rep_in.group, 0)[..., 0]
            row.append(Piece(solutions, (out.multiplicity, into.multiplicity), start))
            start += row[-1].n_weights
        rows.append(row)
    return rows


def invariant_type(group: StructureGroup) -> Representation:
    """One scalar."""
    return Representation.of_terms(group, [(block("0", group), 1)])


class Linear(FieldModule):
    """A linear map at each site, the same at all: a matrix A with A ρ_in(h) = ρ_out(h) A for every h of the group.

    By Schur's lemma it mixes copies of the same irreducible type only: "4x0 + 2x1" → "8x0 + 2x1" has 4 · 8 weights
    between the scalars and, for O(2), 2 · 2 between the vectors (for SO(2) 8: a vector may be turned by a right
    angle, too). The matrices are found as a null space, so that reducible types (regular ones) are right as well.

    Args:
        rep_in, rep_out: field types; strings are those of `group`.
        group: by default that of the types, or O(2).
        bias: whether to add a learned vector b with ρ_out(h) b = b; only scalars and what contains them have one.

    Attributes:
        weight: `(n,)`. At the start A is a random isometry, as near as the group and the sizes let it: between equal
            types A Aᵀ = 1, so that every input keeps its mean square, and else in the mean over inputs.
        bias: `(m,)`, 0 at the start, or None.

    Raises `ValueError` where a summand of the output can't be reached from the input.

    >>> Linear("4x0 + 2x1", "8x0 + 2x1")
    Linear(4x0 + 2x1 → 8x0 + 2x1 of O(2), 36 weights, bias 8)
    """

    def __init__(
        self,
        rep_in: Representation | str,
        rep_out: Representation | str,
        group: StructureGroup | None = None,
        bias: bool = True,
        *,
        _gains: list[float] | None = None,
        _partial: bool = False,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = type_pair(rep_in, rep_out, group)
        rows = intertwiners(self.rep_in, self.rep_out)
        self._layout = [[(piece.copies, piece.start, piece.n_weights) for piece in row] for row in rows]
        for i, row in enumerate(rows):
            if not any(piece.n_weights for piece in row) and not _partial:
                missing = self.rep_out.blocks[i]
                raise ValueError(
                    f"{self.rep_out.group.name} admits no linear map from {self.rep_in} to the summand "
                    f"{missing.multiplicity}x{missing.irrep.name} of {self.rep_out}"
                )
            for j, piece in enumerate(row):
                self.register_exact(f"solutions_{i}_{j}", piece.solutions)
        # The mean square of each summand of the output at the start, relative to the input's.
        self._gains = _gains if _gains is not None else [1.0] * len(rows)
        count = sum(piece.n_weights for row in rows for piece in row)
        self.weight = torch.nn.Parameter(torch.empty(count, dtype=torch.float32))
        self.shift = Bias(self.rep_out) if bias else None
        self.reset_parameters()

    @property
    def bias(self) -> torch.nn.Parameter | None:
        """The weights of the bias, or None."""
        return None if self.shift is None else self.shift.weight

    def reset_parameters(self) -> None:
        """Draw the weights anew, and set the bias to 0."""
        with torch.no_grad():
            self.weight.normal_()
            self._set_matrix(self._scaled(_nearest_isometry(self.matrix().detach().cpu().double())))
        if self.shift is not None:
            self.shift.reset_parameters()

    def _scaled(self, matrix: Tensor) -> Tensor:
        """The rows of each summand times what makes its mean square the gain, for independent inputs of variance 1."""
        rows = []
        for summand, gain in zip(self.rep_out.blocks, self._gains, strict=True):
            own = matrix[summand.slice]
            before = float(own.square().sum()) / len(own)
            rows.append(own * math.sqrt(gain / before) if before else own)
        return torch.cat(rows)

    def _set_matrix(self, matrix: Tensor) -> None:
        """The weights of an admissible matrix; solutions are orthonormal, so these are inner products with them."""
        for i, row in enumerate(self._layout):
            for j, ((out, into), start, count) in enumerate(row):
                solutions = self._exact[f"solutions_{i}_{j}"]
                part = matrix[self.rep_out.blocks[i].slice, self.rep_in.blocks[j].slice]
                part = part.reshape(out, solutions.shape[1], into, solutions.shape[2])
                weight = torch.einsum("nab,iajb->nij", solutions, part).reshape(count)
                self.weight[start : start + count] = weight.to(self.weight)

    @torch.no_grad()
    def rescale(self, factors: list[float]) -> None:
        """Multiply what goes to each summand of the output, the bias apart, by a factor."""
        for row, factor in zip(self._layout, factors, strict=True):
            for _, start, count in row:
                self.weight[start : start + count] *= factor

    def matrix(self) -> Tensor:
        """A, `(C_out, C_in)`, differentiable in the weights."""
        rows = []
        for i, row in enumerate(self._layout):
            parts = []
            for j, ((out, into), start, count) in enumerate(row):
                solutions = getattr(self, f"solutions_{i}_{j}")
                n, size_out, size_in = solutions.shape
                weight = self.weight[start : start + count].reshape(n, out, into)
                part = torch.einsum("nij,nab->iajb", weight, solutions)
                parts.append(part.reshape(out * size_out, into * size_in))
            rows.append(torch.cat(parts, dim=1))
        return torch.cat(rows)

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """A f + b at each site, `(..., N, C_out)`; the pullback is not needed."""
        self.check_field(field)
        out = field @ self.matrix().mT.to(field.dtype)
        return out if self.shift is None else self.shift(out)

    def extra_repr(self) -> str:
        bias = "no bias" if self.shift is None else f"bias {self.shift.weight.numel()}"
        return f"{self.rep_in} → {described(self.rep_out)}, {self.weight.numel()} weights, {bias}"

    def __repr__(self) -> str:
        return f"Linear({self.extra_repr()})"


class Bias(FieldModule):
    """A learned constant at all sites: b with ρ(h) b = b for every h of the group, found as a null space.

    Scalars have one a copy, "regular" one a copy (all its channels alike), vectors none.

    >>> Bias(Representation("3x0 + 2x1", StructureGroup.special_orthogonal(2))).weight.shape
    torch.Size([3])
    """

    def __init__(self, rep: Representation | str, group: StructureGroup | None = None) -> None:
        super().__init__()
        self.rep_in = self.rep_out = type_pair(rep, rep, group)[0]
        columns = []
        for (piece,), summand in zip(
            intertwiners(invariant_type(self.rep_in.group), self.rep_in), self.rep_in.blocks, strict=True
        ):
            for solution in piece.solutions[..., 0]:
                for copy in range(summand.multiplicity):
                    column = torch.zeros(self.rep_in.size, dtype=torch.float64)
                    first = summand.slice.start + copy * summand.irrep.size
                    column[first : first + summand.irrep.size] = solution * math.sqrt(summand.irrep.size)
                    columns.append(column)
        basis = torch.stack(columns) if columns else torch.zeros(0, self.rep_in.size, dtype=torch.float64)
        self.weight = torch.nn.Parameter(torch.zeros(len(basis), dtype=torch.float32))
        self.register_exact("basis", basis)

    def reset_parameters(self) -> None:
        """Set it to 0."""
        torch.nn.init.zeros_(self.weight)

    def forward(self, field: Tensor, pull: object = None) -> Tensor:
        """f + b; the pullback is not needed."""
        self.check_field(field)
        return field + (self.weight @ self.get_buffer("basis")).to(field.dtype)


def _nearest_isometry(matrix: Tensor) -> Tensor:
    """U Vᵀ of the singular value decomposition U S Vᵀ: of all partial isometries the nearest; admissible as A is.

    It is A (AᵀA)^(-1/2), where A is not 0, and so commutes with all that A commutes with.
    """
    left, size, right = torch.linalg.svd(matrix, full_matrices=False)
    kept = size > 1e-6 * size.amax() if size.numel() else size > 0
    return left[:, kept] @ right[kept]

"""KernelSpace: all kernels between two field types that a structure group admits, as a vector space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels.angular import angular_solutions, harmonics
from manifoldconv.kernels.kernel import Kernel
from manifoldconv.kernels.radial import RadialBasis
from manifoldconv.representations import Representation


@dataclass(frozen=True)
class Part:
    """The angular solutions of one order between one summand of the output and one of the input type.

    Attributes:
        out, into: the channels of the two summands, all copies.
        copies: `(copies_out, copies_in)`.
        order: m, the angular order.
        solutions: `(n, size_out, size_in, harmonics)`, between single copies.
        start: the index of the first basis kernel of this part; they are counted over (copy out, copy in,
            solution, radial function), the last fastest.
    """

    out: slice
    into: slice
    copies: tuple[int, int]
    order: int
    solutions: Tensor
    start: int

    @property
    def angular_count(self) -> int:
        """The number of basis kernels for each radial function."""
        return self.copies[0] * self.copies[1] * len(self.solutions)


class KernelSpace:
    """The solutions of k(h v) = ρ_out(h) k(v) ρ_in(h)⁻¹ for every h of a group, in a radial basis.

        k(v) = Σ_{b} coefficients[b] φ_{j(b), m(b)}(|v|) A_b(v / |v|)

    where A_b runs over a basis of all angular solutions of order m ≤ `band_limit`, found exactly as a null
    space (see `manifoldconv.kernels.angular`), pair of summands by pair of summands, and φ over the radial
    functions. The A_b are orthonormal in the mean over the sphere of tr(Aᵀ A'), and always the same.

    Numbers of angular solutions in the plane, for a band limit L large enough: between scalars 2L + 1
    (trivial), L + 1 (reflection), 1 + 2⌊L/n⌋ (C(n)), 1 (SO(2), O(2)); for SO(2) 2 from 0 to m ≥ 1 and 4
    from m to n ≥ 1; for O(2) 1 and 2 (Weiler and Cesa 2019, tables of the appendix). For SO(3) from l to J: 2
    min(l, J) + 1 (Weiler, Geiger, Welling, Boomsma and Cohen 2018, section 4).

    Args:
        rep_in, rep_out: field types, or their strings; types of a larger group are restricted to `group`.
        group: of any dimension; by default that of `rep_in`. The number of harmonics of order m grows as m^(d - 2), and
            with it the work.
        radial: by default three Gaussian rings on the unit disc.
        band_limit: L, the largest angular order; by default the least that is complete between the types'
            blocks for SO(d) and O(d), the sum of their largest frequencies, but not less than 2.

    Attributes:
        parts: how the basis is ordered, a tuple of `Part`.

    Raises `ValueError` where a type belongs to no larger group.

    >>> group = StructureGroup.special_orthogonal(2)
    >>> space = KernelSpace("1x0", "1x1", group, RadialBasis.gaussian_rings(0.5, 4))
    >>> space.angular_dimension, space.dimension
    (2, 8)
    >>> space.sample(torch.zeros(5, 2)).shape
    torch.Size([5, 8, 2, 1])
    """

    def __init__(
        self,
        rep_in: Representation | str,
        rep_out: Representation | str,
        group: StructureGroup | None = None,
        radial: RadialBasis | None = None,
        band_limit: int | None = None,
    ) -> None:
        if group is None:
            if isinstance(rep_in, str):
                raise ValueError("field types given as strings need a group")
            group = rep_in.group
        self.group = group
        self.rep_in, self.rep_out = _of_group(rep_in, group), _of_group(rep_out, group)
        self.radial = RadialBasis.gaussian_rings(1.0, 3) if radial is None else radial
        if band_limit is None:
            band_limit = max(2, self.rep_in.frequency + self.rep_out.frequency)
        if not isinstance(band_limit, int) or band_limit < 0:
            raise ValueError(f"band_limit must be a whole number ≥ 0; got {band_limit!r}")
        self.band_limit = band_limit
        self.parts = self._solve()

    def _solve(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        start = 0
        for into in self.rep_in.blocks:
            for out in self.rep_out.blocks:
                for order in range(self.band_limit + 1):
                    solutions = angular_solutions(into.irrep, out.irrep, self.group, order)
                    if not len(solutions):
                        continue
                    copies = (out.multiplicity, into.multiplicity)
                    part = Part(out.slice, into.slice, copies, order, solutions, start)
                    parts.append(part)
                    start += part.angular_count * self.radial.count
        return tuple(parts)

    @property
    def angular_dimension(self) -> int:
        """The number of basis kernels for each radial function."""
        return sum(part.angular_count for part in self.parts)

    @property
    def dimension(self) -> int:
        """B, the number of basis kernels."""
        return self.angular_dimension * self.radial.count

    def sample(self, nodes: Tensor) -> Tensor:
        """The basis kernels `(..., B, C_out, C_in)`, float64, at nodes `(..., d)`."""
        nodes = float64("nodes", nodes, (self.group.dimension,))
        out = nodes.new_zeros(*nodes.shape[:-1], self.dimension, self.rep_out.size, self.rep_in.size)
        for part in self.parts:
            values = self._part_values(nodes, part)
            rows, columns = values.shape[-2:]
            first, step = part.start, values.shape[-3]
            for i in range(part.copies[0]):
                for j in range(part.copies[1]):
                    r, c = part.out.start + i * rows, part.into.start + j * columns
                    out[..., first : first + step, r : r + rows, c : c + columns] = values
                    first += step
        return out

    def kernel(self, coefficients: Tensor) -> Kernel:
        """The kernel with given coefficients `(B,)`, differentiable in them."""
        coefficients = float64("coefficients", coefficients, (self.dimension,))
        if coefficients.ndim != 1:
            raise ValueError(
                f"coefficients must have shape ({self.dimension},); got {tuple(coefficients.shape)}"
            )

        def function(nodes: Tensor) -> Tensor:
            return torch.einsum("b,...bij->...ij", coefficients, self.sample(nodes))

        return Kernel(
            function,
            f"kernel from {self.rep_in} to {self.rep_out} under {self.group.name}",
            self.band_limit,
            self.group.dimension,
            extent=self.radial.extent,
            rep_in=self.rep_in,
            rep_out=self.rep_out,
        )

    def _part_values(self, nodes: Tensor, part: Part) -> Tensor:
        """φ(|v|) A(v / |v|) of a part between single copies: `(..., solutions · radial, s_out, s_in)`."""
        # sqrt has no derivative at 0, where the radial functions are even or vanish; the detour gives 0
        # there.
        squared = nodes.square().sum(-1)
        radii = torch.where(squared == 0, 0.0, torch.sqrt(torch.where(squared == 0, 1.0, squared)))
        radial = self.radial(radii, part.order)
        angular = torch.einsum(
            "...a,nija->...nij", harmonics(nodes, part.order), part.solutions.to(nodes.device)
        )
        values = angular[..., :, None, :, :] * radial[..., None, :, None, None]
        return values.flatten(-4, -3)

    def __repr__(self) -> str:
        return (
            f"KernelSpace({str(self.rep_in)!r}, {str(self.rep_out)!r}, {self.group.name}, {self.radial!r}, "
            f"band_limit={self.band_limit}, dimension={self.dimension})"
        )


def _of_group(representation: Representation | str, group: StructureGroup) -> Representation:
    if isinstance(representation, str):
        return Representation(representation, group)
    if representation.group == group:
        return representation
    return representation.restrict(group)

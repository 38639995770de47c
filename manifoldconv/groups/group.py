"""StructureGroup: a closed subgroup of O(d) as a value."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.groups import elements
from manifoldconv.groups.closure import axial_structure, closure
from manifoldconv.groups.components import joined_components
from manifoldconv.groups.names import axis_direction, group_name
from manifoldconv.groups.report import GeneratedReport
from manifoldconv.groups.structure import (
    Structure,
    conjugated_structure,
    planar_structure,
    product_structure,
)
from manifoldconv.orthogonal import (
    ORTHOGONAL_TOLERANCE,
    Matrices,
    describe_element,
    orthogonal_stack,
    reflection_matrix,
)


@dataclass(frozen=True, eq=False, repr=False)
class StructureGroup:
    """A closed subgroup of O(d).

        G = ∪_i c_i · SO(V_1) x ... x SO(V_k),    V_j orthogonal subspaces of R^d

    with one element c_i for each connected component. That covers every closed subgroup of O(1), O(2) and
    O(3), SO(d) and O(d), every finite group, and products of these. Make one by `trivial`, `reflection`,
    `inversion`, `cyclic`, `dihedral`, `special_orthogonal`, `orthogonal`; `axial` and `product` for groups
    of R³ and beyond; `generated` from matrices. Two groups are equal when they hold the same elements
    (compared within 1e-9); `residual` plays no part in that.

    Attributes:
        structure: the components, generators of them, and the V_j.

    >>> StructureGroup.dihedral(4).order
    8
    >>> StructureGroup.cyclic(12).contains_group(StructureGroup.cyclic(4))
    True
    >>> StructureGroup.axial(StructureGroup.special_orthogonal(2)).name
    'SO(2) x trivial'
    """

    structure: Structure
    label: str | None = field(default=None)

    # ---------------------------------------------------------------- constructors

    @classmethod
    def trivial(cls, dimension: int = 2) -> StructureGroup:
        """{1} in O(d): every kernel is admissible."""
        d = _positive_whole("the dimension of a structure group", dimension)
        return cls(Structure(torch.eye(d, dtype=torch.float64)[None]))

    @classmethod
    def reflection(cls, matrix: Tensor | None = None) -> StructureGroup:
        """{1, m} for an involution m `(d, d)` of determinant -1; diag(1, -1) by default.

        Raises `ValueError` where m is not orthogonal, not its own inverse, or keeps orientation.
        """
        matrix = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)) if matrix is None else matrix
        matrix = float64("matrix", matrix, (None, None))
        mirror = _checked_mirror(matrix, matrix.shape[-1])
        identity = torch.eye(len(mirror), dtype=torch.float64)
        return cls(Structure(torch.stack([identity, mirror]), (mirror,)))

    @classmethod
    def inversion(cls, dimension: int = 3) -> StructureGroup:
        """{1, -1} in O(d): in the plane C(2), in odd dimensions of determinant -1."""
        d = _positive_whole("the dimension of a structure group", dimension)
        identity = torch.eye(d, dtype=torch.float64)
        return cls(Structure(torch.stack([identity, -identity]), (-identity,)))

    @classmethod
    def cyclic(cls, n: int) -> StructureGroup:
        """C(n), the rotations of the plane by multiples of 2π/n. C(1) is trivial."""
        return cls(planar_structure(_positive_whole("the number of rotations", n), None))

    @classmethod
    def dihedral(cls, n: int, axis: float = 0.0) -> StructureGroup:
        """D(n) = C(n) and n reflections, one of them across the line at angle `axis` (radians).

        D(1) is a reflection.
        """
        return cls(planar_structure(_positive_whole("the number of rotations", n), reflection_matrix(axis)))

    @classmethod
    def special_orthogonal(cls, dimension: int) -> StructureGroup:
        """SO(d), all rotations. SO(1) is trivial."""
        d = _positive_whole("the dimension of a structure group", dimension)
        identity = torch.eye(d, dtype=torch.float64)
        return cls(Structure(identity[None], (), (identity,) if d > 1 else ()))

    @classmethod
    def orthogonal(cls, dimension: int) -> StructureGroup:
        """O(d), all rotations and reflections. O(1) = {1, -1} is a reflection."""
        rotations = cls.special_orthogonal(dimension).structure
        mirror = torch.eye(dimension, dtype=torch.float64)
        mirror[-1, -1] = -1.0
        components = torch.cat([rotations.components, mirror[None]])
        return cls(Structure(components, (mirror,), rotations.blocks))

    @classmethod
    def axial(
        cls,
        planar: StructureGroup,
        axis: Sequence[float] | Tensor = (0.0, 0.0, 1.0),
        *,
        mirrors: str = "upright",
    ) -> StructureGroup:
        """A planar group acting on R³ across an axis `(3,)`: C(n), D(n), SO(2), O(2) about an axis.

        Rotations turn about the axis. A reflection of the plane becomes, with `mirrors="upright"`, the
        reflection in the plane through its line and the axis (so D(n) is Schoenflies' C_nv, and the name
        is "D(n) x trivial"); with `mirrors="half-turns"`, the half-turn about its line (Schoenflies' D_n).
        Across the third axis the plane is that of the first two coordinates; across another, its first
        direction is the coordinate axis farthest from it, made orthogonal to it; `conjugated` turns the
        group as you like.
        """
        if planar.dimension != 2:
            raise ValueError(f"a planar group acts about an axis; got {planar!r}")
        if mirrors not in ("upright", "half-turns"):
            raise ValueError(f'mirrors must be "upright" or "half-turns"; got {mirrors!r}')
        line = float64("axis", axis, (3,))
        if line.ndim != 1 or not float(line.norm()) > 0:
            raise ValueError(f"axis must be one direction of R³ other than 0; got {line.tolist()}")
        return cls(axial_structure(planar.structure, line, half_turns=mirrors == "half-turns"))

    @classmethod
    def product(cls, *groups: StructureGroup) -> StructureGroup:
        """G_1 x G_2 x ..., block-diagonal on R^{d1} ⊕ R^{d2} ⊕ ...: the holonomy of a product of manifolds.

        >>> StructureGroup.product(StructureGroup.special_orthogonal(2), StructureGroup.trivial(1)).name
        'SO(2) x trivial'
        """
        if not groups:
            raise ValueError("a product of groups needs at least one group")
        structure = groups[0].structure
        for group in groups[1:]:
            structure = product_structure(structure, group.structure)
        return cls(structure, " x ".join(group.name for group in groups))

    @classmethod
    def generated(cls, matrices: Matrices, tolerance: float = 1e-9, max_order: int = 360) -> StructureGroup:
        """The closure of the group that orthogonal matrices `(k, d, d)` generate.

        d = 2: the smallest n ≤ `max_order` for which every rotation among the generators, and every
        product of two of their mirrors, lies within `tolerance` radians of a multiple of 2π/n gives C(n)
        or, with mirrors, D(n); where there is none the group is dense in SO(2) or O(2), which is its
        closure. A random angle passes for rational with a chance of about max_order² tolerance / 10
        (1e-5 with the defaults); finite groups of more than `max_order` rotations count as dense.

        d = 3: groups that keep a line are found as in the plane across it, with a sign along it. Without
        such a line the group is polyhedral, counted out up to 120 elements, or its closure is SO(3) or
        O(3): there are no other closed subgroups.

        Other d: finite groups of at most `max_order` elements.

        Args:
            matrices: `(k, d, d)`, or a sequence of `(d, d)`; at least one.
            tolerance: in radians (outside the plane in matrix entries as well). It is also the bound on
                |MᵀM - 1|, there never below 1e-9.
            max_order: the largest number of rotations of a finite group about one axis.

        Raises `ValueError` where a matrix is not orthogonal (with its index), or where d > 3 and the group is
        not finite.

        Source: the classification of the closed subgroups of O(3), Golubitsky, Stewart and Schaeffer 1988,
        XIII §9.

        >>> from manifoldconv.orthogonal import reflection_matrix, rotation_matrix
        >>> StructureGroup.generated([reflection_matrix(0.0), reflection_matrix(math.pi / 3)]).name
        'D(3)'
        >>> StructureGroup.generated(rotation_matrix(torch.tensor([1.0]))).name
        'SO(2)'
        """
        stack = orthogonal_stack(matrices, tolerance)
        max_order = _positive_whole("max_order", max_order)
        return cls(closure(stack, tolerance, max_order))

    @classmethod
    def from_elements(cls, matrices: Matrices, tolerance: float = 1e-9) -> StructureGroup:
        """The finite group whose elements are orthogonal matrices `(k, d, d)`, given all, in any order.

        A list that repeats an element counts it once. `elements()` has them in the order of the package.

        Args:
            matrices: `(k, d, d)`, or a sequence of `(d, d)`; at least one.
            tolerance: in matrix entries; how far a product may lie from the element that it is.

        Raises `ValueError` where the list is not closed under products, naming the first two whose product is
        missing, and where a matrix is not orthogonal. For the group that matrices generate see `generated`.

        >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
        >>> StructureGroup.from_elements([torch.eye(2), quarter])
        Traceback (most recent call last):
        ValueError: not a group: matrix 1 times matrix 1, the rotation by 3.142 rad (180°), is not among the 2 matrices
        """
        stack = orthogonal_stack(matrices, tolerance)
        if not len(stack):
            raise ValueError("a group has at least one element; got no matrices")
        # Factors that are off by the tolerance make products that are off by twice that, and by their rounding.
        near = 3 * max(tolerance, ORTHOGONAL_TOLERANCE)
        missing = elements.missing_product(stack, near)
        if missing is not None:
            i, j = missing
            raise ValueError(
                f"not a group: matrix {i} times matrix {j}, the {describe_element(stack[i] @ stack[j])}, is not among "
                f"the {len(stack)} matrices"
            )
        return cls.generated(stack, near, len(stack))

    @classmethod
    def generated_report(
        cls, matrices: Matrices, tolerances: Sequence[float] = (1e-9, 1e-6, 1e-3), max_order: int = 360
    ) -> GeneratedReport:
        """`generated` at several tolerances: which group, how certain, and which one others would give.

        The first tolerance is the one reported; the others say how near the group is to another one, as a
        scanned flat plate is almost trivial.

        >>> from manifoldconv.orthogonal import rotation_matrix
        >>> off = [rotation_matrix(math.pi / 2 + 1e-7)]
        >>> print(StructureGroup.generated_report(off))
        SO(2) (no finite group of at most 360 rotations lies within 1e-09); C(4) within 1e-06 and 0.001
        """
        stack = orthogonal_stack(matrices, max(tolerances))
        groups = tuple(cls(closure(stack, tolerance, max_order)) for tolerance in tolerances)
        return GeneratedReport(groups, tuple(tolerances), max_order)

    def with_generators(
        self, matrices: Matrices, tolerance: float = 1e-9, max_order: int = 360
    ) -> StructureGroup:
        """The closure of the group that this group and further matrices `(k, d, d)` generate together.

        Beyond dimension 3 an infinite group may be joined by matrices that carry its invariant subspaces to one
        another. Raises `ValueError` for others, and as `generated`.
        """
        stack = orthogonal_stack(matrices, tolerance)
        d = self.dimension
        if stack.shape[-1] != d:
            raise ValueError(
                f"generators must be {d} x {d} to join {self.name}; got shape {tuple(stack.shape)}"
            )
        if all(self.contains(matrix, tolerance) for matrix in stack):
            return self
        if self.holds_rotations:
            return replace(
                StructureGroup.orthogonal(d),
                structure=StructureGroup.orthogonal(d).structure._replace(residual=self.residual),
            )
        axis = self.axis_direction if d == 3 and not self.is_finite else None
        if d > 3 and not self.is_finite:
            joined = joined_components(self.structure, stack, tolerance, max_order)
            if joined is None:
                raise ValueError(
                    f"the group that {self.name} and these matrices generate is not recognised: beyond dimension 3 "
                    f"they must carry its invariant subspaces to one another, and make at most {max_order} components"
                )
            count = len(joined.components)
            return StructureGroup(joined, f"{self.name.split(' with ')[0]} with {count} components")
        stack = (
            torch.cat([torch.stack(self.structure.generators), stack]) if self.structure.generators else stack
        )
        most = max(max_order, self.rotation_order or 1)
        both = closure(stack, tolerance, most, axis)
        return StructureGroup(both._replace(residual=max(both.residual, self.residual)))

    def conjugated(self, matrix: Tensor) -> StructureGroup:
        """{Q h Qᵀ : h in G} for an orthogonal Q `(d, d)`: the group after a change of frame."""
        q = orthogonal_stack(float64("matrix", matrix, (self.dimension, self.dimension))[None], 1e-9)[0]
        return StructureGroup(conjugated_structure(self.structure, q), self.label)

    # ---------------------------------------------------------------- what it is

    @property
    def dimension(self) -> int:
        """d, the dimension of the space that the group acts on."""
        return self.structure.components.shape[-1]

    @property
    def residual(self) -> float:
        """How far the matrices that `generated` was given lie from the elements that they were taken for.

        In radians (outside the plane in matrix entries); 0 for groups given by name.
        """
        return self.structure.residual

    @property
    def name(self) -> str:
        """ "trivial", "reflection", "C(n)", "D(n)", "SO(d)", "O(d)"; in R³ "inversion" and products too.

        In R³ the groups about an axis are products such as "SO(2) x trivial", "D(3) x trivial" (mirrors
        through the axis), "C(4) x reflection" (the reflection across it); the others go by Schoenflies'
        symbols, "Schoenflies Td".
        """
        found = group_name(self.structure) or self.label
        if found:
            return found
        return f"finite group of order {self.order}" if self.is_finite else "infinite group"

    @property
    def is_finite(self) -> bool:
        """Whether the group has finitely many elements."""
        return not self.structure.blocks

    @property
    def order(self) -> int | None:
        """The number of elements; None where there are infinitely many."""
        return len(self.structure.components) if self.is_finite else None

    @property
    def rotation_order(self) -> int | None:
        """The number of elements of determinant 1; None where there are infinitely many."""
        return len(self.structure.components) - self._count_reversing if self.is_finite else None

    @property
    def reverses_orientation(self) -> bool:
        """Whether the group holds an element of determinant -1."""
        return self._count_reversing > 0

    @property
    def _count_reversing(self) -> int:
        return int((torch.linalg.det(self.structure.components) < 0).sum())

    @property
    def mirror(self) -> Tensor | None:
        """`(d, d)` float64: an element of determinant -1 that squares to 1, or None."""
        identity = torch.eye(self.dimension, dtype=torch.float64)
        components = self.structure.components
        for matrix in components[len(components) - self._count_reversing :]:
            if float((matrix @ matrix - identity).abs().max()) < ORTHOGONAL_TOLERANCE:
                return matrix.clone()
        return None

    @property
    def holds_rotations(self) -> bool:
        """Whether the group contains SO(d): then any oriented orthonormal frame serves a kernel equally."""
        return self.dimension == 1 or any(b.shape[1] == self.dimension for b in self.structure.blocks)

    @property
    def axis(self) -> float | None:
        """d = 2: the angle in [0, π/n) of a mirror line of D(n); 0 for O(2); None without mirrors."""
        mirror = self.mirror if self.dimension == 2 else None
        if mirror is None:
            return None
        if self.rotation_order is None:
            return 0.0
        angle = 0.5 * math.atan2(float(mirror[1, 0]), float(mirror[0, 0]))
        period = math.pi / self.rotation_order
        reduced = angle % period
        return 0.0 if period - reduced < ORTHOGONAL_TOLERANCE else reduced

    @property
    def axis_direction(self) -> Tensor | None:
        """d = 3: the unit vector `(3,)` about which the group turns or None."""
        return axis_direction(self.structure)

    @property
    def generators(self) -> list[Tensor]:
        """Matrices `(d, d)` whose products make up the group; for infinite groups only up to closure.

        A rotation by 1 rad, an irrational part of a full turn, has powers dense in SO(2); rotations by
        1 rad in the planes of neighbouring axes generate a dense subgroup of SO(d).
        """
        return elements.generators(self.structure)

    @property
    def infinitesimal_generators(self) -> list[Tensor]:
        """Skew matrices `(d, d)` that generate the Lie algebra; [] for a finite group."""
        return elements.infinitesimal_generators(self.structure)

    def elements(self) -> Tensor:
        """All elements `(order, d, d)`; in the plane the rotations by 2πk/n, then those times the mirror.

        The identity comes first, and elements that keep orientation before those that reverse it.
        Raises `ValueError` for an infinite group; use `sample` or `test_elements` there.
        """
        if not self.is_finite:
            raise ValueError(f"{self.name} has infinitely many elements; use sample() or test_elements()")
        return self.structure.components.clone()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Independent elements `(count, d, d)` from the Haar measure (uniform on a finite group)."""
        return elements.sample(self.structure, count, generator)

    def test_elements(self) -> Tensor:
        """Elements `(k, d, d)`, always the same, that an invariance check runs over; k = 0 if trivial.

        The generators for a finite group. For infinite groups the rotations by 32 multiples of the golden
        angle in every coordinate plane of the V_j (equidistributed: no low band limit is missed), and the
        generators of the components.
        """
        return elements.test_elements(self.structure)

    # ---------------------------------------------------------------- membership

    def contains(self, matrix: Tensor, tolerance: float = 1e-9) -> bool:
        """Whether `matrix` `(d, d)` is an element, up to `tolerance` in its entries."""
        d = self.dimension
        matrix = float64("matrix", matrix, (d, d))
        if matrix.ndim != 2:
            raise ValueError(f"matrix must have shape ({d}, {d}); got {tuple(matrix.shape)}")
        return elements.contains(self.structure, matrix, tolerance)

    def contains_group(self, other: StructureGroup, tolerance: float = 1e-9) -> bool:
        """Whether every element of `other` is an element of this one, axes and mirrors up to `tolerance`."""
        if other.dimension != self.dimension:
            raise ValueError(
                f"{self.name} acts in dimension {self.dimension}, {other.name} in {other.dimension}"
            )
        for block in other.structure.blocks:
            misses = [float((block - mine @ (mine.mT @ block)).abs().max()) for mine in self.structure.blocks]
            if min(misses, default=math.inf) > tolerance:
                return False
        return all(self.contains(matrix, tolerance) for matrix in other.structure.generators)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StructureGroup):
            return NotImplemented
        if self._kind != other._kind:
            return False
        return self.contains_group(other, ORTHOGONAL_TOLERANCE)

    @property
    def _kind(self) -> tuple[int, ...]:
        """Whole numbers that equal groups share; where they agree, containment is equality."""
        sizes = sorted(block.shape[1] for block in self.structure.blocks)
        return (self.dimension, len(self.structure.components), *sizes)

    def __hash__(self) -> int:
        # Mirrors and axes are compared within a tolerance, so they cannot take part.
        return hash(self._kind)

    def __repr__(self) -> str:
        axis = "" if self.axis is None or not self.is_finite else f", axis={self.axis:.6g}"
        if self.axis_direction is not None:
            axis = ", axis=(" + ", ".join(f"{x:.6g}" for x in self.axis_direction.tolist()) + ")"
        return f"StructureGroup({self.name!r}, dimension={self.dimension}{axis})"


def _positive_whole(name: str, value: int) -> int:
    whole = operator.index(value) if hasattr(value, "__index__") else 0
    if whole < 1:
        raise ValueError(f"{name} must be a whole number ≥ 1; got {value!r}")
    return whole


def _checked_mirror(mirror: Tensor, dimension: int) -> Tensor:
    mirror = float64("mirror", mirror, (dimension, dimension)).detach().clone()
    if mirror.ndim != 2:
        raise ValueError(f"mirror must have shape ({dimension}, {dimension}); got {tuple(mirror.shape)}")
    identity = torch.eye(dimension, dtype=torch.float64)
    defect = max(
        float((mirror.mT @ mirror - identity).abs().max()), float((mirror @ mirror - identity).abs().max())
    )
    if defect > ORTHOGONAL_TOLERANCE:
        raise ValueError(f"a mirror must be orthogonal and its own inverse; it misses that by {defect:.3g}")
    if bool(torch.linalg.det(mirror) > 0):
        raise ValueError(f"a mirror must have determinant -1; got +1, {describe_element(mirror)}")
    return mirror

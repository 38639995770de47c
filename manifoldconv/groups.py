"""Structure groups: the closed subgroups of O(d) that a kernel can be asked to respect.

They are the word that geometry and kernels share: a manifold says which group its parallel transport
generates, a kernel says under which group it is invariant.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.orthogonal import (
    ORTHOGONAL_TOLERANCE,
    Matrices,
    describe_element,
    nearest_reflection,
    orthogonal_stack,
    plane_rotation,
    reflection_matrix,
    rotation_matrix,
    whole_turns,
)


@dataclass(frozen=True, eq=False, repr=False)
class StructureGroup:
    """A closed subgroup of O(d): its rotations, and one orientation-reversing element where it has any.

        G = R  or  G = R ∪ m R,    R = {1}, C(n) (d = 2) or SO(d)

    In the plane these are all closed subgroups. Make one by `trivial`, `reflection`, `cyclic`, `dihedral`,
    `special_orthogonal`, `orthogonal`, or `generated` from matrices. Two groups are equal when they hold
    the same elements (mirrors compared within 1e-9); `residual` plays no part in that.

    Attributes:
        dimension: d.
        rotation_order: how many rotations the group holds; None where it holds all of SO(d).
        mirror: `(d, d)` float64, an element of determinant -1, or None. It squares to 1.
        residual: in radians (for d ≠ 2 in matrix entries), how far the generators that `generated` was
            given lie from the elements that they were taken for; 0 for groups given by name.

    >>> StructureGroup.dihedral(4).order
    8
    >>> StructureGroup.cyclic(12).contains_group(StructureGroup.cyclic(4))
    True
    """

    dimension: int
    rotation_order: int | None = 1
    mirror: Tensor | None = None
    residual: float = 0.0

    def __post_init__(self) -> None:
        d = _positive_whole("the dimension of a structure group", self.dimension)
        n = self.rotation_order
        if n is not None:
            n = _positive_whole("the number of rotations", n)
        elif d == 1:
            n = 1
        object.__setattr__(self, "dimension", d)
        object.__setattr__(self, "rotation_order", n)
        if d != 2 and n not in (1, None):
            raise ValueError(f"C({n}) and D({n}) are groups of the plane; got dimension {d}")
        if self.mirror is not None:
            object.__setattr__(self, "mirror", _checked_mirror(self.mirror, d))

    # ---------------------------------------------------------------- constructors

    @classmethod
    def trivial(cls, dimension: int = 2) -> StructureGroup:
        """{1} in O(d): every kernel is admissible."""
        return cls(dimension)

    @classmethod
    def reflection(cls, matrix: Tensor | None = None) -> StructureGroup:
        """{1, m} for an involution m `(d, d)` of determinant -1; diag(1, -1) by default.

        Raises `ValueError` where m is not orthogonal, not its own inverse, or keeps orientation.
        """
        matrix = torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)) if matrix is None else matrix
        matrix = float64("matrix", matrix, (None, None))
        return cls(matrix.shape[-1], 1, matrix)

    @classmethod
    def cyclic(cls, n: int) -> StructureGroup:
        """C(n), the rotations of the plane by multiples of 2π/n. C(1) is trivial."""
        return cls(2, n)

    @classmethod
    def dihedral(cls, n: int, axis: float = 0.0) -> StructureGroup:
        """D(n) = C(n) and n reflections, one of them across the line at angle `axis` (radians).

        D(1) is a reflection.
        """
        return cls(2, n, reflection_matrix(axis))

    @classmethod
    def special_orthogonal(cls, dimension: int) -> StructureGroup:
        """SO(d), all rotations. SO(1) is trivial."""
        return cls(dimension, None)

    @classmethod
    def orthogonal(cls, dimension: int) -> StructureGroup:
        """O(d), all rotations and reflections. O(1) = {1, -1} is a reflection."""
        dimension = _positive_whole("the dimension of a structure group", dimension)
        mirror = torch.eye(dimension, dtype=torch.float64)
        mirror[-1, -1] = -1.0
        return cls(dimension, None, mirror)

    @classmethod
    def generated(cls, matrices: Matrices, tolerance: float = 1e-9, max_order: int = 360) -> StructureGroup:
        """The closure of the group that orthogonal matrices `(k, d, d)` generate.

        d = 2: the smallest n ≤ `max_order` for which every rotation among the generators, and every
        product of two of their mirrors, lies within `tolerance` radians of a multiple of 2π/n gives C(n)
        or, with mirrors, D(n); where there is none the group is dense in SO(2) or O(2), which is its
        closure. A random angle passes for rational with a chance of about max_order² tolerance / 10
        (1e-5 with the defaults); finite groups of more than `max_order` rotations count as dense.
        Other d: only {1} and {1, m} are recognised.

        Args:
            matrices: `(k, d, d)`, or a sequence of `(d, d)`; at least one.
            tolerance: in radians. It is also the bound on |MᵀM - 1|, there never below 1e-9.
            max_order: the largest number of rotations of a finite group.

        Raises `ValueError` where a matrix is not orthogonal (with its index), or where d ≠ 2 and the group
        is not one of those two.

        >>> StructureGroup.generated([reflection_matrix(0.0), reflection_matrix(math.pi / 3)]).name
        'D(3)'
        >>> StructureGroup.generated(rotation_matrix(torch.tensor([1.0]))).name
        'SO(2)'
        """
        stack = orthogonal_stack(matrices, tolerance)
        max_order = _positive_whole("max_order", max_order)
        if stack.shape[-1] != 2:
            return _generated_outside_the_plane(stack, tolerance)
        angles = torch.atan2(stack[:, 1, 0], stack[:, 0, 0])
        reverses = torch.linalg.det(stack) < 0
        # A mirror across the line at angle a has first column at angle 2a, so the product of two mirrors
        # turns by the difference of those; and mirrors conjugate rotations to their inverses, so the
        # rotations and those products generate all rotations of the group.
        doubled_axes = angles[reverses]
        mirror = nearest_reflection(stack[reverses][0]) if len(doubled_axes) else None
        turns = torch.cat([angles[~reverses], doubled_axes - doubled_axes[:1]])
        order, residual = _common_order(turns, tolerance, max_order)
        return cls(2, order, mirror, residual)

    def with_generators(
        self, matrices: Matrices, tolerance: float = 1e-9, max_order: int = 360
    ) -> StructureGroup:
        """The closure of the group that this group and further matrices `(k, d, d)` generate together."""
        stack = orthogonal_stack(matrices, tolerance)
        if stack.shape[-1] != self.dimension:
            d = self.dimension
            raise ValueError(
                f"generators must be {d} x {d} to join {self.name}; got shape {tuple(stack.shape)}"
            )
        if self.holds_rotations:
            reversing = stack[torch.linalg.det(stack) < 0]
            if self.mirror is not None or not len(reversing):
                return self
            return replace(StructureGroup.orthogonal(self.dimension), residual=self.residual)
        own = [matrix[None] for matrix in self.generators]
        most = max(max_order, self.rotation_order or 1)
        both = StructureGroup.generated(torch.cat([*own, stack]), tolerance, most)
        return replace(both, residual=max(both.residual, self.residual))

    # ---------------------------------------------------------------- what it is

    @property
    def name(self) -> str:
        """ "trivial", "reflection", "C(n)", "D(n)", "SO(d)" or "O(d)"."""
        if self.rotation_order is None:
            return f"{'SO' if self.mirror is None else 'O'}({self.dimension})"
        if self.rotation_order == 1:
            return "trivial" if self.mirror is None else "reflection"
        return f"{'C' if self.mirror is None else 'D'}({self.rotation_order})"

    @property
    def is_finite(self) -> bool:
        """Whether the group has finitely many elements."""
        return self.rotation_order is not None

    @property
    def order(self) -> int | None:
        """The number of elements; None where there are infinitely many."""
        if self.rotation_order is None:
            return None
        return self.rotation_order * (1 if self.mirror is None else 2)

    @property
    def holds_rotations(self) -> bool:
        """Whether the group contains SO(d): then any oriented orthonormal frame serves a kernel equally."""
        return self.rotation_order is None or self.dimension == 1

    @property
    def axis(self) -> float | None:
        """d = 2: the angle in [0, π/n) of a mirror line of D(n); 0 for O(2); None without mirrors."""
        if self.mirror is None or self.dimension != 2:
            return None
        if self.rotation_order is None:
            return 0.0
        angle = 0.5 * math.atan2(float(self.mirror[1, 0]), float(self.mirror[0, 0]))
        period = math.pi / self.rotation_order
        reduced = angle % period
        return 0.0 if period - reduced < ORTHOGONAL_TOLERANCE else reduced

    @property
    def generators(self) -> list[Tensor]:
        """Matrices `(d, d)` whose products make up the group; for SO(d) and O(d) only up to closure.

        A rotation by 1 rad, an irrational part of a full turn, has powers dense in SO(2); rotations by
        1 rad in the planes of neighbouring axes generate a dense subgroup of SO(d).
        """
        if self.rotation_order is None:
            turn = rotation_matrix(1.0)
            rotations = [plane_rotation(turn, self.dimension, i, i + 1) for i in range(self.dimension - 1)]
        elif self.rotation_order > 1:
            rotations = [whole_turns(self.rotation_order)[1]]
        else:
            rotations = []
        return rotations if self.mirror is None else [*rotations, self.mirror.clone()]

    def elements(self) -> Tensor:
        """All elements `(order, d, d)`: the rotations by 2πk/n, k = 0, ..., n-1, then those times the mirror.

        Raises `ValueError` for an infinite group; use `sample` or `test_elements` there.
        """
        if self.rotation_order is None:
            raise ValueError(f"{self.name} has infinitely many elements; use sample() or test_elements()")
        if self.dimension == 2:
            rotations = whole_turns(self.rotation_order)
        else:
            rotations = torch.eye(self.dimension, dtype=torch.float64)[None]
        return rotations if self.mirror is None else torch.cat([rotations, rotations @ self.mirror])

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Independent elements `(count, d, d)` from the Haar measure (uniform on a finite group)."""
        if self.rotation_order is not None:
            elements = self.elements()
            return elements[torch.randint(len(elements), (count,), generator=generator)]
        d = self.dimension
        normal = torch.randn(count, d, d, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(normal)
        # QR is unique, hence equivariant and Haar, only with a positive diagonal in R (Mezzadri 2007).
        q = q * torch.sign(torch.diagonal(r, dim1=-2, dim2=-1))[:, None, :]
        if self.mirror is None:
            q = torch.cat([q[..., :-1], q[..., -1:] * torch.linalg.det(q).sign()[:, None, None]], -1)
        return q

    def test_elements(self) -> Tensor:
        """Elements `(k, d, d)`, always the same, that an invariance check runs over; k = 0 if trivial.

        The generators for a finite group. For SO(d) and O(d) the rotations by 32 multiples of the golden
        angle in every coordinate plane (equidistributed: no low band limit is missed), and the mirror.
        """
        if self.rotation_order is not None:
            found = self.generators
        else:
            golden = math.pi * (3 - math.sqrt(5))
            turns = rotation_matrix(golden * torch.arange(1, 33, dtype=torch.float64))
            planes = [(i, j) for i in range(self.dimension) for j in range(i + 1, self.dimension)]
            found = [plane_rotation(turn, self.dimension, i, j) for i, j in planes for turn in turns]
            found += [] if self.mirror is None else [self.mirror.clone()]
        return (
            torch.stack(found)
            if found
            else torch.empty(0, self.dimension, self.dimension, dtype=torch.float64)
        )

    # ---------------------------------------------------------------- membership

    def contains(self, matrix: Tensor, tolerance: float = 1e-9) -> bool:
        """Whether `matrix` `(d, d)` is an element, up to `tolerance` in its entries."""
        d = self.dimension
        matrix = float64("matrix", matrix, (d, d))
        identity = torch.eye(d, dtype=torch.float64)
        if matrix.ndim != 2:
            raise ValueError(f"matrix must have shape ({d}, {d}); got {tuple(matrix.shape)}")
        if float((matrix.mT @ matrix - identity).abs().max()) > 2 * tolerance:
            return False
        if bool(torch.linalg.det(matrix) < 0):
            if self.mirror is None:
                return False
            matrix = self.mirror @ matrix
        if self.rotation_order is None:
            return True
        if d == 2:
            step = 2 * math.pi / self.rotation_order
            turn = round(math.atan2(float(matrix[1, 0]), float(matrix[0, 0])) / step)
            identity = rotation_matrix(step * turn)
        return float((matrix - identity).abs().max()) <= tolerance

    def contains_group(self, other: StructureGroup, tolerance: float = 1e-9) -> bool:
        """Whether every element of `other` is an element of this group (mirrors up to `tolerance`)."""
        if other.dimension != self.dimension:
            raise ValueError(
                f"{self.name} acts in dimension {self.dimension}, {other.name} in {other.dimension}"
            )
        if self.rotation_order is not None and (
            other.rotation_order is None or self.rotation_order % other.rotation_order
        ):
            return False
        return other.mirror is None or self.contains(other.mirror, tolerance)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StructureGroup):
            return NotImplemented
        if (self.dimension, self.name) != (other.dimension, other.name):
            return False
        return self.contains_group(other, ORTHOGONAL_TOLERANCE)

    def __hash__(self) -> int:
        # Mirrors are compared within a tolerance, so they cannot take part.
        return hash((self.dimension, self.name))

    def __repr__(self) -> str:
        axis = "" if self.axis is None or self.rotation_order is None else f", axis={self.axis:.6g}"
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


def _common_order(angles: Tensor, tolerance: float, max_order: int) -> tuple[int | None, float]:
    """The smallest n ≤ max_order with all angles within tolerance of multiples of 2π/n; the largest distance.

    All angles are asked together: orders found one by one and joined by their least common multiple would
    join the errors too. (None, 0.0) where there is no such n.
    """

    def largest_distance(some: Tensor, n: int) -> float:
        return float((some - torch.round(some * (n / step)) * (step / n)).abs().max()) if len(some) else 0.0

    step = 2 * math.pi
    for n in range(1, max_order + 1):
        # A mesh gives a generator for each vertex; the first few mostly settle that this n fails.
        if largest_distance(angles[:16], n) <= tolerance:
            residual = largest_distance(angles, n)
            if residual <= tolerance:
                return n, residual
    return None, 0.0


def _generated_outside_the_plane(stack: Tensor, tolerance: float) -> StructureGroup:
    """{1} or {1, m} in dimension d ≠ 2, or a `ValueError` that says what was not recognised."""
    d = stack.shape[-1]
    identity = torch.eye(d, dtype=torch.float64)
    to_identity = (stack - identity).abs().amax((-2, -1))
    others = stack[to_identity > tolerance]
    residual = float(to_identity[to_identity <= tolerance].max()) if len(others) < len(stack) else 0.0
    if not len(others):
        return StructureGroup(d, residual=residual)
    mirror = others[0]
    spread = max(float((others - mirror).abs().max()), float((mirror @ mirror - identity).abs().max()))
    if spread > tolerance or bool(torch.linalg.det(mirror) > 0):
        raise ValueError(
            f"the group that these {len(stack)} matrices of size {d} x {d} generate is neither trivial nor a "
            "single reflection, and outside the plane no other is recognised from matrices; where you know "
            f"it, name it: StructureGroup.special_orthogonal({d}) or StructureGroup.orthogonal({d})"
        )
    # Symmetric and orthogonal is an involution: project on the nearest such, sign of the symmetric part.
    values, vectors = torch.linalg.eigh((mirror + mirror.mT) / 2)
    return StructureGroup(d, 1, vectors @ torch.diag(values.sign()) @ vectors.mT, max(residual, spread))

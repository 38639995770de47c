"""SO(3): the rotations of space."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.lie_group import LieGroup
from manifoldconv.homogeneous.quaternions import (
    quaternion_of_matrix,
    quaternion_of_vector,
    rotation_of_quaternion,
    vector_of_quaternion,
)
from manifoldconv.homogeneous.so3_sites import SO3Sites
from manifoldconv.manifolds.base import Boundary, Geodesic, check_boundary
from manifoldconv.manifolds.sphere import Sphere


@dataclass(frozen=True)
class SO3(LieGroup):
    """The group SO(3) of rotations of space, as matrices `(..., 3, 3)`.

    A vector ω of the Lie algebra turns about itself by |ω| radians: group_exp(ω) = exp(ω̂) with ω̂ w = ω × w. The metric
    |ω|² is invariant from both sides, so its geodesics are R exp(t ω̂), and `exp` at the identity is `group_exp`. It
    is the sphere of radius 2 in four dimensions with opposite points made one: of constant curvature 1/4,
    diameter and injectivity radius π, holonomy group SO(3).

    The frame is invariant from the left, (R ê_1, R ê_2, R ê_3); its ambient coordinates are the nine entries, row
    by row, in which the metric is half the usual inner product, tr(AᵀB) / 2. Transport along R exp(t ω̂)
    turns coordinates by exp(-t ω̂ / 2). At the cut locus, turns by π, `log` is one of the two shortest vectors.

    The Haar measure is the metric's volume, 8π² in all.

    >>> import torch
    >>> turn = SO3().group_exp(torch.tensor([0.0, 0.0, torch.pi / 2], dtype=torch.float64))
    >>> turn.round(decimals=12).abs().tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """

    dim: int = field(init=False, repr=False, default=3)
    point_size: int | None = field(init=False, repr=False, default=None)
    element_shape: tuple[int, ...] = field(init=False, repr=False, default=(3, 3))
    volume: float = field(init=False, repr=False, default=8 * math.pi**2)

    # ---------------------------------------------------------------- the group

    @property
    def identity(self) -> Tensor:
        """The unit matrix."""
        return torch.eye(3, dtype=torch.float64)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """The matrix product."""
        return self._rotation("a", a) @ self._rotation("b", b)

    def inverse(self, a: Tensor) -> Tensor:
        """The transpose."""
        return self._rotation("a", a).mT

    def act(self, a: Tensor, q: Tensor) -> Tensor:
        """R q for vectors q `(..., 3)`."""
        return (self._rotation("a", a) @ float64("q", q, (3,))[..., None])[..., 0]

    def group_exp(self, v: Tensor) -> Tensor:
        """exp(v̂), Rodrigues' formula; `(..., 3, 3)`."""
        return rotation_of_quaternion(quaternion_of_vector(float64("v", v, (3,))))

    def group_log(self, a: Tensor) -> Tensor:
        """`(..., 3)` of length at most π; for a turn by π, one of the two."""
        return vector_of_quaternion(quaternion_of_matrix(self._rotation("a", a)))

    def adjoint(self, a: Tensor) -> Tensor:
        """R itself: R v̂ Rᵀ is the hat of R v."""
        return self._rotation("a", a)

    def bracket(self, v: Tensor, w: Tensor) -> Tensor:
        """v × w."""
        v, w = torch.broadcast_tensors(float64("v", v, (3,)), float64("w", w, (3,)))
        return torch.linalg.cross(v, w)

    def left_differential(self, a: Tensor, x: Tensor) -> Tensor:
        """The identity: `(..., 3, 3)`; the frame is invariant from the left."""
        batch = torch.broadcast_shapes(self._rotation("a", a).shape, self._rotation("x", x).shape)
        return torch.eye(3, dtype=torch.float64).expand(batch)

    def random(self, count: int, generator: torch.Generator, spread: float = 1.0) -> Tensor:
        """By the Haar measure; `spread` has nothing to act on."""
        normal = torch.randn(count, 4, generator=generator, dtype=torch.float64)
        return rotation_of_quaternion(torch.nn.functional.normalize(normal, dim=-1))

    # ---------------------------------------------------------------- the manifold

    def frame(self, x: Tensor) -> Tensor:
        """`(..., 9, 3)`: the entries of R ê_1, R ê_2, R ê_3, the velocities of R exp(t ê_i)."""
        return (self._rotation("x", x)[..., None, :, :] @ _GENERATORS).flatten(-2).mT

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """R exp(t v̂); `boundary` has nothing to act on."""
        check_boundary(boundary)
        x, v = self._rotation("x", x), float64("v", v, (3,))
        end = x @ self.group_exp(v)
        length = torch.linalg.vector_norm(v, dim=-1).expand(end.shape[:-2])
        transport = self.group_exp(-v / 2).expand(end.shape)
        return Geodesic(end, transport, length, torch.ones(end.shape[:-2], dtype=torch.bool))

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """group_log(Rᵀ S): `(..., 3)`."""
        between = self._rotation("x", x).mT @ self._rotation("y", y)
        return vector_of_quaternion(quaternion_of_matrix(between))

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """|S - R| / √2, the chord: `(...,)`."""
        gap = self._rotation("y", y) - self._rotation("x", x)
        return torch.linalg.vector_norm(gap.flatten(-2), dim=-1) / math.sqrt(2)

    def reframe(self, x: Tensor, y: Tensor) -> Tensor:
        """The identity, but for rounding in the two writings: `(..., 3, 3)`."""
        return self.left_differential(x, y)

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """(sin(r/2) / (r/2))² with r = |v|: `(...,)`."""
        x, v = self._rotation("x", x), float64("v", v, (3,))
        density = torch.sinc(torch.linalg.vector_norm(v, dim=-1) / (2 * math.pi)).square()
        return density.expand(torch.broadcast_shapes(x.shape[:-2], density.shape))

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """SO(3): the curvature -[[X, Y], Z] / 4 generates all rotations."""
        return StructureGroup.special_orthogonal(3)

    def sites(
        self, *, icosphere: int | None = None, equiangular: tuple[int, int] | None = None, angles: int
    ) -> SO3Sites:
        """Sites of the sphere times equal angles round each of them.

        Args:
            icosphere, equiangular: which sites of the sphere, as in `Sphere.sites`; exactly one of the two.
            angles: the number of angles.

        Returns:
            `SO3Sites`, which say how they are numbered and interpolated.

        >>> len(SO3().sites(icosphere=1, angles=10))
        420
        """
        return SO3Sites(self, Sphere().sites(icosphere=icosphere, equiangular=equiangular), angles)

    def _rotation(self, name: str, value: Any) -> Tensor:
        """Checked rotations; those that rounding (of float32 even) moved off the group are moved back."""
        matrix = float64(name, value, (3, 3))
        plain = matrix.detach()
        gap = (plain.mT @ plain - torch.eye(3, dtype=torch.float64)).abs().amax((-2, -1))
        first, second, third = plain.unbind(-2)
        volume = (torch.linalg.cross(first, second) * third).sum(-1)
        wrong = (gap > 1e-5) | (volume < 0)
        if bool(wrong.any()):
            where = torch.nonzero(wrong)[0].tolist()
            raise GeometryError(
                f"{name} must be rotations; got {plain[tuple(where)].tolist()} at index {where}, with determinant "
                f"{float(volume[tuple(where)]):.6g}, which misses RᵀR = 1 by "
                f"{float(gap[tuple(where)]):.3g}"
            )
        if bool((gap > 1e-12).any()):
            return rotation_of_quaternion(quaternion_of_matrix(matrix))
        return matrix


def hat(v: Tensor) -> Tensor:
    """v̂ `(..., 3, 3)`, the matrix of w ↦ v × w."""
    return (v[..., :, None, None] * _GENERATORS).sum(-3)


_GENERATORS = torch.tensor(
    [
        [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
        [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
        [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
    ],
    dtype=torch.float64,
)

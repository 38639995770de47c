"""SE(3): the rotations and translations of space."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.lie_group import LieGroup
from manifoldconv.homogeneous.so3 import SO3, hat
from manifoldconv.manifolds.base import Boundary, Geodesic, check_boundary
from manifoldconv.manifolds.neighbour_sites import NeighbourSites

_SO3 = SO3()


@dataclass(frozen=True)
class SE3(LieGroup):
    """The group SE(3) of rigid motions q ↦ R q + t of space, as matrices [[R, t], [0, 1]] `(..., 4, 4)`.

    Vectors of the Lie algebra are (u, ω) `(..., 6)`, the velocity u of the origin first, then the rotation.
    The metric |dt|² + |ω|² is invariant from the left: it is that of the product R³ x SO(3), with the frame
    (∂_1, ∂_2, ∂_3) of the coordinates t and the left-invariant one of the rotations. Geodesics are straight lines in t
    and R exp(s ω̂), while `group_exp` moves along a screw. The holonomy group is "trivial x SO(3)".

    The Haar measure is dt times that of SO(3), the metric's volume. It is invariant from both sides.

    >>> import torch
    >>> screw = torch.tensor([0.0, 0.0, 2.0, 0.0, 0.0, torch.pi], dtype=torch.float64)
    >>> SE3().act(SE3().group_exp(screw), torch.tensor([1.0, 0.0, 0.0])).round(decimals=12).tolist()
    [-1.0, 0.0, 2.0]
    """

    dim: int = field(init=False, repr=False, default=6)
    point_size: int | None = field(init=False, repr=False, default=None)
    element_shape: tuple[int, ...] = field(init=False, repr=False, default=(4, 4))
    volume: float = field(init=False, repr=False, default=math.inf)

    # ---------------------------------------------------------------- the group

    @property
    def identity(self) -> Tensor:
        """The unit matrix."""
        return torch.eye(4, dtype=torch.float64)

    def split(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """R `(..., 3, 3)` and t `(..., 3)`."""
        return self._motion("a", a)

    def join(self, rotation: Tensor, translation: Tensor) -> Tensor:
        """[[R, t], [0, 1]] `(..., 4, 4)` from R `(..., 3, 3)` and t `(..., 3)`."""
        rotation = _SO3._rotation("rotation", rotation)
        return _matrix(rotation, float64("translation", translation, (3,)))

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """The matrix product, (R_a R_b, t_a + R_a t_b)."""
        (r_a, t_a), (r_b, t_b) = self._motion("a", a), self._motion("b", b)
        return _matrix(r_a @ r_b, t_a + _times(r_a, t_b))

    def inverse(self, a: Tensor) -> Tensor:
        """(Rᵀ, -Rᵀ t)."""
        rotation, translation = self._motion("a", a)
        return _matrix(rotation.mT, -_times(rotation.mT, translation))

    def act(self, a: Tensor, q: Tensor) -> Tensor:
        """R q + t for points q `(..., 3)`."""
        rotation, translation = self._motion("a", a)
        return _times(rotation, float64("q", q, (3,))) + translation

    def group_exp(self, v: Tensor) -> Tensor:
        """(exp(ω̂), V(ω) u) for v = (u, ω), V(ω) = ∫_0^1 exp(s ω̂) ds."""
        v = float64("v", v, (6,))
        u, turn = v[..., :3], v[..., 3:]
        return _matrix(_SO3.group_exp(turn), _times(_screw(turn), u))

    def group_log(self, a: Tensor) -> Tensor:
        """(V(ω)⁻¹ t, ω) with |ω| ≤ π: `(..., 6)`."""
        rotation, translation = self._motion("a", a)
        turn = _SO3.group_log(rotation)
        # V is regular for |ω| < 2π: its determinant is (sin(ω/2) / (ω/2))².
        u = torch.linalg.solve(_screw(turn), translation[..., None])[..., 0]
        return torch.cat([u, turn], dim=-1)

    def adjoint(self, a: Tensor) -> Tensor:
        """`(..., 6, 6)`: (u, ω) ↦ (R u + t × R ω, R ω)."""
        rotation, translation = self._motion("a", a)
        upper = torch.cat([rotation, hat(translation) @ rotation], dim=-1)
        lower = torch.cat([torch.zeros_like(rotation), rotation], dim=-1)
        return torch.cat([upper, lower], dim=-2)

    def bracket(self, v: Tensor, w: Tensor) -> Tensor:
        """[(u, ω), (u', ω')] = (ω × u' - ω' × u, ω × ω')."""
        v, w = torch.broadcast_tensors(float64("v", v, (6,)), float64("w", w, (6,)))
        cross = torch.linalg.cross
        shift = cross(v[..., 3:], w[..., :3]) - cross(w[..., 3:], v[..., :3])
        return torch.cat([shift, cross(v[..., 3:], w[..., 3:])], dim=-1)

    def left_differential(self, a: Tensor, x: Tensor) -> Tensor:
        """`(..., 6, 6)`: diag(R_a, 1), whatever x is."""
        rotation, _ = self._motion("a", a)
        batch = torch.broadcast_shapes(rotation.shape, self._motion("x", x)[0].shape)
        return _blocks(rotation.expand(batch), torch.eye(3, dtype=torch.float64).expand(batch))

    def random(self, count: int, generator: torch.Generator, spread: float = 1.0) -> Tensor:
        """Rotations by the Haar measure, translations normal."""
        shift = spread * torch.randn(count, 3, generator=generator, dtype=torch.float64)
        return _matrix(_SO3.random(count, generator), shift)

    # ---------------------------------------------------------------- the manifold

    def frame(self, x: Tensor) -> Tensor:
        """`(..., 12, 6)`: ambient coordinates are t and the nine entries of R."""
        rotation, _ = self._motion("x", x)
        turning = _SO3.frame(rotation)
        shifting = torch.eye(12, 3, dtype=torch.float64).expand(*turning.shape[:-2], 12, 3)
        return torch.cat([shifting, torch.nn.functional.pad(turning, (0, 0, 3, 0))], dim=-1)

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """(R exp(s ω̂), t + s u); `boundary` has nothing to act on."""
        check_boundary(boundary)
        (rotation, translation), v = self._motion("x", x), float64("v", v, (6,))
        turned = _SO3.geodesic(rotation, v[..., 3:])
        end = _matrix(turned.end, translation + v[..., :3])
        transport = _blocks(torch.eye(3, dtype=torch.float64).expand_as(turned.transport), turned.transport)
        length = torch.linalg.vector_norm(v, dim=-1).expand(end.shape[:-2])
        return Geodesic(end, transport, length, turned.complete)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """Both logarithms, one after the other: `(..., 6)`."""
        (r_x, t_x), (r_y, t_y) = self._motion("x", x), self._motion("y", y)
        turn = _SO3.log(r_x, r_y)
        return torch.cat([(t_y - t_x).expand_as(turn), turn], dim=-1)

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """The root of the sum of squares of |t_y - t_x| and of the chord in SO(3): `(...,)`."""
        (r_x, t_x), (r_y, t_y) = self._motion("x", x), self._motion("y", y)
        return torch.hypot(
            torch.linalg.vector_norm(t_y - t_x, dim=-1), _SO3.distance_between_points(r_x, r_y)
        )

    def reframe(self, x: Tensor, y: Tensor) -> Tensor:
        """The identity, but for rounding in the two writings: `(..., 6, 6)`."""
        batch = torch.broadcast_shapes(self._motion("x", x)[0].shape[:-2], self._motion("y", y)[0].shape[:-2])
        return torch.eye(6, dtype=torch.float64).expand(*batch, 6, 6)

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """That of SO(3): `(...,)`."""
        return _SO3.exp_jacobian(self._motion("x", x)[0], float64("v", v, (6,))[..., 3:])

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """trivial x SO(3)."""
        return StructureGroup.product(StructureGroup.trivial(3), StructureGroup.special_orthogonal(3))

    def sites(self, points: Tensor, area: Tensor, neighbours: int | None = None) -> NeighbourSites:
        """Any elements as sites, interpolated by moving least squares: see `NeighbourSites`.

        Args:
            points: `(N, 4, 4)`.
            area: `(N,)`, Haar weights.
            neighbours: how many the interpolation takes; default 24.
        """
        points = float64("points", points, (4, 4))
        if points.ndim != 3 or len(points) < 2:
            raise GeometryError(f"points must have shape (N, 4, 4), N ≥ 2; got {tuple(points.shape)}")
        return NeighbourSites(self, points, neighbours, area)

    def _motion(self, name: str, value: Any) -> tuple[Tensor, Tensor]:
        """R and t of checked rigid motions."""
        matrix = float64(name, value, (4, 4))
        last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
        wrong = ((matrix.detach()[..., 3, :] - last).abs() > 1e-9).any(-1)
        if bool(wrong.any()):
            where = torch.nonzero(wrong)[0].tolist()
            raise GeometryError(
                f"{name} must have (0, 0, 0, 1) as last row; got {matrix.detach()[tuple(where)][3].tolist()} "
                f"at index {where}"
            )
        return _SO3._rotation(name, matrix[..., :3, :3]), matrix[..., :3, 3]


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def _matrix(rotation: Tensor, translation: Tensor) -> Tensor:
    batch = torch.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1])
    upper = torch.cat([rotation.expand(*batch, 3, 3), translation.expand(*batch, 3)[..., None]], dim=-1)
    last = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64).expand(*batch, 1, 4)
    return torch.cat([upper, last], dim=-2)


def _blocks(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat(
        [torch.nn.functional.pad(first, (0, 3)), torch.nn.functional.pad(second, (3, 0))], dim=-2
    )


def _screw(turn: Tensor) -> Tensor:
    """V(ω) = 1 + (1 - cos r) / r² ω̂ + (r - sin r) / r³ ω̂², r = |ω|: `(..., 3, 3)`."""
    square = turn.square().sum(-1)
    near = square < 1e-2
    r = torch.where(near, 1.0, square).sqrt()
    s = square
    # Six terms of the series leave 1e-2^6 / 15! of it, below rounding.
    third = (1 - s / 20 * (1 - s / 42 * (1 - s / 72 * (1 - s / 110 * (1 - s / 156))))) / 6
    third = torch.where(near, third, (r - r.sin()) / r**3)
    half = torch.sinc(torch.where(near, 0.0, r) / (2 * math.pi)).square() / 2
    half_near = (1 - s / 12 * (1 - s / 30 * (1 - s / 56 * (1 - s / 90 * (1 - s / 132))))) / 2
    half = torch.where(near, half_near, half)
    matrix = hat(turn)
    return (
        torch.eye(3, dtype=torch.float64)
        + half[..., None, None] * matrix
        + third[..., None, None] * matrix @ matrix
    )

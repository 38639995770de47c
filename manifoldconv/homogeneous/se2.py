"""SE(2): the rotations and translations of the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.groups import StructureGroup
from manifoldconv.homogeneous.lie_group import LieGroup
from manifoldconv.homogeneous.se2_sites import GridBorder, SE2Sites
from manifoldconv.manifolds.base import Boundary, Geodesic, check_boundary
from manifoldconv.orthogonal import rotation_matrix


@dataclass(frozen=True)
class SE2(LieGroup):
    """The group SE(2) of rigid motions q ↦ R(θ) q + (x, y) of the plane.

    Points are `(..., 3)`: x, y and the angle θ in radians, any writing of it; results have θ in [0, 2π). The metric
    dx² + dy² + dθ² is invariant from the left and flat: geodesics are straight lines in x, y and θ, the frame is
    that of the coordinates, and transport is the identity. `group_exp` turns while it goes, on arcs of circles.

    The Haar measure is dx dy dθ, the metric's volume. It is invariant from both sides.

    >>> import torch
    >>> quarter = torch.tensor([0.0, 0.0, torch.pi / 2], dtype=torch.float64)
    >>> step = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    >>> SE2().product(quarter, step).round(decimals=6).tolist()
    [0.0, 1.0, 1.570796]
    """

    dim: int = field(init=False, repr=False, default=3)
    point_size: int = field(init=False, repr=False, default=3)
    element_shape: tuple[int, ...] = field(init=False, repr=False, default=(3,))
    volume: float = field(init=False, repr=False, default=math.inf)

    # ---------------------------------------------------------------- the group

    @property
    def identity(self) -> Tensor:
        """(0, 0, 0)."""
        return torch.zeros(3, dtype=torch.float64)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """(t_a + R(θ_a) t_b, θ_a + θ_b)."""
        a, b = float64("a", a, (3,)), float64("b", b, (3,))
        return _element(a[..., :2] + _turn(a, b[..., :2]), a[..., 2] + b[..., 2])

    def inverse(self, a: Tensor) -> Tensor:
        """(-R(-θ) t, -θ)."""
        a = float64("a", a, (3,))
        return _element(-_turn(-a, a[..., :2]), -a[..., 2])

    def act(self, a: Tensor, q: Tensor) -> Tensor:
        """R(θ) q + (x, y) for points q `(..., 2)` of the plane."""
        a, q = float64("a", a, (3,)), float64("q", q, (2,))
        return a[..., :2] + _turn(a, q)

    def group_exp(self, v: Tensor) -> Tensor:
        """(V(ω) u, ω) for v = (u, ω), with V(ω) = sinc(ω) + (1 - cos ω) / ω · J and J the quarter turn.

        >>> half = torch.tensor([torch.pi, 0.0, torch.pi], dtype=torch.float64)  # a half circle of radius 1
        >>> SE2().group_exp(half).round(decimals=6).tolist()
        [0.0, 2.0, 3.141593]
        """
        v = float64("v", v, (3,))
        return _element((_arc(v[..., 2]) @ v[..., :2, None])[..., 0], v[..., 2])

    def group_log(self, a: Tensor) -> Tensor:
        """(V(ω)⁻¹ t, ω) with ω in [-π, π)."""
        a = float64("a", a, (3,))
        turn = _wrap(a[..., 2])
        # The inverse of c + s J is (c - s J) / (c² + s²); c² + s² ≥ (2 / π)² here.
        arc = _arc(turn)
        inverse = arc.mT / torch.linalg.det(arc)[..., None, None]
        return torch.cat([(inverse @ a[..., :2, None])[..., 0], turn[..., None]], dim=-1)

    def adjoint(self, a: Tensor) -> Tensor:
        """`(..., 3, 3)`: (u, ω) ↦ (R(θ) u + ω (y, -x), ω)."""
        a = float64("a", a, (3,))
        matrix = self.left_differential(a, a)
        shift = torch.stack([a[..., 1], -a[..., 0], torch.zeros_like(a[..., 0])], dim=-1)
        return matrix + torch.nn.functional.pad(shift[..., None], (2, 0))

    def bracket(self, v: Tensor, w: Tensor) -> Tensor:
        """[(u, ω), (u', ω')] = (ω J u' - ω' J u, 0)."""
        v, w = torch.broadcast_tensors(float64("v", v, (3,)), float64("w", w, (3,)))
        flat = v[..., 2:] * _quarter(w[..., :2]) - w[..., 2:] * _quarter(v[..., :2])
        return torch.cat([flat, torch.zeros_like(v[..., 2:])], dim=-1)

    def left_differential(self, a: Tensor, x: Tensor) -> Tensor:
        """`(..., 3, 3)`: diag(R(θ_a), 1), whatever x is."""
        a, x = torch.broadcast_tensors(float64("a", a, (3,)), float64("x", x, (3,)))
        turn = torch.nn.functional.pad(rotation_matrix(a[..., 2]), (0, 1, 0, 1))
        return turn + torch.diag(torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64))

    def random(self, count: int, generator: torch.Generator, spread: float = 1.0) -> Tensor:
        """Angles are uniform, x and y normal."""
        flat = spread * torch.randn(count, 2, generator=generator, dtype=torch.float64)
        return _element(flat, 2 * math.pi * torch.rand(count, generator=generator, dtype=torch.float64))

    # ---------------------------------------------------------------- the manifold

    def frame(self, x: Tensor) -> Tensor:
        """The coordinate frame ∂_x, ∂_y, ∂_θ: `(..., 3, 3)`, the identity."""
        x = float64("x", x, (3,))
        return torch.eye(3, dtype=torch.float64).expand(*x.shape, 3)

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """The straight line x + t v; `boundary` has nothing to act on."""
        check_boundary(boundary)
        x, v = torch.broadcast_tensors(float64("x", x, (3,)), float64("v", v, (3,)))
        end = _element((x + v)[..., :2], (x + v)[..., 2])
        complete = torch.ones(end.shape[:-1], dtype=torch.bool)
        return Geodesic(end, self.frame(end.detach()), torch.linalg.vector_norm(v, dim=-1), complete)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """y - x with the angle in [-π, π)."""
        difference = float64("y", y, (3,)) - float64("x", x, (3,))
        return torch.cat([difference[..., :2], _wrap(difference[..., 2])[..., None]], dim=-1)

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """|log(x, y)|: `(...,)`."""
        return torch.linalg.vector_norm(self.log(x, y), dim=-1)

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """1: `(...,)`."""
        return torch.ones_like(self.exp(x, v)[..., 0])

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """The trivial group: the metric is flat, and once round in θ changes nothing."""
        return StructureGroup.trivial(3)

    def sites(self, shape: Sequence[int], spacing: float = 1.0, border: GridBorder = "zero") -> SE2Sites:
        """A grid of positions times equal angles.

        Args:
            shape: (n_y, n_x, n_theta). The site of row r, column c and angle j has index
                (r · n_x + c) · n_theta + j and lies at (x, y, θ) = (c · spacing, r · spacing, 2π j / n_theta).
            spacing: the distance of neighbouring positions.
            border: what lies beyond the window of positions: "zero", samples that are 0, or "periodic".

        Returns:
            `SE2Sites`, trilinear, with the Haar measure of a cell as area weights.

        Raises:
            GeometryError: where the shape, the spacing or the border is not as said.

        >>> sites = SE2().sites(shape=(2, 3, 4))
        >>> sites.points[(1 * 3 + 2) * 4 + 1].round(decimals=6).tolist()
        [2.0, 1.0, 1.570796]
        """
        return SE2Sites(self, shape, spacing, border)


def _turn(a: Tensor, q: Tensor) -> Tensor:
    """R(θ_a) q for vectors q `(..., 2)`."""
    return (rotation_matrix(a[..., 2]) @ q[..., None])[..., 0]


def _quarter(u: Tensor) -> Tensor:
    """J u = (-u_y, u_x)."""
    return torch.stack([-u[..., 1], u[..., 0]], dim=-1)


def _wrap(angle: Tensor) -> Tensor:
    """An angle in [-π, π)."""
    return angle - 2 * math.pi * torch.floor(angle.detach() / (2 * math.pi) + 0.5)


def _element(flat: Tensor, angle: Tensor) -> Tensor:
    """(x, y, θ) with θ in [0, 2π); an angle that is below 0 by rounding alone becomes 0."""
    turned = angle - 2 * math.pi * torch.floor(angle.detach() / (2 * math.pi))
    turned = torch.where(turned >= 2 * math.pi, torch.zeros_like(turned), turned)
    flat, turned = torch.broadcast_tensors(flat, turned[..., None].expand(*turned.shape, 2))
    return torch.cat([flat, turned[..., :1]], dim=-1)


def _arc(turn: Tensor) -> Tensor:
    """V(ω) `(..., 2, 2)` = ∫_0^1 R(s ω) ds = sin(ω/2) / (ω/2) · R(ω/2): no cancellation."""
    return torch.sinc(turn / (2 * math.pi))[..., None, None] * rotation_matrix(turn / 2)

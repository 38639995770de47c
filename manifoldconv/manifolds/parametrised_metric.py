"""The local geometry of a surface in coordinates: frame, connection form and curvature from its metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError

Field = Callable[[Tensor], Tensor]


def partial_derivatives(function: Field, u: Tensor) -> tuple[Tensor, Tensor]:
    """∂_1 f and ∂_2 f at points `(..., 2)`, for a function that treats each of them for itself."""
    _, first, second = value_and_derivatives(function, u)
    return first, second


def value_and_derivatives(function: Field, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """f, ∂_1 f and ∂_2 f.

    Forward mode: one evaluation on two copies of the batch, itself differentiable in either mode.
    """
    directions = torch.eye(2, dtype=torch.float64).reshape(2, *(1,) * (u.ndim - 1), 2).expand(2, *u.shape)
    # Forward mode writes in place on tangents of tangents: no views that share memory.
    value, derivative = torch.func.jvp(function, (torch.stack([u, u]),), (directions.clone(),))[:2]
    return value[0], derivative[0], derivative[1]


def forward_derivative(function: Field, u: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """f(u) and its derivative along a direction."""
    value, derivative, *_ = torch.func.jvp(function, (u,), (direction,))
    return value, derivative


def induced_metric(embedding: Field) -> Field:
    """g_ij = ∂_i X · ∂_j X of an embedding X: `(..., 2)` to `(..., D)`."""

    def metric(u: Tensor) -> Tensor:
        tangent = torch.stack(partial_derivatives(embedding, u), dim=-1)
        return tangent.mT @ tangent

    return metric


@dataclass(frozen=True)
class LocalGeometry:
    """What geodesics and transport need of a metric g_ij(u), at points u `(..., 2)`.

    The frame is that of Gram and Schmidt, e_1 along ∂_1 and e_2 on the side of ∂_2. A vector that is carried
    along u(t) turns in it by dφ/dt = -ω(u̇) with the connection form

        ω_i = ⟨∇_i e_1, e_2⟩ = √det(g) / g_11 · Γ²_1i

    and the curvature is K = -(∂_1 ω_2 - ∂_2 ω_1) / √det(g): along the boundary of a region a frame turns by ∫
    K dA.

    Attributes:
        metric: u to `(..., 2, 2)`, symmetric and positive.
        christoffel: u to `(..., 2, 2, 2)`, Γ[k, i, j]; None: from derivatives of the metric.
    """

    metric: Field
    christoffel: Field | None = None

    def checked_metric(self, u: Tensor) -> Tensor:
        """g at points without gradients; `GeometryError` where it isn't symmetric and positive."""
        g = self.metric(u)
        if not isinstance(g, Tensor) or g.shape != (*u.shape, 2):
            came = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
            raise GeometryError(
                f"the metric must take points {tuple(u.shape)} to {(*u.shape, 2)}; it gave {came}"
            )
        g = g.detach().to(torch.float64)
        determinant = torch.linalg.det(g)
        sound = (g[..., 0, 0] > 0) & (determinant > 0) & torch.isfinite(g).all(-1).all(-1)
        sound = sound & ((g[..., 0, 1] - g[..., 1, 0]).abs() <= 1e-9 * g.abs().amax((-2, -1)))
        if not bool(sound.all()):
            where = tuple(torch.nonzero(~sound)[0].tolist())
            raise GeometryError(
                f"the metric must be symmetric and positive; at u = {u.detach()[where].tolist()} "
                f"it is {g[where].tolist()}"
            )
        return g

    def frame(self, u: Tensor) -> Tensor:
        """`(..., 2, 2)`: the columns e_1, e_2 in the coordinate basis."""
        return _frame(self._metric(u))

    def connection(self, u: Tensor) -> Tensor:
        """`(..., 2)`: ω_1, ω_2."""
        return self.frame_and_connection(u)[1]

    def frame_and_connection(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Both, from one evaluation of the metric's derivatives."""
        if self.christoffel is not None:
            g, symbol = self._metric(u), self.christoffel(u).to(torch.float64)
            return _frame(g), symbol[..., 1, 0, :] * (_root_determinant(g) / g[..., 0, 0])[..., None]
        g, by_1, by_2 = value_and_derivatives(self._metric, u)
        root = _root_determinant(g)
        # Γ_l,1i = (∂_1 g_li + ∂_i g_l1 - ∂_l g_1i) / 2, and Γ²_1i = (g_11 Γ_2,1i - g_12 Γ_1,1i) / det(g)
        first = torch.stack([by_1[..., 0, 0], by_2[..., 0, 0]], dim=-1) / 2
        second = torch.stack([by_1[..., 0, 1] - by_2[..., 0, 0] / 2, by_1[..., 1, 1] / 2], dim=-1)
        numerator = g[..., :1, 0] * second - g[..., :1, 1] * first
        return _frame(g), numerator / (g[..., 0, 0] * root)[..., None]

    def curvature(self, u: Tensor) -> Tensor:
        """`(...,)`: Gauss' curvature K."""
        by_1, by_2 = partial_derivatives(self.connection, u)
        return (by_2[..., 0] - by_1[..., 1]) / self.density(u)

    def density(self, u: Tensor) -> Tensor:
        """`(...,)`: √det(g), the area of a unit of coordinates."""
        return _root_determinant(self._metric(u))

    def _metric(self, u: Tensor) -> Tensor:
        return self.metric(u).to(torch.float64)


@dataclass(frozen=True, kw_only=True)
class RevolutionGeometry(LocalGeometry):
    """Of a surface of revolution: g = diag(ρ'² + z'², ρ²), of which ω = ρ' / √(ρ'² + z'²) dφ needs no derivative.

    Attributes:
        profile: s to (ρ, z).
    """

    profile: Field

    def frame_and_connection(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """From the first derivative of the profile."""
        s = u[..., 0]
        curve, slope = forward_derivative(self.profile, s, torch.ones_like(s))
        curve, slope = curve.to(torch.float64), slope.to(torch.float64)
        speed = slope.square().sum(-1).sqrt()
        frame = torch.diag_embed(torch.stack([1 / speed, 1 / curve[..., 0]], dim=-1))
        return frame, torch.stack([torch.zeros_like(s), slope[..., 0] / speed], dim=-1)


def _root_determinant(g: Tensor) -> Tensor:
    return (g[..., 0, 0] * g[..., 1, 1] - g[..., 0, 1] ** 2).sqrt()


def _frame(g: Tensor) -> Tensor:
    """e_1 = ∂_1 / √g_11, e_2 = (g_11 ∂_2 - g_12 ∂_1) / √(g_11 det(g))."""
    length = g[..., 0, 0].sqrt()
    root = _root_determinant(g)
    rows = [
        torch.stack([1 / length, -g[..., 0, 1] / (length * root)], dim=-1),
        torch.stack([torch.zeros_like(length), length / root], dim=-1),
    ]
    return torch.stack(rows, dim=-2)

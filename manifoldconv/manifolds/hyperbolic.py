"""The hyperbolic plane in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, Manifold, check_boundary
from manifoldconv.manifolds.checks import broadcast
from manifoldconv.manifolds.hyperbolic_sites import HyperbolicSites, disc_of_rings
from manifoldconv.orthogonal import rotation_matrix

# Beyond this distance from the origin squares of coordinates overflow (cosh(170)² is 1e147; fourth powers
# occur).
_FARTHEST = 170.0
# Below this square the series are exact to rounding; above it the closed forms are.
_SMALL = 1e-3


@dataclass(frozen=True)
class HyperbolicPlane(Manifold):
    """The plane of constant curvature -1, as the upper sheet of a hyperboloid.

    Points are `(..., 3)`, x = (x0, a) with x0 = √(1 + |a|²) and a in R²; the origin is (1, 0, 0). The metric
    is induced by ⟨x, y⟩ = -x0 y0 + a·b. With u the ambient tangent vector and r its length,

        exp_x(u) = cosh(r) x + sinh(r) u / r,    ⟨x, y⟩ = -cosh(distance)

    Only a is read from a point; x0 is computed from it. So a point may lie far out, where rounding alone
    would take it off the hyperboloid, and gradients with respect to x come through a. A coordinate that is
    wrong by rounding moves a point at the distance ρ from the origin by 1e-16 cosh(ρ) across, and nothing
    loses more than that.

    The frame at x is the standard basis (e_1, e_2) of the origin, carried there along the geodesic:
    continuous everywhere. In it the transport from x to y turns by minus the signed area A of the triangle
    (origin, x, y):

        tan(A / 2) = a × b / (1 + x0 + y0 + cosh(distance))

    All functions are differentiable, also at v = 0, x = y and at the origin.

    Raises:
        GeometryError: in the methods, where x0 differs from √(1 + |a|²) by more than one part in 10⁵, or a
            point lies farther than 170 from the origin, where numbers overflow.

    >>> import torch
    >>> plane = HyperbolicPlane()
    >>> x = plane.from_disc(torch.tensor([0.5, 0.0], dtype=torch.float64))
    >>> round(float(plane.distance(plane.from_disc(torch.zeros(2)), x)), 12)  # log((1 + 0.5) / (1 - 0.5))
    1.098612288668
    """

    dim: int = field(init=False, default=2, repr=False)
    point_size: int = field(init=False, default=3, repr=False)

    def from_disc(self, p: Tensor) -> Tensor:
        """Points `(..., 3)` from coordinates `(..., 2)`, |p| < 1, of Poincaré's disc: a = 2 p / (1 - |p|²).

        Raises `GeometryError` where |p| ≥ 1.
        """
        p = float64("p", p, (2,))
        room = 1 - p.square().sum(-1, keepdim=True)
        if bool((room.detach() <= 0).any()):
            where = torch.nonzero(room.detach()[..., 0] <= 0)[0].tolist()
            raise GeometryError(
                f"points of Poincaré's disc must have |p| < 1; got {p.detach()[tuple(where)].tolist()} at index {where}"
            )
        return _lift(2 * p / room)

    def to_disc(self, x: Tensor) -> Tensor:
        """Coordinates `(..., 2)` of Poincaré's disc, p = a / (1 + x0): angles as they are, |p| < 1 up to rounding."""
        a = self._spatial("x", x)
        return a / (1 + _height(a))

    def frame(self, x: Tensor) -> Tensor:
        """`(..., 3, 2)`: F_i = (a_i, e_i + a_i a / (1 + x0)), orthonormal for ⟨ , ⟩."""
        a = self._spatial("x", x)
        upper = a[..., :, None] * (a / (1 + _height(a)))[..., None, :] + torch.eye(2, dtype=torch.float64)
        return torch.cat([a[..., None, :], upper], dim=-2)

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """The hyperbola from x with velocity v `(..., 2)`; `boundary` has nothing to act on."""
        check_boundary(boundary)
        a, v = broadcast(x=self._spatial("x", x), v=float64("v", v, (2,)))
        length = torch.linalg.vector_norm(v, dim=-1)
        if bool((length.detach() > 2 * _FARTHEST).any()):
            raise GeometryError(
                f"v may be at most {2 * _FARTHEST:g} long; got {length.detach().max().item():g}"
            )
        b = _exp(a, v)
        end = self._checked(_lift(b), "the end of the geodesic")
        return Geodesic(end, _transport(a, b), length, torch.ones_like(length, dtype=torch.bool))

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """The only v `(..., 2)` with exp(x, v) = y: v = d / sinh(d) · Fᵀ J y, J = diag(-1, 1, 1)."""
        a, b = broadcast(x=self._spatial("x", x), y=self._spatial("y", y))
        sine = _sine_log(a, b)
        return _angle_over_sinh(sine.square().sum(-1, keepdim=True)) * sine

    def transport_between(self, x: Tensor, y: Tensor) -> Tensor:
        """`(..., 2, 2)`: the rotation by minus the area of the triangle (origin, x, y)."""
        a, b = broadcast(x=self._spatial("x", x), y=self._spatial("y", y))
        return _transport(a, b)

    def reframe(self, x: Tensor, y: Tensor) -> Tensor:
        """The identity up to rounding: frames are continuous."""
        return self.transport_between(x, y)

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """The hyperbolic distance: `(...,)`."""
        return torch.linalg.vector_norm(self.log(x, y), dim=-1)

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """sinh(r) / r, r = |v|: `(...,)`."""
        _, v = broadcast(x=self._spatial("x", x), v=float64("v", v, (2,)))
        return _sinhc_root(v.square().sum(-1))

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """SO(2). There is no boundary to double along."""
        return StructureGroup.special_orthogonal(2)

    def enclosed_curvature(self, loop: Any) -> float:
        """Minus the area on the left of a closed polyline of geodesics.

        A region that the loop goes round several times counts as often, and negatively where it goes
        clockwise. In the upper half plane, where the area form is dx dy / y² = d(dx / y) up to sign, an edge
        from (x, y) to (x', y') contributes 2 atan((x' - x) / (y + y')): the angle of the half circle that it
        runs through.
        """
        a = self._spatial("loop", self.as_path(loop)).detach()
        # y = 1 / (x0 - a_1), without cancellation where a_1 > 0.
        height = _height(a)[..., 0]
        forward = a[..., 0]
        gap = torch.where(
            forward > 0,
            (1 + a[..., 1].square()) / (height + forward.clamp(min=0)),
            height - forward.clamp(max=0),
        )
        x, y = -a[..., 1] / gap, 1 / gap
        return -float(2 * torch.atan2(x[1:] - x[:-1], y[1:] + y[:-1]).sum())

    def sites(
        self, points: Tensor | None = None, *, radius: float | None = None, n_rings: int | None = None
    ) -> HyperbolicSites:
        """Sites on a triangulation, with second-order interpolation; give either points or radius and
        n_rings.

        Args:
            points: `(N, 3)`, at least three that do not lie on one geodesic.
            radius: of a disc round the origin, at most 8.
            n_rings: that many circles round the origin, radius / n_rings apart, and on each of them sites
                that are about as far apart; site 0 is the origin.

        Returns:
            `HyperbolicSites`; outside the convex hull of the sites fields are 0.

        Raises:
            GeometryError: where it is not as said.

        >>> len(HyperbolicPlane().sites(radius=1.0, n_rings=2))
        23
        """
        if points is not None and radius is None and n_rings is None:
            return HyperbolicSites(self, _lift(self._spatial("points", points)))
        if points is None and radius is not None and n_rings is not None:
            return HyperbolicSites(self, _lift(disc_of_rings(radius, n_rings)))
        raise GeometryError("give either points (N, 3), or both radius and n_rings")

    def _spatial(self, name: str, value: Any) -> Tensor:
        """a of checked points."""
        points = float64(name, value, (3,))
        off = (points.detach()[..., :1] / _height(points.detach()[..., 1:]) - 1).abs()[..., 0] > 1e-5
        if bool(off.any()):
            where = tuple(torch.nonzero(off)[0].tolist())
            raise GeometryError(
                f"{name} must lie on the hyperboloid x0 = √(1 + x1² + x2²); "
                f"got {points.detach()[where].tolist()} at index {list(where)}"
            )
        return self._checked(points, name)[..., 1:]

    def _checked(self, points: Tensor, name: str) -> Tensor:
        far = points.detach()[..., 0]
        if bool((far > math.cosh(_FARTHEST)).any()):
            raise GeometryError(
                f"{name} lies more than {_FARTHEST:g} from the origin: numbers would overflow"
            )
        return points


def _height(a: Tensor) -> Tensor:
    """x0 = √(1 + |a|²): `(..., 1)`."""
    return (1 + a.square().sum(-1, keepdim=True)).sqrt()


def _lift(a: Tensor) -> Tensor:
    return torch.cat([_height(a), a], dim=-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """a_1 b_2 - a_2 b_1: `(..., 1)`."""
    return a[..., :1] * b[..., 1:] - a[..., 1:] * b[..., :1]


def _transport(a: Tensor, b: Tensor) -> Tensor:
    """The rotation by -A, A the signed area of the triangle (origin, a, b)."""
    cosh = _height(a) * _height(b) - (a * b).sum(-1, keepdim=True)
    area = 2 * torch.atan2(_cross(a, b), 1 + _height(a) + _height(b) + cosh.clamp(min=1))
    return rotation_matrix(-area[..., 0])


def _is_far(a: Tensor) -> Tensor:
    return a.detach().square().sum(-1, keepdim=True) >= 1


def _polar(a: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """|a|, the distance from the origin, and unit vectors along and across a, for |a| ≥ 1 (else some such)."""
    safe = torch.where(_is_far(a), a, torch.tensor([1.0, 0.0], dtype=torch.float64))
    norm = torch.linalg.vector_norm(safe, dim=-1, keepdim=True)
    along = safe / norm
    return norm, torch.asinh(norm), along, torch.stack([-along[..., 1], along[..., 0]], dim=-1)


def _exp(a: Tensor, v: Tensor) -> Tensor:
    """b of the end: cosh(r) a + w + a (a·w) / (1 + x0), w = sinh(r) v / r.

    Far out that formula subtracts numbers of the size cosh(ρ)² on the way inward. There the parts along and
    across a are formed instead: along, sinh(ρ) cosh(r) + cosh(ρ) w_∥ = sinh(ρ - r) + cosh(ρ) (w_∥ + |w|).
    """
    square = v.square().sum(-1, keepdim=True)
    w = _sinhc_root(square) * v
    near = _cosh_root(square) * a + w + a * (a * w).sum(-1, keepdim=True) / (1 + _height(a))
    norm, distance, unit, normal = _polar(a)
    along, across = (unit * w).sum(-1, keepdim=True), (normal * w).sum(-1, keepdim=True)
    inward = along.detach() < 0
    size = torch.where(inward, square, 1.0).sqrt()
    excess = across.square() / torch.where(inward, torch.sinh(size) - along, 1.0)  # w_∥ + |w|
    ahead = torch.where(
        inward,
        torch.sinh(distance - size) + _height(a) * excess,
        _cosh_root(square) * norm + _height(a) * along,
    )
    return torch.where(_is_far(a), ahead * unit + across * normal, near)


def _sine_log(a: Tensor, b: Tensor) -> Tensor:
    """Fᵀ J y, of length sinh(d): the direction of the geodesic from x to y.

    It is Fᵀ J (y - x), which far out subtracts numbers of the size cosh(ρ)². There, with Δ the angle between
    a and b, it has the parts sinh(ρ_b - ρ_a) - cosh(ρ_a) |b| (1 - cos(Δ)) along a and |b| sin(Δ) across.
    """
    step = b - a
    bend = (a * step).sum(-1, keepdim=True) / (1 + _height(a))
    rise = ((a + b) * step).sum(-1, keepdim=True) / (_height(a) + _height(b))
    near = step + a * (bend - rise)
    _, distance, unit, normal = _polar(a)
    ahead, across = (unit * b).sum(-1, keepdim=True), (normal * b).sum(-1, keepdim=True)
    size = torch.linalg.vector_norm(b, dim=-1, keepdim=True)
    forward = ahead.detach() > 0
    # |b| (1 - cos(Δ)) = |b| - ahead
    versine = torch.where(forward, across.square() / torch.where(forward, size + ahead, 1.0), size - ahead)
    along = torch.sinh(torch.asinh(size) - distance) - _height(a) * versine
    return torch.where(_is_far(a), along * unit + across * normal, near)


def _sinhc_root(s: Tensor) -> Tensor:
    """sinh(√s) / √s."""
    root = torch.where(s < _SMALL, 1.0, s).sqrt()
    series = 1 + s / 6 * (1 + s / 20 * (1 + s / 42 * (1 + s / 72)))
    return torch.where(s < _SMALL, series, root.sinh() / root)


def _cosh_root(s: Tensor) -> Tensor:
    """cosh(√s) = 1 + s (sinh(√s/2) / (√s/2))² / 2."""
    return 1 + s * _sinhc_root(s / 4).square() / 2


def _angle_over_sinh(s: Tensor) -> Tensor:
    """asinh(√s) / √s."""
    root = torch.where(s < _SMALL, 1.0, s).sqrt()
    series = 1 - s / 6 * (1 - s * 9 / 20 * (1 - s * 25 / 42 * (1 - s * 49 / 72 * (1 - s * 81 / 110))))
    return torch.where(s < _SMALL, series, root.asinh() / root)

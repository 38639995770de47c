"""Surfaces given in coordinates, by their metric or by an embedding; surfaces of revolution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, Manifold, check_boundary
from manifoldconv.manifolds.checks import broadcast, common_batch, whole_numbers
from manifoldconv.manifolds.parametrised_flow import Flow, OdeSolver
from manifoldconv.manifolds.parametrised_metric import (
    Field,
    LocalGeometry,
    RevolutionGeometry,
    forward_derivative,
    induced_metric,
    partial_derivatives,
)
from manifoldconv.manifolds.parametrised_shooting import shortest
from manifoldconv.manifolds.parametrised_sites import ParametrisedSites, phase_along_segment
from manifoldconv.manifolds.parametrised_trace import mirrors_across, trace
from manifoldconv.orthogonal import rotation_matrix

Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class ParametrisedSurface(Manifold):
    """A surface with coordinates (u, v) in a rectangle, given by its metric or by an embedding in space.

    Geodesics and transport are one differential equation of three unknowns (see `parametrised_flow.Flow`),
    solved by torchdiffeq, by default with the method of order 8 of Dormand and Prince and an error of at most
    1e-11 of each coordinate a step. Derivatives of the metric come from forward-mode autograd. `exp`, `log`
    and transport are differentiable by autograd.

    Points are coordinates `(..., 2)`; a periodic coordinate is brought back into its interval. The frame at a
    point is that of Gram and Schmidt from the coordinate vectors: e_1 along the first coordinate line. At the
    ends of an interval that isn't periodic the surface has a boundary, where geodesics stop; whether they
    leave it is looked up on 32 pieces of each geodesic, cubics through places and velocities, at 8 points of each: only
    an excursion shorter than 1/256 of the geodesic can be missed. The coordinates must be regular on the closed
    rectangle: no poles.

    Args:
        domain: ((u_low, u_high), (v_low, v_high)), finite.
        metric: points `(..., 2)` to `(..., 2, 2)`, in torch; for each point of the batch by itself.
        embedding: points `(..., 2)` to `(..., D)`; gives the metric where that is not given, and then the
            frame is in ambient coordinates `(..., D, 2)`, else in the coordinate basis `(..., 2, 2)`.
        periodic: which coordinates are; metric and embedding must be so too.
        christoffel: points to `(..., 2, 2, 2)`, Γ[k, i, j]; default: from derivatives of the metric.
        solver: how finely the differential equations are solved.

    Raises:
        GeometryError: where neither metric nor embedding is given, or the domain is not as said, or the
            metric is not symmetric and positive; in the methods, where a point lies outside the domain.
        ImportError: in the methods, where torchdiffeq is not installed (the extra "ode").

    >>> import torch
    >>> def metric(u):  # the sphere in colatitude and longitude
    ...     return torch.diag_embed(torch.stack([torch.ones_like(u[..., 0]), u[..., 0].sin() ** 2], dim=-1))
    >>> belt = ParametrisedSurface(((0.5, 2.5), (0.0, 2 * torch.pi)), metric=metric, periodic=(False, True))
    >>> equator = torch.tensor([torch.pi / 2, 1.0], dtype=torch.float64)
    >>> belt.exp(equator, torch.tensor([0.0, 2.0])).round(decimals=9)
    tensor([1.5708, 3.0000], dtype=torch.float64)
    """

    domain: tuple[Interval, Interval]
    metric: Field | None = None
    embedding: Field | None = None
    periodic: tuple[bool, bool] = (False, False)
    christoffel: Field | None = None
    solver: OdeSolver = field(default_factory=OdeSolver)
    dim: int = field(init=False, default=2, repr=False)
    point_size: int = field(init=False, default=2, repr=False)
    has_boundary: bool = field(init=False, repr=False)
    _flow: Flow = field(init=False, repr=False)
    _fastest: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        low, high = _checked_domain(self.domain)
        embedded = None if self.embedding is None else induced_metric(self.embedding)
        metric = self.metric or embedded
        if metric is None:
            raise GeometryError("give the metric or the embedding of the surface")
        geometry = LocalGeometry(metric, self.christoffel)
        period = torch.tensor(tuple(self.periodic))
        object.__setattr__(self, "has_boundary", not all(self.periodic))
        object.__setattr__(
            self,
            "_flow",
            Flow(
                geometry,
                self.solver,
                torch.where(period, torch.full_like(low, -math.inf), low),
                torch.where(period, torch.full_like(high, math.inf), high),
            ),
        )
        g = geometry.checked_metric(self._lattice(17).reshape(-1, 2))
        fastest = torch.linalg.inv(g).diagonal(dim1=-2, dim2=-1).amax(0).sqrt()
        object.__setattr__(self, "_fastest", 1.1 * fastest)  # the lattice may miss the extreme

    @property
    def low(self) -> Tensor:
        """`(2,)`: the least coordinates."""
        return torch.tensor([interval[0] for interval in self.domain], dtype=torch.float64)

    @property
    def size(self) -> Tensor:
        """`(2,)`: the lengths of the intervals of coordinates."""
        return torch.tensor([end - start for start, end in self.domain], dtype=torch.float64)

    def metric_at(self, x: Tensor) -> Tensor:
        """g_ij at points `(..., 2)`: `(..., 2, 2)`."""
        return self._flow.geometry.metric(self._points("x", x)).to(torch.float64)

    def curvature(self, x: Tensor) -> Tensor:
        """Gauss' curvature at points `(..., 2)`: `(...,)`."""
        return self._flow.geometry.curvature(self._points("x", x))

    def embed(self, x: Tensor) -> Tensor:
        """Points in space, `(..., D)`; `GeometryError` for a surface given by its metric alone."""
        if self.embedding is None:
            raise GeometryError("this surface is given by its metric; it has no embedding")
        return self.embedding(self._points("x", x)).to(torch.float64)

    def frame(self, x: Tensor) -> Tensor:
        """`(..., D, 2)` in space where there is an embedding, else `(..., 2, 2)` in the coordinate basis."""
        x = self._points("x", x)
        frame = self._flow.geometry.frame(x)
        if self.embedding is None:
            return frame
        return torch.stack(partial_derivatives(self.embedding, x), dim=-1).to(torch.float64) @ frame

    def reframe(self, x: Tensor, y: Tensor) -> Tensor:
        """The identity: the frame is that of the coordinates, and periodic with them."""
        batch = common_batch(x=torch.as_tensor(x).shape[:-1], y=torch.as_tensor(y).shape[:-1])
        return torch.eye(2, dtype=torch.float64).expand(*batch, 2, 2)

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """Solve for the geodesic from x with velocity v `(..., 2)`; at a boundary it stops or is reflected."""
        check_boundary(boundary)
        x, v = broadcast(x=self._points("x", x), v=float64("v", v, (2,)))
        batch = v.shape[:-1]
        u, transport, walked = trace(self._flow, x.reshape(-1, 2), v.reshape(-1, 2), boundary == "reflect")
        walked = walked.reshape(batch)
        length = walked * torch.linalg.vector_norm(v, dim=-1)
        return Geodesic(
            self._wrapped(u).reshape(*batch, 2),
            transport.reshape(*batch, 2, 2),
            length,
            walked.detach() >= 1,
        )

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """The shortest v `(..., 2)` with exp(x, v) = y that is found; NaN where none is, or it leaves the surface.

        Collocation finds the geodesics to y, straight ahead and the other way round each periodic coordinate, and how
        exp stretches along them; Newton's iteration with that derivative, usually one step, then brings the end that
        the solver gives to y: to 3 times its relative tolerance (to rounding with equal steps), in units of the
        distance plus 1. Where collocation finds nothing, Broyden's iteration starts from the straight line of
        coordinates. It converges where |K| r² is below about 1 over the segment whatever the coordinates, and mostly
        up to the first conjugate point.
        """
        x, y = broadcast(x=self._points("x", x), y=self._points("y", y))
        start = x.reshape(-1, 2)
        goals = self._images(start, y.reshape(-1, 2))
        # A curve of length L moves a coordinate by at most L max √g^ii: some images are too far to be nearer.
        least = ((goals - start).detach().abs() / self._fastest).amax(-1)
        return shortest(self._flow, start, goals, least).reshape(x.shape)

    def transport_between(self, x: Tensor, y: Tensor) -> Tensor:
        """`(..., 2, 2)`: along the geodesic of `log`; NaN where there is none."""
        v = self.log(x, y)
        lost = ~torch.isfinite(v.detach()).all(-1)
        transport = self.geodesic(x, torch.where(lost[..., None], 0.0, v)).transport
        return torch.where(lost[..., None, None], math.nan, transport)

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """The length of the straight line of coordinates in the metric at x: `(...,)`."""
        x, y = broadcast(x=self._points("x", x), y=self._points("y", y))
        step = self._nearest(y - x)
        square = (step[..., None, :] @ self.metric_at(x) @ step[..., None])[..., 0, 0]
        return square.clamp(min=0).sqrt()

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """j(1) of Jacobi's equation j'' = -|v|² K j, j(0) = 0, j'(0) = 1, along the geodesic: `(...,)`."""
        x, v = broadcast(x=self._points("x", x), v=float64("v", v, (2,)))
        stretch = self._flow.advance_with_stretch(x.reshape(-1, 2), v.reshape(-1, 2))[2]
        return stretch.reshape(v.shape[:-1])

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """SO(2) where the surface has curvature anywhere (sampled on 33 × 33 points); else from its loops.

        A flat surface has the group that the transports round its periodic coordinates generate. Doubling
        adds the mirrors across the boundary.
        """
        lattice = self._lattice(33)
        area = float(self._flow.geometry.density(lattice).mean() * self.size.prod())
        curved = float(self.curvature(lattice).abs().max()) * area > 1e-8
        mirrored = doubled and self.has_boundary
        if curved:
            return StructureGroup.orthogonal(2) if mirrored else StructureGroup.special_orthogonal(2)
        generators = [torch.eye(2, dtype=torch.float64), *self._loops()]
        return StructureGroup.generated(generators + (self._mirrors() if mirrored else []), tolerance=1e-8)

    def carry_frame(self, points: Tensor, base: int | None = None) -> Tensor:
        """The frame in the middle of the domain, carried along coordinate lines, first the first
        coordinate's.

        On a flat surface, the only kind on which it matters, other paths within the rectangle give the same.
        """
        points = self._points("points", points)
        return rotation_matrix(self._phase_from_middle(points))

    def enclosed_curvature(self, loop: Any) -> float | None:
        """∫ K dA over the region on the left, where the loop closes in the coordinates; None where it winds round."""
        corners = self._points("loop", self.as_path(loop)).detach()
        steps = self.log(corners[:-1], corners[1:])
        if not bool(torch.isfinite(steps).all()):
            return None
        ends, phases = self._flow.advance(corners[:-1], steps)
        winding = (ends[-1] - corners[:-1]).sum(dim=0)
        return float(phases[-1].sum()) if bool((winding.abs() < 0.5 * self.size).all()) else None

    def sites(self, shape: Sequence[int]) -> ParametrisedSites:
        """A grid of cells of equal coordinates over the whole domain.

        Args:
            shape: (n_v, n_u). Site (row, column) has index row * n_u + column; it lies in the middle of its
                cell.

        Returns:
            `ParametrisedSites`, bilinear in the coordinates.

        Raises:
            GeometryError: where the shape is not two positive whole numbers.
        """
        return ParametrisedSites(self, whole_numbers("shape", shape, 2, 1))

    def _points(self, name: str, value: Any) -> Tensor:
        """Checked points in the domain; those beside it by rounding are moved onto it."""
        points = float64(name, value, (2,))
        inside = self._flow.clamp(points)
        off = ((points - inside).detach().abs() > 1e-6 * self.size).any(-1)
        if bool(off.any()):
            where = tuple(torch.nonzero(off)[0].tolist())
            raise GeometryError(
                f"{name} must lie in the domain {self.domain}; got {points.detach()[where].tolist()} "
                f"at index {list(where)}"
            )
        return self._wrapped(inside)

    def _wrapped(self, u: Tensor) -> Tensor:
        """Periodic coordinates brought back into their intervals."""
        turns = torch.floor((u.detach() - self.low) / self.size)
        return u - torch.where(torch.tensor(tuple(self.periodic)), turns * self.size, 0.0)

    def _nearest(self, step: Tensor) -> Tensor:
        turns = torch.round(step.detach() / self.size)
        return step - torch.where(torch.tensor(tuple(self.periodic)), turns * self.size, 0.0)

    def _images(self, start: Tensor, target: Tensor) -> Tensor:
        """Where the target lies, seen straight ahead and the other way round each periodic coordinate: `(I, N, 2)`."""
        step = self._nearest(target - start)
        back = torch.where(step.detach() > 0, -self.size, self.size)
        choices = itertools.product(*[(0.0, 1.0) if flag else (0.0,) for flag in self.periodic])
        return start + step + back * torch.tensor(list(choices), dtype=torch.float64)[:, None]

    def _lattice(self, count: int) -> Tensor:
        """`(count, count, 2)`: points over the closed domain."""
        line = torch.linspace(0, 1, count, dtype=torch.float64)
        return self.low + self.size * torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)

    def _phase_from_middle(self, points: Tensor) -> Tensor:
        middle = (self.low + self.size / 2).expand_as(points)
        corner = torch.stack([points[..., 0], middle[..., 1]], dim=-1)
        connection = self._flow.geometry.connection
        return phase_along_segment(connection, middle, corner, pieces=16) + phase_along_segment(
            connection, corner, points, pieces=16
        )

    def _loops(self) -> list[Tensor]:
        """The transports round each periodic coordinate, from the middle of the domain."""
        middle, turns = self.low + self.size / 2, []
        for axis in (0, 1):
            if self.periodic[axis]:
                once = middle + self.size * torch.eye(2, dtype=torch.float64)[axis]
                phase = phase_along_segment(self._flow.geometry.connection, middle, once, pieces=64)
                turns.append(rotation_matrix(phase))
        return turns

    def _mirrors(self) -> list[Tensor]:
        """The mirrors across the boundary at points of it, carried to the middle of the domain."""
        line, mirrors = torch.linspace(0, 1, 9, dtype=torch.float64), []
        for axis in (0, 1):
            if self.periodic[axis]:
                continue
            for side in (0.0, 1.0):
                place = torch.full((9, 2), side, dtype=torch.float64)
                place[:, 1 - axis] = line
                points = self.low + self.size * place
                carried = rotation_matrix(self._phase_from_middle(points))
                mirrors += list(
                    carried.mT @ mirrors_across(self._flow, points, torch.full((9,), axis)) @ carried
                )
        return mirrors


class SurfaceOfRevolution(ParametrisedSurface):
    """A profile curve turned round the z axis: coordinates (s, φ), with s the parameter of the profile.

        X(s, φ) = (ρ(s) cos(φ), ρ(s) sin(φ), z(s)),    g = diag(ρ'² + z'², ρ²)

    Along geodesics ρ cos(angle to the circle of latitude) is constant (Clairaut).

    Args:
        profile: s `(...,)` to `(..., 2)`, the radius ρ > 0 and the height z, in torch.
        interval: of s; at its ends is the boundary unless the profile is closed.
        closed: whether the profile is a closed curve, of period the length of the interval.
        solver: see `ParametrisedSurface`.

    >>> import torch
    >>> def circle(s):
    ...     return torch.stack([2 + s.cos(), s.sin()], dim=-1)
    >>> torus = SurfaceOfRevolution(circle, (0.0, 2 * torch.pi), closed=True)
    >>> torus.curvature(torch.tensor([0.0, 1.0])).item()  # cos(s) / (2 + cos(s))
    0.3333333333333333
    """

    def __init__(
        self,
        profile: Callable[[Tensor], Tensor],
        interval: Interval,
        closed: bool = False,
        solver: OdeSolver | None = None,
    ) -> None:
        def embedding(u: Tensor) -> Tensor:
            radius, height = profile(u[..., 0]).unbind(-1)
            return torch.stack([radius * u[..., 1].cos(), radius * u[..., 1].sin(), height], dim=-1)

        def metric(u: Tensor) -> Tensor:
            s = u[..., 0]
            curve, speed = forward_derivative(profile, s, torch.ones_like(s))[:2]
            return torch.diag_embed(torch.stack([speed.square().sum(-1), curve[..., 0].square()], dim=-1))

        super().__init__(
            (interval, (0.0, 2 * math.pi)),
            metric=metric,
            embedding=embedding,
            periodic=(closed, True),
            solver=solver or OdeSolver(),
        )
        geometry = RevolutionGeometry(metric, profile=profile)
        object.__setattr__(self, "_flow", replace(self._flow, geometry=geometry))


def _checked_domain(domain: Any) -> tuple[Tensor, Tensor]:
    try:
        bounds = torch.tensor([[float(end) for end in interval] for interval in domain], dtype=torch.float64)
    except (TypeError, ValueError):
        bounds = torch.empty(0)
    sound = bounds.shape == (2, 2) and bool(torch.isfinite(bounds).all())
    if not sound or not bool((bounds[:, 0] < bounds[:, 1]).all()):
        raise GeometryError(
            f"domain must be ((u_low, u_high), (v_low, v_high)), finite and increasing; got {domain!r}"
        )
    return bounds[:, 0], bounds[:, 1]

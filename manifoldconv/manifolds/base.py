"""The abstract manifold: exponential map, parallel transport and holonomy behind one small interface."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.groups import StructureGroup
from manifoldconv.sampling import Sites

Boundary = Literal["stop", "reflect"]


def check_boundary(boundary: str) -> None:
    """Raise `ValueError` unless `boundary` is a policy that `Manifold.geodesic` knows."""
    if boundary not in get_args(Boundary):
        raise ValueError(f'boundary must be "stop" or "reflect"; got {boundary!r}')


@dataclass(frozen=True)
class Geodesic:
    """The geodesic t ↦ exp_x(t v) at t = 1, and the transport along it: one trace yields both.

    Attributes:
        end: the point reached, as the manifold writes points; batch axes `...`.
        transport: `(..., d, d)`, orthogonal, u_end = transport @ u_x, in the frames at `end` and at x.
        length: `(...,)`, the length that was walked (|v| where complete).
        complete: `(...,)` bool; False where the geodesic met a boundary and stopped there.
    """

    end: Any
    transport: Tensor
    length: Tensor
    complete: Tensor


@dataclass(frozen=True)
class LoopHolonomy:
    """The parallel transport once round a closed path, in the frame of its first point.

    Attributes:
        matrix: `(d, d)` orthogonal.
        enclosed_curvature: ∫ K dA over the region on the loop's left, in radians, where the loop bounds an
            orientable region; equal to `angle` modulo 2π. None otherwise.
    """

    matrix: Tensor
    enclosed_curvature: float | None = None

    @property
    def reflects(self) -> bool:
        """True where the loop reverses orientation (determinant -1)."""
        return bool(torch.linalg.det(self.matrix) < 0)

    @property
    def angle(self) -> float:
        """d = 2: the angle in (-π, π] by which the first basis vector turns; else the largest rotation angle."""
        if self.matrix.shape[-1] == 2:
            angle = math.atan2(float(self.matrix[1, 0]), float(self.matrix[0, 0]))
            return math.pi if angle == -math.pi else angle  # atan2 of a sine that is -0 or rounding
        return float(torch.linalg.eigvals(self.matrix).angle().abs().max())


class Manifold(ABC):
    """A Riemannian manifold of dimension `dim`, possibly with a boundary.

    Points are whatever the manifold says: a float64 tensor of coordinates `(..., D)`, or a
    `SurfacePoint` on a mesh; either way `points[index]` indexes the batch axes. Tangent vectors are always
    coordinates `(..., d)` in the orthonormal frame `frame(x)`. All batch axes broadcast.
    """

    dim: int
    has_boundary: bool = False
    point_size: int | None = None
    """D, where points are tensors `(..., D)`; None where they are something else."""

    @abstractmethod
    def frame(self, x: Any) -> Tensor:
        """The orthonormal frame at x, as columns in ambient coordinates: `(..., D, d)`."""

    @abstractmethod
    def geodesic(self, x: Any, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """Follow the geodesic from x with velocity v `(..., d)` for unit time.

        `boundary="stop"`: it ends where it meets the boundary. `"reflect"`: it goes on in the doubled
        manifold, seen in this one: a billiard path, whose transport holds a mirror for each bounce.
        """

    @abstractmethod
    def log(self, x: Any, y: Any) -> Tensor:
        """The shortest v `(..., d)` with exp(x, v) = y."""

    @abstractmethod
    def distance_between_points(self, x: Any, y: Any) -> Tensor:
        """A cheap `(...,)` number that is 0 exactly where x and y are the same point (used to close loops)."""

    @abstractmethod
    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """The holonomy group, in the frame of a base point; `doubled`: of the manifold glued to its mirror image."""

    @abstractmethod
    def sites(self, *args: Any, **options: Any) -> Sites:
        """Sites on which a field lives, with their area weights and their interpolation."""

    def exp(self, x: Any, v: Tensor) -> Any:
        """exp_x(v): the end of `geodesic(x, v)`."""
        return self.geodesic(x, v).end

    def exp_jacobian(self, x: Any, v: Tensor) -> Tensor:
        """`(...,)`: det d(exp_x)_v, by which the manifold's own measure differs from that of the tangent space.

            ∫_M f dvol = ∫_{T_xM} f(exp_x v) J(x, v) dμ(v),    J = det d(exp_x)_v

        over a part of T_xM on which exp_x is injective. The determinant is between orthonormal frames, that at
        the end carried along the geodesic; it is 1 at v = 0 and changes its sign at the first conjugate point.

        Raises `GeometryError` where the manifold knows no formula for it.
        """
        raise GeometryError(
            f"the Jacobian of exp is not known for {self!r}; use the measure of the tangent space, or override "
            "exp_jacobian(x, v)"
        )

    def transport_between(self, x: Any, y: Any) -> Tensor:
        """`(..., d, d)`: parallel transport from x to y along the shortest geodesic, in the frames at x and y."""
        geodesic = self.geodesic(x, self.log(x, y))
        return self.reframe(geodesic.end, y) @ geodesic.transport

    def distance(self, x: Any, y: Any) -> Tensor:
        """`(...,)`: the length of the shortest path that is known from x to y."""
        return self.log(x, y).norm(dim=-1)

    def carry_frame(self, points: Any, base: int | None = None) -> Tensor:
        """The frame at points[base] (default 0) carried to all of them, `(N, d, d)` in the local frames there.

        Along shortest geodesics; another path changes it by an element of the holonomy group. Where that does not
        hold all rotations, the frame must be the one in which `holonomy_group` is written, whatever the base.
        """
        origin = 0 if base is None else base
        return self.transport_between(points[origin : origin + 1], points)

    def reframe(self, x: Any, y: Any) -> Tensor:
        """`(..., d, d)` from the frame at x to that at y, two writings of one point (up to rounding)."""
        return self.frame(y).mT @ self.frame(x)

    def transport(self, path: Any) -> Tensor:
        """`(d, d)`: parallel transport from the first to the last point of a polyline of shortest geodesics.

        Args:
            path: points with one batch axis of length ≥ 1, as a tensor `(P, D)`, a `SurfacePoint` `(P,)` or
                a sequence of points.
        """
        path = self.as_path(path)
        self.check_path(path)
        steps = self.transport_between(path[:-1], path[1:])
        if not bool(torch.isfinite(steps).all()):
            bad = int(torch.nonzero(~torch.isfinite(steps))[0, 0])
            raise GeometryError(
                f"no straight geodesic from point {bad} of the path to point {bad + 1}; add points between"
            )
        total = torch.eye(self.dim, dtype=torch.float64)
        for step in steps:
            total = step @ total
        return total

    def holonomy(self, loop: Any) -> LoopHolonomy:
        """The transport once round a closed polyline of shortest geodesics (first point = last point).

        Raises `GeometryError` where the path is not closed, to 1e-9 of its length.
        """
        loop = self.as_path(loop)
        gap = float(self.distance_between_points(loop[:1], loop[-1:])[0])
        if not gap <= 1e-9 * float(self.distance(loop[:-1], loop[1:]).nansum()):
            raise GeometryError(f"the loop is not closed: its last point lies {gap:.3g} from its first")
        closing = self.reframe(loop[-1:], loop[:1])[0]
        return LoopHolonomy(closing @ self.transport(loop), self.enclosed_curvature(loop))

    def enclosed_curvature(self, loop: Any) -> float | None:
        """∫ K dA over the region on the left of a closed loop, where it bounds an orientable one; None otherwise."""
        return None

    def check_path(self, path: Any) -> None:
        """Raise `GeometryError` where successive points have several shortest geodesics that carry differently.

        For manifolds on which that is known to happen; here nothing is refused.
        """
        return

    def as_path(self, path: Any) -> Any:
        """A path as points with one batch axis; a sequence of single points is stacked.

        Raises `GeometryError` for what is none, and for a path without points.
        """
        if isinstance(path, Sequence) and not len(path):
            raise GeometryError("a path needs at least one point; got none")
        try:
            if isinstance(path, Sequence):
                points = torch.stack([torch.as_tensor(point, dtype=torch.float64) for point in path])
            else:
                points = torch.as_tensor(path, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise GeometryError(
                f"a path is a tensor of points or a sequence of them; got {type(path).__name__} ({error})"
            ) from None
        if self.point_size is not None and (points.ndim != 2 or points.shape[-1] != self.point_size):
            raise GeometryError(f"a path must have shape (P, {self.point_size}); got {tuple(points.shape)}")
        if not len(points):
            raise GeometryError("a path needs at least one point; got none")
        return points

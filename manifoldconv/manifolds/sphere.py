"""The round sphere of any dimension, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, Manifold, check_boundary
from manifoldconv.manifolds.checks import common_batch, positive, whole
from manifoldconv.manifolds.sphere_sites import EquiangularSites, IcosphereSites
from manifoldconv.sampling import Sites

# Points whose distance from being antipodal is below this, in radians, are antipodal: rounding alone moves
# a point by some 1e-16, and the direction between them is then noise.
_ANTIPODAL = 1e-14
# Points of a path nearer to antipodal than this, in radians, name no half circle.
_SAME_HALF_CIRCLE = 1e-9


@dataclass(frozen=True)
class Sphere(Manifold):
    """The sphere of dimension n and the given radius, in ambient coordinates `(..., n + 1)`, |x| = radius.

    With unit vectors x and u = v / radius in ambient coordinates, r = |u|:

        exp_x(v) = cos(r) x + sin(r) u / r,    Γ w = w + (u·w) [(cos(r) - 1) u / r² - sin(r) x / r]

    The frame at x is the standard basis e_1, ..., e_n turned by the smallest rotation that takes the north
    pole e_{n+1} to x; on the southern half (x_{n+1} < 0), where that rotation runs into its singularity, the
    one that takes the south pole there, with the first vector negated. Both have one orientation:
    (frame, x) is positive, so for n = 2 the frame is counterclockwise seen from outside. It jumps at the
    equator; where n is even, no continuous frame exists.

    All functions are differentiable, also at v = 0 and x = y. At the cut locus, y = -x, `log` is the vector
    of length π radius along the first frame vector, and its gradient there is 0 in place of the infinite one.

    Args:
        n: the dimension, at least 1.
        radius: the radius, positive.

    Raises:
        GeometryError: where n or radius is not as said; in the methods, where a point is off the sphere by
            more than 1e-5 of the radius (nearer ones are moved onto it); in `transport` and `holonomy`, where
            successive points of the path are antipodal.

    >>> import math, torch
    >>> sphere = Sphere()
    >>> north = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    >>> quarter = torch.tensor([math.pi / 2, 0.0], dtype=torch.float64)
    >>> sphere.exp(north, quarter).round(decimals=12).tolist()
    [1.0, 0.0, 0.0]
    """

    n: int = 2
    radius: float = 1.0
    dim: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", whole("n", self.n, 1))
        object.__setattr__(self, "point_size", self.dim + 1)
        object.__setattr__(self, "radius", positive("radius", self.radius))

    def frame(self, x: Tensor) -> Tensor:
        """The orthonormal frame described above: `(..., n + 1, n)`."""
        return _frame(self._unit("x", x))

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """The great circle from x with velocity v `(..., n)`; `boundary` has nothing to act on."""
        check_boundary(boundary)
        start, velocity = self._unit("x", x), float64("v", v, (self.n,)) / self.radius
        common_batch(x=start.shape[:-1], v=velocity.shape[:-1])
        frame = self.frame(x)
        ambient = (frame @ velocity[..., None])[..., 0]
        square = ambient.square().sum(-1, keepdim=True)
        end = _cos_root(square) * start + _sinc_root(square) * ambient
        end = self.radius * end / torch.linalg.vector_norm(end, dim=-1, keepdim=True)
        change = -_versine_root(square) * ambient - _sinc_root(square) * start
        moved = frame + change[..., :, None] * velocity[..., None, :]
        complete = torch.ones(end.shape[:-1], dtype=torch.bool)
        length = self.radius * torch.linalg.vector_norm(velocity, dim=-1)
        return Geodesic(end, self.frame(end).mT @ moved, length.expand(complete.shape), complete)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """The shortest v `(..., n)` with exp(x, v) = y: v = radius · θ / sin(θ) · Fᵀ y, cos(θ) = x·y.

        For y = -x, where every direction is shortest, v = (π radius, 0, ..., 0).
        """
        start, target = self._unit("x", x), self._unit("y", y)
        common_batch(x=start.shape[:-1], y=target.shape[:-1])
        sine = (self.frame(x).mT @ (target - start)[..., None])[..., 0]  # Fᵀ x = 0; the difference is exact
        cosine = (start * target).sum(-1, keepdim=True)
        square = sine.square().sum(-1, keepdim=True)
        first = torch.zeros_like(sine)
        first[..., 0] = math.pi * self.radius
        antipodal = (square < _ANTIPODAL**2) & (cosine < 0)
        return torch.where(antipodal, first, self.radius * _angle_over_sine(square, cosine) * sine)

    def transport_between(self, x: Tensor, y: Tensor) -> Tensor:
        """`(..., n, n)`: Γ w = w - 2 (m·w) m with m the unit vector of x + y; the geodesic is that of `log`.

        On the tangent space at x this reflection is the rotation that takes x to y, as m·x is |x + y| / 2; it
        keeps its accuracy up to the antipode.
        """
        frame_x, frame_y = self.frame(x), self.frame(y)
        common_batch(x=frame_x.shape[:-2], y=frame_y.shape[:-2])
        middle = self._unit("x", x) + self._unit("y", y)
        square = middle.square().sum(-1, keepdim=True)
        antipodal = square < _ANTIPODAL**2
        middle = torch.where(antipodal, frame_x[..., 0], middle)
        square = torch.where(antipodal, 1.0, square)
        along_x = middle[..., None, :] @ frame_x
        along_y = frame_y.mT @ (middle * (2 / square))[..., None]
        return frame_y.mT @ frame_x - along_y @ along_x

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """The length of the chord, |y - x|: `(...,)`."""
        return self.radius * torch.linalg.vector_norm(self._unit("y", y) - self._unit("x", x), dim=-1)

    def check_path(self, path: Tensor) -> None:
        """Raise `GeometryError` for successive points that are antipodal: every half circle joins them.

        Nearer to that than 1e-9 rad, rounding of the points alone would turn the half circle by 1e-7 and more.
        """
        if self.n == 1:
            return  # transport along either half circle is the same
        points = self._unit("path", path)
        gap = torch.linalg.vector_norm(points[:-1] + points[1:], dim=-1)
        if bool((gap < _SAME_HALF_CIRCLE).any()):
            place = int(torch.nonzero(gap < _SAME_HALF_CIRCLE)[0, 0])
            raise GeometryError(
                f"points {place} and {place + 1} of the path are antipodal: every half circle joins them, and the "
                "transport depends on which; add a point between"
            )

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """(sin(r) / r)^(n - 1) with r = |v| / radius: `(...,)`.

        >>> import math, torch
        >>> x, v = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([math.pi / 2, 0.0])
        >>> round(float(Sphere().exp_jacobian(x, v)) * math.pi / 2, 6)
        1.0
        """
        start, velocity = self._unit("x", x), float64("v", v, (self.n,)) / self.radius
        batch = common_batch(x=start.shape[:-1], v=velocity.shape[:-1])
        square = velocity.square().sum(-1)
        density = _sinc_root(square) ** (self.n - 1)
        return density.expand(batch)

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """SO(n); the trivial group on the circle. There is no boundary to double along."""
        return StructureGroup.trivial(1) if self.n == 1 else StructureGroup.special_orthogonal(self.n)

    def enclosed_curvature(self, loop: Any) -> float | None:
        """n = 2: the area on the left of a closed polyline of great circles over radius², in [0, 4π).

        A loop run clockwise has the larger part of the sphere on its left, so a small one gives nearly 4π.
        Computed from signed spherical triangles (Van Oosterom and Strackee 1983, "The solid angle of a plane
        triangle"), not from the transport. None where n is not 2.
        """
        if self.n != 2:
            return None
        corners = self._unit("loop", self.as_path(loop)) * self.radius
        if len(corners) == 1:
            return 0.0
        # Short edges keep the triangles small.
        steps = self.log(corners[:-1], corners[1:])
        parts = torch.linspace(0, 1, 9, dtype=torch.float64)[:-1, None, None]
        path = self.exp(corners[:-1], parts * steps).transpose(0, 1).reshape(-1, 3) / self.radius
        return _area_on_the_left(path)

    def sites(self, *, icosphere: int | None = None, equiangular: tuple[int, int] | None = None) -> Sites:
        """Sites on the two-dimensional sphere; give exactly one of the two.

        Args:
            icosphere: the number of subdivisions k of the icosahedron, 10 · 4^k + 2 sites.
            equiangular: (n_lat, n_lon), a grid of latitudes and longitudes.

        Returns:
            `IcosphereSites` or `EquiangularSites`, which say how they are numbered and interpolated.

        Raises:
            GeometryError: where n is not 2, or not exactly one of the two is given, or it is no such number.

        >>> len(Sphere().sites(icosphere=3))
        642
        """
        if self.n != 2:
            raise GeometryError(
                f"sites are made for the sphere of dimension 2; this one has dimension {self.n}"
            )
        if icosphere is not None and equiangular is None:
            return IcosphereSites(self, icosphere)
        if equiangular is not None and icosphere is None:
            return EquiangularSites(self, equiangular)
        raise GeometryError("give exactly one of icosphere=k and equiangular=(n_lat, n_lon)")

    def _unit(self, name: str, value: Any) -> Tensor:
        """Checked points, as unit vectors."""
        points = float64(name, value, (self.n + 1,))
        norm = torch.linalg.vector_norm(points, dim=-1, keepdim=True)
        off = (norm.detach()[..., 0] / self.radius - 1).abs() > 1e-5
        if bool(off.any()):
            where = tuple(torch.nonzero(off)[0].tolist())
            got = norm.detach()[..., 0][where].item()
            raise GeometryError(
                f"{name} must lie on the sphere of radius {self.radius:g}; "
                f"got a point at the distance {got:.9g} from the centre at index {list(where)}"
            )
        return points / norm


def _frame(x: Tensor) -> Tensor:
    """e_i turned by the smallest rotation from the nearer pole a = ±e_{n+1}: e_i - x_i (x + a) / (1 + a·x).

    For the south pole the first vector is negated, which keeps the orientation.
    """
    n = x.shape[-1] - 1
    side = torch.where(x.detach()[..., n:] >= 0, 1.0, -1.0).to(torch.float64)
    pole = torch.cat([torch.zeros_like(x[..., :n]), side], dim=-1)
    ratio = x[..., :n] / (1 + side * x[..., n:])
    frame = torch.eye(n + 1, n, dtype=torch.float64) - (x + pole)[..., :, None] * ratio[..., None, :]
    orientation = torch.cat([side, torch.ones_like(x[..., 1:n])], dim=-1)
    return frame * orientation[..., None, :]


# Entire functions of s = r². The square root has no derivative at 0, so a few terms of the series serve
# there; the inner `where` keeps the other branch's infinite derivative out of the gradient.
_SMALL = 1e-3


def _cos_root(s: Tensor) -> Tensor:
    """cos(√s)."""
    root = torch.where(s < _SMALL, 1.0, s).sqrt()
    series = 1 - s / 2 * (1 - s / 12 * (1 - s / 30 * (1 - s / 56)))
    return torch.where(s < _SMALL, series, root.cos())


def _sinc_root(s: Tensor) -> Tensor:
    """sin(√s) / √s."""
    root = torch.where(s < _SMALL, 1.0, s).sqrt()
    series = 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72)))
    return torch.where(s < _SMALL, series, root.sin() / root)


def _versine_root(s: Tensor) -> Tensor:
    """(1 - cos(√s)) / s, from the half angle: no cancellation."""
    return _sinc_root(s / 4).square() / 2


def _angle_over_sine(square: Tensor, cosine: Tensor) -> Tensor:
    """θ / sin(θ) from sin²(θ) and cos(θ), θ in [0, π); the series is that of asin(√s) / √s."""
    near = (square < _SMALL) & (cosine > 0)
    s = square
    series = 1 + s / 6 * (1 + s * 9 / 20 * (1 + s * 25 / 42 * (1 + s * 49 / 72 * (1 + s * 81 / 110))))
    root = torch.where(near | (square < _ANTIPODAL**2), 1.0, square).sqrt()
    return torch.where(near, series, torch.atan2(root, cosine) / root)


def _area_on_the_left(path: Tensor) -> float:
    """The sum of the signed triangles (apex, p, q) over the edges pq of a closed path, modulo 4π.

    Any apex gives the same sum modulo 4π; the one taken is far from where a triangle is ill-defined, the
    antipodes of the path.
    """
    steps = torch.tensor([-0.93, -0.31, 0.27, 0.88], dtype=torch.float64)
    apexes = torch.nn.functional.normalize(torch.cartesian_prod(steps, steps, steps), dim=-1)
    apex = apexes[(apexes @ path.T).amin(dim=1).argmax()]
    following = path.roll(-1, dims=0)
    volume = (torch.linalg.cross(path, following) * apex).sum(-1)
    denominator = 1 + path @ apex + following @ apex + (path * following).sum(-1)
    signed = float(2 * torch.atan2(volume, denominator).sum())
    # A path that encloses nothing gives rounding of either sign, which must not become 4π.
    return max(signed, 0.0) if abs(signed) < 1e-12 * len(path) else signed % (4 * math.pi)

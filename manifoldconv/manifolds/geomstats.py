"""Any space of geomstats as a manifold of this package."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, Manifold, check_boundary
from manifoldconv.manifolds.checks import common_batch, whole
from manifoldconv.manifolds.geomstats_bridge import call, contained, import_geomstats
from manifoldconv.manifolds.holonomy_estimate import HolonomyEstimate, estimate_holonomy
from manifoldconv.manifolds.neighbour_sites import NeighbourSites

# Vectors whose squares differ by less than this part count as equally long when a basis is chosen, lest
# rounding choose.
_TIE = 1e-6
# Directions with a square below this are rounding; on the hyperboloid it may be negative, and geomstats takes its root.
_STILL = 1e-26


@dataclass(frozen=True, eq=False)
class GeomstatsManifold(Manifold):
    """A space of geomstats that has a metric with exp and log.

    Points are as geomstats writes them, `(..., n)` or matrices `(..., m, n)`, in float64. The frame is found
    by Gram and Schmidt from the tangential parts of the standard basis of the ambient space, the longest of
    what is left at each step (the first one of several); its last vector is turned round where needed, so
    that the frame has the orientation of that at `base` carried along the shortest geodesic.

    Whichever backend geomstats has is used; gradients pass with "pytorch" alone. torch's default dtype is as
    before after every call; `import_geomstats` keeps it over geomstats' own import too.

    Args:
        space: with `space.metric`, such as `Hypersphere(2)` or `SPDMatrices(2)`.
        base: the point at which the holonomy group is written; default: a random one, always the same.
        transport_by: "closed": geomstats' own formula, "ladder": the pole ladder (Guigui and Pennec 2021), of
            second order in 1 / rungs and exact on symmetric spaces, made orthogonal by the nearest such
            matrix (which errs less: on surfaces the leading error is symmetric, and falls away); None: the
            first where geomstats has it, else the second.
        rungs: of the ladder.

    Raises:
        GeometryError: where the space has no metric, or geomstats no transport and "closed" was asked for; in
            the methods, where a point lies off the space by more than 1e-5.

    >>> _ = import_geomstats()
    >>> from geomstats.geometry.hypersphere import Hypersphere
    >>> sphere = GeomstatsManifold(Hypersphere(2))
    >>> north = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    >>> round(float(sphere.distance(north, torch.tensor([1.0, 0.0, 0.0]))), 12)
    1.570796326795
    """

    space: Any
    base: Tensor | None = None
    transport_by: Literal["closed", "ladder"] | None = None
    rungs: int = 10
    dim: int = field(init=False, repr=False)
    point_size: int | None = field(init=False, repr=False)
    _base_frame: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import_geomstats()
        if getattr(self.space, "metric", None) is None:
            raise GeometryError(f"{type(self.space).__name__} has no metric; equip it with one")
        object.__setattr__(self, "dim", whole("the dimension of the space", self.space.dim, 1))
        object.__setattr__(self, "point_size", self.shape[0] if len(self.shape) == 1 else None)
        whole("rungs", self.rungs, 1)
        if self.transport_by not in (None, "closed", "ladder"):
            raise GeometryError(f'transport_by must be "closed", "ladder" or None; got {self.transport_by!r}')
        if self.base is None:
            with contained(seed=0):
                base = call(lambda: self.space.random_point())
        else:
            base = self._points("base", self.base)
        object.__setattr__(self, "base", base.detach().reshape(self.shape))
        object.__setattr__(self, "_base_frame", self._basis(base.reshape(1, *self.shape))[0])
        if self.transport_by is None:
            object.__setattr__(self, "transport_by", "closed" if self._has_transport() else "ladder")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a single point."""
        return tuple(self.space.shape)

    def frame(self, x: Tensor) -> Tensor:
        """`(..., D, d)`, D the number of entries of a point, in C order."""
        x = self._points("x", x)
        flat = x.reshape(-1, *self.shape)
        if not len(flat):
            return torch.zeros(*self._batch(x), math.prod(self.shape), self.dim, dtype=torch.float64)
        frame = self._oriented(flat, self._basis(flat))
        return frame.reshape(*self._batch(x), math.prod(self.shape), self.dim)

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """geomstats' exp and transport; `boundary` has nothing to act on."""
        check_boundary(boundary)
        x, v = self._points("x", x), float64("v", v, (self.dim,))
        batch = common_batch(x=self._batch(x), v=v.shape[:-1])
        start = x.expand(*batch, *self.shape).reshape(-1, *self.shape)
        v = v.expand(*batch, self.dim)
        if not len(start):
            return self._nothing(batch)
        frame = self.frame(start)
        velocity = (frame @ v.reshape(-1, self.dim, 1))[..., 0].reshape(-1, *self.shape)
        end = call(self.space.metric.exp, velocity, start)
        transport = self._transport(start, velocity, frame, end)
        return Geodesic(
            end.reshape(*batch, *self.shape),
            transport.reshape(*batch, self.dim, self.dim),
            torch.linalg.vector_norm(v, dim=-1),
            torch.ones(batch, dtype=torch.bool),
        )

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """geomstats' log, in the frame at x: `(..., d)`."""
        x, y = self._points("x", x), self._points("y", y)
        batch = common_batch(x=self._batch(x), y=self._batch(y))
        start, target = (p.expand(*batch, *self.shape).reshape(-1, *self.shape) for p in (x, y))
        if not len(start):
            return torch.zeros(*batch, self.dim, dtype=torch.float64)
        vector = call(self.space.metric.log, target, start)
        frame = self.frame(start)
        return self._coordinates(start, frame, vector.reshape(len(start), math.prod(self.shape), 1))[
            ..., 0
        ].reshape(*batch, self.dim)

    def reframe(self, x: Tensor, y: Tensor) -> Tensor:
        """`(..., d, d)`: the frame at x in that at y, two writings of one point."""
        x, y = self._points("x", x), self._points("y", y)
        batch = common_batch(x=self._batch(x), y=self._batch(y))
        one, other = (p.expand(*batch, *self.shape).reshape(-1, *self.shape) for p in (x, y))
        return self._coordinates(other, self.frame(other), self.frame(one)).reshape(
            *batch, self.dim, self.dim
        )

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """The distance of the coordinates in the ambient space: `(...,)`."""
        gap = self._points("y", y) - self._points("x", x)
        return torch.linalg.vector_norm(gap.flatten(gap.ndim - len(self.shape)), dim=-1)

    def carry_frame(self, points: Tensor, base: int | None = None) -> Tensor:
        """The frame at `self.base`, in which the holonomy group is written, along shortest geodesics."""
        return self.transport_between(self.base, points)

    def estimate_holonomy(
        self, loops: int = 24, size: float = 0.7, tolerance: float = 1e-7
    ) -> HolonomyEstimate:
        """The group that transports round random loops from `base` generate; see `HolonomyEstimate`."""
        return estimate_holonomy(self, self.base, loops, size, tolerance)

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """The group of `estimate_holonomy`, in the frame at `base`.

        Raises `GeometryError` with the evidence where that is not recognised.
        """
        estimate = self.estimate_holonomy()
        if estimate.group is None:
            raise GeometryError(
                f"the holonomy group of {type(self.space).__name__} is not one that is recognised: {estimate}; "
                "declare frames of your own (a FrameField) to go on without it"
            )
        return estimate.group

    def sites(
        self, points: Tensor, neighbours: int | None = None, area: Tensor | None = None
    ) -> NeighbourSites:
        """Points that you give, interpolated from their nearest neighbours.

        Args:
            points: `(N, *shape)`.
            neighbours: how many; default 4 d, and all where there are fewer.
            area: `(N,)`, the weights of the manifold's measure; default: estimated from the distances of
                neighbours.
        """
        points = self._points("points", points)
        return NeighbourSites(self, points, neighbours, area)

    def _nothing(self, batch: torch.Size) -> Geodesic:
        """No geodesics: geomstats refuses empty batches."""
        return Geodesic(
            torch.zeros(*batch, *self.shape, dtype=torch.float64),
            torch.zeros(*batch, self.dim, self.dim, dtype=torch.float64),
            torch.zeros(batch, dtype=torch.float64),
            torch.ones(batch, dtype=torch.bool),
        )

    def _batch(self, x: Tensor) -> torch.Size:
        return x.shape[: x.ndim - len(self.shape)]

    def _points(self, name: str, value: Any) -> Tensor:
        points = float64(name, value, self.shape)
        if not points.numel():
            return points
        belongs = call(self.space.belongs, points.detach().reshape(-1, *self.shape), atol=1e-5) > 0
        if not bool(belongs.all()):
            flat = int(torch.nonzero(~belongs.reshape(-1))[0, 0])
            raise GeometryError(
                f"{name} must lie on {type(self.space).__name__}; point {flat} does not: "
                f"{points.detach().reshape(-1, *self.shape)[flat].tolist()}"
            )
        return points

    def _inner(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """`(N, a, b)`: the metric at x `(N, *shape)` between columns `(N, D, a)` and `(N, D, b)`."""
        a, b = first.shape[-1], second.shape[-1]
        if not len(x):
            return torch.zeros(0, a, b, dtype=torch.float64)
        one = first.mT[:, :, None].expand(-1, a, b, -1).reshape(-1, *self.shape)
        other = second.mT[:, None].expand(-1, a, b, -1).reshape(-1, *self.shape)
        return call(self.space.metric.inner_product, one, other, _repeated(x, a * b)).reshape(-1, a, b)

    def _coordinates(self, x: Tensor, frame: Tensor, vectors: Tensor) -> Tensor:
        """`(N, d, k)`: tangent vectors, columns `(N, D, k)`, in the frame `(N, D, d)`."""
        return self._inner(x, frame, vectors)

    def _basis(self, x: Tensor) -> Tensor:
        """`(N, D, d)`: an orthonormal basis at x `(N, *shape)`, oriented as it comes."""
        size = math.prod(self.shape)
        ambient = (
            torch.eye(size, dtype=torch.float64)
            .reshape(size, *self.shape)
            .repeat(len(x), *(1,) * len(self.shape))
        )
        tangent = call(self.space.to_tangent, ambient, _repeated(x, size)).reshape(len(x), size, size).mT
        gram = self._inner(x, tangent, tangent)
        chosen = torch.zeros(len(x), size, 0, dtype=torch.float64)
        for _ in range(self.dim):
            # What is left of each candidate after its part along the vectors chosen so far; twice against
            # rounding.
            left = torch.eye(size, dtype=torch.float64).expand(len(x), -1, -1)
            for _ in range(2):
                left = left - chosen @ (chosen.mT @ gram @ left)
            square = (left * (gram @ left)).sum(-2)
            longest = square.detach().amax(-1, keepdim=True)
            pick = (square.detach() >= longest * (1 - _TIE)).to(torch.int64).argmax(-1)
            vector = torch.take_along_dim(left, pick[:, None, None], dim=-1)
            length = torch.take_along_dim(square, pick[:, None], dim=-1).sqrt()
            chosen = torch.cat([chosen, vector / length[..., None]], dim=-1)
        return tangent @ chosen

    def _oriented(self, x: Tensor, basis: Tensor) -> Tensor:
        """The basis with its last vector turned round where the frame at `base` arrives with the other orientation."""
        assert self.base is not None
        start = self.base.expand_as(x)
        here = x.detach()
        direction = call(self.space.metric.log, here, start)
        frame = self._base_frame.expand(len(x), -1, -1)
        carried = self._coordinates(here, basis.detach(), self._carried(start, direction, frame))
        sign = torch.where(torch.linalg.det(carried) < 0, -1.0, 1.0).to(torch.float64)
        return torch.cat([basis[..., :-1], basis[..., -1:] * sign[:, None, None]], dim=-1)

    def _transport(self, x: Tensor, velocity: Tensor, frame: Tensor, end: Tensor) -> Tensor:
        carried = self._carried(x, velocity, frame)
        transport = self._coordinates(end, self.frame(end), carried)
        if self.transport_by == "closed":
            return transport
        left, _, right = torch.linalg.svd(transport)
        return left @ right

    def _carried(self, x: Tensor, velocity: Tensor, frame: Tensor) -> Tensor:
        """`(N, D, d)`: the vectors of a frame, carried along exp_x(t velocity) to t = 1, by the ladder or not."""
        count = frame.shape[-1]
        with torch.no_grad():
            flat = velocity.reshape(len(x), -1, 1)
            still = (self._inner(x, flat, flat)[:, 0, 0] <= _STILL) & (flat != 0).any(1)[:, 0]
        velocity = torch.where(still.reshape(-1, *(1,) * len(self.shape)), 0.0, velocity)
        vectors = frame.mT.reshape(len(x) * count, *self.shape)
        starts, directions = _repeated(x, count), _repeated(velocity, count)
        metric = self.space.metric
        if self.transport_by == "ladder":

            def climb(vector: Any, point: Any, direction: Any) -> Any:
                return metric.ladder_parallel_transport(
                    vector, point, direction, n_rungs=self.rungs, alpha=2
                )["transported_tangent_vec"]

            carried = call(climb, vectors, starts, directions)
        else:
            carried = call(metric.parallel_transport, vectors, starts, directions)
        return carried.reshape(len(x), count, math.prod(self.shape)).mT

    def _has_transport(self) -> bool:
        """Whether geomstats transports by a formula of its own: only asking tells."""
        assert self.base is not None
        point, vector = self.base[None], self._base_frame[:, 0].reshape(1, *self.shape)
        try:
            call(self.space.metric.parallel_transport, vector, point, vector)
        except NotImplementedError:
            return False
        return True


def _repeated(x: Tensor, count: int) -> Tensor:
    return x.repeat_interleave(count, dim=0)

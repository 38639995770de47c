"""The flat quotients: the plane, or a strip of it, modulo a group of isometries.

One implementation serves the cylinder, the flat torus, the Möbius strip and the Klein bottle. A geodesic is
a straight line of the plane, brought back into a fundamental domain by an element of the group; the
linear part of that element, diag(1, ±1), is the parallel transport.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Boundary, Geodesic, Manifold, check_boundary
from manifoldconv.manifolds.checks import broadcast, positive, whole_numbers
from manifoldconv.manifolds.grid import Border, GridAxis, GridSites

# A line that ends this close to the boundary, in parts of the half width, ends on it: it has not crossed it.
_ON_BOUNDARY = 1e-12
# Lines whose lengths differ by less than this part of the period are equally short.
_SAME_LENGTH = 1e-12


@dataclass(frozen=True)
class FlatQuotient(Manifold):
    """The plane with (x + length, ±y) ~ (x, y), and with (x, y + height) ~ (x, y) or cut to a strip.

    Points are `(..., 2)`, coordinates in the fundamental domain: x in [0, length), and y in
    [-height/2, height/2] (the torus: [0, height)). The frame is that of these coordinates, so that a path
    over a glide seam has transport diag(1, -1). Any other writing of a point is understood as well, and then
    the frame is that of the coordinates as written.

    Args:
        length: the period in x.
        height: the period in y if `glued`, else the width of the strip.
        glide: going once round in x mirrors y.
        glued: the edges y = ±height/2 are glued to each other; otherwise they are the boundary.

    Raises:
        GeometryError: where a length is not positive; in the methods, where a point lies beside the strip.
    """

    length: float
    height: float
    glide: bool
    glued: bool
    dim: int = field(init=False, default=2)
    has_boundary: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", positive("the length in x", self.length))
        object.__setattr__(self, "height", positive("the length in y", self.height))
        object.__setattr__(self, "has_boundary", not self.glued)
        object.__setattr__(self, "point_size", 2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.length:g}, {self.height:g})"

    @property
    def low(self) -> float:
        """The least y of the fundamental domain."""
        return 0.0 if self.glued and not self.glide else -self.height / 2

    def frame(self, x: Tensor) -> Tensor:
        """The coordinate frame: `(..., 2, 2)`, the identity."""
        x = self._points("x", x)
        return torch.eye(2, dtype=torch.float64).expand(*x.shape[:-1], 2, 2)

    def geodesic(self, x: Tensor, v: Tensor, *, boundary: Boundary = "stop") -> Geodesic:
        """The straight line x + t v, brought back into the fundamental domain.

        On a strip it ends at |y| = height/2 (`complete` False, `length` up to there), or, with
        `boundary="reflect"`, goes on as a billiard path: y is folded by a triangle wave, and each bounce
        multiplies the transport by diag(1, -1).
        """
        check_boundary(boundary)
        x, v = broadcast(x=self._points("x", x), v=float64("v", v, (2,)))
        walked = torch.ones_like(v[..., 0])
        complete = torch.ones_like(walked, dtype=torch.bool)
        end, sign = x + v, torch.ones_like(walked)
        if self.has_boundary and boundary == "reflect":
            end, sign = self._bounce(end)
        elif self.has_boundary:
            walked, complete = self._until_boundary(x[..., 1], v[..., 1])
            end = self._clamp(x + walked[..., None] * v)
        end, turned = self._fold(end)
        length = walked * torch.linalg.vector_norm(v, dim=-1)
        return Geodesic(end, _mirror(sign * turned), length, complete)

    def log(self, x: Tensor, y: Tensor) -> Tensor:
        """The shortest of the straight lines from x to the images of y: `(..., 2)`."""
        return self._nearest_image(x, y)[0]

    def distance_between_points(self, x: Tensor, y: Tensor) -> Tensor:
        """The length of the shortest line: `(...,)`."""
        return torch.linalg.vector_norm(self.log(x, y), dim=-1)

    def transport_between(self, x: Tensor, y: Tensor) -> Tensor:
        """`(..., 2, 2)`: diag(1, ±1), from x along the line of `log` to y as it is written."""
        return _mirror(self._nearest_image(x, y)[1])

    def reframe(self, x: Tensor, y: Tensor) -> Tensor:
        """diag(1, ±1): the linear part of the group's element that takes the writing x to the writing y."""
        return _mirror(self._nearest_image(x, y)[1])

    def exp_jacobian(self, x: Tensor, v: Tensor) -> Tensor:
        """1: `(...,)`. Transport over a glide mirrors the frame at the end, and the determinant with it."""
        x, v = broadcast(x=self._points("x", x), v=float64("v", v, (2,)))
        return torch.ones_like(v[..., 0])

    def holonomy_group(self, *, doubled: bool = False) -> StructureGroup:
        """The reflection diag(1, -1) where there is a glide, or where a strip is doubled; else trivial."""
        if self.glide or (doubled and self.has_boundary):
            return StructureGroup.reflection(torch.diag(torch.tensor([1.0, -1.0], dtype=torch.float64)))
        return StructureGroup.trivial(2)

    def enclosed_curvature(self, loop: Any) -> float | None:
        """0 for a contractible loop, which closes when it is developed in the plane; None for any other.

        None as well where two shortest lines join successive points, so that it is open which way round is meant.
        """
        loop = self.as_path(loop)
        length = torch.linalg.vector_norm(self._images(loop[:-1], loop[1:])[0], dim=-1)
        if bool(((length <= length.amin(dim=0) + _SAME_LENGTH * self.length).sum(dim=0) > 1).any()):
            return None
        steps = self.log(loop[:-1], loop[1:])
        transport = self.transport_between(loop[:-1], loop[1:])
        carried, developed = torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
        for step, matrix in zip(steps, transport, strict=True):
            developed = developed + carried.mT @ step
            carried = matrix @ carried
        closes = float(torch.linalg.vector_norm(developed)) < 1e-6 * min(self.length, self.height)
        return 0.0 if closes else None

    def check_path(self, path: Tensor) -> None:
        """Raise `GeometryError` for successive points that two shortest lines join, one of them over the glide.

        So where they lie half a period apart: which way round is meant decides whether the transport reflects.
        """
        lines, signs = self._images(path[:-1], path[1:])
        length = torch.linalg.vector_norm(lines, dim=-1)
        shortest = length.amin(dim=0) + _SAME_LENGTH * self.length
        tied = torch.where(length <= shortest, signs, 0.0)
        doubtful = (tied.amax(dim=0) > 0) & (tied.amin(dim=0) < 0)
        if bool(doubtful.any()):
            place = int(torch.nonzero(doubtful)[0, 0])
            raise GeometryError(
                f"points {place} and {place + 1} of the path are joined by two shortest lines, one of which "
                "reflects; add a point between"
            )

    def sites(self, shape: Sequence[int]) -> GridSites:
        """A grid of cells over the whole fundamental domain.

        Args:
            shape: (n_y, n_x). Site (row, column) has index row * n_x + column and lies at
                x = column * length / n_x, y = low + (row + 1/2) * height / n_y.

        Returns:
            `GridSites`, bilinear, glued as the manifold is: over a glide seam the row r is the row
            n_y - 1 - r, with transport diag(1, -1). On a strip the half cell beyond the outermost row
            takes that row's value.

        Raises:
            GeometryError: where the shape is not two positive whole numbers.

        >>> MoebiusStrip(6.0, 2.0).sites(shape=(2, 3)).points[3:].tolist()
        [[0.0, 0.5], [2.0, 0.5], [4.0, 0.5]]
        """
        rows, columns = whole_numbers("shape", shape, 2, 1)
        step_x, step_y = self.length / columns, self.height / rows
        border_x: Border = "glide" if self.glide else "periodic"
        border_y: Border = "periodic" if self.glued else "constant"
        return GridSites(
            [
                GridAxis(columns, 0.0, step_x, border_x),
                GridAxis(rows, self.low + step_y / 2, step_y, border_y),
            ],
            self,
        )

    def _points(self, name: str, value: Any) -> Tensor:
        """Checked points, moved onto the strip where rounding, of float32 even, put them beside it."""
        points = float64(name, value, (2,))
        if not self.has_boundary:
            return points
        outside = points.detach()[..., 1].abs() > self.height / 2 * (1 + 1e-6)
        if bool(outside.any()):
            where = torch.nonzero(outside)[0].tolist()
            raise GeometryError(
                f"{name} must have |y| <= {self.height / 2:g}, the strip's half width; "
                f"got y = {points.detach()[..., 1][tuple(where)].item():g} at index {where}"
            )
        return self._clamp(points)

    def _clamp(self, points: Tensor) -> Tensor:
        half = self.height / 2
        return torch.stack([points[..., 0], points[..., 1].clamp(-half, half)], dim=-1)

    def _until_boundary(self, y: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
        """The part in [0, 1] of a line that lies in the strip, and whether that is all of it."""
        half = self.height / 2
        complete = (y + speed).abs() <= half * (1 + _ON_BOUNDARY)
        moving = torch.where(complete, torch.ones_like(speed), speed)
        ahead = torch.copysign(torch.full_like(speed, half), speed.detach())
        walked = ((ahead - y) / moving).clamp(0, 1)
        return torch.where(complete, torch.ones_like(walked), walked), complete

    def _bounce(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points of the plane folded into the strip by a triangle wave in y, and the sign of the fold."""
        across = points[..., 1] / self.height
        bounces = torch.round(across.detach() * (1 - _ON_BOUNDARY))
        sign = 1 - 2 * torch.remainder(bounces, 2)
        y = sign * (points[..., 1] - bounces * self.height)
        return self._clamp(torch.stack([points[..., 0], y], dim=-1)), sign

    def _fold(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points in the fundamental domain, and the sign by which y was multiplied to bring them there."""
        x, y = points[..., 0], points[..., 1]
        turns = _periods(x.detach(), self.length)
        x = x - turns * self.length
        sign = 1 - 2 * torch.remainder(turns, 2) if self.glide else torch.ones_like(turns)
        y = sign * y
        if self.glued:
            y = y - _periods(y.detach() - self.low, self.height) * self.height
        return torch.stack([x, y], dim=-1), sign

    def _nearest_image(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The shortest line from x to an image of y, and the sign of the element from x's frame to y's."""
        lines, signs = self._images(x, y)
        nearest = lines.detach().square().sum(-1).argmin(dim=0, keepdim=True)
        line = torch.take_along_dim(lines, nearest[..., None], dim=0)[0]
        return line, torch.take_along_dim(signs, nearest, dim=0)[0]

    def _images(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The lines `(3, ..., 2)` from x to images of y without a turn and with one either way, and their signs.

        In the fundamental domain |Δx| < length, so one turn to either side is enough; y is rounded.
        """
        x, y = broadcast(x=self._points("x", x), y=self._points("y", y))
        (start, sign_start), (target, sign_target) = self._fold(x), self._fold(y)
        lines, signs = [], []
        for turns in (0, 1, -1):
            sign = -1.0 if self.glide and turns else 1.0
            across = sign * target[..., 1] - start[..., 1]
            if self.glued:
                across = across - torch.round(across.detach() / self.height) * self.height
            along = target[..., 0] + turns * self.length - start[..., 0]
            lines.append(torch.stack([along, across * sign_start], dim=-1))
            signs.append(sign * sign_start * sign_target)
        return torch.stack(lines), torch.stack(signs)


class Cylinder(FlatQuotient):
    """The cylinder (x + circumference, y) ~ (x, y), |y| <= width/2, with its two boundary circles.

    >>> import torch
    >>> Cylinder(6.0, 2.0).exp(torch.tensor([5.0, 0.0]), torch.tensor([2.0, 0.5])).tolist()
    [1.0, 0.5]
    """

    def __init__(self, circumference: float, width: float) -> None:
        super().__init__(circumference, width, glide=False, glued=False)


class FlatTorus(FlatQuotient):
    """The flat torus (x + a, y) ~ (x, y + b) ~ (x, y), with x in [0, a) and y in [0, b).

    >>> import torch
    >>> FlatTorus(4.0, 3.0).log(torch.tensor([0.5, 0.5]), torch.tensor([3.5, 2.5])).tolist()
    [-1.0, -1.0]
    """

    def __init__(self, a: float, b: float) -> None:
        super().__init__(a, b, glide=False, glued=True)


class MoebiusStrip(FlatQuotient):
    """The flat Möbius strip (x + circumference, y) ~ (x, -y), |y| <= width/2.

    Its holonomy group is the reflection across the strip.

    >>> import torch
    >>> strip = MoebiusStrip(6.0, 2.0)
    >>> g = strip.geodesic(torch.tensor([5.0, 0.25]), torch.tensor([2.0, 0.0]))
    >>> g.end.tolist(), g.transport.tolist()
    ([1.0, -0.25], [[1.0, 0.0], [0.0, -1.0]])
    """

    def __init__(self, circumference: float, width: float) -> None:
        super().__init__(circumference, width, glide=True, glued=False)


class KleinBottle(FlatQuotient):
    """The flat Klein bottle (x + a, y) ~ (x, -y), (x, y + b) ~ (x, y), with y in [-b/2, b/2).

    >>> KleinBottle(6.0, 2.0).holonomy_group().name
    'reflection'
    """

    def __init__(self, a: float, b: float) -> None:
        super().__init__(a, b, glide=True, glued=True)


def _mirror(sign: Tensor) -> Tensor:
    """`(..., 2, 2)`: diag(1, sign)."""
    return torch.diag_embed(torch.stack([torch.ones_like(sign), sign], dim=-1))


def _periods(value: Tensor, period: float) -> Tensor:
    """The whole number k that brings value - k · period into [0, period), up to rounding.

    A value below 0 by rounding alone would be brought to the period itself, which lies outside: it stays.
    """
    turns = torch.floor(value / period)
    return turns + (value - turns * period >= period).to(torch.float64)

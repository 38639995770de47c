"""Radial bases: functions of |v| that an angular harmonic is multiplied with to make a kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class RadialBasis:
    """n functions φ_j of r = |v| on [0, radius], each multiplied by the r^m that an angular order m needs.

        φ_{j,m}(r) = φ_j(r) · (1 - exp(-(r / r_0)²))^(m/2)

    The second factor vanishes as (r / r_0)^m at the origin, where harmonics of order m > 0 have no
    direction, and is nearly 1 beyond 2 r_0. Where φ_j is an even smooth function of r, φ_{j,m}(r) Y_m(v /
    r) is a smooth function of v.

    Make one by `gaussian_rings`, `bumps` or `from_functions`.

    Attributes:
        count: n.
        radius: in units of length of the manifold; the kernels live on the disc |v| ≤ radius.
        functions: r `(...,)` to the φ_j(r), `(..., n)`.
        inner_radius: r_0.
        extent: a radius beyond which the functions stay under 1e-6 of their largest value, or None.
        name: for messages.

    >>> basis = RadialBasis.gaussian_rings(1.0, 3)
    >>> basis(torch.tensor([0.0, 0.5], dtype=torch.float64), 0).shape
    torch.Size([2, 3])
    >>> basis(torch.tensor([0.0], dtype=torch.float64), 1).tolist()
    [[0.0, 0.0, 0.0]]
    """

    count: int
    radius: float
    functions: Callable[[Tensor], Tensor]
    inner_radius: float
    extent: float | None
    name: str

    @classmethod
    def gaussian_rings(cls, radius: float, count: int, width: float | None = None) -> RadialBasis:
        """exp(-(r - r_j)² / (2 s²)) + exp(-(r + r_j)² / (2 s²)), r_j = j · radius / n, j = 0, ..., n - 1.

        The second term makes each an even function of r, smooth at the origin; φ_0 is halved to have the
        value 1 there.

        Args:
            radius: of the disc; the last ring lies at radius (1 - 1/n), so that little is cut off.
            count: n ≥ 1.
            width: s; radius / (2n) by default, half the distance of the rings.
        """
        radius, count = _positive("radius", radius), _count(count)
        s = radius / (2 * count) if width is None else _positive("width", width)
        centres = radius / count * torch.arange(count, dtype=torch.float64)

        functions = partial(_gaussian_rings, centres=centres, s=s)
        extent = float(centres[-1]) + 5.3 * s
        return cls(count, radius, functions, s, extent, f"gaussian_rings({radius:.4g}, {count})")

    @classmethod
    def bumps(cls, radius: float, count: int) -> RadialBasis:
        """(1 - t²)³ P_j(2t² - 1), t = r / radius, and 0 beyond: polynomials in |v|², smooth (C²) at the rim.

        P_j are the Legendre polynomials, j = 0, ..., n - 1.
        """
        radius, count = _positive("radius", radius), _count(count)

        functions = partial(_bumps, radius=radius, count=count)
        return cls(count, radius, functions, radius / (2 * count), radius, f"bumps({radius:.4g}, {count})")

    @classmethod
    def from_functions(
        cls, functions: Sequence[Callable[[Tensor], Tensor]], radius: float, inner_radius: float | None = None
    ) -> RadialBasis:
        """Your own functions, each from r `(...,)` to `(...,)`; r_0 is radius / (2n) by default."""
        if not functions or not all(callable(function) for function in functions):
            raise ValueError("functions must be one or more functions of r")
        radius = _positive("radius", radius)
        inner = (
            radius / (2 * len(functions)) if inner_radius is None else _positive("inner_radius", inner_radius)
        )

        together = partial(_side_by_side, functions=tuple(functions))
        return cls(len(functions), radius, together, inner, None, f"{len(functions)} functions")

    def __call__(self, r: Tensor, order: int = 0) -> Tensor:
        """φ_{j,m}(r) for m = `order`, at radii `(...,)`: `(..., n)`."""
        values = self.functions(r)
        if not order:
            return values
        return values * (-torch.expm1(-((r / self.inner_radius) ** 2)))[..., None] ** (order / 2)

    def __repr__(self) -> str:
        return f"RadialBasis.{self.name}"


# Functions of the module rather than of the methods above, so that a basis can be pickled.


def _gaussian_rings(r: Tensor, centres: Tensor, s: float) -> Tensor:
    c = centres.to(r.device)
    rings = torch.exp(-((r[..., None] - c) ** 2) / (2 * s**2))
    rings = rings + torch.exp(-((r[..., None] + c) ** 2) / (2 * s**2))
    return torch.cat([rings[..., :1] / 2, rings[..., 1:]], -1)


def _bumps(r: Tensor, radius: float, count: int) -> Tensor:
    squared = (r / radius) ** 2
    x = 2 * squared - 1
    legendre = [torch.ones_like(x), x]
    for j in range(1, count):
        legendre.append(((2 * j + 1) * x * legendre[j] - j * legendre[j - 1]) / (j + 1))
    return torch.clamp(1 - squared, min=0.0)[..., None] ** 3 * torch.stack(legendre[:count], -1)


def _side_by_side(r: Tensor, functions: tuple[Callable[[Tensor], Tensor], ...]) -> Tensor:
    return torch.stack([function(r) for function in functions], -1)


def _positive(name: str, value: float) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite; got {value!r}")
    return number


def _count(count: int) -> int:
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"the number of radial functions must be a whole number ≥ 1; got {count!r}")
    return count

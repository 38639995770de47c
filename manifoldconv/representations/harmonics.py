"""Real circular and spherical harmonics, and the matrices by which rotations act on them."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from manifoldconv.representations.polynomials import harmonic_polynomials


def circular_harmonics(nodes: Tensor, order: int) -> Tensor:
    """cos mθ, sin mθ, times √2, at the angles of nodes `(..., 2)`: `(..., 2)`; for m = 0 just 1, `(..., 1)`.

    Orthonormal in the mean over the circle. At the origin θ counts as 0.
    """
    if order == 0:
        return torch.ones_like(nodes[..., :1])
    angle = order * torch.atan2(nodes[..., 1], nodes[..., 0])
    return math.sqrt(2) * torch.stack([torch.cos(angle), torch.sin(angle)], -1)


def spherical_harmonics(directions: Tensor, degree: int) -> Tensor:
    """The real spherical harmonics of one degree l at unit vectors `(..., 3)`: `(..., 2l + 1)`.

    With the polar axis y and without the Condon-Shortley sign, in the order m = -l, ..., l, as in e3nn; so
    those of degree 1 are √3 (x, y, z). Orthonormal in the mean over the sphere ("component" in e3nn).

    Source: the recursion of the associated Legendre functions, NIST DLMF 14.10.3, with sinᵐ taken out.
    """
    x, y, z = directions.unbind(-1)
    real, imaginary = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(degree):
        a, b = real[-1], imaginary[-1]
        real.append(a * z - b * x)
        imaginary.append(a * x + b * z)
    positive, negative = [], []
    for m in range(degree + 1):
        legendre = _legendre_without_sines(y, degree, m)
        scale = math.sqrt((2 * degree + 1) * math.factorial(degree - m) / math.factorial(degree + m))
        scale *= math.sqrt(2) if m else 1.0
        positive.append(scale * legendre * real[m])
        negative.append(scale * legendre * imaginary[m])
    return torch.stack([*negative[:0:-1], *positive], -1)


def harmonics(nodes: Tensor, order: int) -> Tensor:
    """The real harmonics of one order at the directions of nodes `(..., d)`: `(..., n)`, n their number.

    Orthonormal in the mean over the sphere. At the origin the values belong to no direction, and are those
    of an axis.
    """
    d = nodes.shape[-1]
    if d == 2:
        return circular_harmonics(nodes, order)
    # The norm has no gradient at 0; there the direction is a constant.
    squared = nodes.square().sum(-1, keepdim=True)
    at_origin = squared == 0
    length = torch.sqrt(torch.where(at_origin, 1.0, squared))
    axis = torch.eye(d, dtype=nodes.dtype, device=nodes.device)[-1]
    directions = torch.where(at_origin, axis, nodes / length)
    return spherical_harmonics(directions, order) if d == 3 else harmonic_polynomials(directions, order)


def _legendre_without_sines(y: Tensor, degree: int, m: int) -> Tensor:
    """P_l^m(y) / (1 - y²)^(m/2), without the Condon-Shortley sign."""
    before, last = torch.zeros_like(y), torch.full_like(y, math.prod(range(1, 2 * m, 2)))
    for n in range(m + 1, degree + 1):
        before, last = last, ((2 * n - 1) * y * last - (n + m - 1) * before) / (n - m)
    return last


def wigner_matrix(rotation: Tensor, degree: int) -> Tensor:
    """D_l(g) `(..., 2l + 1, 2l + 1)` with Y_l(g v) = D_l(g) Y_l(v), for g `(..., 3, 3)` in O(3).

    D_1(g) = g. Orientation-reversing g act as on polynomials of degree l, so -1 acts by (-1)^l. Solved from
    the harmonics at fixed points and their images: no Euler angles, hence no singular ones.
    """
    if degree == 0:
        return torch.ones_like(rotation[..., :1, :1])
    if degree == 1:
        return rotation
    points, inverse = _fitting_points(degree)
    points, inverse = points.to(rotation.device), inverse.to(rotation.device)
    images = spherical_harmonics(points @ rotation.mT, degree)
    return (inverse @ images).mT


@lru_cache(maxsize=64)
def _fitting_points(degree: int) -> tuple[Tensor, Tensor]:
    """Points `(n, 3)` of a Fibonacci lattice, and the pseudo-inverse `(2l + 1, n)` of the harmonics there."""
    n = 4 * (2 * degree + 1)
    index = torch.arange(n, dtype=torch.float64) + 0.5
    height = 1 - 2 * index / n
    azimuth = math.pi * (1 + math.sqrt(5)) * index
    flat = torch.sqrt(1 - height**2)
    points = torch.stack([flat * torch.cos(azimuth), flat * torch.sin(azimuth), height], -1)
    return points, torch.linalg.pinv(spherical_harmonics(points, degree))

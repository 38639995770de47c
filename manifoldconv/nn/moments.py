"""Mean squares of random fields through activations and kernels: what initial weights are scaled by."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from scipy.special import jv, spherical_jn
from torch import Tensor

from manifoldconv.kernels.radial import RadialBasis

RADIAL_NODES = 96
WAVES = 160


def activation_scale(activation: Callable[[Tensor], Tensor]) -> float:
    """1 / √E a(z)² for z from the standard normal distribution: a(z) times that has mean square 1.

    >>> round(activation_scale(torch.relu), 6) == round(2**0.5, 6)
    True
    """
    z = torch.linspace(-9.0, 9.0, 18001, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    mean_square = torch.trapezoid(activation(z).square() * density, z)
    if not float(mean_square) > 0:
        raise ValueError("the activation is zero on normal inputs")
    return float(mean_square.rsqrt())


def gate_scale(gate: Callable[[Tensor], Tensor], size: int) -> float:
    """c such that u ↦ c gate(|u|) u keeps the mean square of a normal vector of `size` components of variance 1."""
    n = torch.linspace(0.0, 9.0 + size, 20001, dtype=torch.float64)
    density = n ** (size - 1) * torch.exp(-(n**2) / 2)
    before = torch.trapezoid(density * n**2, n)
    after = torch.trapezoid(density * (n * gate(n)) ** 2, n)
    return float((before / after).sqrt())


@lru_cache(maxsize=256)
def wave_response(kind: str, rings: int, order: int, dimension: int) -> tuple[Tensor, Tensor]:
    """How strongly kernels φ_j(|v|) Y(v / |v|) of one angular order on the unit ball answer to plane waves.

        response[j, i] = c ∫_0^1 φ_{j,m}(r) B_m(k_i r) r^(d-1) dr / mass_j,    mass_j = c ∫_0^1 |φ_{j,m}(r)| r^(d-1) dr

    with the Bessel functions B_m = J_m and c = 2π in the plane, and the spherical ones and c = 4π in space. With an
    angular part of mean square 1 such a kernel divided by its mass turns a wave of wave number k_i and mean square
    1 into one of mean square response², which is at most 1.

    Returns:
        response `(rings, K)` and mass `(rings,)`, float64.
    """
    x, w = np.polynomial.legendre.leggauss(RADIAL_NODES)
    r, w = (x + 1) / 2, w / 2
    basis = getattr(RadialBasis, kind)(1.0, rings)
    values = basis(torch.from_numpy(r), order).numpy().T * (w * r ** (dimension - 1))
    k = np.linspace(0.0, 3 * math.pi * max(rings, 2), WAVES)
    bessel = jv(order, k[:, None] * r) if dimension == 2 else spherical_jn(order, k[:, None] * r)
    sphere = 2 * math.pi if dimension == 2 else 4 * math.pi
    mass = np.abs(values).sum(axis=1)
    return torch.from_numpy(values @ bessel.T / mass[:, None]), torch.from_numpy(sphere * mass)

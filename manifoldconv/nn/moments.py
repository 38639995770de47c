"""Mean squares of random fields through activations and kernels: what initial weights are scaled by."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import jv, spherical_jn
from torch import Tensor

from manifoldconv.kernels.radial import RadialBasis

if TYPE_CHECKING:
    from manifoldconv.kernels.space import KernelSpace
    from manifoldconv.nn.linear import Piece

RADIAL_NODES = 96
WAVES = 160
KERNELS = 0.1
"""The share of the kernels in the mean square of an output at the start; the rest comes from the site itself."""


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


def initial_scales(
    space: KernelSpace, radial: str, own: list[list[Piece]] | None, gain: float
) -> tuple[Tensor, Tensor, list[float]]:
    """What makes basis kernels of mass 1, the initial deviations of their weights `(B,)`, and the gains of the map A.

    A wave of wave number k and mean square 1 in each channel has, after independent weights of variance σ², the mean
    square σ² G(k), G(k) = Σ response(k)² / size_out, in a channel of an output summand: summed over all kernels that
    reach one copy of it. So σ² = s c / max_k G(k) gives the share s of the mean square c to the wave that is kept best,
    and A gives (1 - s) c at every k: in all between (1 - s) c and c. With c = 1 / √(1 - s) that is as far below 1 as
    above it.
    """
    rings, d = space.radial.count, space.group.dimension
    scale = torch.empty(space.dimension, dtype=torch.float64)
    std = torch.empty(space.dimension, dtype=torch.float64)
    own_gains = []
    for number, out in enumerate(space.rep_out.blocks):
        parts = [part for part in space.parts if part.out == out.slice]
        both = bool(parts) and own is not None and any(piece.n_weights for piece in own[number])
        share, whole = (KERNELS, gain / math.sqrt(1 - KERNELS)) if both else (1.0, gain)
        most = torch.zeros(1, dtype=torch.float64)
        for part in parts:
            response, _ = wave_response(radial, rings, part.order, d)
            most = most + len(part.solutions) * part.copies[1] / out.irrep.size * response.square().sum(0)
        deviation = math.sqrt(share * whole / float(most.max())) if parts else 0.0
        for part in parts:
            _, mass = wave_response(radial, rings, part.order, d)
            chosen = slice(part.start, part.start + part.angular_count * rings)
            scale[chosen] = (1 / mass).repeat(part.angular_count)
            std[chosen] = deviation
        own_gains.append((1 - share) * whole if both else gain)
    return scale, std, own_gains

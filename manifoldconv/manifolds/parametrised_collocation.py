"""Geodesics between two points of a surface in coordinates, by collocation: a start for the logarithm.

A geodesic from x to y with velocity v in the carried frame satisfies

    u(t) = x + ∫₀ᵗ E(u) R(φ) v ds,    φ(t) = -∫₀ᵗ ω(u̇) ds,    y = u(1)

Places and phases are unknowns at Gauss' nodes, and the integrals are those of the polynomials through them. Given E(u)
and R(φ) at the nodes the last equation is linear in v; so they are put in, v is solved for, and the first two give new
places and phases, until nothing moves. All nodes of all rays are one evaluation of the metric, where shooting needs
hundreds, one after the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from manifoldconv.manifolds.parametrised_flow import Flow
from manifoldconv.orthogonal import rotation_matrix

# Gauss' nodes on a geodesic: for a smooth metric the error falls faster than any power of their number.
_NODES = 16
_ITERATIONS = 40
# Nothing moves: by more than this, in parts of the distance plus 1. What it moved last is more than what is left.
_STILL = 1e-10
# So far outside, in parts of the domain, a place is on the boundary up to the error of the places.
_BESIDE = 1e-8
_RAYS_AT_A_TIME = 1 << 14


@dataclass(frozen=True)
class Connection:
    """Geodesics between pairs of points.

    Attributes:
        v: `(N, 2)` with exp(start, v) ≈ target; NaN where the iteration does not settle.
        stretch: `(N,)` of exp across v.
        outside: `(N,)` whether the geodesic leaves the domain on the way.
    """

    v: Tensor
    stretch: Tensor
    outside: Tensor


def connect(flow: Flow, start: Tensor, target: Tensor) -> Connection:
    """The geodesics from start to target `(N, 2)`, in unwrapped coordinates.

    Ends are met to about 1e-9 where 16 nodes are enough for the geodesic. No gradients.
    """
    with torch.no_grad():
        parts = [
            _connect(flow, start[rays], target[rays])
            for rays in torch.arange(len(start)).split(_RAYS_AT_A_TIME)
        ]
    return Connection(
        torch.cat([part.v for part in parts]),
        torch.cat([part.stretch for part in parts]),
        torch.cat([part.outside for part in parts]),
    )


def _connect(flow: Flow, start: Tensor, target: Tensor) -> Connection:
    nodes, weights, integral = collocation(_NODES)
    step = target - start
    scale = 1 + step.norm(dim=-1)
    u = start[:, None] + nodes[:, None] * step[:, None]
    phase = torch.zeros_like(u[..., 0])
    v = torch.full_like(start, math.nan)
    stretch = torch.full_like(start[:, 0], math.nan)
    outside = torch.zeros(len(start), dtype=torch.bool)
    active = torch.arange(len(start))
    for _ in range(_ITERATIONS):
        frame, connection = flow.geometry.frame_and_connection(flow.clamp(u))
        turned = frame @ rotation_matrix(phase)
        solved = _solve((weights[:, None, None] * turned).sum(1), step[active])
        velocity = (turned @ solved[:, None, :, None])[..., 0]
        places = start[active, None] + integral @ velocity
        phases = -(connection * velocity).sum(-1) @ integral.mT
        moved = torch.maximum((places - u).abs().amax((-2, -1)), (phases - phase).abs().amax(-1))
        still = moved <= _STILL * scale[active]
        v[active[still]] = solved[still]
        stretch[active[still]] = _stretch(flow, places[still], solved[still])
        outside[active[still]] = _leaves(flow, places[still])
        going = ~still & (moved <= 1e3 * scale[active])  # false for NaN
        active, u, phase = active[going], places[going], phases[going]
        if not len(active):
            break
    return Connection(v, stretch, outside)


def _leaves(flow: Flow, u: Tensor) -> Tensor:
    """Whether the polynomials through places at the nodes `(N, n, 2)` lead out of the domain: `(N,)`."""
    places = _between() @ u
    beyond = (places - flow.clamp(places)).abs() / (flow.high - flow.low).nan_to_num(posinf=1.0)
    return (beyond > _BESIDE).any(-1).any(-1)


def _stretch(flow: Flow, u: Tensor, v: Tensor) -> Tensor:
    """j(1) of Jacobi's equation j(t) = t - |v|² ∫₀ᵗ ∫₀ˢ K j, with K at the nodes u `(N, n, 2)`: `(N,)`."""
    nodes, weights, integral = collocation(_NODES)
    bend = v.square().sum(-1)[:, None] * flow.geometry.curvature(flow.clamp(u))
    system = torch.eye(_NODES, dtype=torch.float64) + (integral @ integral) * bend[:, None, :]
    j = torch.linalg.solve_ex(system, nodes.expand(len(u), -1))[0]
    return 1 - (bend * j) @ integral.mT @ weights


def _solve(matrix: Tensor, vector: Tensor) -> Tensor:
    """matrix⁻¹ vector; infinite or NaN where the matrix is singular."""
    (a, b), (c, d) = (row.unbind(-1) for row in matrix.unbind(-2))
    x, y = vector.unbind(-1)
    return torch.stack([d * x - b * y, a * y - c * x], dim=-1) / (a * d - b * c)[:, None]


@cache
def _between() -> Tensor:
    """Values at 65 equal steps of the polynomials through values at the nodes: `(65, n)`."""
    x = np.polynomial.legendre.leggauss(_NODES)[0]
    fine = np.polynomial.legendre.legvander(np.linspace(-1, 1, 65), _NODES - 1)
    return torch.from_numpy(fine @ np.linalg.inv(np.polynomial.legendre.legvander(x, _NODES - 1)))


@cache
def collocation(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss' nodes and weights on [0, 1], and the integrals of polynomials: ∫₀^{t_i} f = Σ_j A_ij f(t_j)."""
    x, weights = np.polynomial.legendre.leggauss(count)
    values = np.polynomial.legendre.legvander(x, count)
    degree = np.arange(1, count)
    # ∫_{-1}^x P_n = (P_{n+1} - P_{n-1}) / (2n + 1), and x + 1 for n = 0
    integrals = np.column_stack([x + 1, (values[:, 2:] - values[:, :-2]) / (2 * degree + 1)])
    matrix = integrals @ np.linalg.inv(values[:, :count])
    return (
        torch.from_numpy((x + 1) / 2),
        torch.from_numpy(weights / 2),
        torch.from_numpy(np.ascontiguousarray(matrix / 2)),
    )

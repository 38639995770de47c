"""Harmonic polynomials in any number of variables: the angular functions of dimensions 1 and from 4 on.

In the plane and in space `harmonics` has them by recursion, in the bases that others use; here a basis is found by
linear algebra: the polynomials of one degree that the Laplacian takes to 0, orthonormal on the sphere.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import torch
from torch import Tensor

Exponents = list[tuple[int, ...]]


def harmonic_count(dimension: int, degree: int) -> int:
    """How many there are: the polynomials of that degree less those of two degrees fewer.

    >>> [harmonic_count(4, degree) for degree in range(4)], harmonic_count(1, 2)
    ([1, 4, 9, 16], 0)
    """
    fewer = len(_exponents(dimension, degree - 2)) if degree > 1 else 0
    return len(_exponents(dimension, degree)) - fewer


def harmonic_polynomials(points: Tensor, degree: int) -> Tensor:
    """A basis at points `(..., d)`: `(..., n)`, orthonormal in the mean over the unit sphere, always the same."""
    exponents, basis = _basis(points.shape[-1], degree)
    powers = [torch.ones_like(points)]
    for _ in range(degree):
        powers.append(powers[-1] * points)
    monomials = [
        math.prod((powers[k][..., i] for i, k in enumerate(one)), start=torch.ones_like(points[..., 0]))
        for one in exponents
    ]
    return torch.stack(monomials, -1) @ basis.to(points.device).mT


def harmonic_matrix(g: Tensor, degree: int) -> Tensor:
    """D(g) `(..., n, n)` with Y(g v) = D(g) Y(v), for orthogonal g `(..., d, d)`."""
    points, inverse = _fitting_points(g.shape[-1], degree)
    images = harmonic_polynomials(points.to(g.device) @ g.mT, degree)
    return (inverse.to(g.device) @ images).mT


def _exponents(dimension: int, degree: int) -> Exponents:
    """The monomials of one degree, by their exponents; those of the first variable first."""
    chosen = itertools.combinations_with_replacement(range(dimension), degree)
    return [tuple(picks.count(i) for i in range(dimension)) for picks in chosen]


@lru_cache(maxsize=64)
def _basis(dimension: int, degree: int) -> tuple[Exponents, Tensor]:
    """Monomials, and the coefficients `(n, monomials)` of the basis: Gram and Schmidt on the harmonic parts of each."""
    exponents = _exponents(dimension, degree)
    gram = torch.tensor(
        [[_mean(tuple(map(sum, zip(a, b, strict=True)))) for b in exponents] for a in exponents],
        dtype=torch.float64,
    )
    _, values, vectors = torch.linalg.svd(_laplacian(exponents, dimension, degree), full_matrices=True)
    null = vectors[int((values > 1e-9).sum()) :]
    projector = null.mT @ torch.linalg.solve(null @ gram @ null.mT, null @ gram)
    rows: list[Tensor] = []
    for column in projector.mT:
        rest = column
        for _ in range(2):  # twice against rounding
            for row in rows:
                rest = rest - (row @ gram @ rest) * row
        size = float(rest @ gram @ rest)
        if size > 1e-9 * max(1e-300, float(column @ gram @ column)) and len(rows) < len(null):
            rows.append(rest / math.sqrt(size))
    basis = torch.stack(rows) if rows else torch.empty(0, len(exponents), dtype=torch.float64)
    return exponents, torch.where(basis.abs() < 1e-13, 0.0, basis)


def _laplacian(exponents: Exponents, dimension: int, degree: int) -> Tensor:
    """From coefficients of one degree to those of two degrees fewer: `(m', m)`."""
    lower = {one: row for row, one in enumerate(_exponents(dimension, degree - 2))} if degree > 1 else {}
    matrix = torch.zeros(len(lower), len(exponents), dtype=torch.float64)
    for column, one in enumerate(exponents):
        for i, k in enumerate(one):
            if k > 1:
                left = tuple(power - 2 * (j == i) for j, power in enumerate(one))
                matrix[lower[left], column] += k * (k - 1)
    return matrix


def _mean(exponents: tuple[int, ...]) -> float:
    """The mean of a monomial over the unit sphere (Folland 2001, "How to integrate a polynomial over a sphere")."""
    if any(k % 2 for k in exponents):
        return 0.0
    half, d = sum(exponents) / 2, len(exponents)
    logarithm = sum(math.lgamma((k + 1) / 2) for k in exponents) - math.lgamma(half + d / 2)
    return math.exp(logarithm + math.lgamma(d / 2) - d / 2 * math.log(math.pi))


@lru_cache(maxsize=64)
def _fitting_points(dimension: int, degree: int) -> tuple[Tensor, Tensor]:
    """Points of the unit sphere, always the same, and the pseudo-inverse `(n, points)` of the polynomials there."""
    generator = torch.Generator().manual_seed(0)
    count = 4 * max(1, harmonic_count(dimension, degree))
    points = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    points = points / torch.linalg.vector_norm(points, dim=-1, keepdim=True)
    return points, torch.linalg.pinv(harmonic_polynomials(points, degree))

"""The Jacobian of exp: against autograd, against volumes, and in the eigenvalues of zonal kernels."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.manifolds import (
    Euclidean,
    FlatTorus,
    HyperbolicPlane,
    Manifold,
    MoebiusStrip,
    OdeSolver,
    ProductManifold,
    Sphere,
    SurfaceOfRevolution,
)
from manifoldconv.quadrature import TangentRule


def doughnut(s: Tensor) -> Tensor:
    return torch.stack([2 + s.cos(), s.sin()], dim=-1)


TORUS = SurfaceOfRevolution(doughnut, (0.0, 2 * math.pi), closed=True, solver=OdeSolver("rk4", steps=16))
STARTS: list[tuple[Manifold, list[float]]] = [
    (Euclidean(3), [0.1, 0.2, 0.3]),
    (FlatTorus(3.0, 4.0), [1.0, 1.0]),
    (MoebiusStrip(6.0, 4.0), [1.0, 0.3]),
    (Sphere(1), [0.6, 0.8]),
    (Sphere(2, 2.0), [0.0, 1.2, 1.6]),
    (Sphere(3), [0.5, 0.5, -0.5, 0.5]),
    (HyperbolicPlane(), [math.sqrt(1.25), 0.3, 0.4]),
    (ProductManifold(Sphere(), HyperbolicPlane()), [0.0, 0.6, 0.8, math.sqrt(1.25), 0.3, 0.4]),
    (TORUS, [0.4, 1.0]),
]


def differential(manifold: Manifold, x: Tensor, v: Tensor) -> Tensor:
    """det d(exp_x)_v by central differences of log from the end, in the frame that arrives there."""
    geodesic, step = manifold.geodesic(x, v), 1e-5
    columns = []
    for direction in torch.eye(manifold.dim, dtype=torch.float64):
        ahead = manifold.log(geodesic.end, manifold.exp(x, v + step * direction))
        behind = manifold.log(geodesic.end, manifold.exp(x, v - step * direction))
        columns.append((ahead - behind) / (2 * step))
    return torch.linalg.det(geodesic.transport.mT @ torch.stack(columns, dim=-1))


@pytest.mark.parametrize(("manifold", "start"), STARTS, ids=lambda value: type(value).__name__)
def test_the_jacobian_is_that_of_exp(manifold: Manifold, start: list[float]) -> None:
    x = torch.tensor(start, dtype=torch.float64)
    for size in (0.5, 1.3) if manifold is TORUS else (1e-3, 0.5, 1.3):
        v = torch.linspace(0.4, -0.7, manifold.dim, dtype=torch.float64)
        v = size * v / v.norm()
        # Differences of steps of 1e-5: 1e-10 by truncation and as much by rounding;
        # the solver's steps leave some 1e-5.
        tolerance = 1e-4 if manifold is TORUS else 1e-8
        assert torch.allclose(
            manifold.exp_jacobian(x, v), differential(manifold, x, v), rtol=0, atol=tolerance
        )
    zero = torch.zeros(2, 5, manifold.dim, dtype=torch.float64)
    assert torch.allclose(manifold.exp_jacobian(x, zero), torch.ones(2, 5, dtype=torch.float64))


def test_the_jacobian_of_a_bent_surface_is_jacobis() -> None:
    """On the torus' outer equator, K = 1/3 is constant: j = sin(√K r) / (√K r) along it."""
    x, root = torch.tensor([0.0, 1.0], dtype=torch.float64), math.sqrt(1 / 3)
    v = torch.tensor([[0.0, 1.0], [0.0, 2.5]], dtype=torch.float64)
    expected = torch.sin(root * v[:, 1]) / (root * v[:, 1])
    assert torch.allclose(TORUS.exp_jacobian(x, v), expected, rtol=0, atol=1e-5)  # 16 steps of order 4


@pytest.mark.parametrize(
    ("manifold", "start", "volume"),
    [
        (Sphere(), [0.0, 0.6, 0.8], lambda r: 2 * math.pi * (1 - math.cos(r))),
        (Sphere(2, 2.0), [0.0, 1.2, 1.6], lambda r: 8 * math.pi * (1 - math.cos(r / 2))),
        (HyperbolicPlane(), [math.sqrt(1.25), 0.3, 0.4], lambda r: 2 * math.pi * (math.cosh(r) - 1)),
        (FlatTorus(9.0, 9.0), [0.0, 0.0], lambda r: math.pi * r**2),
    ],
)
def test_discs_have_their_area(manifold: Manifold, start: list[float], volume) -> None:
    x = torch.tensor(start, dtype=torch.float64)
    for radius in (0.3, 2.0):
        rule = TangentRule.polar(radius, 12, 16)
        area = float((rule.weights * manifold.exp_jacobian(x, rule.nodes)).sum())
        assert area == pytest.approx(volume(radius), rel=1e-12)


def legendre(degree: int, x: Tensor) -> Tensor:
    return torch.from_numpy(np.polynomial.legendre.Legendre.basis(degree)(x.numpy()))


def zonal_errors(degree: int, level: int) -> float:
    """The relative error of the eigenvalue relation of Funk and Hecke with the sphere's own measure:

    ∫_S k(d(p, q)) Y(q) dq = λ Y(p),    λ = 2π ∫ k(r) P_l(cos r) sin(r) dr
    """
    sphere = Sphere()
    sites, rule = sphere.sites(icosphere=level), TangentRule.polar(0.6, 10, 20)
    axis = torch.nn.functional.normalize(torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64), dim=0)
    harmonic = legendre(degree, sites.points @ axis)
    chosen = torch.arange(0, len(sites), max(1, len(sites) // 150))
    start = sites.points[chosen][:, None]
    stencil = sites.stencil(sphere.exp(start, rule.nodes))
    values = (stencil.weight * harmonic[stencil.index]).sum(-1)
    radius = rule.nodes.norm(dim=-1)
    measure = rule.weights * sphere.exp_jacobian(start, rule.nodes)
    found = (measure * torch.exp(-((radius / 0.25) ** 2)) * values).sum(-1)
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(60))
    r = 0.3 * (nodes + 1)
    density = torch.exp(-((r / 0.25) ** 2)) * legendre(degree, r.cos()) * r.sin()
    eigenvalue = 2 * math.pi * 0.3 * float(weights @ density)
    expected = eigenvalue * harmonic[chosen]
    return float((found - expected).norm() / expected.norm())


def test_zonal_kernels_have_the_eigenvalues_of_funk_and_hecke() -> None:
    errors = [zonal_errors(6, level) for level in (3, 4, 6)]
    assert errors[2] < 1.2e-3  # 40962 sites
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.15)
    assert math.log2(errors[1] / errors[2]) / 2 == pytest.approx(2, abs=0.15)


def test_an_unknown_jacobian_is_refused() -> None:
    with pytest.raises(GeometryError, match="the Jacobian of exp is not known for Sphere"):
        Manifold.exp_jacobian(Sphere(), torch.zeros(3), torch.zeros(2))

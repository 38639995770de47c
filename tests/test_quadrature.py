"""Tangent rules against closed-form integrals, their symmetries and their order of nodes."""

from __future__ import annotations

import math

import pytest
import torch

from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.quadrature import TangentRule


def disc_moment(a: int, b: int, radius: float) -> float:
    """∫ x^a y^b over the disc: R^(a+b+2)/(a+b+2) · 2 Γ((a+1)/2) Γ((b+1)/2) / Γ((a+b)/2 + 1) for even a, b."""
    if a % 2 or b % 2:
        return 0.0
    angular = 2 * math.gamma((a + 1) / 2) * math.gamma((b + 1) / 2) / math.gamma((a + b) / 2 + 1)
    return radius ** (a + b + 2) / (a + b + 2) * angular


@pytest.mark.parametrize(("n_radial", "n_angular"), [(1, 2), (2, 5), (4, 8), (10, 20), (3, 16)])
def test_polar_is_exact_for_polynomials_up_to_its_degree(n_radial: int, n_angular: int) -> None:
    rule = TangentRule.polar(0.7, n_radial, n_angular)
    x, y = rule.nodes.unbind(-1)
    degree = min(2 * n_radial, n_angular) - 1
    for a in range(degree + 1):
        for b in range(degree + 1 - a):
            exact = disc_moment(a, b, 0.7)
            # A sum of Q terms of size ≤ π R² in float64.
            assert float(rule.integrate(x**a * y**b)) == pytest.approx(exact, abs=1e-14), (a, b)


def test_polar_is_not_exact_beyond_its_degree() -> None:
    radial = TangentRule.polar(1.0, 2, 64)
    assert abs(float(radial.integrate(radial.nodes[:, 0] ** 4)) - disc_moment(4, 0, 1.0)) > 1e-3
    angular = TangentRule.polar(1.0, 16, 4)
    assert abs(float(angular.integrate(angular.nodes[:, 0] ** 4)) - disc_moment(4, 0, 1.0)) > 1e-3


@pytest.mark.parametrize("n_angular", [1, 3, 4, 6, 8, 20])
def test_polar_weights_symmetry_and_order(n_angular: int) -> None:
    rule = TangentRule.polar(2.5, 3, n_angular)
    assert float(rule.weights.sum()) == pytest.approx(math.pi * 2.5**2, rel=1e-14)
    assert bool((rule.weights > 0).all())
    polar = rule.nodes.reshape(*rule.shape, 2)
    radii = torch.linalg.vector_norm(polar, dim=-1)
    assert float((radii - radii[:, :1]).abs().max()) < 1e-14
    assert bool((radii[1:, 0] > radii[:-1, 0]).all())
    assert float(radii.max()) < 2.5
    angle = torch.atan2(polar[..., 1], polar[..., 0]) % (2 * math.pi)
    expected = (torch.arange(n_angular, dtype=torch.float64) + 0.5) * 2 * math.pi / n_angular
    assert float((angle - expected).abs().max()) < 1e-14
    mirrored = polar.flip(1) * torch.tensor([1.0, -1.0], dtype=torch.float64)
    assert float((mirrored - polar).abs().max()) < 1e-14
    turned = polar @ rotation_matrix(2 * math.pi / n_angular).mT
    assert float((turned - polar.roll(-1, 1)).abs().max()) < 1e-14


@pytest.mark.parametrize("n_angular", [4, 8, 20])
def test_polar_keeps_off_the_axes(n_angular: int) -> None:
    rule = TangentRule.polar(1.0, 2, n_angular)
    assert float((rule.nodes.abs() / rule.nodes.norm(dim=-1, keepdim=True)).min()) > 0.5 * math.sin(
        math.pi / n_angular
    )


def test_angular_limit_is_where_products_stop_being_exact() -> None:
    for n_angular in (7, 8, 21):
        rule = TangentRule.polar(1.0, 1, n_angular)
        theta = torch.atan2(rule.nodes[:, 1], rule.nodes[:, 0])
        limit = rule.angular_limit
        assert limit is not None
        for order in range(1, limit + 1):
            assert float(rule.integrate(torch.sin(order * theta) ** 2)) == pytest.approx(math.pi / 2)
            assert abs(float(rule.integrate(torch.sin(order * theta)))) < 1e-13
        # Orders that add up to n_angular alias: cos(n θ_j) = -1 at every angle, so the integral misses π/2.
        other = n_angular - limit - 1
        exact = math.pi / 2 if other == limit + 1 else 0.0
        beyond = float(rule.integrate(torch.cos((limit + 1) * theta) * torch.cos(other * theta)))
        assert beyond - exact == pytest.approx(-math.pi / 2)
    assert TangentRule.grid((3, 3), 1.0).angular_limit is None
    assert TangentRule.grid((3, 3), 1.0).n_angular is None


def test_grid_order_is_that_of_an_image() -> None:
    rule = TangentRule.grid((2, 3), 0.5)
    assert rule.shape == (2, 3)
    image = rule.nodes.reshape(2, 3, 2)
    assert image[0, :, 0].tolist() == [-0.5, 0.0, 0.5]
    assert image[:, 0, 1].tolist() == [-0.25, 0.25]
    assert rule.nodes[1 * 3 + 2].tolist() == [0.5, 0.25]
    assert rule.weights.tolist() == [0.25] * 6
    assert rule.radius == pytest.approx(math.hypot(0.5, 0.25))


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4)])
def test_grid_is_the_midpoint_rule_of_its_box(shape: tuple[int, ...]) -> None:
    rule = TangentRule.grid(shape, 0.3)
    volume = math.prod(0.3 * size for size in shape)
    assert rule.dimension == len(shape)
    assert float(rule.weights.sum()) == pytest.approx(volume)
    # Linear functions are exact, and Σ x² over n midpoints is h² n (n² - 1) / 12.
    assert float(rule.integrate(rule.nodes.sum(-1)).abs()) < 1e-13
    n = shape[-1]
    second = volume * 0.3**2 * (n**2 - 1) / 12
    assert float(rule.integrate(rule.nodes[:, 0] ** 2)) == pytest.approx(second)


def test_gaussian_integral() -> None:
    sigma, radius = 0.2, 0.9
    rule = TangentRule.polar(radius, 14, 8)
    values = torch.exp(-rule.nodes.square().sum(-1) / (2 * sigma**2))
    exact = 2 * math.pi * sigma**2 * (1 - math.exp(-(radius**2) / (2 * sigma**2)))
    assert float(rule.integrate(values)) == pytest.approx(exact, rel=1e-10)


def test_points_scaled_and_batches() -> None:
    nodes = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    rule = TangentRule.points(nodes, torch.tensor([2.0, -1.0]))
    assert rule.nodes.dtype == rule.weights.dtype == torch.float64
    assert rule.radius == 3.0
    assert rule.integrate(torch.ones(4, 5, 2)).shape == (4, 5)
    double = rule.scaled(2.0)
    assert torch.equal(double.weights, 8 * rule.weights)
    assert double.radius == 6.0
    polar = TangentRule.polar(1.0, 3, 8)
    assert torch.allclose(polar.scaled(0.5).nodes, TangentRule.polar(0.5, 3, 8).nodes, rtol=0, atol=1e-15)
    assert torch.allclose(polar.scaled(0.5).weights, TangentRule.polar(0.5, 3, 8).weights, rtol=0, atol=1e-15)


def test_integrate_is_differentiable() -> None:
    rule = TangentRule.polar(1.0, 3, 8)
    values = torch.rand(len(rule), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(rule.integrate(values), values)
    assert torch.equal(gradient, rule.weights)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="radius must be positive"):
        TangentRule.polar(0.0, 3, 8)
    with pytest.raises(ValueError, match="radius must be positive"):
        TangentRule.polar(math.nan, 3, 8)
    with pytest.raises(ValueError, match="n_radial"):
        TangentRule.polar(1.0, 0, 8)
    with pytest.raises(ValueError, match="n_angular"):
        TangentRule.polar(1.0, 3, 8.5)
    with pytest.raises(ValueError, match=r"shape\[1\]"):
        TangentRule.grid((3, 0), 1.0)
    with pytest.raises(ValueError, match="at least one axis"):
        TangentRule.grid((), 1.0)
    with pytest.raises(ValueError, match="spacing"):
        TangentRule.grid((3, 3), -1.0)
    with pytest.raises(ValueError, match=r"\(Q, d\)"):
        TangentRule.points(torch.zeros(0, 2), torch.zeros(0))
    with pytest.raises(ValueError, match=r"last axes \(4\)"):
        TangentRule.points(torch.zeros(4, 2), torch.zeros(3))
    with pytest.raises(ValueError, match="last axis 24"):
        TangentRule.polar(1.0, 3, 8).integrate(torch.zeros(8))
    with pytest.raises(ValueError, match="factor"):
        TangentRule.polar(1.0, 3, 8).scaled(0)


@pytest.mark.parametrize("radius", [None, "wide", [1.0, 2.0], math.nan, -1.0])
def test_a_radius_that_is_no_length_is_refused(radius: object) -> None:
    with pytest.raises(ValueError, match="radius must be positive and finite; got"):
        TangentRule.polar(radius, 3, 8)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [3, None, "33", 2.5])
def test_a_shape_that_is_no_sequence_is_refused(shape: object) -> None:
    with pytest.raises(ValueError, match="shape must be a sequence of sizes"):
        TangentRule.grid(shape, 1.0)  # type: ignore[arg-type]

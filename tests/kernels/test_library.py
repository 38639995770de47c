"""The library of kernels: formulas by autograd, integrals in closed form, symmetries, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from manifoldconv.kernels import (
    Kernel,
    derivative_of_gaussian,
    difference_of_gaussians,
    gabor,
    gaussian,
    laplacian_of_gaussian,
    mexican_hat,
    mexican_hats,
    ring,
    second_derivative_of_gaussian,
)
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.quadrature import TangentRule

SIGMA = 0.37
ALL = [
    gaussian(SIGMA),
    laplacian_of_gaussian(SIGMA),
    difference_of_gaussians(SIGMA, 2 * SIGMA),
    ring(0.5, 0.1),
    derivative_of_gaussian(SIGMA, (1, 2)),
    second_derivative_of_gaussian(SIGMA, (1, 0), (3, 4)),
    gabor(SIGMA, 0.6, (1, 1), 0.3),
    mexican_hat(SIGMA),
    *(derivative_of_gaussian(SIGMA, (1, 2), order) for order in (0, 2, 3, 5, 8)),
]


def points(count: int, dimension: int) -> Tensor:
    return torch.randn(count, dimension, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def gradient(function: Kernel, nodes: Tensor) -> Tensor:
    nodes = nodes.clone().requires_grad_()
    (result,) = torch.autograd.grad(function(nodes).sum(), nodes)
    return result


def hessian(function: Kernel, nodes: Tensor) -> Tensor:
    return torch.stack([torch.autograd.functional.hessian(lambda v: function(v), node) for node in nodes])


def test_gaussian_formula() -> None:
    nodes = points(20, 3)
    assert torch.allclose(gaussian(SIGMA)(nodes).log(), -nodes.square().sum(-1) / (2 * SIGMA**2), rtol=1e-13)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_derivatives_are_those_of_the_gaussian(dimension: int) -> None:
    nodes = points(8, dimension)
    slopes, curvatures = gradient(gaussian(SIGMA), nodes), hessian(gaussian(SIGMA), nodes)
    a, b = points(2, dimension)
    unit_a, unit_b = a / a.norm(), b / b.norm()
    assert torch.allclose(derivative_of_gaussian(SIGMA, a)(nodes), slopes @ unit_a, rtol=0, atol=1e-13)
    mixed = torch.einsum("nij,i,j->n", curvatures, unit_a, unit_b)
    assert torch.allclose(second_derivative_of_gaussian(SIGMA, a, b)(nodes), mixed, rtol=0, atol=1e-12)
    laplacian = curvatures.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(laplacian_of_gaussian(SIGMA)(nodes), laplacian, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2])
def test_integrals_in_closed_form(dimension: int) -> None:
    # Midpoints of a grid integrate Gaussians to the rounding error once the spacing is below half a width.
    rule = TangentRule.grid((161,) * dimension, 0.05)
    sigma = 0.4

    def integral(kernel: Kernel) -> float:
        return float(kernel.weights(rule).sum())

    assert integral(gaussian(sigma)) == pytest.approx((2 * math.pi * sigma**2) ** (dimension / 2), rel=1e-12)
    assert abs(integral(laplacian_of_gaussian(sigma))) < 1e-12
    assert abs(integral(difference_of_gaussians(0.3, sigma))) < 1e-12
    along = (1.0, 0.0)[:dimension]
    assert abs(integral(derivative_of_gaussian(sigma, along))) < 1e-12
    assert abs(integral(second_derivative_of_gaussian(sigma, along, along))) < 1e-12
    wave = gabor(sigma, 1.1, along, 0.3)
    # The Fourier transform of a Gaussian, at the frequency 2π / wavelength.
    damping = math.exp(-((2 * math.pi / 1.1) ** 2) * sigma**2 / 2)
    exact = (2 * math.pi * sigma**2) ** (dimension / 2) * damping * math.cos(0.3)
    assert integral(wave) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_mexican_hat_is_a_scaled_laplacian(dimension: int) -> None:
    nodes = points(8, dimension)
    factor = -(SIGMA**2) / dimension / (2 * math.pi * SIGMA**2) ** (dimension / 2)
    exact = factor * laplacian_of_gaussian(SIGMA)(nodes)
    assert torch.allclose(mexican_hat(SIGMA)(nodes), exact, rtol=1e-12, atol=1e-14)
    rim = SIGMA * torch.ones(dimension, dtype=torch.float64)  # r = σ √d
    assert abs(float(mexican_hat(SIGMA)(rim))) < 1e-15


def test_mexican_hats_answer_waves_in_closed_form() -> None:
    rule = TangentRule.grid((161, 161), 0.05)
    frequency = 4.0
    wave = torch.cos(frequency * rule.nodes[:, 0])
    best = math.sqrt(2) / frequency
    bank = mexican_hats([0.8 * best, best, 1.25 * best])
    answers = [float((kernel.weights(rule) * wave).sum()) for kernel in bank]
    for kernel, answer, scale in zip(bank, answers, (0.8, 1.0, 1.25), strict=True):
        assert abs(float(kernel.weights(rule).sum())) < 1e-12
        exponent = (scale * best * frequency) ** 2 / 2
        assert answer == pytest.approx(exponent * math.exp(-exponent), rel=1e-11)
    assert answers[1] == pytest.approx(1 / math.e, rel=1e-11)
    assert max(answers) == answers[1]


@pytest.mark.parametrize("order", [2, 3, 4, 8])
def test_derivatives_of_any_order_are_derivatives_of_the_last(order: int) -> None:
    nodes = points(8, 2) * SIGMA
    unit = torch.tensor([0.6, 0.8], dtype=torch.float64)
    slope = gradient(derivative_of_gaussian(SIGMA, unit, order - 1), nodes) @ unit
    exact = derivative_of_gaussian(SIGMA, unit, order)(nodes)
    assert torch.allclose(exact, slope, rtol=0, atol=1e-12 * float(exact.abs().max()))
    rule = TangentRule.grid((161, 161), 0.05)
    polynomial = (rule.nodes @ unit) ** order  # its derivative of that order is order!
    answer = float((derivative_of_gaussian(0.4, unit, order).weights(rule) * polynomial).sum())
    assert answer == pytest.approx((-1) ** order * math.factorial(order) * 2 * math.pi * 0.4**2, rel=1e-9)


def test_the_lowest_orders_are_the_kernels_of_other_names() -> None:
    nodes = points(8, 2)
    assert torch.allclose(derivative_of_gaussian(SIGMA, (1, 2), 0)(nodes), gaussian(SIGMA)(nodes), rtol=1e-15)
    second = second_derivative_of_gaussian(SIGMA, (1, 2), (1, 2))(nodes)
    assert torch.allclose(derivative_of_gaussian(SIGMA, (1, 2), 2)(nodes), second, rtol=1e-12, atol=1e-13)


def test_ring_integral_and_peak() -> None:
    radius, width = 0.6, 0.05
    rule = TangentRule.polar(1.2, 60, 8)
    # ∫ exp(-(r - R)² / 2w²) 2πr dr = (2π)^(3/2) R w; both ends of the integral are 12 widths away.
    assert float(ring(radius, width).weights(rule).sum()) == pytest.approx(
        (2 * math.pi) ** 1.5 * radius * width
    )
    assert float(ring(radius, width)(torch.tensor([0.0, radius], dtype=torch.float64))) == 1.0


def test_signs_as_documented() -> None:
    origin = torch.zeros(2)
    east = torch.tensor([0.1, 0.0])
    assert float(laplacian_of_gaussian(SIGMA)(origin)) == pytest.approx(-2 / SIGMA**2)
    assert float(difference_of_gaussians(0.1, 0.2)(origin)) > 0
    assert float(derivative_of_gaussian(SIGMA)(east)) < 0
    assert float(second_derivative_of_gaussian(SIGMA)(origin)) == pytest.approx(-1 / SIGMA**2)


def test_correlation_with_a_derivative_in_flat_space() -> None:
    rule = TangentRule.grid((161, 161), 0.05)
    x, y = rule.nodes.unbind(-1)
    quadratic = 2 * x + 3 * y + 5 * x * y + 7 * x**2
    scale = 2 * math.pi * 0.4**2
    slope = (derivative_of_gaussian(0.4).weights(rule) * quadratic).sum() / scale
    mixed = (second_derivative_of_gaussian(0.4, (1, 0), (0, 1)).weights(rule) * quadratic).sum() / scale
    laplacian = (laplacian_of_gaussian(0.4).weights(rule) * quadratic).sum() / scale
    assert float(slope) == pytest.approx(-2)
    assert float(mixed) == pytest.approx(5)
    assert float(laplacian) == pytest.approx(14)


def test_difference_of_gaussians_tends_to_the_laplacian() -> None:
    nodes = points(30, 2) * SIGMA
    normalised = laplacian_of_gaussian(SIGMA)(nodes) / (2 * math.pi * SIGMA**2)
    errors = []
    for step in (0.02, 0.01, 0.005):
        inner, outer = (SIGMA * math.sqrt(1 + sign * step) for sign in (-1, 1))
        difference = difference_of_gaussians(inner, outer)(nodes) / ((inner**2 - outer**2) / 2)
        errors.append(float((difference - normalised).abs().max()))
    # ∂G/∂(σ²) = ΔG / 2; this is its difference quotient, symmetric in σ²: of order 2.
    slope = math.log(errors[0] / errors[2]) / math.log(4)
    assert slope == pytest.approx(2, abs=0.02)


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_band_limits_are_true(kernel: Kernel) -> None:
    angles = torch.arange(64, dtype=torch.float64) * 2 * math.pi / 64
    circle = 0.45 * rotation_matrix(angles)[..., 0]
    spectrum = torch.fft.rfft(kernel(circle)).abs()
    limit = kernel.band_limit
    if limit is None:
        assert float(spectrum[3:].max()) > 1e-3 * float(spectrum.max())
    else:
        assert float(spectrum[limit + 1 :].max()) < 1e-13 * float(spectrum.max())
        assert float(spectrum[limit]) > 1e-4 * float(spectrum.max())


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_extents_are_true(kernel: Kernel) -> None:
    angles = torch.linspace(0, 2 * math.pi, 33, dtype=torch.float64)
    radii = torch.linspace(0, 1, 400, dtype=torch.float64)
    directions = rotation_matrix(angles)[..., 0]
    assert kernel.extent is not None
    inside = kernel(kernel.extent * radii[:, None, None] * directions).abs().max()
    outside = kernel(kernel.extent * (1 + radii[:, None, None]) * directions).abs().max()
    assert float(outside) < 1e-6 * float(inside)


def test_gabor_parity() -> None:
    nodes = points(10, 2)
    even, odd = gabor(SIGMA, 0.5), gabor(SIGMA, 0.5, phase=-math.pi / 2)
    assert torch.allclose(even(-nodes), even(nodes), rtol=0, atol=1e-15)
    assert torch.allclose(odd(-nodes), -odd(nodes), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "make",
    [
        gaussian,
        laplacian_of_gaussian,
        lambda s: difference_of_gaussians(s, 2 * s),
        lambda s: ring(0.5, s),
        lambda s: ring(s, 0.3),
        lambda s: derivative_of_gaussian(s, torch.stack([s, s**2])),
        lambda s: second_derivative_of_gaussian(s, (1, 0), (1, 1)),
        lambda s: gabor(s, 2 * s, (1, 0), s),
        mexican_hat,
        lambda s: mexican_hats(torch.stack([s, 2 * s]))[1],
        lambda s: derivative_of_gaussian(s, (1, 2), 4),
    ],
)
def test_gradients_in_parameters_and_nodes(make) -> None:
    nodes = points(4, 2)
    sigma = torch.tensor(0.4, dtype=torch.float64)
    inputs = (sigma.requires_grad_(), nodes.requires_grad_())
    assert torch.autograd.gradcheck(lambda s, v: make(s)(v), inputs)


def test_names_say_the_parameters() -> None:
    assert gaussian(0.1).name == "gaussian(sigma=0.1)"
    assert repr(gaussian(0.1, normalise=True)) == "Kernel(gaussian(sigma=0.1), normalised)"
    assert derivative_of_gaussian(1, (0, 5)).name == "derivative_of_gaussian(sigma=1, direction=(0, 1))"


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="sigma must be positive; got 0"):
        gaussian(0.0)
    with pytest.raises(ValueError, match="sigma must be one number"):
        gaussian(torch.ones(2))
    with pytest.raises(ValueError, match="sigma must be finite"):
        gaussian(math.inf)
    with pytest.raises(ValueError, match="wavelength must be positive"):
        gabor(0.1, -1.0)
    with pytest.raises(ValueError, match="direction must not be zero"):
        derivative_of_gaussian(0.1, (0.0, 0.0))
    with pytest.raises(ValueError, match="order must be a whole number from 0 to 8; got 9"):
        derivative_of_gaussian(0.1, order=9)
    with pytest.raises(ValueError, match="order must be a whole number"):
        derivative_of_gaussian(0.1, order=1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one width at least"):
        mexican_hats([])
    with pytest.raises(ValueError, match="sigma must be positive; got -1"):
        mexican_hats([0.1, -1.0])
    with pytest.raises(ValueError, match="must have one dimension; got 2 and 3"):
        second_derivative_of_gaussian(0.1, (1, 0), (1, 0, 0))

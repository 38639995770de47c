"""On the flat torus the correlation is circular: diagonal in the Fourier basis, for every kernel."""

import math

import pytest
import torch

import manifoldconv as mc

TOLERANCE = 1e-12


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def circular_correlation(image, weights):
    """Σ_v weights[v] image[p + v], the centre of the weights at v = 0, by FFT."""
    kernel = torch.zeros_like(image)
    kernel[: weights.shape[0], : weights.shape[1]] = weights
    kernel = kernel.roll((-(weights.shape[0] // 2), -(weights.shape[1] // 2)), dims=(0, 1))
    return torch.fft.ifft2(torch.fft.fft2(kernel).conj() * torch.fft.fft2(image)).real


@pytest.mark.parametrize("size", [(3, 3), (5, 7), (1, 9)])
def test_grids_are_fft_correlation(size):
    """Any weights: the holonomy group is trivial."""
    shape, spacing = (12, 20), 0.25
    torus = mc.FlatTorus(shape[1] * spacing, shape[0] * spacing)
    rule = mc.TangentRule.grid(size, spacing)
    image, weights = random(*shape), random(*size, seed=1)
    kernel = mc.kernels.table(weights / rule.weights.reshape(size), rule)
    pull = mc.Pullback.build(torus, torus.sites(shape=shape), rule)
    out = mc.correlate(image.reshape(-1, 1), kernel, pull).reshape(shape)
    assert float((out - circular_correlation(image, weights)).abs().max()) < TOLERANCE
    out = mc.convolve(image.reshape(-1, 1), kernel, pull).reshape(shape)
    assert float((out - circular_correlation(image, weights.flip(0, 1))).abs().max()) < TOLERANCE


def test_polar_rules_are_diagonal_in_the_fourier_basis():
    """Waves are eigenfunctions of the interpolated correlation, in cells that are not square as well.

    The eigenvalue is Σ_q w_q k(v_q) times the bilinear interpolation of the wave at v_q, relative to a site.
    """
    shape, a, b = (14, 18), 3.1, 1.7
    torus = mc.FlatTorus(a, b)
    step = torch.tensor([a / shape[1], b / shape[0]], dtype=torch.float64)
    rule = mc.TangentRule.polar(0.6, 4, 24)
    kernel = mc.kernels.derivative_of_gaussian(0.2, (2.0, 1.0))
    operator = mc.Pullback.build(torus, torus.sites(shape=shape), rule).operator(kernel)
    row, column = torch.meshgrid(*(torch.arange(n).double() for n in shape), indexing="ij")
    for wave in [(0, 0), (1, 0), (0, 1), (2, -3), (7, 5), (9, 7)]:
        phase = 2 * math.pi * torch.tensor([wave[0] / shape[1], wave[1] / shape[0]], dtype=torch.float64)
        values = torch.polar(torch.ones_like(row), phase[0] * column + phase[1] * row).reshape(-1, 1)
        out = operator(values.real.contiguous()) + 1j * operator(values.imag.contiguous())
        position = rule.nodes / step
        cell = position.floor()
        t = position - cell
        # In each axis (1 - t) e^{iφc} + t e^{iφ(c + 1)}.
        factor = torch.polar(torch.ones_like(t), phase * cell) * (
            (1 - t) + t * torch.polar(torch.ones(2).double(), phase)
        )
        eigenvalue = (kernel.weights(rule) * factor.prod(dim=-1)).sum()
        assert float((out - eigenvalue * values).abs().max()) < TOLERANCE, wave


def test_shifts_commute_with_the_correlation():
    shape = (10, 15)
    torus = mc.FlatTorus(3.0, 2.0)
    pull = mc.Pullback.build(torus, torus.sites(shape=shape), mc.TangentRule.polar(0.5, 3, 20))
    field, kernel = random(*shape), mc.kernels.gabor(0.2, 0.5, (0.3, 1.0), 0.4)
    out = mc.correlate(field.reshape(-1, 1), kernel, pull).reshape(shape)
    for shift in [(1, 0), (0, 1), (4, 11)]:
        moved = mc.correlate(field.roll(shift, (0, 1)).reshape(-1, 1), kernel, pull).reshape(shape)
        assert float((moved - out.roll(shift, (0, 1))).abs().max()) < TOLERANCE


def test_the_derivative_of_a_gaussian_differentiates():
    """∫ ∂_u g(v) f(p + v) dv = -2πσ² exp(-|κ|²σ²/2) (u·∇f) for a wave of wave vector κ."""
    sigma, n = 0.3, 48
    torus = mc.FlatTorus(2 * math.pi, 2 * math.pi)
    sites = torus.sites(shape=(n, n))
    kernel = mc.kernels.derivative_of_gaussian(sigma, (3.0, 4.0))
    pull = mc.Pullback.build(torus, sites, mc.TangentRule.polar(5 * sigma, 8, 32))
    x, y = sites.points.T
    field, derivative = (2 * x + y).sin(), (0.6 * 2 + 0.8) * (2 * x + y).cos()
    expected = -2 * math.pi * sigma**2 * math.exp(-5 * sigma**2 / 2) * derivative
    out = mc.correlate(field[:, None], kernel, pull)[:, 0]
    # Bilinear interpolation damps the wave by about |κ|²h²/12 to |κ|²h²/8: 5 · (2π/48)² / 8 = 1.07 %.
    assert float((out - expected).abs().max()) < 0.011 * float(expected.abs().max())

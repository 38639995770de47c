"""Gaussian smoothing on the line: SciPy's filters at every border, the heat semigroup, waves as eigenfunctions."""

import math

import pytest
import torch
from scipy.ndimage import gaussian_filter, gaussian_filter1d

import manifoldconv as mc

LINE = mc.Euclidean(1)
# Sums of 25 products of numbers of order 1 in another order.
TOLERANCE = 1e-13
# Ours and SciPy's names for what lies beyond the window.
BORDERS = {"zero": "constant", "constant": "nearest", "mirror": "reflect", "periodic": "wrap"}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def largest(difference):
    return float(difference.abs().max())


def smooth(signal, sigma, reach, *, spacing=1.0, border="zero", boundary="zero"):
    """A Gaussian of integral 1, sampled at the 2 · reach + 1 sites round each site."""
    sites = LINE.sites((len(signal),), spacing, border)
    rule = mc.TangentRule.grid((2 * reach + 1,), spacing)
    pull = mc.Pullback.build(LINE, sites, rule, boundary=boundary)
    return mc.correlate(signal[:, None], mc.kernels.gaussian(sigma, normalise=True), pull)[:, 0]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("spacing", [1.0, 0.25])
def test_it_is_scipys_filter(border, spacing):
    """Also where the window is shorter than the kernel, so that mirrors and periods are met more than once."""
    for count in (40, 7):
        signal = random(count)
        found = smooth(signal, 3.0 * spacing, 12, spacing=spacing, border=border)
        expected = gaussian_filter1d(signal.numpy(), 3.0, mode=BORDERS[border], truncate=4.0)
        assert largest(found - torch.from_numpy(expected)) < TOLERANCE


def test_renormalising_is_scipys_filter_over_that_of_ones():
    """The mean over the samples that exist: a constant stays one up to the ends."""
    signal, ones = random(40), torch.ones(40, dtype=torch.float64)
    found = smooth(signal, 3.0, 12, boundary="renormalise")
    above, below = (
        torch.from_numpy(gaussian_filter1d(values.numpy(), 3.0, mode="constant", truncate=4.0))
        for values in (signal, ones)
    )
    assert largest(found - above / below) < TOLERANCE
    assert largest(smooth(ones, 3.0, 12, boundary="renormalise") - 1) < TOLERANCE
    assert float(smooth(ones, 3.0, 12)[0]) < 0.6  # with zeros beyond the end half of it is lost


def test_in_the_plane_too():
    image = random(9, 14)
    plane = mc.Euclidean(2)
    rule = mc.TangentRule.grid((13, 13), 1.0)
    for border, mode in BORDERS.items():
        pull = mc.Pullback.build(plane, plane.sites((9, 14), border=border), rule)
        kernel = mc.kernels.gaussian(1.5, normalise=True)
        found = mc.correlate(image.reshape(-1, 1), kernel, pull).reshape(9, 14)
        expected = gaussian_filter(image.numpy(), 1.5, mode=mode, truncate=4.0)
        assert largest(found - torch.from_numpy(expected)) < TOLERANCE


def test_waves_are_eigenfunctions_with_the_gaussians_transform():
    """cos(ω x) is multiplied by exp(-σ² ω² / 2); sampling and cutting at 6 σ err by less than 1e-8 here."""
    count, sigma = 64, 2.0
    x = torch.arange(count, dtype=torch.float64)
    for cycles in (1, 3, 7):
        omega = 2 * math.pi * cycles / count
        found = smooth(torch.cos(omega * x), sigma, 12, border="periodic")
        expected = math.exp(-(sigma**2) * omega**2 / 2) * torch.cos(omega * x)
        assert largest(found - expected) < 1e-8


def test_smoothing_twice_is_smoothing_by_the_root_of_the_sum_of_squares():
    """The heat semigroup, g_s * g_t = g_√(s² + t²), as far as sums over samples are integrals."""
    signal = random(64)
    twice = smooth(smooth(signal, 1.5, 12, border="periodic"), 2.0, 14, border="periodic")
    assert largest(twice - smooth(signal, 2.5, 18, border="periodic")) < 1e-7


def test_translations_commute_and_the_maximum_falls():
    signal = random(64)
    found = smooth(signal, 2.0, 8, border="periodic")
    assert largest(smooth(signal.roll(5), 2.0, 8, border="periodic") - found.roll(5)) < TOLERANCE
    assert float(found.abs().max()) < float(signal.abs().max())
    assert abs(float(found.sum() - signal.sum())) < 1e-12


def test_a_mirror_turns_vectors_across_it():
    """In the plane's mirror a vector field is seen with the component across the border reversed."""
    plane = mc.Euclidean(2)
    sites = plane.sites((3, 4), border="mirror")
    stencil = sites.stencil(
        torch.tensor([[-1.0, 0.0], [1.0, 3.0], [-2.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    )
    main = stencil.weight.argmax(dim=-1)
    where = torch.arange(4)
    assert stencil.index[where, main].tolist() == [0, 9, 1, 5]
    signs = torch.diagonal(stencil.transport[where, main], dim1=-2, dim2=-1)
    assert signs.tolist() == [[-1, 1], [1, -1], [-1, -1], [1, 1]]


def test_an_unknown_border_is_refused():
    with pytest.raises(
        mc.GeometryError, match="border must be one of zero, constant, mirror, periodic; got 'wrap'"
    ):
        LINE.sites((4,), border="wrap")

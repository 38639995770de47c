"""On the plane and the cylinder the correlation is that of images, `torch.nn.functional.conv2d`."""

import math

import pytest
import torch
from torch.nn.functional import conv2d, pad

import manifoldconv as mc

# Sums of at most 35 products of numbers of order 1 in another order, and rounding of the nodes' places.
TOLERANCE = 1e-12


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def largest(difference):
    return float(difference.abs().max())


def table(weights, spacing):
    """The kernel whose correlation sums the values with the given weights, and its rule."""
    rule = mc.TangentRule.grid(weights.shape, spacing)
    return mc.kernels.table(weights / rule.weights.reshape(rule.shape), rule), rule


def as_image(out, shape):
    return out[..., 0].reshape(*out.shape[:-2], 1, *shape)


@pytest.mark.parametrize("size", [(3, 3), (5, 7), (7, 1), (1, 5), (1, 1)])
@pytest.mark.parametrize("spacing", [1.0, 0.1])
def test_odd_kernels_are_conv2d_with_zero_padding(size, spacing):
    plane, shape = mc.Euclidean(2), (9, 14)
    image, weights = random(2, 1, *shape), random(*size, seed=1)
    kernel, rule = table(weights, spacing)
    pull = mc.Pullback.build(plane, plane.sites(shape=shape, spacing=spacing), rule)
    out = mc.correlate(image.reshape(2, -1, 1), kernel, pull)
    expected = conv2d(image, weights[None, None], padding=(size[0] // 2, size[1] // 2))
    assert largest(as_image(out, shape) - expected) < TOLERANCE
    flipped = conv2d(image, weights.flip(0, 1)[None, None], padding=(size[0] // 2, size[1] // 2))
    out = mc.convolve(image.reshape(2, -1, 1), kernel, pull)
    assert largest(as_image(out, shape) - flipped) < TOLERANCE


@pytest.mark.parametrize("size", [(2, 2), (4, 2), (4, 3), (1, 6)])
def test_even_kernels_read_the_image_between_the_pixels(size):
    """Half way between pixels the field is the mean of its neighbours: a convolution with (1/2, 1/2)."""
    plane, shape = mc.Euclidean(2), (9, 14)
    image, weights = random(1, 1, *shape), random(*size, seed=1)
    kernel, rule = table(weights, 1.0)
    out = mc.correlate(
        image.reshape(1, -1, 1), kernel, mc.Pullback.build(plane, plane.sites(shape=shape), rule)
    )
    mean = torch.ones(1, 1, *(2 - n % 2 for n in size), dtype=torch.float64)
    mean /= mean.sum()
    between = conv2d(image, mean, padding=tuple(n // 2 for n in size))
    expected = conv2d(between, weights[None, None])
    # An even kernel needs n/2 further pixels on one side and n/2 on the other, of which the mean took one.
    assert as_image(out, shape).shape == expected.shape
    assert largest(as_image(out, shape) - expected) < TOLERANCE


@pytest.mark.parametrize("size", [(2, 2), (4, 3)])
def test_even_kernels_moved_by_half_a_pixel_are_conv2d(size):
    """Nodes on pixels, as CNN libraries have them: the larger half at negative offsets."""
    plane, shape = mc.Euclidean(2), (8, 11)
    image, weights = random(1, 1, *shape), random(*size, seed=1)
    grid = mc.TangentRule.grid(size, 1.0)
    shift = torch.tensor([0.5 * ((n + 1) % 2) for n in reversed(size)], dtype=torch.float64)
    rule = mc.TangentRule.points(grid.nodes - shift, grid.weights)
    kernel = mc.kernels.table(weights.reshape(-1), rule)
    out = mc.correlate(
        image.reshape(1, -1, 1), kernel, mc.Pullback.build(plane, plane.sites(shape=shape), rule)
    )
    (top, left), (bottom, right) = (n // 2 for n in size), ((n - 1) // 2 for n in size)
    expected = conv2d(pad(image, (left, right, top, bottom)), weights[None, None])
    assert largest(as_image(out, shape) - expected) < TOLERANCE


def test_wider_spacing_is_dilation():
    plane, shape = mc.Euclidean(2), (12, 13)
    image, weights = random(1, 1, *shape), random(3, 5, seed=1)
    kernel, rule = table(weights, 0.75)
    pull = mc.Pullback.build(plane, plane.sites(shape=shape, spacing=0.25), rule)
    expected = conv2d(image, weights[None, None], dilation=3, padding=(3, 6))
    assert (
        largest(as_image(mc.correlate(image.reshape(1, -1, 1), kernel, pull), shape) - expected) < TOLERANCE
    )


def test_gradients_are_those_of_conv2d():
    plane, shape = mc.Euclidean(2), (9, 14)
    image, weights = random(1, 1, *shape).requires_grad_(), random(3, 5, seed=1).requires_grad_()
    cotangent = random(1, 1, *shape, seed=2)
    kernel, rule = table(weights, 0.5)
    pull = mc.Pullback.build(plane, plane.sites(shape=shape, spacing=0.5), rule)
    out = as_image(mc.correlate(image.reshape(1, -1, 1), kernel, pull), shape)
    expected = conv2d(image, weights[None, None], padding=(1, 2))
    found = torch.autograd.grad((out * cotangent).sum(), (image, weights))
    wanted = torch.autograd.grad((expected * cotangent).sum(), (image, weights))
    for gradient, other in zip(found, wanted, strict=True):
        assert largest(gradient - other) < TOLERANCE * float(other.abs().max())


@pytest.mark.parametrize("n", [1, 3])
def test_other_dimensions(n):
    space, shape = mc.Euclidean(n), (7, 5, 6)[:n]
    field, weights = random(1, 1, *shape), random(*(3, 5, 3)[:n], seed=1)
    kernel, rule = table(weights, 1.0)
    out = mc.correlate(
        field.reshape(1, -1, 1), kernel, mc.Pullback.build(space, space.sites(shape=shape), rule)
    )
    convolution = {1: torch.nn.functional.conv1d, 3: torch.nn.functional.conv3d}[n]
    expected = convolution(field, weights[None, None], padding=tuple(k // 2 for k in weights.shape))
    assert largest(as_image(out, shape) - expected) < TOLERANCE


def test_renormalising_divides_by_the_part_of_the_kernel_inside():
    """The mean over the pixels that exist, for a kernel of ones."""
    plane, shape = mc.Euclidean(2), (6, 8)
    image, weights = random(1, 1, *shape), torch.ones(3, 5, dtype=torch.float64)
    kernel, rule = table(weights, 1.0)
    pull = mc.Pullback.build(plane, plane.sites(shape=shape), rule, boundary="renormalise")
    count = conv2d(torch.ones_like(image), weights[None, None], padding=(1, 2))
    expected = conv2d(image, weights[None, None], padding=(1, 2)) * 15 / count
    assert (
        largest(as_image(mc.correlate(image.reshape(1, -1, 1), kernel, pull), shape) - expected) < TOLERANCE
    )


@pytest.mark.parametrize("boundary", ["zero", "renormalise", "reflect"])
def test_a_cylinder_is_circular_in_one_axis(boundary):
    shape, spacing = (6, 10), 0.3
    cylinder = mc.Cylinder(shape[1] * spacing, shape[0] * spacing)
    weights = random(5, 3, seed=1)
    if boundary == "reflect":
        weights = weights + weights.flip(0)  # or else the mirror at the boundary forbids it
    image = random(1, 1, *shape)
    kernel, rule = table(weights, spacing)
    pull = mc.Pullback.build(cylinder, cylinder.sites(shape=shape), rule, boundary=boundary)
    out = as_image(mc.correlate(image.reshape(1, -1, 1), kernel, pull), shape)
    padded = pad(image, (1, 1, 0, 0), mode="circular")
    if boundary == "reflect":  # the outermost row is repeated: the mirror lies half a cell beyond it
        padded = torch.cat([padded[..., :2, :].flip(-2), padded, padded[..., -2:, :].flip(-2)], dim=-2)
    else:
        padded = pad(padded, (0, 0, 2, 2))
    expected = conv2d(padded, weights[None, None])
    if boundary == "renormalise":
        rows = conv2d(
            pad(torch.ones(1, 1, 6, 12, dtype=torch.float64), (0, 0, 2, 2)), weights.abs()[None, None]
        )
        expected = expected * weights.abs().sum() / rows
    assert largest(out - expected) < TOLERANCE


def test_an_odd_kernel_is_refused_where_the_boundary_mirrors():
    cylinder = mc.Cylinder(3.0, 2.0)
    sites = cylinder.sites(shape=(8, 12))
    kernel, rule = table(random(3, 3), 0.25)
    pull = mc.Pullback.build(cylinder, sites, rule, boundary="reflect")
    assert pull.group.name == "reflection"
    with pytest.raises(mc.HolonomyError, match="reflection"):
        mc.correlate(random(96, 1), kernel, pull)
    mc.correlate(random(96, 1), kernel, mc.Pullback.build(cylinder, sites, rule, boundary="zero"))


def test_plane_waves_are_eigenfunctions_of_an_infinite_plane():
    """Away from the border: the eigenvalue is the Fourier transform of the Gaussian, up to the quadrature.

    Waves are piecewise linear between pixels h apart, which errs by (κh)²/8 at most.
    """
    sigma, wave_number, h = 0.4, torch.tensor([1.1, -0.7], dtype=torch.float64), 0.1
    plane = mc.Euclidean(2)
    sites = plane.sites(shape=(41, 41), spacing=h)
    pull = mc.Pullback.build(plane, sites, mc.TangentRule.polar(5 * sigma, 12, 52))
    phase = sites.points @ wave_number
    kernel = mc.kernels.gaussian(sigma)
    centre = 20 * 41 + 20
    out = mc.correlate(phase.cos()[:, None], kernel, pull)[centre, 0]
    square = float(wave_number @ wave_number)
    eigenvalue = 2 * math.pi * sigma**2 * math.exp(-square * sigma**2 / 2)
    error = abs(float(out) - eigenvalue * float(phase[centre].cos()))
    assert error < square * h**2 / 8 * 2 * math.pi * sigma**2

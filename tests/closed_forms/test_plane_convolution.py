"""Cross-correlation and convolution on the plane: where they differ, and what each of them obeys."""

import pytest
import torch
from scipy.signal import convolve2d, correlate2d

import manifoldconv as mc

PLANE, SHAPE = mc.Euclidean(2), (9, 11)
TOLERANCE = 1e-12


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def largest(difference):
    return float(difference.abs().max())


def setting(weights, border="zero"):
    rule = mc.TangentRule.grid(tuple(weights.shape), 1.0)
    return mc.kernels.table(weights, rule), mc.Pullback.build(PLANE, PLANE.sites(SHAPE, border=border), rule)


def run(function, image, weights, border="zero"):
    kernel, pull = setting(weights, border)
    return function(image.reshape(-1, 1), kernel, pull).reshape(SHAPE)


def test_they_are_scipys():
    """(k ⋆ f)(p) = Σ k(v) f(p + v), and (k * f)(p) = Σ k(v) f(p - v)."""
    image, weights = random(*SHAPE), random(3, 5, seed=1)
    found = run(mc.correlate, image, weights)
    assert largest(found - torch.from_numpy(correlate2d(image, weights, mode="same"))) < TOLERANCE
    found = run(mc.convolve, image, weights)
    assert largest(found - torch.from_numpy(convolve2d(image, weights, mode="same"))) < TOLERANCE


def test_the_answer_to_one_bright_pixel():
    """Convolution draws the kernel there; correlation draws it turned by 180°."""
    image, weights = torch.zeros(SHAPE, dtype=torch.float64), random(3, 5, seed=1)
    image[4, 6] = 1.0
    assert largest(run(mc.convolve, image, weights)[3:6, 4:9] - weights) < TOLERANCE
    assert largest(run(mc.correlate, image, weights)[3:6, 4:9] - weights.flip(0, 1)) < TOLERANCE


def test_convolution_commutes_and_associates_where_correlation_does_not():
    """f * k = k * f with an image as a kernel; (f * a) * b = f * (a * b). For ⋆ the second kernel comes out flipped."""
    image, first, second = random(*SHAPE), random(3, 3, seed=1), random(3, 3, seed=2)

    def twice(function, a, b):
        return run(function, run(function, image, a, "periodic"), b, "periodic")

    together = torch.from_numpy(convolve2d(first, second))  # 5 x 5: the convolution of the two kernels
    for function in (mc.convolve, mc.correlate):
        assert largest(twice(function, first, second) - twice(function, second, first)) < TOLERANCE
        assert (
            largest(twice(function, first, second) - run(function, image, together, "periodic")) < TOLERANCE
        )
    # As an operation on kernels ⋆ is neither: a ⋆ b is b ⋆ a flipped.
    one, other = (torch.from_numpy(correlate2d(a, b)) for a, b in ((first, second), (second, first)))
    assert largest(one - other.flip(0, 1)) < TOLERANCE
    assert largest(one - other) > 0.1


@pytest.mark.parametrize("spacing", [1.0, 0.5])
def test_each_is_the_others_adjoint(spacing):
    """⟨k ⋆ f, g⟩ = ⟨f, k * g⟩, also with zeros beyond the window: which is why training a CNN holds both."""
    rule = mc.TangentRule.grid((3, 5), spacing)
    kernel = mc.kernels.table(random(3, 5, seed=1), rule)
    pull = mc.Pullback.build(PLANE, PLANE.sites(SHAPE, spacing), rule)
    f, g = random(99, 1, seed=2), random(99, 1, seed=3)
    left = (mc.correlate(f, kernel, pull) * g).sum()
    right = (f * mc.convolve(g, kernel, pull)).sum()
    assert abs(float(left - right)) < TOLERANCE


def test_they_agree_for_even_kernels_and_differ_by_a_sign_for_odd_ones():
    image = random(*SHAPE)
    weights = random(3, 5, seed=1)
    even, odd = weights + weights.flip(0, 1), weights - weights.flip(0, 1)
    assert largest(run(mc.correlate, image, even) - run(mc.convolve, image, even)) < TOLERANCE
    assert largest(run(mc.correlate, image, odd) + run(mc.convolve, image, odd)) < TOLERANCE
    assert largest(run(mc.correlate, image, weights) - run(mc.convolve, image, weights)) > 0.1

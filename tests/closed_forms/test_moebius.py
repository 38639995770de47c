"""On the Möbius strip and the Klein bottle: the correlation on the orientable double cover, folded."""

import pytest
import torch
from torch.nn.functional import conv2d, pad

import manifoldconv as mc

TOLERANCE = 1e-12
SHAPE, SPACING = (6, 10), 0.3
LENGTH, HEIGHT = SHAPE[1] * SPACING, SHAPE[0] * SPACING
SURFACES = {"Möbius strip": mc.MoebiusStrip(LENGTH, HEIGHT), "Klein bottle": mc.KleinBottle(LENGTH, HEIGHT)}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def on_double_cover(image, weights, glued):
    """Twice round is a cylinder or a torus: the second turn sees the image with its rows in reverse.

    (x + L, y) ~ (x, -y): the lifted field is f(x, y) for x < L and f(x - L, -y) for x ≥ L.
    """
    lifted = torch.cat([image, image.flip(-2)], dim=-1)[None, None]
    rows, columns = (n // 2 for n in weights.shape)
    padded = pad(lifted, (columns, columns, 0, 0), mode="circular")
    padded = pad(padded, (0, 0, rows, rows), **({"mode": "circular"} if glued else {}))
    return conv2d(padded, weights[None, None])[0, 0]


def table(weights):
    rule = mc.TangentRule.grid(weights.shape, SPACING)
    return mc.kernels.table(weights / rule.weights.reshape(rule.shape), rule), rule


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("size", [(3, 3), (5, 3), (1, 5), (3, 1)])
def test_even_kernels_are_the_correlation_on_the_double_cover(name, size):
    surface, image, weights = SURFACES[name], random(*SHAPE), random(*size, seed=1)
    weights = weights + weights.flip(0)  # even across the band; anything along it
    kernel, rule = table(weights)
    pull = mc.Pullback.build(surface, surface.sites(shape=SHAPE), rule)
    out = mc.correlate(image.reshape(-1, 1), kernel, pull).reshape(SHAPE)
    covered = on_double_cover(image, weights, surface.glued)
    assert float((out - covered[:, : SHAPE[1]]).abs().max()) < TOLERANCE
    # The fold: over the second turn the same values stand upside down.
    assert float((out.flip(0) - covered[:, SHAPE[1] :]).abs().max()) < TOLERANCE


@pytest.mark.parametrize("name", SURFACES)
def test_odd_kernels_have_no_answer_that_folds(name):
    """On the double cover they give a field of the sign representation, not a scalar."""
    surface, image, weights = SURFACES[name], random(*SHAPE), random(3, 3, seed=1)
    weights = weights - weights.flip(0)
    kernel, rule = table(weights)
    pull = mc.Pullback.build(surface, surface.sites(shape=SHAPE), rule)
    with pytest.raises(mc.HolonomyError, match=r"reflection.*diag\(1, -1\).*changes by 2 "):
        mc.correlate(image.reshape(-1, 1), kernel, pull)
    covered = on_double_cover(image, weights, surface.glued)
    assert float((covered[:, : SHAPE[1]].flip(0) + covered[:, SHAPE[1] :]).abs().max()) < TOLERANCE
    # Going on all the same gives that field up to a sign at each site, which the frame there decides.
    forced = mc.correlate(image.reshape(-1, 1), kernel, pull, gauge_dependent=True).reshape(SHAPE)
    assert float((forced.abs() - covered[:, : SHAPE[1]].abs()).abs().max()) < TOLERANCE
    sign = (forced * covered[:, : SHAPE[1]]).sign()
    assert bool((sign > 0).any())
    assert bool((sign < 0).any())


@pytest.mark.parametrize("name", SURFACES)
def test_kernels_neither_even_nor_odd_are_refused_too(name):
    surface = SURFACES[name]
    kernel, rule = table(random(3, 3, seed=1))
    pull = mc.Pullback.build(surface, surface.sites(shape=SHAPE), rule)
    with pytest.raises(mc.HolonomyError):
        mc.correlate(random(60, 1), kernel, pull)


@pytest.mark.parametrize("name", SURFACES)
def test_functions_along_and_across_the_band(name):
    """A derivative along the band is admitted, one across it refused, its square admitted again."""
    surface = SURFACES[name]
    pull = mc.Pullback.build(surface, surface.sites(shape=SHAPE), mc.TangentRule.polar(0.4, 3, 16))
    field = random(60, 1)
    mc.correlate(field, mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.0)), pull)
    mc.correlate(field, mc.kernels.second_derivative_of_gaussian(0.2, (0.0, 1.0), (0.0, 1.0)), pull)
    for direction in [(0.0, 1.0), (1.0, 1e-3)]:
        with pytest.raises(mc.HolonomyError):
            mc.correlate(field, mc.kernels.derivative_of_gaussian(0.2, direction), pull)


@pytest.mark.parametrize("boundary", ["zero", "renormalise", "reflect"])
def test_polar_rules_on_the_strip_equal_those_on_the_doubled_cylinder(boundary):
    """With interpolation, and with every boundary policy."""
    strip, cover = SURFACES["Möbius strip"], mc.Cylinder(2 * LENGTH, HEIGHT)
    rule = mc.TangentRule.polar(0.7, 4, 16)
    kernel = mc.kernels.gabor(0.25, 0.5, (1.0, 0.0), 0.7)
    image = random(*SHAPE)
    lifted = torch.cat([image, image.flip(0)], dim=1).reshape(-1, 1)
    folded = mc.correlate(
        image.reshape(-1, 1),
        kernel,
        mc.Pullback.build(strip, strip.sites(shape=SHAPE), rule, boundary=boundary),
    )
    sites = cover.sites(shape=(SHAPE[0], 2 * SHAPE[1]))
    covered = mc.correlate(lifted, kernel, mc.Pullback.build(cover, sites, rule, boundary=boundary))
    covered = covered.reshape(SHAPE[0], 2 * SHAPE[1])[:, : SHAPE[1]]
    assert float((folded.reshape(SHAPE) - covered).abs().max()) < TOLERANCE

"""Lifting and group correlation with C(4) are `conv2d` with the four rotated kernels."""

import pytest
import torch
from torch.nn.functional import conv2d, pad

import manifoldconv as mc
from manifoldconv.homogeneous import SE2, plane_sites, plane_under_se2
from manifoldconv.lifting import group_pullback, group_rule, lift_pullback, project

SPACE = plane_under_se2()
# Sums of at most 100 products of numbers of order 1 in another order, and nodes that rounding puts beside pixels.
TOLERANCE = 1e-12
SHAPE = (7, 9)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def turned(kernel, quarters):
    """w'(u) = w(R⁻¹ u) for kernels `(..., k, k)` whose rows run along y and columns along x, R a quarter turn."""
    for _ in range(quarters % 4):
        kernel = kernel.flip(-2).mT  # the value at (x, y) is that at (y, -x)
    return kernel


def padded_conv2d(image, kernel, border):
    reach = kernel.shape[-1] // 2
    mode = "circular" if border == "periodic" else "constant"
    return conv2d(pad(image, (reach,) * 4, mode=mode), kernel)


def as_planes(field, channels):
    """`(N n, C)` as `(C, n, n_y, n_x)`."""
    return field.reshape(*SHAPE, 4, channels).permute(3, 2, 0, 1)


def conv2d_group(planes, weights, border):
    """Σ_l conv2d of the planes at orientation j + l with the kernels of relative orientation l, turned by j.

    planes `(C_in, 4, n_y, n_x)`, weights `(C_out, C_in, k, k, 4)`.
    """
    rows = []
    for j in range(4):
        total = 0
        for l in range(4):  # noqa: E741 - the letter of the formula
            kernel = turned(weights[..., l], j)
            total = total + padded_conv2d(planes[None, :, (j + l) % 4], kernel, border)[0]
        rows.append(total)
    return torch.stack(rows, dim=1)


def test_turning_a_kernel_of_the_test_is_turning_its_function():
    """The value at (1, 0) goes to (0, 1): from the middle of the last column to the middle of the last row."""
    kernel = torch.zeros(3, 3)
    kernel[1, 2] = 1
    assert turned(kernel, 1)[2, 1] == 1
    assert torch.equal(turned(kernel, 4), kernel)


@pytest.mark.parametrize("border", ["zero", "periodic"])
@pytest.mark.parametrize("spacing", [1.0, 0.1])
def test_lifting_is_conv2d_with_the_four_rotated_kernels(border, spacing):
    sites = plane_sites(SHAPE, spacing, border)
    elements = SE2().sites((*SHAPE, 4), spacing, border)
    rule = mc.TangentRule.grid((5, 5), spacing)
    weights, image = random(5, 5, seed=1), random(1, 1, *SHAPE)
    kernel = mc.kernels.table(weights / rule.weights.reshape(rule.shape), rule)
    pull = lift_pullback(SPACE, sites, elements, rule)
    assert pull.group.name == "trivial"
    assert pull.index.shape[-1] == 1  # every node lies on a pixel
    out = as_planes(mc.correlate(image.reshape(-1, 1), kernel, pull), 1)[0]
    for j in range(4):
        expected = padded_conv2d(image, turned(weights, j)[None, None], border)[0, 0]
        assert float((out[j] - expected).abs().max()) < TOLERANCE


@pytest.mark.parametrize("border", ["zero", "periodic"])
def test_lifting_and_group_correlation_of_many_channels(border):
    """With a free value for each node, as a layer has it: two input, three hidden and two output channels."""
    sites, elements = plane_sites(SHAPE, border=border), SE2().sites((*SHAPE, 4), border=border)
    rule = mc.TangentRule.grid((3, 3), 1.0)
    nodes = group_rule(SPACE, rule, 4)
    lift, group = lift_pullback(SPACE, sites, elements, rule), group_pullback(SE2(), elements, nodes)
    first, second = random(3, 2, 3, 3, seed=1), random(2, 3, 3, 3, 4, seed=2)
    image = random(2, *SHAPE)
    lifted = plain(lift)(image.reshape(2, -1).mT.contiguous(), first.flatten(2))
    out = plain(group)(lifted, second.flatten(2))

    planes = torch.stack([padded_conv2d(image[None], turned(first, j), border)[0] for j in range(4)], dim=1)
    assert float((as_planes(lifted, 3) - planes).abs().max()) < TOLERANCE
    expected = conv2d_group(planes, second, border)
    assert float((as_planes(out, 2) - expected).abs().max()) < TOLERANCE * float(expected.abs().max())
    for how, pooled in (("max", expected.amax(1)), ("mean", expected.mean(1))):
        found = project(out, elements, how).mT.reshape(2, *SHAPE)
        assert float((found - pooled).abs().max()) < TOLERANCE * float(expected.abs().max())


def plain(pull):
    """The operator that sums over the nodes without their measure, as CNN libraries do."""
    return pull.collapse(torch.diag(1 / pull.rule.weights), dtype=torch.float64)


def test_a_kernel_on_the_group_by_correlate():
    """The same through `correlate`, with a table of values of the shape of the rule."""
    elements = SE2().sites((*SHAPE, 4))
    rule = group_rule(SPACE, mc.TangentRule.grid((3, 3), 1.0), 4)
    assert rule.shape == (3, 3, 4)
    weights, field = random(3, 3, 4, seed=1), random(len(elements), 1)
    kernel = mc.kernels.table(weights / rule.weights.reshape(rule.shape), rule)
    pull = group_pullback(SE2(), elements, rule)
    found = as_planes(mc.correlate(field, kernel, pull), 1)
    expected = conv2d_group(as_planes(field, 1), weights[None, None], "zero")
    assert float((found - expected).abs().max()) < TOLERANCE
    slow = as_planes(mc.correlate(field, kernel, pull, method="reference"), 1)
    assert float((slow - expected).abs().max()) < TOLERANCE


def test_the_wrong_turn_would_be_seen():
    """Kernels turned the other way give other numbers: the comparison can fail."""
    weights, image = random(1, 1, 3, 3, seed=1), random(1, 1, *SHAPE)
    right, wrong = (padded_conv2d(image, turned(weights, j), "zero") for j in (1, 3))
    assert float((right - wrong).abs().max()) > 0.1

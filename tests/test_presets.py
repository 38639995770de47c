"""Presets and their kernels: exact on polynomials, and rules fine enough for mesh and kernel."""

from __future__ import annotations

import math
import re

import pytest
import torch

import manifoldconv as mc
from manifoldconv.presets import (
    KERNELS,
    PRESETS,
    Settings,
    choose_rule,
    find,
    gradient_kernels,
    hessian_kernels,
)

RULE = mc.TangentRule.polar(0.4, 7, 28)
X, Y = RULE.nodes.T


def integrals(kernel: mc.kernels.Kernel, *functions: torch.Tensor) -> list[float]:
    weights = kernel.weights(RULE)
    return [float((weights * f).sum()) for f in functions]


@pytest.mark.parametrize("sigma", [0.05, 0.4 / 3, 1.0])
def test_gradient_kernels_differentiate_quadratic_functions_at_the_origin(sigma: float) -> None:
    along_x, along_y = gradient_kernels(sigma, RULE)
    functions = (torch.ones_like(X), X, Y, X * X, X * Y, Y * Y)
    # Moments of the disc by a rule that is exact for them: rounding only, of sums of size 1 / σ.
    assert integrals(along_x, *functions) == pytest.approx([0, 1, 0, 0, 0, 0], abs=1e-11)
    assert integrals(along_y, *functions) == pytest.approx([0, 0, 1, 0, 0, 0], abs=1e-11)


@pytest.mark.parametrize("sigma", [0.05, 0.4 / 3, 1.0])
def test_hessian_kernels_differentiate_cubic_functions_at_the_origin(sigma: float) -> None:
    xx, xy, yy = hessian_kernels(sigma, RULE)
    functions = (torch.ones_like(X), X, Y, X * X / 2, X * Y, Y * Y / 2, X**3, X * Y * Y)
    # As above, with sums of size 1 / σ².
    assert integrals(xx, *functions) == pytest.approx([0, 0, 0, 1, 0, 0, 0, 0], abs=1e-9)
    assert integrals(xy, *functions) == pytest.approx([0, 0, 0, 0, 1, 0, 0, 0], abs=1e-9)
    assert integrals(yy, *functions) == pytest.approx([0, 0, 0, 0, 0, 1, 0, 0], abs=1e-9)


def test_far_from_the_rim_they_are_the_derivatives_of_a_gaussian() -> None:
    sigma = 0.4 / 7
    wide = mc.TangentRule.polar(0.4, 30, 28)
    scale = 2 * math.pi * sigma**2
    derivative = mc.kernels.derivative_of_gaussian(sigma)(wide.nodes) / scale
    second = mc.kernels.second_derivative_of_gaussian(sigma)(wide.nodes) / scale
    # exp(-7² / 2) = 2e-11 of the Gaussian is cut off, times powers of the 7 widths.
    assert torch.allclose(
        gradient_kernels(sigma, wide)[0](wide.nodes), -derivative, atol=1e-6 * float(derivative.abs().max())
    )
    assert torch.allclose(
        hessian_kernels(sigma, wide)[0](wide.nodes), second, atol=1e-6 * float(second.abs().max())
    )


def test_the_rule_sees_every_edge_and_every_detail() -> None:
    for preset in (*PRESETS.values(), *KERNELS.values()):
        for radius in (0.1, 0.4, 1.7):
            settings = Settings(radius)
            rule = choose_rule(0.1, preset, settings)
            n_radial, n_angular = rule.shape
            radii = rule.nodes.reshape(n_radial, n_angular, 2)[:, 0].norm(dim=-1)
            assert n_radial >= 6
            assert n_angular >= max(16, 2 * preset.angular_order(settings) + 2)
            assert n_angular % 4 == 0
            assert float(radii.diff().max()) <= 0.1 * (1 + 1e-9)
            assert float(radii.diff().max()) <= preset.detail(settings) * (1 + 1e-9)
            assert 2 * math.pi * radius / n_angular <= 0.1 * (1 + 1e-9)


def test_given_counts_are_taken() -> None:
    assert choose_rule(0.1, PRESETS["smooth"], Settings(0.4), 3).shape == (3, 28)
    assert choose_rule(0.1, PRESETS["smooth"], Settings(0.4), 3, 9).shape == (3, 9)
    with pytest.raises(ValueError, match="n_radial"):
        choose_rule(0.1, PRESETS["smooth"], Settings(0.4), 0)


def test_rules_of_unreasonable_size_must_be_asked_for() -> None:
    with pytest.raises(ValueError, match=r"is 1e\+04 mean edges"):
        choose_rule(1e-4, PRESETS["smooth"], Settings(1.0))
    assert len(choose_rule(1e-4, PRESETS["smooth"], Settings(1.0), 10, 20)) == 200


def test_isotropic_kernels_are_admissible_everywhere_and_the_others_are_not() -> None:
    everything = mc.StructureGroup.orthogonal(2)
    for preset in KERNELS.values():
        (kernel,) = preset.kernels(Settings(0.4), RULE)
        if preset.frame_blind:
            mc.kernels.require_admissible(kernel, everything, RULE)
        else:
            with pytest.raises(mc.HolonomyError):
                mc.kernels.require_admissible(kernel, everything, RULE)


def test_kernels_by_name_are_those_of_the_library() -> None:
    (gaussian,) = find("gaussian").kernels(Settings(0.4, sigma=0.1), RULE)
    assert torch.equal(gaussian(RULE.nodes), mc.kernels.gaussian(0.1)(RULE.nodes))
    assert float(gaussian.weights(RULE).sum()) != pytest.approx(1)
    (normalised,) = find("gaussian").kernels(Settings(0.4, sigma=0.1, normalise=True), RULE)
    assert float(normalised.weights(RULE).sum()) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: find("smoth"), "no kernel 'smoth'; presets are smooth, sharpen, edges, ridges, kernels are"),
        (lambda: Settings(0.0), "the radius must be a positive length; got 0"),
        (lambda: Settings(1.0, sigma=math.nan), "the sigma must be a positive length; got nan"),
        (lambda: Settings(1.0, amount=math.inf), "the amount must be a finite number"),
        (lambda: find("smooth").kernels(Settings(0.4, normalise=True), RULE), "has its own normalisation"),
        (lambda: find("derivative").kernels(Settings(0.4, normalise=True), RULE), "cannot be normalised"),
        (
            lambda: find("ridges").kernels(Settings(0.4), mc.TangentRule.polar(0.4, 6, 4)),
            "ridges needs at least 5 angles; the rule has 4",
        ),
        (lambda: find("edges").check_boundary("renormalise"), "integral 0.*choose reflect or zero"),
        (lambda: gradient_kernels(1e-4, RULE), "vanishes on all nodes"),
    ],
)
def test_mistakes(make, message: str) -> None:
    with pytest.raises(ValueError, match=re.compile(message)):
        make()

"""Kernel: sampling, weights, flips, transformations, carrying and arithmetic."""

from __future__ import annotations

import math

import pytest
import torch

from manifoldconv.errors import HolonomyError
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import (
    Kernel,
    derivative_of_gaussian,
    gabor,
    gaussian,
    laplacian_of_gaussian,
    require_admissible,
    ring,
)
from manifoldconv.orthogonal import reflection_matrix, rotation_matrix
from manifoldconv.quadrature import TangentRule
from manifoldconv.representations import Representation

RULE = TangentRule.polar(1.0, 8, 16)
ODD = Kernel.from_function(lambda v: v[..., 0] + 3 * v[..., 1] ** 3, name="odd", band_limit=3, dimension=2)


def test_sampling_keeps_batches_and_gives_float64() -> None:
    nodes = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(0))
    values = gaussian(0.5)(nodes)
    assert values.shape == (4, 5)
    assert values.dtype == torch.float64
    assert torch.equal(gaussian(0.5).sample(nodes), values)


def test_weights_are_density_times_measure() -> None:
    kernel = gaussian(0.2)
    assert torch.equal(kernel.weights(RULE), kernel(RULE.nodes) * RULE.weights)
    whole = float(kernel.weights(RULE).sum())
    # The disc of 5σ leaves out exp(-12.5) = 4e-6 of the integral.
    assert whole == pytest.approx(2 * math.pi * 0.2**2, rel=5e-6)


@pytest.mark.parametrize("kernel", [gaussian(0.3, normalise=True), ring(0.4, 0.1, normalise=True)], ids=repr)
def test_normalised_weights_keep_constants(kernel: Kernel) -> None:
    assert float(kernel.weights(RULE).sum()) == pytest.approx(1.0, abs=1e-15)
    plain = kernel(RULE.nodes) * RULE.weights
    ratio = kernel.weights(RULE) / plain
    assert float(ratio.max() - ratio.min()) < 1e-12 * float(ratio.max())
    assert float(kernel.weights(RULE.scaled(0.7)).sum()) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("kernel", [derivative_of_gaussian(0.2), laplacian_of_gaussian(0.12)], ids=repr)
def test_kernels_of_integral_zero_are_not_normalised(kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="cannot be normalised: its integral over TangentRule"):
        kernel.normalised().weights(TangentRule.polar(1.0, 30, 16))


def test_transformation_is_an_action() -> None:
    generator = torch.Generator().manual_seed(1)
    for group in (StructureGroup.orthogonal(2), StructureGroup.cyclic(5)):
        g, h = group.sample(2, generator)
        once = ODD.transformed(h).transformed(g)(RULE.nodes)
        assert torch.allclose(once, ODD.transformed(g @ h)(RULE.nodes), rtol=0, atol=1e-14)
        assert torch.allclose(ODD.transformed(g)(RULE.nodes @ g.mT), ODD(RULE.nodes), rtol=0, atol=1e-14)


def test_flip_is_the_transformation_by_minus_one() -> None:
    assert torch.equal(ODD.flipped()(RULE.nodes), -ODD(RULE.nodes))
    minus = -torch.eye(2, dtype=torch.float64)
    assert torch.equal(ODD.flipped()(RULE.nodes), ODD.transformed(minus)(RULE.nodes))
    assert torch.equal(ODD.flipped().flipped()(RULE.nodes), ODD(RULE.nodes))


def test_derivatives_turn_with_their_direction() -> None:
    turn = rotation_matrix(0.8)
    turned = derivative_of_gaussian(0.3, turn[:, 0]).sample(RULE.nodes)
    assert torch.allclose(
        derivative_of_gaussian(0.3).transformed(turn)(RULE.nodes), turned, rtol=0, atol=1e-14
    )


class Turning:
    """Stands for a manifold: transport along a path is the matrix that the path is."""

    @staticmethod
    def transport(path: torch.Tensor) -> torch.Tensor:
        return path


def test_carried_is_the_transformation_by_the_transport() -> None:
    matrix = reflection_matrix(0.4)
    carried = ODD.carried(Turning(), matrix)
    assert torch.equal(carried(RULE.nodes), ODD.transformed(matrix)(RULE.nodes))
    assert carried.name == "carried(odd)"


def test_arithmetic_is_pointwise() -> None:
    first, second = gaussian(0.3), derivative_of_gaussian(0.2)
    nodes = RULE.nodes
    assert torch.equal((first + second)(nodes), first(nodes) + second(nodes))
    assert torch.equal((first - second)(nodes), first(nodes) - second(nodes))
    assert torch.equal((2 * first)(nodes), 2 * first(nodes))
    assert torch.equal((first * 0.5)(nodes), first(nodes) / 2)
    assert torch.equal((-first)(nodes), -first(nodes))
    total = first + second
    assert total.band_limit == 1
    assert total.dimension == 2
    assert total.extent == pytest.approx(1.8)
    assert (first + gabor(0.2, 0.3)).band_limit is None
    assert (first - (first - second)).name.endswith(f"- ({first.name} - {second.name})")


def test_normalised_kernels_have_no_sums() -> None:
    once = gaussian(0.3, normalise=True)
    for attempt in (
        lambda: once + gaussian(0.1),
        lambda: gaussian(0.1) - once,
        lambda: 2 * once,
        lambda: -once,
    ):
        with pytest.raises(ValueError, match=r"take \.normalised\(\) of the result"):
            attempt()
    mixture = (gaussian(0.3) + gaussian(0.1)).normalised()
    assert float(mixture.weights(RULE).sum()) == pytest.approx(1.0, abs=1e-15)


def test_scalar_factors_may_be_learned() -> None:
    factor = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (gaussian(0.3) * factor)(RULE.nodes).sum().backward()
    assert factor.grad is not None
    assert float(factor.grad) == pytest.approx(float(gaussian(0.3)(RULE.nodes).sum()))


VECTORS = Representation("1 + 0", StructureGroup.special_orthogonal(2))


def test_a_scalar_kernel_acts_on_every_channel() -> None:
    typed = gaussian(0.3).acting_on(VECTORS)
    identity = torch.eye(3, dtype=torch.float64)
    assert torch.equal(typed(RULE.nodes), gaussian(0.3)(RULE.nodes)[:, None, None] * identity)
    assert (typed.rep_in, typed.rep_out, typed.band_limit) == (VECTORS, VECTORS, 0)
    require_admissible(typed, VECTORS.group, RULE)
    with pytest.raises(HolonomyError):
        require_admissible(ODD.acting_on(VECTORS), VECTORS.group, RULE)
    total = gaussian(0.3, normalise=True).acting_on(VECTORS, RULE).weights(RULE).sum(0)
    assert torch.allclose(total, identity, rtol=0, atol=1e-15)


def test_a_learned_width_acts_with_its_gradient() -> None:
    sigma = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    typed = gaussian(sigma, normalise=True).acting_on(VECTORS, RULE)
    for _ in range(2):  # the integral is taken anew: each backward pass has a graph of its own
        (typed(RULE.nodes)[0, 0, 0]).backward()
    assert sigma.grad is not None
    assert float(sigma.grad) != 0


def test_what_can_not_act_is_refused() -> None:
    with pytest.raises(ValueError, match=r"maps 1x1 \+ 1x0 to 1x1 \+ 1x0 already"):
        gaussian(0.3).acting_on(VECTORS).acting_on(VECTORS)
    with pytest.raises(ValueError, match=r"has dimension 2; .* is a type of dimension 3"):
        ODD.acting_on(Representation("1", StructureGroup.special_orthogonal(3)))
    with pytest.raises(ValueError, match="give the rule over which its integral is taken"):
        gaussian(0.3, normalise=True).acting_on(VECTORS)
    with pytest.raises(ValueError, match="cannot be normalised"):
        ODD.normalised().acting_on(VECTORS, RULE)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="function of tangent vectors; got float"):
        Kernel.from_function(3.0)
    with pytest.raises(ValueError, match=r"last axes \(2\)"):
        ODD(torch.zeros(4, 3))
    with pytest.raises(ValueError, match="finite"):
        ODD(torch.tensor([math.nan, 0.0]))
    with pytest.raises(ValueError, match=r"shape \(128,\); it returned \(128, 2\)"):
        Kernel.from_function(lambda v: v)(RULE.nodes)
    with pytest.raises(ValueError, match="it returned float"):
        Kernel.from_function(lambda v: 1.0)(RULE.nodes)
    with pytest.raises(ValueError, match="has dimension 2, the rule 3"):
        ODD.weights(TangentRule.grid((3, 3, 3), 1.0))
    with pytest.raises(ValueError, match="MᵀM misses 1"):
        ODD.transformed(2 * torch.eye(2))
    with pytest.raises(ValueError, match="no sum: odd has dimension 2, derivative"):
        ODD + derivative_of_gaussian(0.2, (1, 0, 0))
    with pytest.raises(TypeError):
        ODD + 1.0
    with pytest.raises(TypeError):
        ODD * torch.ones(3)

"""Kernels given by a table of values on the nodes of a rule."""

from __future__ import annotations

import math

import pytest
import torch

from manifoldconv.kernels import OffTableError, table
from manifoldconv.orthogonal import reflection_matrix, rotation_matrix
from manifoldconv.quadrature import TangentRule

IMAGE = torch.arange(15, dtype=torch.float64).reshape(3, 5) ** 2


def test_values_on_the_nodes() -> None:
    rule = TangentRule.grid((3, 5), 0.2)
    kernel = table(IMAGE, rule)
    assert torch.equal(kernel(rule.nodes), IMAGE.reshape(-1))
    assert torch.equal(kernel(rule.nodes.reshape(3, 5, 2).flip(0)), IMAGE.flip(0))
    assert torch.equal(kernel.weights(rule), IMAGE.reshape(-1) * 0.2**2)
    assert torch.equal(table(IMAGE.reshape(-1), rule)(rule.nodes), IMAGE.reshape(-1))


def test_weights_are_the_numbers_of_a_convolution_layer() -> None:
    rule = TangentRule.grid((3, 5), 0.2)
    kernel = table(IMAGE / rule.weights.reshape(rule.shape), rule)
    assert torch.allclose(kernel.weights(rule), IMAGE.reshape(-1), rtol=1e-15)
    averaging = table(torch.ones(3, 5), rule, normalise=True)
    assert torch.allclose(averaging.weights(rule), torch.full((15,), 1 / 15, dtype=torch.float64), rtol=1e-14)


@pytest.mark.parametrize("shape", [(3, 5), (4, 6), (1, 1)])
def test_flips_of_images(shape: tuple[int, int]) -> None:
    rule = TangentRule.grid(shape, 0.3)
    image = torch.rand(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    kernel = table(image, rule)

    def seen(moved) -> torch.Tensor:
        return moved(rule.nodes).reshape(shape)

    assert torch.equal(seen(kernel.flipped()), image.flip(0, 1))
    assert torch.equal(seen(kernel.transformed(torch.diag(torch.tensor([1.0, -1.0])))), image.flip(0))
    assert torch.equal(seen(kernel.transformed(torch.diag(torch.tensor([-1.0, 1.0])))), image.flip(1))
    assert torch.equal(seen(kernel.flipped().flipped()), image)


def test_quarter_turns_of_square_images() -> None:
    rule = TangentRule.grid((4, 4), 0.3)
    image = torch.arange(16.0, dtype=torch.float64).reshape(4, 4)
    turned = table(image, rule).transformed(rotation_matrix(math.pi / 2))(rule.nodes).reshape(4, 4)
    # Rows run towards +y, so a counterclockwise turn takes the first axis (columns) to the second (rows).
    assert torch.equal(turned, torch.rot90(image, 1, (1, 0)))


def test_polar_tables_turn_by_whole_steps() -> None:
    rule = TangentRule.polar(1.0, 3, 12)
    values = torch.rand(3, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    kernel = table(values, rule)
    turned = kernel.transformed(rotation_matrix(2 * math.pi * 5 / 12))(rule.nodes).reshape(3, 12)
    assert torch.equal(turned, values.roll(5, 1))
    mirrored = kernel.transformed(reflection_matrix(0.0))(rule.nodes).reshape(3, 12)
    assert torch.equal(mirrored, values.flip(1))


def test_off_the_nodes_is_an_error_with_its_place() -> None:
    rule = TangentRule.grid((3, 5), 0.2)
    kernel = table(IMAGE, rule, name="edge detector")
    with pytest.raises(
        OffTableError, match=r"edge detector .* no value at \(0.05, 0\), which lies 0.05 from"
    ):
        kernel(torch.tensor([[0.0, 0.0], [0.05, 0.0]]))
    with pytest.raises(OffTableError):
        kernel.transformed(rotation_matrix(math.pi / 2))(rule.nodes)
    with pytest.raises(OffTableError):
        kernel.weights(TangentRule.grid((3, 5), 0.1999))
    with pytest.raises(OffTableError):
        kernel.flipped()(torch.tensor([[0.3, 0.0]]))


def test_rounding_off_the_nodes_is_forgiven() -> None:
    rule = TangentRule.grid((3, 5), 0.2)
    assert torch.equal(table(IMAGE, rule)(rule.nodes + 1e-13), IMAGE.reshape(-1))


def test_values_may_be_learned() -> None:
    rule = TangentRule.grid((3, 3), 0.5)
    values = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
    table(values, rule).flipped().weights(rule).square().sum().backward()
    assert values.grad is not None
    assert torch.allclose(values.grad, 2 * values.detach() * 0.25**2, rtol=1e-14)


@pytest.mark.parametrize("shape", [(5, 3), (14,), (15, 1), ()])
def test_wrong_numbers_of_values_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(15,\) or \(3, 5\)"):
        table(torch.zeros(shape), TangentRule.grid((3, 5), 0.2))

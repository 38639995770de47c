"""Layers on groups: the lifting and group convolutions of a planar CNN, as torch's conv2d computes them."""

import pytest
import torch
from nn_cases import random

import manifoldconv as mc
from manifoldconv import nn
from manifoldconv.homogeneous import SE2, plane_sites, plane_under_se2
from manifoldconv.lifting import group_pullback, group_rule, lift_pullback

SPACE = plane_under_se2()
SHAPE = (8, 8)
RULE = mc.TangentRule.grid((3, 3), 1.0)


@pytest.fixture(scope="module")
def stage():
    sites, elements = plane_sites(SHAPE), SE2().sites((*SHAPE, 4))
    rule = group_rule(SPACE, RULE, 4)
    return elements, rule, lift_pullback(SPACE, sites, elements, RULE), group_pullback(SE2(), elements, rule)


def test_lifting_is_conv2d_with_a_kernel_turned_four_times(stage):
    elements, _, pull, _ = stage
    lift = nn.LiftConv(2, 3, RULE).double()
    lift.bias.data.copy_(random(3))
    field = random(64, 2)
    out = lift(field, pull).reshape(*SHAPE, 4, 3)
    image = field.T.reshape(1, 2, *SHAPE)
    kernel = lift.weight.detach().reshape(3, 2, 3, 3)
    for quarter in range(4):
        there = torch.nn.functional.conv2d(image, kernel, lift.bias, padding=1)[0]
        assert torch.allclose(out[:, :, quarter].permute(2, 0, 1), there, atol=1e-12)
        kernel = kernel.flip(-2).mT
    assert len(elements) == 256


def test_a_planar_network_commutes_with_quarter_turns(stage):
    elements, rule, pull, on_group = stage
    torch.manual_seed(0)
    lift, conv, back = (
        nn.LiftConv(1, 4, RULE).double(),
        nn.GroupConv(4, 2, rule).double(),
        nn.Projection(elements),
    )

    def net(field):
        return back(conv(torch.relu(lift(field, pull)), on_group))

    field = random(64, 1)
    turned = field.reshape(8, 8).rot90().reshape(64, 1)
    there, here = net(turned), net(field).reshape(8, 8, 2).rot90().reshape(64, 2)
    assert torch.allclose(there, here, atol=1e-12)
    assert not torch.allclose(there, net(field), atol=1e-3)


def test_the_mean_square_is_kept_at_the_start(stage):
    _, rule, pull, on_group = stage
    torch.manual_seed(0)
    field = random(5, 64, 8, dtype=torch.float32)
    lifted = nn.LiftConv(8, 16, RULE, bias=False)(field, pull)
    inner = lifted.reshape(5, 8, 8, 4, 16)[:, 1:-1, 1:-1]  # beside the border there are fewer pixels
    assert float(inner.detach().square().mean()) == pytest.approx(1, rel=0.3)
    noise = random(2, 256, 8, dtype=torch.float32)
    again = nn.GroupConv(8, 16, rule, bias=False)(noise, on_group).reshape(2, 8, 8, 4, 16)[:, 1:-1, 1:-1]
    assert float(again.detach().square().mean()) == pytest.approx(1, rel=0.3)


def test_a_basis_of_kernels_combines_them(stage):
    _, _, pull, _ = stage
    basis = torch.stack([torch.ones(9), RULE.nodes[:, 0].float()], dim=1).double()
    lift = nn.LiftConv(1, 1, RULE, basis=basis, bias=False).double()
    free = nn.LiftConv(1, 1, RULE, bias=False).double()
    free.weight.data.copy_(lift.weight.detach() @ basis.T)
    field = random(64, 1)
    assert torch.allclose(lift(field, pull), free(field, pull), atol=1e-12)
    assert repr(lift).count("2 kernels") == 1


def test_what_does_not_fit_is_refused(stage):
    elements, rule, pull, on_group = stage
    lift = nn.LiftConv(1, 2, RULE)
    with pytest.raises(ValueError, match=r"LiftConv was made for .*; the pullback has"):
        nn.LiftConv(1, 2, mc.TangentRule.grid((5, 5), 1.0))(torch.ones(64, 1), pull)
    with pytest.raises(ValueError, match="field at 64 sites, and a pullback of 256 sites"):
        nn.GroupConv(1, 2, rule)(torch.ones(64, 1), on_group)
    with pytest.raises(
        ValueError, match=r"field has torch.float64, the weights of LiftConv have torch.float32"
    ):
        lift(torch.ones(64, 1, dtype=torch.float64), pull)
    with pytest.raises(ValueError, match=r"basis has shape \(9, B\)"):
        nn.LiftConv(1, 2, RULE, basis=torch.ones(4, 2))
    with pytest.raises(ValueError, match="channels_out must be a whole number"):
        nn.LiftConv(1, 0, RULE)
    with pytest.raises(ValueError, match="functions on 256 elements"):
        nn.Projection(elements)(torch.ones(64, 2))
    with pytest.raises(ValueError, match='"max" or "mean"; got \'min\''):
        nn.Projection(elements, "min")

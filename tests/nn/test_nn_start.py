"""What layers do with the size of fields at the start: in one layer against the formula, and over depth on a mesh."""

import pytest
import torch
from nn_cases import bumpy, random

import manifoldconv as mc
from manifoldconv import nn
from manifoldconv.nn.moments import activation_scale, wave_response

O2, SO2 = mc.StructureGroup.orthogonal(2), mc.StructureGroup.special_orthogonal(2)
TYPES = ["16x0", "16x1", "8x0 + 8x1", "6x0 + 4xsign + 6x1 + 4x2"]


@pytest.fixture(scope="module")
def mesh():
    surface = bumpy(3)
    return surface, nn.mesh_pullback(surface)


def squares(field, rep):
    return [float(field[..., part.slice].square().mean()) for part in rep.blocks]


@pytest.mark.parametrize("wave", [0, 2, 4])
@pytest.mark.parametrize("pair", [("4x0", "4x0"), ("4x0", "4x1"), ("4x1", "4x0 + 4x1"), ("4x1 + 4x2", "4x2")])
def test_a_plane_wave_gains_what_the_formula_says(pair, wave):
    """Mean square out over 200 draws of the weights, on a flat torus, against the sum of squared responses."""
    torus = mc.FlatTorus(1.0, 1.0)
    sites = torus.sites(shape=(28, 28))
    pull = mc.Pullback.build(torus, sites, mc.TangentRule.polar(0.15, 6, 16), frames="local")
    rep_in = mc.Representation(pair[0], SO2)
    conv = nn.TangentConv(rep_in, pair[1], group=SO2, self_interaction=False, bias=False).double()
    phase = 2 * torch.pi * wave * sites.points[:, 0]
    amplitudes = random(2, 200, rep_in.size)
    outs = []
    torch.manual_seed(0)
    for cosine, sine in zip(*amplitudes, strict=True):
        conv.reset_parameters()
        field = phase.cos()[:, None] * cosine + phase.sin()[:, None] * sine  # mean square 1 in the mean
        outs.append(squares(conv(field, pull).detach(), conv.rep_out))
    means = torch.tensor(outs).mean(0)
    space = conv.space(1.0)
    number = 2 * torch.pi * wave * 0.15
    grid = torch.linspace(0.0, 3 * torch.pi * 3, 160, dtype=torch.float64)
    for out, measured in zip(space.rep_out.blocks, means, strict=True):
        gain = torch.zeros(160, dtype=torch.float64)
        for part in space.parts:
            if part.out == out.slice:
                response, _ = wave_response("gaussian_rings", 3, part.order, 2)
                gain += len(part.solutions) * part.copies[1] / out.irrep.size * response.square().sum(0)
        expected = float((gain / gain.max())[(grid - number).abs().argmin()])
        # 200 draws, each a mean of 4 or 8 channels: 10 % and less; the grid of k and linear sites add as much.
        assert measured == pytest.approx(expected, rel=0.3, abs=0.02), (out.irrep.name, expected)


@pytest.mark.parametrize("group", [O2, SO2], ids=["O(2)", "SO(2)"])
@pytest.mark.parametrize("types", TYPES)
def test_smooth_fields_are_kept_and_nothing_explodes_over_depth(mesh, types, group):
    """Twelve layers on a bumpy sphere, means over two draws: smooth fields keep a hundredth, and none gains."""
    _, pull = mesh
    rep = mc.Representation(types, group)
    torch.manual_seed(0)
    smooth, noise = [], []
    for draw in range(2):
        field = random(len(pull), rep.size, seed=draw, dtype=torch.float32)
        for _ in range(2):
            field = nn.TangentConv(rep, rep, self_interaction=False, bias=False)(field, pull).detach()
            field = field / field.square().mean().sqrt()
        rough = random(len(pull), rep.size, seed=draw, dtype=torch.float32)
        for _ in range(12):
            conv = nn.TangentConv(rep, rep)
            field, rough = conv(field, pull).detach(), conv(rough, pull).detach()
        smooth.append(float(field.square().mean()))
        noise.append(float(rough.square().mean()))
    assert 0.01 < sum(smooth) / 2 < 3, smooth
    assert 0.5**12 < sum(noise) / 2 < 3, noise


@pytest.mark.parametrize("types", TYPES)
def test_calibrated_layers_keep_the_mean_square_over_depth(mesh, types):
    """Exactly, for the fields that they were calibrated with; for others like these to a factor of five in the end."""
    _, pull = mesh
    torch.manual_seed(0)
    steps = []
    for _ in range(10):
        steps += [nn.TangentConv(types, types), nn.NormGate(types)]
    net = nn.Sequential(*steps)
    field = random(len(pull), net.rep_in.size, dtype=torch.float32)
    nn.calibrate(net, field, pull)
    other = random(len(pull), net.rep_in.size, seed=1, dtype=torch.float32)
    with torch.no_grad():
        for step in net:
            before = field.square().mean()
            field, other = step(field, pull), step(other, pull)
            if isinstance(step, nn.TangentConv):
                for square in squares(field, net.rep_out):
                    assert square == pytest.approx(float(before), rel=1e-3)
                assert 0.2 < float(other.square().mean() / field.square().mean()) < 5


@pytest.mark.parametrize("blocks", [2, 10])
def test_a_residual_network_of_any_depth_starts_with_answers_of_order_one(mesh, blocks):
    surface, pull = mesh
    torch.manual_seed(0)
    net = nn.TangentResNet("3x0", "8x0", blocks=blocks)
    out = net(random(len(pull), 3, dtype=torch.float32), pull)
    assert 0.2 < float(out.detach().square().mean()) < 5
    assert surface.n_vertices == len(pull)


def test_linear_maps_keep_the_mean_square():
    torch.manual_seed(0)
    rep = mc.Representation("32x0 + 32x1", SO2)
    outs = [
        squares(nn.Linear(rep, rep, bias=False)(random(200, 96, seed=i).float()).detach(), rep)
        for i in range(20)
    ]
    for square in torch.tensor(outs).mean(0):
        assert square == pytest.approx(1.0, rel=0.1)


def test_the_scale_of_an_activation_is_that_of_normal_numbers():
    z = random(200000)
    for activation in (torch.nn.functional.silu, torch.relu, torch.tanh):
        assert float((activation(z) * activation_scale(activation)).square().mean()) == pytest.approx(
            1, rel=0.02
        )
    with pytest.raises(ValueError, match="zero on normal inputs"):
        activation_scale(torch.zeros_like)

"""What layers do with the size of fields at the start: in one layer against the formula, and over depth on a mesh."""

import pytest
import torch
from nn_cases import bumpy, random

import manifoldconv as mc
from manifoldconv import homogeneous, nn
from manifoldconv.features import features_of
from manifoldconv.lifting import group_pullback, group_rule, lift_pullback
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
    """Mean square out over 50 draws of weights and 4 fields each, on a flat torus, against the squared responses."""
    torus = mc.FlatTorus(1.0, 1.0)
    sites = torus.sites(shape=(20, 20))
    pull = mc.Pullback.build(torus, sites, mc.TangentRule.polar(0.15, 6, 16), frames="local")
    rep_in = mc.Representation(pair[0], SO2)
    conv = nn.TangentConv(rep_in, pair[1], group=SO2, self_interaction=False, bias=False).double()
    phase = 2 * torch.pi * wave * sites.points[:, 0]
    amplitudes = random(2, 50, 4, 1, rep_in.size)
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
        # 50 draws, each a mean of 4 or 8 channels: 10 % and less; the grid of k and linear sites add as much.
        assert measured == pytest.approx(expected, rel=0.3, abs=0.02), (out.irrep.name, expected)


def inputs(pull, rep, seed):
    """Noise, noise made smooth by two averaging layers, and a constant, side by side; each of mean square 1."""
    noise = random(len(pull), rep.size, seed=seed, dtype=torch.float32)
    smooth, options = noise, {"rings": 1, "band_limit": 2, "self_interaction": False, "bias": False}
    for _ in range(2):
        smooth = nn.TangentConv(rep, rep, **options)(smooth, pull).detach()
        smooth = smooth / smooth.square().mean().sqrt()
    return torch.stack([noise, smooth, torch.ones_like(noise)])


def gains(conv, pull, draws):
    """The mean square of the output for each of the inputs, in the mean over draws of the weights."""
    fields, total = inputs(pull, conv.rep_in, 0), torch.zeros(3)
    for _ in range(draws):
        conv.reset_parameters()
        total += conv(fields, pull).detach().square().mean(dim=(1, 2)) / draws
    return total


def band(layer, conv, pull, depth=12, draws=4):
    """The least and largest mean square after each of `depth` layers, in the mean over draws of their weights."""
    squares = torch.zeros(depth, 2)
    for seed in range(draws):
        field = inputs(pull, layer.rep_in, seed)[:2]
        for number in range(depth):
            conv.reset_parameters()
            field = layer(field, pull).detach()
            squares[number] += field.square().mean(dim=(1, 2)) / draws
    return float(squares.min()), float(squares.max())


# In the mean over all weights a layer multiplies by 0.949 to 1.054, whatever the field, and twelve by 0.53 to 1.88.
LEAST, MOST = 0.5, 2.0


@pytest.mark.parametrize("group", [O2, SO2], ids=["O(2)", "SO(2)"])
@pytest.mark.parametrize("types", TYPES)
def test_a_layer_keeps_the_mean_square_of_any_field(pulls, types, group):
    """Noise, smooth fields and constants alike, on meshes of every kind, without having seen any of them."""
    torch.manual_seed(0)
    conv = nn.TangentConv(mc.Representation(types, group), types, rings=2)
    for name, pull in pulls.items():
        if group.contains_group(pull.group):
            # The mean square of one constant, a vector of 16 numbers, scatters by 0.16: by 0.025 in the mean of 40.
            for gain in gains(conv, pull, 40).tolist():
                assert 0.949 - 0.08 < gain < 1.054 + 0.08, (name, gain)


@pytest.mark.parametrize("types", TYPES)
def test_twelve_layers_keep_the_mean_square_of_any_field(pulls, types):
    torch.manual_seed(0)
    conv = nn.TangentConv(types, types, rings=2)
    least, most = band(conv, conv, pulls["Möbius band"])
    assert LEAST < least <= most < MOST


@pytest.mark.parametrize("activation", ["NormGate", "ReLU", "Gate", "FourierActivation"])
def test_so_do_twelve_layers_with_activations(pulls, activation):
    """Convolution, norm, activation, with all that the package has."""
    torch.manual_seed(0)
    rep = mc.Representation("8x0 + 8x1", O2)
    step = {
        "NormGate": lambda: nn.NormGate(rep),
        "ReLU": lambda: nn.NormGate(rep, activation=torch.relu),
        "Gate": lambda: nn.Gate(rep),
        "FourierActivation": lambda: nn.FourierActivation(rep),
    }[activation]()
    layer = nn.Sequential(
        nn.TangentConv(rep, step.rep_in, rings=2, band_limit=2), nn.FieldNorm(step.rep_in), step
    )
    least, most = band(layer, layer[0], pulls["with boundary"])
    assert LEAST < least <= most < MOST


def test_so_do_pointwise_layers_of_regular_fields():
    """Of a finite group, on a flat torus, whose frames it holds."""
    torch.manual_seed(0)
    torus, rep = mc.FlatTorus(1.0, 1.0), mc.Representation("4xregular", mc.StructureGroup.dihedral(4))
    pull = mc.Pullback.build(torus, torus.sites(shape=(12, 12)), mc.TangentRule.polar(0.25, 3, 12))
    conv = nn.TangentConv(rep, rep, band_limit=2, rings=2)
    layer = nn.Sequential(conv, nn.FieldNorm(rep), nn.Pointwise(rep))
    least, most = band(layer, conv, pull)
    assert LEAST < least <= most < MOST


@pytest.mark.parametrize("features", ["hks", "coordinates", "noise"])
def test_a_residual_network_keeps_its_fields_between_the_same_bounds(surfaces, pulls, features):
    """The stream after the first convolution and after each of six blocks, and the answer, for inputs of size 1."""
    torch.manual_seed(0)
    size = {"hks": 16, "coordinates": 3, "noise": 8}[features]
    net = nn.TangentResNet(f"{size}x0", "8x0", "8x0 + 4x1", blocks=6, rings=2).eval()
    squares = []
    for module in (net.first, *net.blocks, net.last):
        module.register_forward_hook(lambda _, __, out: squares.append(float(out.square().mean())))
    for name, surface in surfaces.items():
        field = random(surface.n_vertices, size)
        if features != "noise":
            field = features_of(surface, [features]).values
        field = (field / field.square().mean().sqrt()).float()
        squares.clear()
        for _ in range(4):
            for module in net.modules():
                if isinstance(module, nn.TangentConv | nn.Linear):
                    module.reset_parameters()
            with torch.no_grad():
                net(field, pulls[name])
        means = torch.tensor(squares).reshape(4, -1).mean(0)
        # Vectors are nearly 0 at first: smooth scalars have small gradients. So the lower bound is half of that above.
        assert LEAST / 2 < float(means[0]) < MOST, (name, means)
        assert LEAST < float(means[2:].min()) <= float(means.max()) < MOST, (name, means)


def test_a_part_that_the_site_itself_cannot_give_comes_from_the_kernels_and_gains_nothing(pulls):
    torch.manual_seed(0)
    for options in ({"rep_out": "8x1"}, {"rep_out": "8x0", "self_interaction": False}):
        conv = nn.TangentConv("8x0", bias=False, rings=2, **options)
        assert gains(conv, pulls["closed"], 20).max() < 1.15, options


@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_a_layer_with_a_gain_has_it(pulls, gain):
    torch.manual_seed(0)
    found = gains(nn.TangentConv("8x0 + 8x1", "8x0 + 8x1", rings=2, gain=gain), pulls["closed"], 20) / gain
    assert 0.85 < found.min() <= found.max() < 1.2
    with pytest.raises(ValueError, match="gain must be positive and finite; got 0"):
        nn.TangentConv("1x0", "1x0", gain=0)


def test_layers_on_groups_keep_the_mean_square_of_any_field():
    """Free weights at the nodes answer to every wave alike, on a periodic grid of SE(2)."""
    torch.manual_seed(0)
    space, rule = homogeneous.plane_under_se2(), mc.TangentRule.grid((3, 3), 1.0)
    elements = homogeneous.SE2().sites((6, 6, 4), border="periodic")
    places = homogeneous.plane_sites((6, 6), border="periodic")
    own = group_rule(space, rule, 4)
    for conv, pull in (
        (nn.LiftConv(16, 16, rule), lift_pullback(space, places, elements, rule)),
        (nn.GroupConv(16, 16, own), group_pullback(homogeneous.SE2(), elements, own)),
    ):
        noise = random(pull.n_sources, 16, dtype=torch.float32)
        field, total = torch.stack([noise, torch.ones_like(noise)]), torch.zeros(2)
        for _ in range(20):
            conv.reset_parameters()
            total += conv(field, pull).detach().square().mean(dim=(1, 2)) / 20
        assert 0.8 < total.min() <= total.max() < 1.2  # of a constant 0.35 a draw, 0.08 in the mean of 20


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
    rep = mc.Representation("5x0 + 3x1 + 2x0", SO2)
    square = nn.Linear(rep, rep, bias=False).double()
    matrix = square.matrix().detach()
    # An isometry to the rounding of weights in single precision, of any type, that the group admits.
    assert torch.allclose(matrix @ matrix.mT, torch.eye(rep.size, dtype=torch.float64), atol=1e-5)
    turn = rep.matrix(mc.orthogonal.rotation_matrix(torch.tensor(0.7, dtype=torch.float64)))
    assert torch.allclose(matrix @ turn, turn @ matrix, atol=1e-6)
    regular = nn.Linear("3xregular", "3xregular", mc.StructureGroup.dihedral(3), bias=False).matrix().detach()
    assert torch.allclose(regular @ regular.mT, torch.eye(18), atol=1e-5)
    for pair in (("5x0 + 3x1", "9x0 + 9x1"), ("9x0 + 9x1", "5x0 + 3x1 + 1x0")):  # in the mean over inputs
        linear = nn.Linear(*pair, group=SO2, bias=False)
        for found in squares(linear(random(20000, linear.rep_in.size).float()).detach(), linear.rep_out):
            assert found == pytest.approx(1.0, rel=0.05)


def test_the_scale_of_an_activation_is_that_of_normal_numbers():
    z = random(200000)
    for activation in (torch.nn.functional.silu, torch.relu, torch.tanh):
        assert float((activation(z) * activation_scale(activation)).square().mean()) == pytest.approx(
            1, rel=0.02
        )
    with pytest.raises(ValueError, match="zero on normal inputs"):
        activation_scale(torch.zeros_like)

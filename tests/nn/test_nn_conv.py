"""TangentConv is the integral of its kernel, plus a map at the site, plus a bias; it refuses what does not fit."""

import re

import pytest
import torch
from nn_cases import random

import manifoldconv as mc
from manifoldconv import nn

O2, SO2 = mc.StructureGroup.orthogonal(2), mc.StructureGroup.special_orthogonal(2)
TRIVIAL = mc.StructureGroup.trivial()


def test_the_layer_is_the_correlation_with_its_kernel_plus_its_map_plus_its_bias(sphere_pull):
    conv = nn.TangentConv("2x0 + 1x1", "1x0 + 2x1 + 1x2", rings=2).double()
    conv.bias.data.fill_(0.7)
    field, few = random(len(sphere_pull), 4), 6
    kernel = conv.kernel(sphere_pull.rule.radius)
    there = mc.correlate(field, kernel, next(sphere_pull.split(few)), method="reference")
    own = (field @ conv.own.matrix().mT)[:few]
    shift = torch.tensor([0.7] + 6 * [0.0], dtype=torch.float64)
    out = conv(torch.stack([2 * field, field]), sphere_pull)
    assert torch.allclose(out[1, :few], there + own + shift, atol=1e-12)  # sums in another order


def test_gradients_are_those_of_differences(sphere_pull):
    part = next(sphere_pull.split(5))
    conv = nn.TangentConv("1x0 + 1x1", "1x1", rings=1, self_interaction=False, bias=False).double()
    field = random(len(sphere_pull), 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f, w: torch.func.functional_call(conv, {"weight": w}, (f, part)),
        (field, conv.weight),
        fast_mode=True,
    )


def test_the_unit_of_length_does_not_matter(surfaces):
    surface = surfaces["closed"]
    large = mc.MeshSurface(surface.vertices * 100, surface.faces)
    conv = nn.TangentConv("1x0", "1x0 + 1x1").double()
    field = random(surface.n_vertices, 1)
    one, other = (conv(field, nn.mesh_pullback(s, nodes=(2, 12))) for s in (surface, large))
    assert torch.allclose(one, other, atol=1e-10)


def test_a_trivial_group_on_a_grid_is_conv2d():
    """Every kernel is admissible on a flat torus; sampled on a 3 x 3 grid, the layer is a circular conv2d."""
    torus = mc.FlatTorus(8.0, 8.0)
    pull = mc.Pullback.build(torus, torus.sites(shape=(8, 8)), mc.TangentRule.grid((3, 3), 1.0))
    conv = nn.TangentConv("2x0", "3x0", group=TRIVIAL, self_interaction=False, bias=False).double()
    field = random(64, 2)
    weights = conv.kernel(pull.rule.radius)(pull.rule.nodes)  # (9, 3, 2), times weights of 1
    image = torch.nn.functional.pad(field.T.reshape(1, 2, 8, 8), (1, 1, 1, 1), mode="circular")
    there = torch.nn.functional.conv2d(image, weights.permute(1, 2, 0).reshape(3, 2, 3, 3))
    assert torch.allclose(conv(field, pull), there.reshape(3, 64).T, atol=1e-12)


def test_the_representation_tells_types_and_numbers():
    assert repr(nn.TangentConv("1x0", "4x0 + 2x1", group=SO2, rings=2)) == (
        "TangentConv(1x0 → 4x0 + 2x1 of SO(2), 2 rings, band limit 2, 16 kernels, 4 self-interactions, bias 4)"
    )
    conv = nn.TangentConv("8x0 + 4x1", "8x0 + 4x1", rings=3)
    space = conv.space(1.0)
    assert conv.n_kernels == space.dimension == 3 * (64 + 32 + 32 + 2 * 16)  # O(2): 0→m one, 1→1 two
    assert "480 kernels" in repr(nn.Sequential(conv, conv))


def test_layers_of_the_same_types_share_one_operator(sphere_pull):
    one, other = (nn.TangentConv("1x0 + 1x1", "1x0 + 1x1", rings=2) for _ in range(2))
    radius = sphere_pull.rule.radius
    assert one.space(radius) is other.space(radius)
    first = sphere_pull.collapse(one.space(radius), dtype=torch.float32)
    one(random(len(sphere_pull), 3, dtype=torch.float32), sphere_pull)
    assert sphere_pull.collapse(other.space(radius), dtype=torch.float32) is first


def test_a_pullback_of_a_larger_group_is_refused_and_both_are_named(pulls):
    conv = nn.TangentConv("1x0", "1x1", group=SO2)
    field = torch.ones(len(pulls["Möbius band"]), 1)
    with pytest.raises(
        mc.HolonomyError, match=r"respect SO\(2\); .* group O\(2\), which SO\(2\) does not hold"
    ):
        conv(field, pulls["Möbius band"])
    assert conv(torch.ones(len(pulls["closed"]), 1), pulls["closed"]).shape[-1] == 2
    C4 = mc.StructureGroup.cyclic(4)
    with pytest.raises(mc.HolonomyError, match=r"respect C\(4\).*SO\(2\)"):
        nn.TangentConv("1x0", "1x0", group=C4)(torch.ones(len(pulls["closed"]), 1), pulls["closed"])


def test_a_smaller_group_of_the_pullback_is_welcome_and_declared_frames_lift_the_restriction(surfaces):
    surface = surfaces["closed"]
    frames = mc.FrameField(torch.eye(2, dtype=torch.float64).repeat(surface.n_vertices, 1, 1))
    declared = nn.mesh_pullback(surface, nodes=(2, 12), frames=frames)
    conv = nn.TangentConv("1x0", "1x0", group=TRIVIAL)
    assert conv(torch.ones(surface.n_vertices, 1), declared).shape == (surface.n_vertices, 1)


def test_a_pullback_of_another_radius_rule_mesh_or_fineness_is_refused(sphere_pull, pulls):
    field = torch.ones(len(sphere_pull), 1)
    radius = sphere_pull.rule.radius
    assert nn.TangentConv("1x0", "1x0", radius)(field, sphere_pull).shape == field.shape
    with pytest.raises(
        ValueError, match=f"made for radius {2 * radius:.6g}; the pullback has radius {radius:.6g}"
    ):
        nn.TangentConv("1x0", "1x0", 2 * radius)(field, sphere_pull)
    rule = mc.TangentRule.polar(radius, 5, 12)
    with pytest.raises(
        ValueError, match=re.escape(f"made for {rule!r}; the pullback has {sphere_pull.rule!r}")
    ):
        nn.TangentConv("1x0", "1x0", rule=rule)(field, sphere_pull)
    other = pulls["with boundary"]
    with pytest.raises(
        ValueError, match=f"field at {len(sphere_pull)} sites, and a pullback of {len(other)} sites"
    ):
        nn.TangentConv("1x0", "1x0")(field, other)
    with pytest.raises(ValueError, match="band limit 8 need a rule of more than 16 angles; the rule has 12"):
        nn.TangentConv("1x0", "1x0", band_limit=8)(field, sphere_pull)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (torch.ones(162, 2), r"type 1x0 of O\(2\), \(..., sites, 1\); got shape \(162, 2\)"),
        (torch.ones(0, 162, 1), r"empty batch of shape \(0, 162, 1\)"),
        (torch.ones(162, 1, dtype=torch.int64), "floating-point tensor .* got torch.int64"),
        (torch.ones(162, 1, dtype=torch.float64), "field has torch.float64, the weights .* torch.float32"),
        ([1.0], "got list"),
    ],
)
def test_fields_that_do_not_fit_are_refused(sphere_pull, field, message):
    with pytest.raises(ValueError, match=message):
        nn.TangentConv("1x0", "1x0")(field, sphere_pull)


def test_what_is_no_pullback_is_refused(sphere_pull, surfaces):
    field = torch.ones(len(sphere_pull), 1)
    for other in (None, surfaces["closed"]):
        with pytest.raises(ValueError, match=rf"TangentConv takes a Pullback.* got {type(other).__name__}"):
            nn.TangentConv("1x0", "1x0")(field, other)
        with pytest.raises(ValueError, match=rf"TangentConv takes a Pullback; got {type(other).__name__}"):
            nn.TangentConv("1x0", "1x0").prepare(other)


def test_what_no_kernel_reaches_is_refused_when_the_layer_is_made():
    with pytest.raises(ValueError, match=r"O\(2\) admits no kernel .* from 4x0 to the summand 2xsign"):
        nn.TangentConv("4x0", "1x0 + 2xsign")
    half = nn.TangentConv("4x0", "1x0 + 2xsign", unreached="zero")
    assert torch.equal(half.kernel(1.0)(torch.ones(1, 2))[0, 1:], torch.zeros(2, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match=r"no linear map from 1x0 to the summand 1x1"):
        nn.Linear("1x0", "1x0 + 1x1")
    with pytest.raises(ValueError, match="rings must be a whole number, 1 or more; got 0"):
        nn.TangentConv("1x0", "1x0", rings=0)
    with pytest.raises(ValueError, match="radius must be positive"):
        nn.TangentConv("1x0", "1x0", -1.0)


def test_self_interaction_needs_sites_that_are_their_own_sources(sphere_pull):
    part = next(sphere_pull.split(5))
    field = torch.ones(len(sphere_pull), 1)
    with pytest.raises(
        ValueError, match="reads 162 sites at 5 others: make the layer with self_interaction=False"
    ):
        nn.TangentConv("1x0", "1x0")(field, part)
    assert nn.TangentConv("1x0", "1x0", self_interaction=False)(field, part).shape == (5, 1)


def test_types_are_checked_between_layers_when_a_network_is_made():
    first, second = nn.TangentConv("1x0", "4x0"), nn.NormGate("2x0 + 1x1")
    with pytest.raises(
        ValueError, match=r"0 \(TangentConv\) gives 4x0 of O\(2\), and module 1 \(NormGate\) takes"
    ):
        nn.Sequential(first, second)
    with pytest.raises(ValueError, match=r"4x0 of O\(2\).*4x0 of SO\(2\)"):
        nn.Sequential(first, nn.NormGate("4x0", group=SO2))
    with pytest.raises(ValueError, match="module 1 is a ReLU"):
        nn.Sequential(first, torch.nn.ReLU())
    with pytest.raises(ValueError, match="different groups"):
        nn.TangentConv(mc.Representation("1x0", O2), mc.Representation("1x0", SO2))


@pytest.mark.parametrize(
    "group", [O2, SO2, mc.StructureGroup.dihedral(4), mc.StructureGroup.cyclic(3)], ids=repr
)
def test_bias_and_linear_maps_commute_with_the_group(group):
    types = "2x0 + 1x1 + 1x2" + (" + 1xregular" if group.is_finite else " + 1x3")
    rep = mc.Representation(types, group)
    linear = nn.Linear(rep, rep).double()
    linear.bias.data.copy_(random(linear.bias.numel(), seed=1))
    field = random(3, rep.size)
    for h in group.generators:
        matrix = rep.matrix(h)
        assert torch.allclose(linear(field @ matrix.mT), linear(field) @ matrix.mT, atol=1e-12)
    # All of them: as many as the character formula counts, mean over the group of tr ρ(h)².
    elements = group.elements() if group.is_finite else None
    if elements is not None:
        traces = rep.matrix(elements).diagonal(dim1=-2, dim2=-1).sum(-1)
        assert linear.weight.numel() == round(float(traces.square().mean()))
        assert linear.bias.numel() == round(float(traces.mean()))

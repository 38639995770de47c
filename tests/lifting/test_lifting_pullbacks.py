"""The pullbacks of lifting and of correlation on a group: nodes, measure, refusals, cost."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv.homogeneous import (
    SE2,
    SO3,
    euclidean_under_translations,
    group_on_itself,
    plane_sites,
    plane_under_se2,
    sphere_under_so3,
)
from manifoldconv.lifting import cost_of, group_pullback, group_rule, lift_pullback

PLANE, SPHERE = plane_under_se2(), sphere_under_so3()
RULE = mc.TangentRule.polar(0.5, 2, 5)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def largest(difference):
    return float(difference.abs().max())


GROUPS = {
    "SE(2)": (PLANE, SE2().sites((5, 6, 4), 0.3)),
    "SE(2), periodic": (PLANE, SE2().sites((5, 6, 8), 0.3, "periodic")),
    "SO(3)": (SPHERE, SO3().sites(icosphere=0, angles=6)),
}


@pytest.mark.parametrize("name", GROUPS)
def test_the_group_pullback_is_the_action_of_the_group_on_itself(name):
    """The same numbers as the general constructor, without its entries of weight 0."""
    space, elements = GROUPS[name]
    rule = group_rule(space, RULE, 2)
    lean = group_pullback(space.group, elements, rule)
    full = mc.Pullback.by_action(group_on_itself(space.group), elements, rule)
    assert lean.group.name == full.group.name == "trivial"
    kernel = mc.kernels.Kernel.from_function(
        lambda u: torch.exp(-u[..., 0]) + u[..., 1] * torch.cos(u[..., 2]), "any", dimension=3
    )
    field = random(len(elements), 2)
    expected = mc.correlate(field, kernel, full)
    assert largest(mc.correlate(field, kernel, lean) - expected) < 1e-12 * largest(expected)
    assert lean.index.shape[-1] <= full.index.shape[-1]


@pytest.mark.parametrize("name", GROUPS)
def test_a_rule_of_the_group_lies_over_the_rule_and_turns_by_equal_angles(name):
    """Node (q, j) is exp_{p0}(v_q) with the frame carried there along the geodesic, turned by 2π j / n."""
    space, _ = GROUPS[name]
    rule = group_rule(space, RULE, 6)
    elements = space.group.exp(space.group.identity, rule.nodes)
    out = space.manifold.geodesic(space.base, RULE.nodes)
    reached = space.act(elements, space.base).reshape(len(RULE), 6, -1)
    assert largest(reached - out.end[:, None]) < 1e-12
    turns = space.differential(elements, space.base.expand(len(elements), -1)).reshape(len(RULE), 6, 2, 2)
    turns = out.transport.mT[:, None] @ turns
    angle = 2 * math.pi * torch.arange(6, dtype=torch.float64) / 6
    expected = torch.stack([angle.cos(), angle.sin()], -1)
    assert largest(turns[..., 0] - expected) < 1e-12
    assert rule.shape == (2, 5, 6)


def test_the_weights_are_those_of_the_haar_measure():
    """A constant kernel integrates to the measure of the elements over the disc: its area times 2π."""
    radius = 0.5
    disc = {"plane": math.pi * radius**2, "sphere": 2 * math.pi * (1 - math.cos(radius))}
    one = mc.kernels.Kernel.from_function(lambda u: torch.ones_like(u[..., 0]), "one", dimension=3)
    rule = mc.TangentRule.polar(radius, 4, 6)
    for space, elements, area in (
        (PLANE, SE2().sites((4, 4, 4), border="periodic"), disc["plane"]),
        (SPHERE, SO3().sites(icosphere=0, angles=4), disc["sphere"]),
    ):
        pull = group_pullback(space.group, elements, group_rule(space, rule, 4))
        ones = torch.ones(len(elements), 1, dtype=torch.float64)
        assert largest(mc.correlate(ones, one, pull) - 2 * math.pi * area) < 1e-9


def test_a_lifted_vector_field_is_written_in_the_turned_frame():
    """A constant vector field of the plane, read with the kernel "value at p": R_θ⁻¹ of it."""
    sites, elements = plane_sites((3, 3)), SE2().sites((3, 3, 8))
    rule = mc.TangentRule.points(torch.zeros(1, 2), torch.ones(1))
    vector = mc.Representation("1", mc.StructureGroup.trivial(2))
    value = mc.kernels.Kernel.from_function(
        lambda v: torch.eye(2, dtype=torch.float64).expand(*v.shape[:-1], 2, 2),
        "value",
        rep_in=vector,
        rep_out=vector,
    )
    pull = lift_pullback(PLANE, sites, elements, rule)
    field = torch.tensor([[1.0, 0.5]], dtype=torch.float64).repeat(9, 1)
    angle = elements.points[:, 2]
    expected = torch.stack([angle.cos() + 0.5 * angle.sin(), 0.5 * angle.cos() - angle.sin()], -1)
    assert largest(mc.correlate(field, value, pull) - expected) < 1e-12


def test_any_kernel_is_admissible_and_isotropic_ones_lift_to_equal_orientations():
    sites, elements = plane_sites((6, 6), 0.3), SE2().sites((6, 6, 5), 0.3)
    pull = lift_pullback(PLANE, sites, elements, mc.TangentRule.polar(0.5, 3, 20))
    image = random(36, 1)
    wedge = mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.0))
    with pytest.raises(mc.HolonomyError):
        mc.correlate(image, wedge, mc.Pullback.by_action(PLANE, sites, mc.TangentRule.polar(0.5, 3, 20)))
    lifted = mc.correlate(image, wedge, pull).reshape(36, 5)
    assert float(lifted.std(1).max()) > 0.01
    equal = mc.correlate(image, mc.kernels.gaussian(0.2), pull).reshape(36, 5)
    # The nodes are turned by 72°, that is by four of the 20 steps of the rule.
    assert float((equal - equal[:, :1]).abs().max()) < 1e-12


def test_renormalising_divides_by_the_part_inside():
    elements = SE2().sites((4, 4, 4))
    rule = group_rule(PLANE, mc.TangentRule.grid((3, 3), 1.0), 4)
    pull = group_pullback(SE2(), elements, rule, boundary="renormalise")
    ones = torch.ones(len(elements), 1, dtype=torch.float64)
    kernel = mc.kernels.Kernel.from_function(lambda u: torch.ones_like(u[..., 0]), "one", dimension=3)
    assert largest(mc.correlate(ones, kernel, pull) - 9 * 2 * math.pi) < 1e-12


def test_the_cost_grows_with_the_square_of_the_orientations():
    """Lifting and fields linearly, correlation on the group with the square."""
    plane = plane_sites((4, 4), border="periodic")
    grid = mc.TangentRule.grid((3, 3), 1.0)
    lifts, groups = [], []
    for n in (4, 8, 16):
        elements = SE2().sites((4, 4, n), border="periodic")
        lifts.append(cost_of(lift_pullback(PLANE, plane, elements, grid), 2, 3))
        groups.append(cost_of(group_pullback(SE2(), elements, group_rule(PLANE, grid, n)), 2, 3))
    for few, many in ((0, 1), (1, 2)):
        ratio = [pair[many].field_bytes / pair[few].field_bytes for pair in (groups,)]
        assert ratio == [2]
        assert groups[many].weights == 2 * groups[few].weights
        assert lifts[many].weights == lifts[few].weights == 9 * 2 * 3
        assert 3.5 < groups[many].products / groups[few].products < 5
        assert 1.8 < lifts[many].products / lifts[few].products < 2.6
        assert groups[many].stencil_bytes > 3.9 * groups[few].stencil_bytes
    assert "million products" in str(groups[0])
    # By hand, for C(4): 64 sites, 36 nodes on sites each.
    assert groups[0].products == 64 * 36 * 2 + 64 * 36 * 6
    # Index and weight; the transport is the one unit matrix of dimension 3, repeated. Lifting has one of 2 × 2 a node.
    assert groups[0].stencil_bytes == 64 * 36 * 16 + 9 * 8
    assert lifts[0].stencil_bytes == 64 * 9 * (16 + 4 * 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: group_rule(euclidean_under_translations(2), RULE, 4), "the stabiliser SO"),
        (lambda: group_rule(PLANE, mc.TangentRule.grid((3,), 1.0), 4), "dimension 2"),
        (lambda: group_rule(PLANE, RULE, 0), "orientations"),
        (lambda: group_pullback(SE2(), SE2().sites((3, 3, 4)), RULE), "see group_rule"),
        (lambda: group_pullback(SO3(), SE2().sites((3, 3, 4)), RULE), r"sites of SO3\(\)"),
        (
            lambda: group_pullback(SE2(), SE2().sites((3, 3, 4)), group_rule(PLANE, RULE, 4), "reflect"),
            '"zero" or "renormalise"',
        ),
        (
            lambda: lift_pullback(PLANE, plane_sites((3, 3)), torch.zeros(4, 3), RULE),
            r"elements are what group.sites\(...\) gives; got Tensor",
        ),
        (
            lambda: lift_pullback(mc.Sphere(), plane_sites((3, 3)), SE2().sites((3, 3, 4)), RULE),
            "the space must be a HomogeneousSpace; got Sphere",
        ),
        (
            lambda: group_pullback(SE2(), torch.zeros(4, 3), group_rule(PLANE, RULE, 4)),
            r"elements are what group.sites\(...\) gives; got Tensor",
        ),
        (
            lambda: lift_pullback(PLANE, plane_sites((3, 3)), SO3().sites(icosphere=0, angles=4), RULE),
            r"sites of SE2\(\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

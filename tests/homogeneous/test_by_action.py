"""Kernels carried by a group: where the nodes land, what is refused, and what is known about the answers."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import manifoldconv as mc
from manifoldconv.homogeneous import (
    HomogeneousSpace,
    euclidean_under_translations,
    group_on_itself,
    hyperbolic_plane_under_so21,
    plane_sites,
    plane_under_se2,
    space_under_se3,
    sphere_under_so3,
)

# The nodes of these tests are no more than what each claim needs.
pytestmark = pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")

RULE = mc.TangentRule.polar(0.5, 4, 24)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def typed_kernel(
    group: mc.StructureGroup, reach: float, types: str = "1x0 + 1x1", seed: int = 0
) -> mc.kernels.Kernel:
    space = mc.KernelSpace(types, types, group, mc.RadialBasis.gaussian_rings(reach, 3))
    return space.kernel(random(space.dimension, seed=seed))


def turned(space: HomogeneousSpace, angle) -> HomogeneousSpace:
    """The same sphere with another section: g_{p0→p} h(p), h(p) the turn of the stabiliser by angle(p)."""

    def section(p: Tensor) -> Tensor:
        return space.section(p) @ space.lift(mc.homogeneous.spaces.rotation_matrix(angle(p)))

    return replace(space, section=section)


# --- against geodesics ---


@pytest.mark.parametrize(
    ("space", "sites"),
    [
        (sphere_under_so3(), mc.Sphere().sites(icosphere=2)),
        (sphere_under_so3(2.0), mc.Sphere(radius=2.0).sites(equiangular=(8, 12))),
        (hyperbolic_plane_under_so21(), mc.HyperbolicPlane().sites(radius=1.5, n_rings=8)),
        (plane_under_se2(), plane_sites((7, 8), 0.2)),
        (euclidean_under_translations(2), plane_sites((7, 8), 0.2)),
    ],
    ids=["sphere", "large sphere", "hyperbolic", "SE(2)", "translations"],
)
def test_a_group_of_isometries_carries_as_geodesics_do(space: HomogeneousSpace, sites) -> None:
    """With the manifold's own measure, and sections whose frames are the manifold's own."""
    action = mc.Pullback.by_action(space, sites, RULE)
    geodesics = mc.Pullback.build(space.manifold, sites, RULE, measure="manifold")
    assert action.gauge is None
    assert torch.allclose(action.coverage, geodesics.coverage, rtol=0, atol=1e-11)
    assert torch.allclose(action.node_weights, geodesics.node_weights, rtol=1e-14, atol=0)
    if space.stabiliser.is_finite:
        field, kernel = random(len(sites), 3), mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.4))
    else:
        field, kernel = random(len(sites), 3), typed_kernel(space.stabiliser, 0.4)
    out, expected = mc.correlate(field, kernel, action), mc.correlate(field, kernel, geodesics)
    assert float((out - expected).abs().max()) < 1e-12 * float(expected.abs().max()) * 100


def test_the_tangent_measure_is_at_hand() -> None:
    space, sites = sphere_under_so3(), mc.Sphere().sites(icosphere=2)
    action = mc.Pullback.by_action(space, sites, RULE, measure="tangent")
    geodesics = mc.Pullback.build(space.manifold, sites, RULE)
    assert action.density is None
    kernel, field = mc.kernels.gaussian(0.2), random(len(sites), 1)
    difference = mc.correlate(field, kernel, action) - mc.correlate(field, kernel, geodesics)
    assert float(difference.abs().max()) < 1e-13


# --- the section ---


def whole_steps(p: Tensor) -> Tensor:
    """Some multiple of the angle between neighbouring nodes, another at every place."""
    return torch.floor(7 * p[..., 0] + 3 * p[..., 1]) * 2 * math.pi / 24


def in_frames_of(
    space: HomogeneousSpace, sites, field: Tensor, types: mc.Representation, back: bool = False
) -> Tensor:
    """A field in the manifold's frames, written in those that the section carries, or back."""
    frames = space.carried_frames(sites.points)
    matrices = torch.stack([types.matrix(frame if back else frame.mT) for frame in frames])
    return (matrices @ field[..., None])[..., 0]


@pytest.mark.parametrize("types", [None, "1x0 + 1x1 + 1x2"])
def test_the_section_does_not_matter(types) -> None:
    """Exactly so where the sections differ by turns that permute the nodes; fields go into the section's frames."""
    space, sites = sphere_under_so3(), mc.Sphere().sites(icosphere=2)
    other = turned(space, whole_steps)
    pulls = mc.Pullback.by_action(space, sites, RULE), mc.Pullback.by_action(other, sites, RULE)
    assert not torch.equal(pulls[0].index, pulls[1].index)
    if types is None:
        field, kernel = random(len(sites), 1), mc.kernels.gaussian(0.2)
        first, second = (mc.correlate(field, kernel, pull) for pull in pulls)
        skew = mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.0))
        one, two = (mc.correlate(field, skew, pull, gauge_dependent=True) for pull in pulls)
        assert float((one - two).abs().max()) > 0.1 * float(one.abs().max())
    else:
        field, kernel = random(len(sites), 5), typed_kernel(space.stabiliser, 0.4, types)
        rep = mc.Representation(types, space.stabiliser)
        first = mc.correlate(field, kernel, pulls[0])
        second = mc.correlate(in_frames_of(other, sites, field, rep), kernel, pulls[1])
        second = in_frames_of(other, sites, second, rep, back=True)
    assert float((first - second).abs().max()) < 1e-11 * float(first.abs().max())


def test_a_generic_section_changes_the_answer_by_the_error_of_the_angles() -> None:
    """Which falls with their number; the field is smooth."""
    space, sites = sphere_under_so3(), mc.Sphere().sites(icosphere=2)
    field, kernel = (3 * sites.points[:, :1]).sin(), mc.kernels.gaussian(0.2)
    other = turned(space, lambda p: 3 * p[..., 0] + 7 * p[..., 1] ** 2)
    gaps = []
    for angles in (8, 16, 64):
        rule = mc.TangentRule.polar(0.5, 4, angles)
        pulls = mc.Pullback.by_action(space, sites, rule), mc.Pullback.by_action(other, sites, rule)
        first, second = (mc.correlate(field, kernel, pull) for pull in pulls)
        gaps.append(float((first - second).abs().max() / first.abs().max()))
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2], gaps
    assert gaps[2] < 5e-4, gaps


# --- the constraint ---


def test_a_kernel_that_the_stabiliser_changes_is_refused_with_the_element() -> None:
    space, sites = sphere_under_so3(), mc.Sphere().sites(icosphere=1)
    pull = mc.Pullback.by_action(space, sites, RULE)
    kernel, field = mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.0)), random(len(sites), 1)
    with pytest.raises(
        mc.HolonomyError,
        match=r"is not invariant under the stabiliser \(SO\(2\)\): under the rotation by .* rad",
    ) as caught:
        mc.correlate(field, kernel, pull)
    assert "holonomy" not in str(caught.value)
    assert "depends on the element of the group that carried it" in str(caught.value)
    assert "Pullback.by_action with elements" in str(caught.value)
    assert mc.correlate(field, kernel, pull, gauge_dependent=True).shape == (42, 1)
    # the way out that the message names
    lifted = mc.Pullback.by_action(
        space, sites, RULE, elements=mc.SO3().random(9, torch.Generator().manual_seed(0))
    )
    assert mc.correlate(field, kernel, lifted).shape == (9, 1)


def test_a_table_that_the_stabiliser_moves_off_its_nodes_is_refused_in_its_words() -> None:
    sites = mc.Sphere().sites(icosphere=1)
    pull = mc.Pullback.by_action(sphere_under_so3(), sites, RULE)
    table = mc.kernels.table(random(len(RULE)), RULE)
    with pytest.raises(mc.HolonomyError, match=r"cannot be carried under the stabiliser \(SO\(2\)\)"):
        mc.correlate(random(len(sites), 1), table, pull)


def test_kernel_spaces_of_stabilisers() -> None:
    """The numbers of kernels for each radial function, by the same null space as for holonomy."""

    def count(space: HomogeneousSpace, rep_in: str, rep_out: str, limit: int = 2) -> int:
        return mc.KernelSpace(rep_in, rep_out, space.stabiliser, band_limit=limit).angular_dimension

    assert count(euclidean_under_translations(2), "1x0", "1x0") == 5  # 2 L + 1: no constraint
    assert count(plane_under_se2(), "1x0", "1x0") == 1
    assert count(sphere_under_so3(), "1x1", "1x2", 3) == 4
    assert count(space_under_se3(), "1x0", "1x1") == 1
    assert count(space_under_se3(), "1x1", "1x1") == 3
    assert count(group_on_itself(mc.SO3()), "1x0", "1x0") == 9  # 1 + 3 + 5


def test_rules_that_the_stabiliser_does_not_map_to_themselves() -> None:
    space = replace(
        plane_under_se2(), stabiliser=mc.StructureGroup.cyclic(3), section=plane_under_se2().section
    )
    with pytest.warns(
        mc.AccuracyWarning, match=r"the stabiliser \(C\(3\)\) moves nodes .* depends on the section"
    ):
        mc.Pullback.by_action(space, plane_sites((5, 5)), mc.TangentRule.polar(1.0, 2, 8))


# --- known answers ---


def test_the_plane_under_translations_is_conv2d() -> None:
    sites, rule = plane_sites((7, 9)), mc.TangentRule.grid((3, 5), 1.0)
    weight, field = random(3, 5), random(7 * 9, 1, seed=1)
    pull = mc.Pullback.by_action(euclidean_under_translations(2), sites, rule)
    out = mc.correlate(field, mc.kernels.table(weight.flatten(), rule), pull)
    expected = torch.nn.functional.conv2d(field.reshape(1, 1, 7, 9), weight[None, None], padding=(1, 2))
    assert torch.allclose(out.reshape(7, 9), expected[0, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("turns", range(4))
def test_elements_of_se2_read_the_plane_with_a_turned_kernel(turns: int) -> None:
    """(k ⋆ f)(x, θ) is the correlation with the kernel turned by θ: conv2d with its rotated weights."""
    sites, rule = plane_sites((6, 6), border="periodic"), mc.TangentRule.grid((3, 3), 1.0)
    weight, field = random(3, 3), random(36, 1, seed=1)
    elements = torch.nn.functional.pad(sites.points, (0, 1), value=turns * math.pi / 2)
    pull = mc.Pullback.by_action(plane_under_se2(), sites, rule, elements=elements)
    assert pull.group is not None
    assert pull.group.name == "trivial"
    out = mc.correlate(field, mc.kernels.table(weight.flatten(), rule), pull)
    # Rows run towards positive y, so a turn counterclockwise takes the first axis of the array to minus the second.
    rotated = torch.rot90(weight, -turns, (0, 1))
    padded = torch.nn.functional.pad(field.reshape(1, 1, 6, 6), (1, 1, 1, 1), mode="circular")
    expected = torch.nn.functional.conv2d(padded, rotated[None, None])
    assert torch.allclose(out.reshape(6, 6), expected[0, 0], rtol=0, atol=1e-12)


def se2_rule(group: mc.SE2, reach: int, angles: int, spacing: float) -> mc.TangentRule:
    """The sites of a window of the grid round the identity as nodes, with Haar weights."""
    steps = torch.arange(-reach, reach + 1, dtype=torch.float64) * spacing
    turns = 2 * math.pi / angles * torch.arange(angles, dtype=torch.float64)
    elements = torch.cartesian_prod(steps, steps, turns)
    weights = torch.full((len(elements),), spacing**2 * 2 * math.pi / angles, dtype=torch.float64)
    return group_on_itself(group).rule_of_elements(elements, weights)


def skewed(v: Tensor) -> Tensor:
    """A kernel on SE(2) without any symmetry; v = (x, y, θ)."""
    return torch.exp(-(v**2).sum(-1)) * (1 + v[..., 0] + 0.5 * v[..., 1] * v[..., 2].sin() + v[..., 2].cos())


@pytest.mark.parametrize("angles", [4, 8])
def test_correlation_on_se2_commutes_with_quarter_turns_and_shifts(angles: int) -> None:
    """Exactly, for any kernel, on white noise: the trivial stabiliser leaves no constraint."""
    group, spacing = mc.SE2(), 0.5
    sites = group.sites(shape=(6, 6, angles), spacing=spacing, border="periodic")
    pull = mc.Pullback.by_action(group_on_itself(group), sites, se2_rule(group, 1, angles, spacing))
    kernel = mc.kernels.Kernel.from_function(skewed)
    field = random(len(sites), 2)
    out = mc.correlate(field, kernel, pull)
    for turn in range(4):
        g = torch.tensor([2 * spacing, -spacing, turn * math.pi / 2], dtype=torch.float64)
        stencil = sites.stencil(group.product(g, sites.points))
        where = torch.take_along_dim(stencil.index, stencil.weight.argmax(-1, keepdim=True), -1)[:, 0]
        moved = mc.correlate(field[where], kernel, pull)
        assert float((moved - out[where]).abs().max()) < 1e-12 * float(out.abs().max()) * 10
    # Geodesics carry the kernel without turning it, so that turns do not commute with it.
    flat = mc.Pullback.build(group, sites, pull.rule)
    carried = mc.correlate(field, kernel, flat)
    moved = mc.correlate(field[where], kernel, flat)
    assert float((moved - carried[where]).abs().max()) > 0.1 * float(carried.abs().max())


def test_correlation_on_se2_is_the_sum_that_it_says() -> None:
    """For C(4) by hand: out[g] = Σ_h k(h) f(g h) over the elements of the grid."""
    group = mc.SE2()
    sites = group.sites(shape=(4, 4, 4), border="periodic")
    rule = se2_rule(group, 1, 4, 1.0)
    field = random(4, 4, 4)
    pull = mc.Pullback.by_action(group_on_itself(group), sites, rule)
    out = mc.correlate(field.reshape(-1, 1), mc.kernels.Kernel.from_function(skewed), pull).reshape(4, 4, 4)
    for row, column, turn in ((0, 0, 0), (1, 3, 1), (2, 0, 3)):
        total = 0.0
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                for step in range(4):
                    x, y = [(dx, dy), (-dy, dx), (-dx, -dy), (dy, -dx)][turn]
                    angle = math.remainder(step * math.pi / 2, 2 * math.pi)
                    angle = -math.pi if angle == math.pi else angle
                    k = skewed(torch.tensor([dx, dy, angle], dtype=torch.float64))
                    total += k * field[(row + y) % 4, (column + x) % 4, (turn + step) % 4] * math.pi / 2
        assert float(out[row, column, turn]) == pytest.approx(float(total), abs=1e-11)


def test_class_functions_on_so3_have_schurs_eigenvalues() -> None:
    """The entries of R are the matrix coefficients of degree 1; for k(|v|) they have the eigenvalue

    λ = 1/3 ∫ k(g) tr(g) dg = ∫ k(r) (1 + 2 cos r) / 3 · 4π · (2 sin(r / 2))² dr

    and the error falls with the square of the spacing.
    """
    group, reach, width = mc.SO3(), 0.8, 0.3
    shell = mc.Sphere().sites(icosphere=1)  # exact up to degree 5
    nodes, weights = (torch.from_numpy(part) for part in legendre(6))
    r, w = reach / 2 * (nodes + 1), reach / 2 * weights
    rule = mc.TangentRule.points(
        (r[:, None, None] * shell.points).flatten(0, 1), (w * r**2)[:, None].mul(shell.area).flatten()
    )
    r, w = (torch.from_numpy(part) for part in legendre(40))
    r, w = reach / 2 * (r + 1), reach / 2 * w
    eigenvalue = float(
        (
            w
            * (-(r**2) / 2 / width**2).exp()
            * (1 + 2 * r.cos())
            / 3
            * 4
            * math.pi
            * (2 * (r / 2).sin()) ** 2
        ).sum()
    )
    elements, errors = group.random(40, torch.Generator().manual_seed(0)), []
    for level, angles in ((1, 10), (2, 20), (3, 40)):
        sites = group.sites(icosphere=level, angles=angles)
        pull = mc.Pullback.by_action(group_on_itself(group), sites, rule, elements=elements)
        out = mc.correlate(sites.points.flatten(1), mc.kernels.gaussian(width), pull)
        expected = eigenvalue * elements.flatten(1)
        errors.append(float((out - expected).abs().max() / expected.abs().max()))
    assert errors[-1] < 0.01, errors
    assert math.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.3), errors


def legendre(count: int):
    from numpy.polynomial.legendre import leggauss

    return leggauss(count)


def test_on_so3_nodes_lie_where_geodesics_end() -> None:
    """Its metric is invariant from both sides: R exp(v) is the geodesic, and isotropic kernels see nothing else."""
    group, nodes = mc.SO3(), 0.4 * random(20, 3)
    sites, rule = group.sites(icosphere=1, angles=8), mc.TangentRule.points(nodes, random(20).abs())
    field, kernel = random(len(sites), 2), mc.kernels.gaussian(0.3)
    geodesics = mc.Pullback.build(group, sites, rule, measure="manifold")
    action = mc.Pullback.by_action(group_on_itself(group), sites, rule)
    assert geodesics.group is not None
    assert (geodesics.group.name, action.group.name) == ("SO(3)", "trivial")
    out, expected = (mc.correlate(field, kernel, pull) for pull in (action, geodesics))
    assert torch.allclose(out, expected, rtol=0, atol=1e-11)
    with pytest.raises(mc.HolonomyError, match="holonomy group"):
        mc.correlate(field, mc.kernels.Kernel.from_function(skewed), geodesics)
    assert mc.correlate(field, mc.kernels.Kernel.from_function(skewed), action).shape == field.shape


def test_space_under_se3_is_space() -> None:
    space = space_under_se3()
    sites = mc.Euclidean(3).sites(shape=(5, 4, 6), spacing=0.5)
    rule = mc.TangentRule.grid((3, 3, 3), 0.5)
    kernel = typed_kernel(space.stabiliser, 0.8)
    field = random(len(sites), 4)
    out = mc.correlate(field, kernel, mc.Pullback.by_action(space, sites, rule))
    expected = mc.correlate(field, kernel, mc.Pullback.build(mc.Euclidean(3), sites, rule, frames="local"))
    assert torch.allclose(out, expected, rtol=0, atol=1e-12)


# --- nodes of one's own, and what does not fit ---


def test_points_and_elements_as_nodes_keep_their_weights() -> None:
    space, sites = sphere_under_so3(), mc.Sphere().sites(icosphere=1)
    near = space.manifold.exp(space.base, 0.4 * random(9, 2))
    weights = 0.1 + random(9).abs()
    for rule in (
        space.rule_of_points(near, weights),
        space.rule_of_elements(space.section(near), weights),
    ):
        pull = mc.Pullback.by_action(space, sites, rule)
        assert torch.allclose(pull.node_weights, weights.expand(len(sites), -1), rtol=1e-13, atol=0)
        reached = space.act(space.section(sites.points)[:, None], near)
        assert torch.allclose(
            (pull.weight[..., None] * sites.points[pull.index]).sum(-2),
            (sites.stencil(reached).weight[..., None] * sites.points[sites.stencil(reached).index]).sum(-2),
            rtol=0,
            atol=1e-13,
        )


def test_requests_that_do_not_fit() -> None:
    space, sites = sphere_under_so3(), mc.Sphere().sites(icosphere=1)
    by_action = mc.Pullback.by_action
    with pytest.raises(mc.GeometryError, match="the sites are those of Euclidean"):
        by_action(space, plane_sites((4, 4)), RULE)
    with pytest.raises(mc.GeometryError, match=r"sites are what manifold.sites\(...\) gives; got Tensor"):
        by_action(space, sites.points, RULE)
    with pytest.raises(mc.GeometryError, match="the space must be a HomogeneousSpace; got Sphere"):
        by_action(mc.Sphere(), sites, RULE)
    with pytest.raises(mc.GeometryError, match="the rule has nodes in dimension 3; the sphere under SO"):
        by_action(space, sites, mc.TangentRule.grid((3, 3, 3), 0.1))
    with pytest.raises(ValueError, match='boundary must be "zero" or "renormalise"; got \'reflect\''):
        by_action(space, sites, RULE, boundary="reflect")
    with pytest.raises(ValueError, match='measure must be "invariant" or "tangent"; got \'manifold\''):
        by_action(space, sites, RULE, measure="manifold")
    with pytest.raises(ValueError, match=r"elements must have last axes \(3, 3\); got shape \(5, 3\)"):
        by_action(space, sites, RULE, elements=torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"elements must have shape \(P, 3, 3\), P ≥ 1; got \(3, 3\)"):
        by_action(space, sites, RULE, elements=torch.eye(3))
    backwards = replace(
        space,
        section=lambda p: space.section(p) @ torch.diag(torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)),
    )
    with pytest.raises(mc.GeometryError, match="must be rotations"):
        by_action(backwards, sites, RULE)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {
                "section": lambda p: (
                    torch.nn.functional.pad(p, (0, 1)) * torch.where(p[..., :1] > 1, math.nan, 1)
                )
            },
            r"the section's element for site 2, \[2.0, 0.0\], is not finite: \[nan, nan, nan\]",
        ),
        ({"section": lambda p: p}, r"one element of the group a site, shape \(9, 3\); got \(9, 2\)"),
        (
            {"act": lambda g, x: (g[..., :2] + x) * torch.where(g[..., :1] > 1, math.nan, 1)},
            r"the section's element for site 2, \[2.0, 0.0, 0.0\], takes the base to \[nan, nan\]",
        ),
        (
            {"act": lambda g, x: g[..., :2] + x * torch.where(x[..., :1] > 0.5, math.nan, 1)},
            r"the element \[0.0, 0.0, 0.0\] takes node 2 of the rule to \[nan, nan\]",
        ),
        ({"density": lambda x: 0 * x[..., 0]}, r"must be positive and finite; it is -?0 at \[-1.0, -1.0\]"),
        ({"density": lambda x: x}, r"one number a point, shape \(9,\); got \(9, 2\)"),
    ],
)
def test_parts_of_a_space_that_give_no_answer(part, message) -> None:
    """Each is refused with the site, the element or the point that shows it."""
    space = replace(plane_under_se2(), **part)
    with pytest.raises(mc.GeometryError, match=message):
        mc.Pullback.by_action(space, plane_sites((3, 3)), mc.TangentRule.grid((3, 3), 1.0))

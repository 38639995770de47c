"""`check_equivariance`: that it passes what is equivariant, catches what is not, and tells the two errors apart."""

import math
from dataclasses import replace
from functools import lru_cache

import pytest
import torch

import manifoldconv as mc
from manifoldconv.kernels import KernelSpace, RadialBasis
from manifoldconv.testing import (
    Discretisation,
    LawViolation,
    check_equivariance,
    icosahedral_rotations,
    planar_motion,
    random_gauge,
    random_planar_motions,
    random_rotations,
    require,
)

SO2 = mc.StructureGroup.special_orthogonal(2)
VECTOR = mc.Representation("1", SO2)
SPHERE = mc.Sphere()
PLANE = mc.Euclidean(2)
ROUNDING = 1e-10


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_kernel(rep_in, rep_out, radius, seed=5):
    space = KernelSpace(rep_in, rep_out, SO2, RadialBasis.gaussian_rings(radius, 2))
    return space.kernel(random(space.dimension, seed=seed))


# -- the places at which operators are checked --


def icosphere(level, radius=0.6, own_nodes=False):
    """Polar nodes of the tangent plane; with `own_nodes` the sites themselves, which the 60 rotations permute."""
    sites = SPHERE.sites(icosphere=level)
    if own_nodes:
        return Discretisation(sites, mc.over_sites(SPHERE, sites, radius))
    return Discretisation(sites, mc.Pullback.build(SPHERE, sites, mc.TangentRule.polar(radius, 4, 16)))


SPHERES = [icosphere(level) for level in (2, 3)]
OWN_NODES = icosphere(2, own_nodes=True)
CENTRE, HALF = (0.5, 0.5), 0.5


def window(count, rule):
    """A square window of the plane; fields that vanish near its border need no others."""
    sites = PLANE.sites(shape=(count, count), spacing=1 / (count - 1))
    return Discretisation(sites, mc.Pullback.build(PLANE, sites, rule))


WINDOWS = [window(count, mc.TangentRule.polar(0.12, 4, 16)) for count in (21, 41)]


def smooth_on_sphere(x):
    return torch.stack(
        [torch.sin(3 * x[..., 0]) * x[..., 1] + x[..., 2] ** 2, torch.cos(2 * x[..., 2]) * x[..., 0]], -1
    )


def vectors_on_sphere(x):
    """A smooth vector field of space, projected to the tangent planes, in their frames."""
    space = torch.stack([torch.sin(2 * x[..., 1]), x[..., 0] * x[..., 2], 0.3 + x[..., 1]], -1)
    return (SPHERE.frame(x).mT @ space[..., None])[..., 0]


def blobs(x):
    """Bumps round the centre, below 1e-7 at the border of the window after any motion used here."""
    v = x - 0.5
    bump = torch.exp(-(v**2).sum(-1) / (2 * 0.06**2))
    return torch.stack([bump * (1 + 8 * v[..., 0]), bump * v[..., 0] * v[..., 1] * 200], -1)


MOTIONS = random_planar_motions(CENTRE, 0.03)


# -- operators --


@lru_cache
def collapsed(kernel, pull):
    return pull.operator(kernel)


def correlating(kernel):
    """What correlates with a kernel, admissible or not."""
    return lambda field, pull: collapsed(kernel, pull)(field)


ISOTROPIC = correlating(mc.kernels.gaussian(0.2, normalise=True))
WEDGE = correlating(mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.0)))
NARROW = correlating(mc.kernels.gaussian(0.04, normalise=True))
NARROW_WEDGE = correlating(mc.kernels.derivative_of_gaussian(0.04, (1.0, 0.0)) * 0.1)
TYPED = correlating(some_kernel("1", "1", 0.6))


def vector_bias(field, pull):
    return TYPED(field, pull) + torch.tensor([0.1, 0.0], dtype=torch.float64)


def wrong_sign(field, pull):
    """The transport from the site to its neighbour, taken for the one back."""
    return TYPED(field, replace(pull, transport=pull.transport.mT))


def shift_by_one(field, pull):
    return NARROW(field, pull).roll(1, dims=-2)


# -- what interpolates nothing --


def test_a_change_of_gauge_is_exact_for_typed_kernels_and_moves_only_coordinates():
    report = check_equivariance(
        TYPED, random_gauge(len(OWN_NODES.sites)), vectors_on_sphere, OWN_NODES, rep_in=VECTOR, rep_out=VECTOR
    )
    assert report.passed
    assert report.exact
    assert report.interpolation == 0
    assert report.constraint < ROUNDING
    assert report.elements == 8


@pytest.mark.parametrize("broken", [vector_bias, wrong_sign])
def test_a_change_of_gauge_catches_a_bias_on_vectors_and_a_wrong_sign_in_the_transport(broken):
    report = check_equivariance(
        broken,
        random_gauge(len(OWN_NODES.sites)),
        vectors_on_sphere,
        OWN_NODES,
        rep_in=VECTOR,
        rep_out=VECTOR,
    )
    assert not report.passed
    assert report.constraint > 0.01
    with pytest.raises(LawViolation, match="NOT equivariant"):
        require([report.as_law()])


def test_a_change_of_gauge_catches_a_kernel_that_holonomy_refuses():
    gauge = random_gauge(len(OWN_NODES.sites))
    with pytest.raises(mc.HolonomyError):
        mc.correlate(
            smooth_on_sphere(OWN_NODES.sites.points),
            mc.kernels.derivative_of_gaussian(0.2, (1.0, 0.0)),
            OWN_NODES.pull,
        )
    assert check_equivariance(ISOTROPIC, gauge, smooth_on_sphere, OWN_NODES).constraint < ROUNDING
    assert check_equivariance(WEDGE, gauge, smooth_on_sphere, OWN_NODES).constraint > 0.5


def test_the_rotations_of_the_icosahedron_are_exact_for_kernels_summed_over_the_sites():
    for operator, rep, field in [(ISOTROPIC, None, smooth_on_sphere), (TYPED, VECTOR, vectors_on_sphere)]:
        report = check_equivariance(
            operator, icosahedral_rotations(SPHERE), field, OWN_NODES, rep_in=rep, rep_out=rep
        )
        assert report.passed
        assert report.exact
        assert report.elements == 60
        assert report.constraint < ROUNDING


def test_the_rotations_of_the_icosahedron_catch_what_is_broken():
    rotations = icosahedral_rotations(SPHERE)[1:8]
    assert check_equivariance(WEDGE, rotations, smooth_on_sphere, OWN_NODES).constraint > 0.5
    assert check_equivariance(shift_by_one, rotations, smooth_on_sphere, OWN_NODES).constraint > 0.1
    # A wrong sign in the pullback itself: no change of gauge shows it, as all frames agree on the error.
    pull = replace(OWN_NODES.pull, transport=OWN_NODES.pull.transport.mT)
    for operator in (TYPED, vector_bias):
        at = OWN_NODES if operator is vector_bias else replace(OWN_NODES, pull=pull)
        report = check_equivariance(operator, rotations, vectors_on_sphere, at, rep_in=VECTOR, rep_out=VECTOR)
        assert report.constraint > 0.01, operator


def test_on_a_grid_translations_pass_what_only_quarter_turns_catch():
    """A kernel with a direction, and a shift by one pixel, commute with every translation."""
    torus = mc.FlatTorus(1.0, 1.0)
    sites = torus.sites(shape=(12, 12))
    at = Discretisation(sites, mc.Pullback.build(torus, sites, mc.TangentRule.grid((3, 3), 1 / 12)))
    field = random(144, 2)
    shifts = [planar_motion(translation=(i / 12, j / 12)) for i, j in [(1, 0), (0, 3), (5, 7)]]
    turns = [planar_motion(k * math.pi / 2, centre=tuple(sites.points[40].tolist())) for k in (1, 2, 3)]
    narrow, wedge = (
        correlating(mc.kernels.gaussian(0.1)),
        correlating(mc.kernels.derivative_of_gaussian(0.1, (1.0, 0.0))),
    )

    def shifted(field, pull):
        return narrow(field, pull).reshape(12, 12, -1).roll(1, dims=1).reshape(144, -1)

    for operator in (narrow, wedge, shifted):
        report = check_equivariance(operator, shifts, field, at)
        assert report.exact
        assert report.constraint < ROUNDING
    assert check_equivariance(narrow, turns, field, at).constraint < ROUNDING
    assert check_equivariance(wedge, turns, field, at).constraint > 0.1
    assert check_equivariance(shifted, turns, field, at).constraint > 0.1


# -- generic elements: two parts --


@pytest.mark.parametrize(
    ("operator", "sampler", "field", "stages"),
    [
        (ISOTROPIC, random_rotations(SPHERE), smooth_on_sphere, SPHERES),
        (NARROW, MOTIONS, blobs, WINDOWS),
    ],
    ids=["sphere", "plane"],
)
def test_isotropic_kernels_err_by_interpolation_alone(operator, sampler, field, stages):
    """Linear interpolation is of second order, and the nodes are the same at each resolution."""
    report = check_equivariance(operator, sampler, field, stages)
    assert report.passed
    assert not report.exact
    assert 1.7 < report.order < 2.4
    assert report.constraint < 0.2 * report.errors[-1]
    assert report.constraint + report.interpolation == report.errors[-1]


def test_typed_kernels_err_by_interpolation_alone():
    report = check_equivariance(
        TYPED,
        random_rotations(SPHERE),
        vectors_on_sphere,
        SPHERES,
        rep_in=VECTOR,
        rep_out=VECTOR,
        count=4,
    )
    assert report.passed
    assert report.order > 1.7


@pytest.mark.parametrize(
    ("operator", "sampler", "field", "stages"),
    [(WEDGE, random_rotations(SPHERE), smooth_on_sphere, SPHERES), (NARROW_WEDGE, MOTIONS, blobs, WINDOWS)],
    ids=["sphere", "plane"],
)
def test_kernels_with_a_direction_err_at_every_resolution(operator, sampler, field, stages):
    report = check_equivariance(operator, sampler, field, stages)
    assert not report.passed
    assert report.constraint > 0.5
    assert report.interpolation < 0.1 * report.constraint


def test_a_shift_by_one_falls_with_the_first_order_and_is_caught():
    """It vanishes with the spacing, but not as fast as what interpolation does."""

    def shifted(field, pull):
        return NARROW(field, pull).roll(1, dims=-2)  # by one pixel: the field vanishes at the border

    report = check_equivariance(shifted, MOTIONS, blobs, WINDOWS)
    assert not report.passed
    assert 0.7 < report.order < 1.3


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_the_constraint_part_measures_how_much_is_broken(share):
    """A part of the wrong kernel that is mixed in counts in proportion, also where the interpolation errs by more.

    The largest errors of the two need not lie at one site, so the parts are sharp to a factor of about 2.
    """
    image = blobs(WINDOWS[-1].sites.points)
    right, wrong = (float(op(image, WINDOWS[-1].pull).abs().max()) for op in (NARROW, NARROW_WEDGE))
    whole = check_equivariance(NARROW_WEDGE, MOTIONS, blobs, WINDOWS).constraint

    def mixed(field, pull):
        return NARROW(field, pull) + share * right / wrong * NARROW_WEDGE(field, pull)

    report = check_equivariance(mixed, MOTIONS, blobs, WINDOWS)
    size = float(mixed(image, WINDOWS[-1].pull).abs().max())
    assert 0.6 < report.constraint / (share * whole * right / size) < 1.6


def test_refining_the_nodes_splits_the_error_of_exact_elements_too():
    """The frames at the sites of an icosphere are not turned into one another, and so are polar nodes: what is left
    is the error of the quadrature, which falls with the nodes, and not with the sites alone. Nodes meet the kinks that
    the interpolated field has along edges: of first order at least."""
    rotations = icosahedral_rotations(SPHERE)[1:8]
    same = check_equivariance(ISOTROPIC, rotations, smooth_on_sphere, SPHERES)
    assert same.exact
    assert not same.passed
    stages = [
        Discretisation(
            s.sites, mc.Pullback.build(SPHERE, s.sites, mc.TangentRule.polar(0.6, n, 6 * n)), spacing=1 / n
        )
        for s, n in zip(SPHERES, (3, 6), strict=True)
    ]
    finer = check_equivariance(ISOTROPIC, rotations, smooth_on_sphere, stages, order=1)
    assert finer.passed
    assert finer.errors[-1] < 0.5 * same.errors[-1]


def test_numbers_that_must_not_change():
    """The area-weighted mean of a network's answer is the same for every turned input."""

    def pooled(field, at):
        pull, area = at
        answer = torch.relu(ISOTROPIC(field, pull))
        return (area[:, None] * answer).sum(0, keepdim=True)

    at = replace(OWN_NODES, pull=(OWN_NODES.pull, OWN_NODES.sites.area))
    rotations = icosahedral_rotations(SPHERE)[1:]
    report = check_equivariance(pooled, rotations, smooth_on_sphere, at, output="invariant")
    assert report.passed

    def first_site(field, at):
        return ISOTROPIC(field, at[0])[:1]

    assert not check_equivariance(first_site, rotations, smooth_on_sphere, at, output="invariant").passed


def test_sites_near_the_border_can_be_left_out():
    """With a constant field the zeros beyond the window break every motion there, and only there."""

    def field(x):
        return torch.sin(5 * x[..., :1])

    turn = [planar_motion(math.pi / 2, centre=CENTRE)]
    shift = [planar_motion(translation=(0.1, 0.0))]
    at = window(21, mc.TangentRule.grid((3, 3), 1 / 20))
    operator = correlating(mc.kernels.gaussian(0.1))
    assert check_equivariance(operator, turn, field, at).passed  # the window itself is turned
    assert not check_equivariance(operator, shift, field, at).passed

    def inside(x):
        return ((x - 0.5).abs() < 0.3).all(-1)

    assert check_equivariance(operator, shift, field, replace(at, inside=inside)).passed


@pytest.mark.parametrize("share", [0.01, 0.05])
def test_a_kernel_that_is_wrong_by_a_hundredth_is_seen_by_any_rotation(share):
    """Its part of the error is what the rotations of the icosahedron find of it exactly."""
    image = smooth_on_sphere(OWN_NODES.sites.points)
    right, wrong = (float(op(image, OWN_NODES.pull).abs().max()) for op in (ISOTROPIC, WEDGE))

    def mixed(field, pull):
        return ISOTROPIC(field, pull) + share * right / wrong * WEDGE(field, pull)

    exact = check_equivariance(mixed, icosahedral_rotations(SPHERE)[1:20], smooth_on_sphere, OWN_NODES)
    assert share < exact.constraint < 3 * share  # the wrong part at two places, by its largest value
    generic = check_equivariance(mixed, random_rotations(SPHERE), smooth_on_sphere, SPHERES)
    assert not generic.passed
    assert 0.3 * exact.constraint < generic.constraint < 1.5 * exact.constraint


def test_what_is_wrong_at_one_site_only_is_seen_by_the_largest_error():
    """It hardly counts in the mean square."""

    def marked(field, pull):
        answer = ISOTROPIC(field, pull)
        answer[..., 5, :] += 0.1 * answer.abs().max()
        return answer

    report = check_equivariance(marked, random_rotations(SPHERE), smooth_on_sphere, SPHERES)
    assert report.mean_errors[-1] < 0.02
    assert not report.passed
    assert report.site == 5


def test_the_split_does_not_hang_on_the_site_where_the_error_is_largest():
    """The largest error of these three equivariant layers seems to keep more than a quarter of itself."""
    kernels = [some_kernel("1", "1", 0.6, seed=seed) for seed in (1, 2, 3)]
    network = three_layers(kernels, lambda field: field / (1 + field.norm(dim=-1, keepdim=True)))
    report = check_equivariance(
        network, random_rotations(SPHERE), vectors_on_sphere, SPHERES, count=6, rep_in=VECTOR, rep_out=VECTOR
    )
    assert report.passed, str(report)
    assert report.constraint < 0.15 * report.errors[-1]


# -- whole networks of three layers, over many random elements --


def three_layers(kernels, nonlinearity):
    def network(field, pull):
        for kernel in kernels:
            field = nonlinearity(collapsed(kernel, pull)(field))
        return field

    return network


def test_a_planar_network_of_isotropic_kernels():
    kernels = [mc.kernels.gaussian(sigma, normalise=True) for sigma in (0.05, 0.06, 0.07)]
    network = three_layers(kernels, lambda field: torch.tanh(2 * field))
    report = check_equivariance(network, MOTIONS, blobs, WINDOWS, count=24)
    assert report.passed
    assert report.errors[-1] < 0.05
    assert report.order > 1.7


def test_a_spherical_network_of_zonal_kernels():
    kernels = [mc.kernels.gaussian(sigma, normalise=True) for sigma in (0.15, 0.2, 0.25)]
    network = three_layers(kernels, lambda field: torch.relu(field) + 0.2 * field)
    report = check_equivariance(network, random_rotations(SPHERE), smooth_on_sphere, SPHERES, count=24)
    assert report.passed
    assert report.order > 1.6
    exact = check_equivariance(network, icosahedral_rotations(SPHERE), smooth_on_sphere, OWN_NODES)
    assert exact.constraint < ROUNDING


def test_a_network_of_tangent_vector_fields():
    kernels = [some_kernel("1", "1", 0.6, seed=seed) for seed in (1, 2, 3)]
    network = three_layers(kernels, lambda field: field / (1 + field.norm(dim=-1, keepdim=True)))
    types = {"rep_in": VECTOR, "rep_out": VECTOR}
    report = check_equivariance(
        network, random_rotations(SPHERE), vectors_on_sphere, SPHERES, count=24, **types
    )
    assert report.passed
    assert report.order > 1.6
    for element in (icosahedral_rotations(SPHERE), random_gauge(len(OWN_NODES.sites))):
        exact = check_equivariance(network, element, vectors_on_sphere, OWN_NODES, count=4, **types)
        assert exact.constraint < ROUNDING


def test_one_wrong_layer_in_a_network_is_caught():
    def network(field, pull):
        field = torch.tanh(TYPED(field, pull))  # component by component: no map of vectors
        return TYPED(field, pull)

    report = check_equivariance(
        network,
        random_gauge(len(OWN_NODES.sites)),
        vectors_on_sphere,
        OWN_NODES,
        rep_in=VECTOR,
        rep_out=VECTOR,
    )
    assert report.constraint > 0.01


# -- the elements --


def test_the_rotations_of_the_icosahedron_are_sixty_and_permute_the_sites():
    matrices = [
        element.apply(torch.eye(3, dtype=torch.float64)).mT for element in icosahedral_rotations(SPHERE)
    ]
    stacked = torch.stack(matrices)
    assert torch.allclose(stacked[0], torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-14)
    distances = torch.cdist(stacked.flatten(1), stacked.flatten(1)) + 9 * torch.eye(60, dtype=torch.float64)
    assert float(distances.min()) > 0.5
    points = SPHERE.sites(icosphere=2).points
    for element in icosahedral_rotations(SPHERE):
        assert float((element.apply(points)[:, None] - points).abs().amax(-1).min(1).values.max()) < 1e-12


def test_samplers_are_uniform_and_orthogonal():
    generator = torch.Generator().manual_seed(0)
    sample = random_rotations(SPHERE)
    turned = torch.stack([sample(generator).apply(torch.eye(3, dtype=torch.float64)) for _ in range(400)])
    assert float(turned.mean(0).abs().max()) < 0.15  # the standard error is 0.03
    for mirrors in (False, True):
        g = random_gauge(500, 3, mirrors)(generator).matrices
        assert torch.allclose(g.mT @ g, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-13)
        reversed_share = float((torch.linalg.det(g) < 0).double().mean())
        assert reversed_share == 0 if not mirrors else 0.4 < reversed_share < 0.6
        assert float(g.mean(0).abs().max()) < 0.1
    motion = random_planar_motions((1.0, 2.0), 0.1, mirrors=True)(generator)
    centre = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert float((motion.apply(centre) - centre).abs().max()) <= 0.1


def test_a_mirrored_motion_reverses_and_turns():
    motion = planar_motion(math.pi / 2, mirrored=True)
    assert motion.apply(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist() == [1.0, 0.0]
    assert float(torch.linalg.det(motion.differential(torch.zeros(2, dtype=torch.float64)))) == -1
    assert "mirror image" in motion.name


# -- the report --


def test_the_report_reads_well():
    text = str(check_equivariance(NARROW_WEDGE, MOTIONS, blobs, WINDOWS))
    assert text.startswith("NOT equivariant under 8 elements that interpolate")
    for words in (
        "broken constraint",
        "interpolation",
        "order of convergence",
        "worst: a turn by",
        "spacing 0.05",
    ):
        assert words in text


def test_operators_of_the_field_alone_and_single_precision():
    at = replace(WINDOWS[0], pull=None)
    report = check_equivariance(
        lambda field: field.tanh(), planar_motion(math.pi, centre=CENTRE), blobs(at.sites.points).float(), at
    )
    assert report.passed
    assert report.tolerance == 1e-4

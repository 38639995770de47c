"""Lifting, correlation on SE(2) and SO(3), projection: exact for the rotations of the grid, else of second order."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv.homogeneous import (
    SE2,
    SO3,
    group_on_itself,
    icosahedral_rotations,
    plane_sites,
    plane_under_se2,
    sphere_under_so3,
)
from manifoldconv.lifting import group_pullback, group_rule, lift_pullback, project
from manifoldconv.testing import Discretisation, action_isometry, check_equivariance

PLANE, SPHERE = plane_under_se2(), sphere_under_so3()
ON_SE2, ON_SO3 = group_on_itself(SE2()), group_on_itself(SO3())
ROUNDING = 1e-10


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def se2(angle, shift=(0.0, 0.0), centre=(0.0, 0.0)):
    """The motion that turns about `centre`, then shifts: on the plane, and on the group from the left."""
    about, shift = torch.tensor(centre, dtype=torch.float64), torch.tensor(shift, dtype=torch.float64)
    turn = torch.tensor([0.0, 0.0, angle], dtype=torch.float64)
    back = torch.cat([about + shift - SE2().act(turn, about), turn[2:]])
    return action_isometry(PLANE, back), action_isometry(ON_SE2, back)


# -- grids --

SIDE, CHANNELS = 7, 2
QUARTERS = [se2(k * math.pi / 2, centre=(3.0, 3.0)) for k in (1, 2, 3)]  # about the middle pixel
SHIFTS = [se2(0.0, shift) for shift in ((1.0, 0.0), (0.0, -2.0), (3.0, 4.0))]
BOTH = [se2(math.pi / 2, (2.0, 1.0), (3.0, 3.0)), se2(-math.pi / 2, (-1.0, 3.0), (3.0, 3.0))]


class Lifted:
    """A network of three layers: lifting, two correlations on SE(2), projection; free values at every node."""

    def __init__(self, orientations, border, side=SIDE):
        self.sites = plane_sites((side, side), border=border)
        self.elements = SE2().sites((side, side, orientations), border=border)
        rule = mc.TangentRule.grid((3, 3), 1.0)
        nodes = group_rule(PLANE, rule, orientations)
        lift = lift_pullback(PLANE, self.sites, self.elements, rule)
        group = group_pullback(SE2(), self.elements, nodes)
        self.first, self.second = (
            pull.collapse(torch.eye(len(pull.rule), dtype=torch.float64), dtype=torch.float64)
            for pull in (lift, group)
        )
        self.weights = (
            random(CHANNELS, 1, len(rule), seed=1),
            random(CHANNELS, CHANNELS, len(nodes), seed=2),
            random(1, CHANNELS, len(nodes), seed=3),
        )

    def lift(self, field):
        return self.first(field, self.weights[0])

    def correlate(self, field):
        return self.second(field, self.weights[1])

    def network(self, how):
        def run(field):
            field = torch.relu(self.correlate(torch.relu(self.lift(field))))
            return project(self.second(field, self.weights[2]), self.elements, how)

        return run


@pytest.fixture(scope="module", params=[(4, "periodic"), (8, "periodic"), (4, "zero"), (8, "zero")], ids=str)
def lifted(request):
    return Lifted(*request.param)


def elements_for(lifted):
    """A window is turned into itself about its centre, and shifted out of itself; a periodic grid has all of these."""
    return QUARTERS if lifted.elements.border == "zero" else [*QUARTERS, *SHIFTS, *BOTH]


def test_lifting_and_group_correlation_are_exact_for_the_symmetries_of_the_grid(lifted):
    image, field = random(SIDE**2, 1), random(len(lifted.elements), CHANNELS, seed=7)
    report = check_equivariance(
        lifted.lift, elements_for(lifted), image, Discretisation(lifted.sites, sites_out=lifted.elements)
    )
    assert report.exact
    assert report.constraint < ROUNDING
    on_group = [pair[1] for pair in elements_for(lifted)]
    report = check_equivariance(lifted.correlate, on_group, field, Discretisation(lifted.elements))
    assert report.exact
    assert report.constraint < ROUNDING


@pytest.mark.parametrize("how", ["max", "mean"])
def test_a_network_of_three_lifted_layers_is_exact_for_the_symmetries_of_the_grid(lifted, how):
    on_plane = [pair[0] for pair in elements_for(lifted)]
    report = check_equivariance(
        lifted.network(how), on_plane, random(SIDE**2, 1), Discretisation(lifted.sites)
    )
    assert report.exact
    assert report.constraint < ROUNDING


def test_padded_grids_commute_with_translations_of_what_stays_inside():
    """An image of one pixel in a window that holds all that lifting and two more layers make of it: each reaches by
    two pixels, as the corners of its nodes turned by 45° are read between pixels."""
    lifted = Lifted(8, "zero", side=13)
    image = torch.zeros(13, 13, 1, dtype=torch.float64)
    image[6, 6] = 1.0
    moves = [se2(0.0, shift)[0] for shift in ((1.0, 0.0), (0.0, -1.0), (1.0, 1.0))]
    report = check_equivariance(
        lifted.network("max"), moves, image.reshape(-1, 1), Discretisation(lifted.sites, inside=far_from_13)
    )
    assert report.exact
    assert report.constraint < ROUNDING


def far_from_13(points):
    """What lies a pixel inside the window of 13: its image is there, too."""
    return ((points - 6).abs() < 5.5).all(-1)


def test_what_is_not_equivariant_is_caught_on_the_group():
    """A kernel that looks at the absolute orientation, and a projection to the first orientation."""
    lifted = Lifted(4, "periodic")

    def absolute(field):
        answer = lifted.correlate(field).unflatten(-2, (-1, 4))
        return (answer * torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)[:, None]).flatten(-3, -2)

    def first(field):
        return lifted.lift(field).unflatten(-2, (-1, 4))[..., 0, :]

    field = random(len(lifted.elements), CHANNELS)
    on_group = check_equivariance(
        absolute, [pair[1] for pair in QUARTERS], field, Discretisation(lifted.elements)
    )
    assert on_group.constraint > 0.1
    at = Discretisation(lifted.sites)
    on_plane = [pair[0] for pair in QUARTERS]
    assert check_equivariance(first, on_plane, random(SIDE**2, 1), at).constraint > 0.1


def test_turning_the_orientations_from_the_right_commutes():
    """Relabelling the orientations by one is a translation from the right: no error, and none is reported."""
    lifted = Lifted(8, "periodic")

    def rolled(field):
        return lifted.correlate(field).unflatten(-2, (-1, 8)).roll(1, dims=-2).flatten(-3, -2)

    field = random(len(lifted.elements), CHANNELS)
    elements = [pair[1] for pair in QUARTERS]
    assert check_equivariance(rolled, elements, field, Discretisation(lifted.elements)).constraint < ROUNDING


# -- the plane, any motion --

HALF = 1.0  # the window is [0, 2]²


def waves(x):
    return (
        torch.sin(2 * x[..., 0] + 1) * torch.cos(3 * x[..., 1]) + 0.5 * torch.cos(x[..., 0] - 2 * x[..., 1])
    )[..., None]


def inside(x):
    """Three layers of radius 0.25 see no more than 0.75 round these points: the window is as good as the plane."""
    return (x[..., :2] - HALF).norm(dim=-1) < 0.2


def smooth_kernels():
    """A kernel with a direction, and one on the group, smooth in position and angle."""
    wedge = mc.kernels.derivative_of_gaussian(0.12, (1.0, 0.0)) * 0.1 + mc.kernels.gaussian(0.12)

    def on_group(u):
        place = torch.exp(-((u[..., 0] - 0.05) ** 2 + u[..., 1] ** 2) / (2 * 0.1**2))
        return place * (1 + torch.cos(u[..., 2]) + 0.5 * torch.sin(2 * u[..., 2]))

    return wedge, mc.kernels.Kernel.from_function(on_group, "a bump ahead", dimension=3)


WEDGE, AHEAD = smooth_kernels()


def planar_stage(count, orientations):
    spacing = 2 * HALF / (count - 1)
    sites = plane_sites((count, count), spacing)
    elements = SE2().sites((count, count, orientations), spacing)
    rule = mc.TangentRule.polar(
        0.2, 1, 5
    )  # the nodes turn with the element, so that few and crooked ones will do
    lift = lift_pullback(PLANE, sites, elements, rule).operator(WEDGE)
    group = group_pullback(SE2(), elements, group_rule(PLANE, rule, 2)).operator(AHEAD)
    return Discretisation(sites, pull=(lift, group, elements), spacing=spacing, inside=inside)


def three_planar_layers(field, pull):
    lift, group, elements = pull
    field = torch.tanh(15 * lift(field))  # the largest values are about 1 before tanh
    field = torch.tanh(3 * group(field))
    return project(group(field), elements, "max")


def motion(orientations):
    """Any centre and shift; any angle, or with a number of orientations any multiple of a turn by 2π / n."""

    def sample(generator):
        angle, x, y = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        if orientations:
            angle = math.floor(angle * orientations) / orientations
        return se2(2 * math.pi * angle, (0.1 * x - 0.05, 0.1 * y - 0.05), (HALF, HALF))[0]

    return sample


@pytest.fixture(scope="module")
def stages():
    """With 8 orientations throughout, and with as many as the grid is fine."""
    return {
        "fixed": [planar_stage(count, 8) for count in (21, 41, 61)],
        "refined": [planar_stage(count, n) for count, n in ((21, 8), (41, 16))],
    }


def test_by_the_orientations_own_angles_a_network_errs_with_second_order(stages):
    """With 8 orientations, turns by multiples of 45° and any shifts: only positions are interpolated."""
    report = check_equivariance(three_planar_layers, motion(8), waves, stages["fixed"], count=12)
    assert not report.exact
    assert report.passed
    assert report.order > 1.7


def test_lifting_alone_errs_with_second_order(stages):
    """From a field on the plane to one on the group: the element moves both."""

    def sample(generator):
        angle, x, y = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        return se2(2 * math.pi * angle, (0.1 * x - 0.05, 0.1 * y - 0.05), (HALF, HALF))

    at = [
        Discretisation(
            stage.sites, stage.pull, sites_out=stage.pull[2], spacing=stage.spacing, inside=stage.inside
        )
        for stage in stages["refined"]
    ]
    report = check_equivariance(lambda field, pull: pull[0](field), sample, waves, at, count=12)
    assert report.passed
    assert report.order > 1.7


def test_by_any_angle_a_network_errs_with_second_order_when_angles_are_refined_too(stages):
    report = check_equivariance(three_planar_layers, motion(None), waves, stages["refined"], count=16)
    assert report.passed
    assert report.order > 1.7


# -- the sphere --


def smooth_on_sphere(x):
    return (torch.sin(2 * x[..., 0]) * x[..., 1] + x[..., 2] ** 2)[..., None]


def ahead_on_sphere(u):
    """A function of the rotation vector: smooth, short-sighted and without any symmetry."""
    return torch.exp(-4 * (u[..., 0] ** 2 + (u[..., 1] - 0.2) ** 2)) * (1 + 0.5 * torch.cos(u[..., 2] - 1))


ON_SPHERE = mc.kernels.Kernel.from_function(ahead_on_sphere, "a bump ahead", dimension=3)


def spherical_stage(level, orientations):
    sites, elements = (
        SPHERE.manifold.sites(icosphere=level),
        SO3().sites(icosphere=level, angles=orientations),
    )
    rule = mc.TangentRule.polar(0.4, 1, 5)
    kernel = mc.kernels.derivative_of_gaussian(0.25, (1.0, 0.0)) + 4 * mc.kernels.gaussian(0.25)
    lift = lift_pullback(SPHERE, sites, elements, rule).operator(kernel)
    group = group_pullback(SO3(), elements, group_rule(SPHERE, rule, 2)).operator(ON_SPHERE)
    return Discretisation(sites, pull=(lift, group, elements), sites_out=None)


@pytest.fixture(scope="module")
def on_the_sphere():
    return [spherical_stage(2, 10), spherical_stage(3, 20)]


def three_spherical_layers(field, pull):
    lift, group, elements = pull
    return project(group(torch.tanh(group(torch.tanh(lift(field))))), elements, "max")


def test_lifting_to_so3_is_exact_for_the_rotations_of_the_icosahedron():
    """10 divides the number of angles, so that these rotations permute the sites of SO(3)."""
    at = spherical_stage(1, 10)
    rotations = [
        (action_isometry(SPHERE, g), action_isometry(ON_SO3, g)) for g in icosahedral_rotations()[[1, 21, 42]]
    ]
    lift, group, elements = at.pull
    image, field = random(len(at.sites), 1), random(len(elements), 1)
    for report in (
        check_equivariance(lift, rotations, image, Discretisation(at.sites, sites_out=elements)),
        check_equivariance(group, [pair[1] for pair in rotations], field, Discretisation(elements)),
        check_equivariance(three_spherical_layers, [pair[0] for pair in rotations], image, at),
    ):
        assert report.exact
        assert report.constraint < ROUNDING


def test_a_network_on_so3_errs_with_second_order_under_any_rotation(on_the_sphere):
    def rotation(generator):
        return action_isometry(SPHERE, SO3().random(1, generator)[0])

    report = check_equivariance(three_spherical_layers, rotation, smooth_on_sphere, on_the_sphere, count=24)
    assert report.passed
    assert report.order > 1.7

"""Which kernels of the plane commute with its motions: all with translations, isotropic ones with turns as well."""

import math

import pytest
import torch

import manifoldconv as mc
from manifoldconv.homogeneous import euclidean_under_translations, plane_sites, plane_under_se2
from manifoldconv.testing import Discretisation, check_equivariance, planar_motion, random_planar_motions

PLANE = mc.Euclidean(2)
KERNELS = {
    "gaussian": mc.kernels.gaussian(0.1),
    "mexican hat": mc.kernels.mexican_hat(0.1),
    "ring": mc.kernels.ring(0.15, 0.05),
    "derivative": mc.kernels.derivative_of_gaussian(0.1, (1.0, 0.0)),
    "gabor": mc.kernels.gabor(0.1, 0.2, (1.0, 0.5)),
}
ISOTROPIC = ("gaussian", "mexican hat", "ring")
HALF = 0.75


def waves(x):
    return (torch.sin(4 * x[..., 0] + 1) * torch.cos(3 * x[..., 1]))[..., None]


def inside(x):
    """The kernels reach by 0.35 from here, and motions by 0.05: not to the border of the window [0, 1.5]²."""
    return (x - HALF).norm(dim=-1) < 0.25


@pytest.fixture(scope="module")
def stages():
    """For each kernel the operators at two resolutions: 20 angles err by less than the interpolation does."""
    pulls = []
    for count in (21, 41):
        sites = PLANE.sites((count, count), 2 * HALF / (count - 1))
        pulls.append((sites, mc.Pullback.build(PLANE, sites, mc.TangentRule.polar(0.35, 5, 20))))
    return {
        name: [Discretisation(sites, pull.operator(kernel), inside=inside) for sites, pull in pulls]
        for name, kernel in KERNELS.items()
    }


def apply(field, operator):
    return operator(field)


MOTIONS = random_planar_motions((HALF, HALF), 0.05)


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_commutes_with_translations(name):
    """By whole pixels exactly, up to rounding."""
    sites = PLANE.sites((9, 9), 0.1, "periodic")
    at = Discretisation(
        sites, mc.Pullback.build(PLANE, sites, mc.TangentRule.polar(0.35, 3, 10)).operator(KERNELS[name])
    )
    field = torch.randn(81, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shifts = [planar_motion(translation=(0.1 * i, 0.1 * j)) for i, j in [(1, 0), (0, -1), (4, 7)]]
    report = check_equivariance(apply, shifts, field, at)
    assert report.exact
    assert report.constraint < 1e-10


@pytest.mark.parametrize("name", ISOTROPIC)
def test_isotropic_kernels_commute_with_turns(name, stages):
    report = check_equivariance(apply, MOTIONS, waves, stages[name])
    assert report.passed
    assert report.order > 1.7
    assert report.errors[-1] < 0.02


@pytest.mark.parametrize("name", ["derivative", "gabor"])
def test_others_do_not_at_any_resolution(name, stages):
    report = check_equivariance(apply, MOTIONS, waves, stages[name])
    assert not report.passed
    assert report.constraint > 0.05  # of the largest answer in the whole window
    assert report.interpolation < 0.5 * report.constraint


@pytest.mark.parametrize("name", KERNELS)
def test_the_actions_say_the_same(name):
    """Under translations alone every kernel is admitted, under SE(2) those that are isotropic."""
    sites, rule = plane_sites((9, 9), 0.1), mc.TangentRule.polar(0.4, 4, 16)
    field = torch.ones(81, 1, dtype=torch.float64)
    mc.correlate(field, KERNELS[name], mc.Pullback.by_action(euclidean_under_translations(2), sites, rule))
    turned = mc.Pullback.by_action(plane_under_se2(), sites, rule)
    if name in ISOTROPIC:
        mc.correlate(field, KERNELS[name], turned)
    else:
        with pytest.raises(mc.HolonomyError, match="stabiliser"):
            mc.correlate(field, KERNELS[name], turned)


def test_a_derivative_turned_by_a_quarter_is_wrong_by_its_own_size(stages):
    """Of a wave along x the derivative along x is all there is, and that along y is 0: the error is the answer."""
    at = stages["derivative"][1]
    quarter = planar_motion(math.pi / 2, centre=(HALF, HALF))
    report = check_equivariance(apply, quarter, lambda x: torch.sin(8 * x[..., :1]), at)
    assert report.exact
    answer = at.pull(torch.sin(8 * at.sites.points[:, :1])).abs()
    size = float(answer[inside(at.sites.points)].max() / answer.max())
    assert report.constraint == pytest.approx(size, rel=0.05)

"""Whole networks on spaces on which a group acts: three layers, over many random elements of the group."""

from functools import lru_cache

import pytest
import torch

import manifoldconv as mc
from manifoldconv.homogeneous import (
    euclidean_under_translations,
    hyperbolic_plane_under_so21,
    space_under_se3,
)
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.testing import Discretisation, action_isometry, check_equivariance

# The fields are smooth; few nodes do.
pytestmark = pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")

SPACE = space_under_se3()
CENTRE = torch.ones(3, dtype=torch.float64)


def waves(x):
    return torch.stack(
        [torch.sin(2 * x[..., 0]) * torch.cos(x[..., 1]) + x[..., 2] ** 2, x.sin().sum(-1)], -1
    )


def inside(x):
    """Three layers of reach 0.2 see no more than 0.6 round these points: the window [0, 2]³ is as good as space."""
    return (x - 1).norm(dim=-1) < 0.3


def space_stage(count, rule):
    sites = SPACE.manifold.sites((count,) * 3, 2 / (count - 1))
    return Discretisation(sites, mc.Pullback.by_action(SPACE, sites, rule), inside=inside)


@lru_cache
def collapsed(kernel, pull):
    return pull.operator(kernel)


def three_layers(kernels):
    def network(field, pull):
        for kernel in kernels:
            field = torch.tanh(collapsed(kernel, pull)(field))
        return field

    return network


def about_the_centre(rotation, shift):
    return action_isometry(SPACE, SPACE.group.join(rotation, CENTRE + shift - rotation @ CENTRE))


def any_motion(generator):
    shift = 0.1 * torch.rand(3, generator=generator, dtype=torch.float64) - 0.05
    return about_the_centre(mc.SO3().random(1, generator)[0], shift)


# The corners of the icosahedron integrate polynomials of degree 5 over directions as a sphere does.
ICOSAHEDRON = mc.TangentRule.points(
    torch.cat([0.1 * icosphere(0)[0], 0.2 * icosphere(0)[0]]), torch.full((24,), 1 / 24, dtype=torch.float64)
)
BLURS = [mc.kernels.gaussian(sigma, normalise=True) for sigma in (0.1, 0.15, 0.2)]


def test_a_network_of_isotropic_kernels_in_space_under_any_motion():
    stages = [space_stage(count, ICOSAHEDRON) for count in (11, 21)]
    report = check_equivariance(three_layers(BLURS), any_motion, waves, stages, count=10)
    assert not report.exact
    assert report.passed, str(report)
    assert report.order > 1.7
    # One layer with a direction among them is seen.
    edge = mc.kernels.derivative_of_gaussian(0.15, (1.0, 0.0, 0.0))
    broken = three_layers([BLURS[0], edge, BLURS[2]])
    assert not check_equivariance(broken, any_motion, waves, stages, count=4).passed


def test_a_network_of_isotropic_kernels_in_space_is_exact_for_the_rotations_of_the_cube():
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    other = quarter.roll((1, 1), (0, 1))
    at = space_stage(11, mc.TangentRule.grid((3, 3, 3), 0.2))
    turns = [about_the_centre(g, torch.zeros(3)) for g in (quarter, other, quarter @ other, other @ other)]
    noise = torch.randn(11**3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    report = check_equivariance(three_layers(BLURS), turns, noise, at)
    assert report.exact
    assert report.constraint < 1e-10


@pytest.mark.parametrize("n", [1, 2, 3])
def test_translations_commute_with_networks_of_any_kernels(n):
    """Exactly by whole steps, on white noise; with second order by others."""
    space = euclidean_under_translations(n)
    edge = mc.kernels.derivative_of_gaussian(0.12, (1.0, -0.5, 2.0)[:n]) * 0.1 + mc.kernels.gaussian(0.12)
    edges = [edge, mc.kernels.gaussian(0.15), edge]
    rule = mc.TangentRule.grid((3,) * n, 1 / 8)
    stages = []
    for count in (8, 16):
        sites = space.manifold.sites((count,) * n, 1 / count, border="periodic")
        stages.append(Discretisation(sites, mc.Pullback.by_action(space, sites, rule)))

    def shift(steps):
        return lambda generator: action_isometry(
            space, steps(torch.rand(n, generator=generator, dtype=torch.float64))
        )

    whole, any_shift = shift(lambda x: (8 * x).floor() / 8 + 1 / 8), shift(lambda x: x / 8)
    noise = torch.randn(8**n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    exact = check_equivariance(three_layers(edges), whole, noise, stages[0])
    assert exact.exact
    assert exact.constraint < 1e-10
    generic = check_equivariance(
        three_layers(edges), any_shift, lambda x: torch.sin(2 * torch.pi * x).sum(-1, keepdim=True), stages
    )
    assert generic.passed, str(generic)
    assert generic.order > 1.7


def test_a_network_on_the_hyperbolic_plane_under_boosts_and_turns():
    """A bump near the middle of the disc of sites, so that its border does not count."""
    space, rule = hyperbolic_plane_under_so21(), mc.TangentRule.polar(0.3, 3, 12)

    def bump(x):
        u, v = x[..., 1], x[..., 2]
        return (torch.exp(-(u**2 + v**2) / (2 * 0.3**2)) * (1 + 2 * u + v * u))[..., None]

    stages = []
    for rings in (10, 20):
        sites = space.manifold.sites(radius=2.0, n_rings=rings)
        stages.append(Discretisation(sites, mc.Pullback.by_action(space, sites, rule)))

    def near(generator):
        v = torch.randn(3, generator=generator, dtype=torch.float64) * torch.tensor([0.1, 0.1, 2.0])
        return action_isometry(space, space.group.group_exp(v))

    report = check_equivariance(three_layers(BLURS), near, bump, stages, count=8)
    assert report.passed, str(report)
    assert report.order > 1.6


def test_sites_of_another_manifold_are_refused_everywhere():
    disc = mc.HyperbolicPlane().sites(radius=1.0, n_rings=4)
    with pytest.raises(mc.GeometryError, match="the sites are those of HyperbolicPlane"):
        mc.Pullback.by_action(mc.homogeneous.sphere_under_so3(), disc, mc.TangentRule.polar(0.3, 2, 8))

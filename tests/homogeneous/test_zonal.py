"""Zonal kernels on the sphere: against spherical harmonics, and under rotations of the sphere.

∫_S k(d(p, q)) f(q) dq  has the coefficients  λ_l f_lm,    λ_l = 2π ∫ k(r) P_l(cos r) sin(r) dr  (Funk and Hecke)
"""

import math
from functools import cache

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import eval_legendre, sph_harm_y
from torch import Tensor

import manifoldconv as mc
from manifoldconv.homogeneous import icosahedral_rotations, permutations, sphere_under_so3
from manifoldconv.sampling import Sites
from manifoldconv.testing import Discretisation, check_equivariance, require
from manifoldconv.testing.motions import random_rotations

# The fields are smooth; few angles do.
pytestmark = pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")

SPACE, SPHERE = sphere_under_so3(), mc.Sphere()
# At the rim the kernel is down to 2e-4 of its height: a sum over sites sees little of the cut.
REACH, WIDTH, LIMIT = 0.7, 0.17, 5
KERNEL = mc.kernels.gaussian(WIDTH)
RULE = mc.TangentRule.polar(REACH, 8, 16)


def eigenvalue(degree: int) -> float:
    def integrand(r: float) -> float:
        return math.exp(-(r**2) / 2 / WIDTH**2) * eval_legendre(degree, math.cos(r)) * math.sin(r)

    return 2 * math.pi * quad(integrand, 0, REACH, epsabs=1e-14)[0]


def band_limited(points: Tensor, factors: list[float]) -> Tensor:
    """`(N, 1)`: a random real field of degrees up to LIMIT, degree l times factors[l], by scipy's harmonics."""
    random = np.random.default_rng(0)
    x, y, z = points.numpy().T
    colatitude, longitude = np.arccos(np.clip(z, -1, 1)), np.arctan2(y, x)
    total = np.zeros(len(points))
    for degree, factor in enumerate(factors):
        for order in range(degree + 1):
            values = sph_harm_y(degree, order, colatitude, longitude)
            a, b = random.normal(size=2)
            total += factor * (a * values.real + b * values.imag)
    return torch.from_numpy(total)[:, None]


def spectral_error(pull: mc.Pullback, points: Tensor) -> float:
    """The largest error over the largest value of the spectral answer."""
    factors = [eigenvalue(degree) for degree in range(LIMIT + 1)]
    out = mc.correlate(band_limited(points, [1.0] * len(factors)), KERNEL, pull)
    expected = band_limited(points, factors)
    return float((out - expected).abs().max() / expected.abs().max())


@cache
def pullback(way: str, kind: str, size: int | tuple[int, int]) -> tuple[Sites, mc.Pullback]:
    """The nodes of a rule, or the sites themselves with their own areas."""
    sites = SPHERE.sites(**{kind: size})
    if way == "by_action":
        return sites, mc.Pullback.by_action(SPACE, sites, RULE)
    return sites, mc.over_sites(SPHERE, sites, REACH)


SIZES = {"icosphere": (3, 4), "equiangular": ((14, 28), (28, 56))}
# Largest relative errors at 2562 sites of the icosphere and 28 × 56 of the grid, with some room.
BOUNDS = {
    ("icosphere", "by_action"): 0.009,
    ("icosphere", "over_sites"): 0.004,
    ("equiangular", "by_action"): 0.018,
    ("equiangular", "over_sites"): 0.025,
}


@pytest.mark.parametrize("way", ["by_action", "over_sites"])
@pytest.mark.parametrize("kind", SIZES)
def test_zonal_kernels_act_on_harmonics_as_the_spectrum_says(kind: str, way: str) -> None:
    """With second order in the distance of sites, by the nodes of a rule and by the sites' own areas."""
    errors = []
    for size in SIZES[kind]:
        sites, pull = pullback(way, kind, size)
        errors.append(spectral_error(pull, sites.points))
    assert errors[1] < BOUNDS[kind, way], errors
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.2), errors


def test_a_sum_over_sites_is_exact_under_the_sixty_rotations() -> None:
    """Of the icosahedron, on white noise: they permute the sites and keep their areas."""
    sites, pull = pullback("over_sites", "icosphere", 3)
    field = torch.randn(len(sites), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    out = mc.correlate(field, KERNEL, pull)
    for permutation in permutations(sites.points, icosahedral_rotations()):
        moved = mc.correlate(field[permutation], KERNEL, pull)
        assert float((moved - out[permutation]).abs().max()) < 1e-10 * float(out.abs().max())


def test_with_nodes_the_difference_is_the_error_of_their_angles() -> None:
    """The nodes turn with the frame at a site: white noise shows that most, and more angles show less of it."""
    sites = SPHERE.sites(icosphere=3)
    rotations = icosahedral_rotations()[1::6]
    noise = torch.randn(len(sites), 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gaps: dict[str, list[float]] = {"noise": [], "smooth": []}
    for angles in (16, 64):
        pull = mc.Pullback.by_action(SPACE, sites, mc.TangentRule.polar(0.5, 6, angles))
        for name, field in (("noise", noise), ("smooth", band_limited(sites.points, [1.0] * 6))):
            out = mc.correlate(field, KERNEL, pull)
            gap = 0.0
            for permutation in permutations(sites.points, rotations):
                moved = mc.correlate(field[permutation], KERNEL, pull)
                gap = max(gap, float((moved - out[permutation]).abs().max() / out.abs().max()))
            gaps[name].append(gap)
    assert 1e-3 < gaps["noise"][0] < 0.15, gaps
    assert gaps["noise"][1] < 0.02, gaps
    assert gaps["smooth"][0] < 5e-3, gaps
    assert gaps["smooth"][1] < 2e-4, gaps


@pytest.mark.parametrize("way", ["by_action", "over_sites"])
def test_generic_rotations_commute_with_second_order(way: str) -> None:
    """The error has no part that stays: no constraint is broken."""
    report = check_equivariance(
        lambda field, pull: mc.correlate(field, KERNEL, pull),
        random_rotations(SPHERE),
        lambda points: band_limited(points, [1.0] * 6),
        [Discretisation(*pullback(way, "icosphere", level)) for level in (3, 4)],
        count=4,
    )
    require([report.as_law()])
    assert report.order == pytest.approx(2, abs=0.2), str(report)
    assert report.errors[-1] < 0.015, str(report)


def test_the_check_sees_a_kernel_that_is_not_zonal() -> None:
    """The same with a kernel that the stabiliser does not admit: the error stays where it is."""
    sites = [SPHERE.sites(icosphere=level) for level in (2, 3)]
    skew = mc.kernels.derivative_of_gaussian(WIDTH, (1.0, 0.0))
    report = check_equivariance(
        lambda field, pull: mc.correlate(field, skew, pull, gauge_dependent=True),
        random_rotations(SPHERE),
        lambda points: band_limited(points, [1.0] * 6),
        [Discretisation(s, mc.Pullback.by_action(SPACE, s, RULE)) for s in sites],
        count=2,
    )
    assert not report.passed
    assert report.constraint > 0.3, str(report)


def test_the_spectral_answer_of_torch_harmonics() -> None:
    """On its own grid, by its own transform: there and back with every degree times its eigenvalue.

    Where that library is installed. The correlation is evaluated at its grid by the elements of the section.
    """
    harmonics = pytest.importorskip("torch_harmonics")
    rows, columns = 17, 32
    forward = harmonics.RealSHT(rows, columns, lmax=LIMIT + 1, mmax=LIMIT + 1, grid="equiangular").double()
    back = harmonics.InverseRealSHT(
        rows, columns, lmax=LIMIT + 1, mmax=LIMIT + 1, grid="equiangular"
    ).double()
    colatitude = torch.linspace(0, math.pi, rows, dtype=torch.float64)  # both poles are on it
    longitude = 2 * math.pi / columns * torch.arange(columns, dtype=torch.float64)
    theta, phi = torch.meshgrid(colatitude, longitude, indexing="ij")
    points = torch.stack([theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()], dim=-1)
    factors = [eigenvalue(degree) for degree in range(LIMIT + 1)]
    image = band_limited(points.reshape(-1, 3), [1.0] * len(factors)).reshape(rows, columns)
    expected = back(forward(image) * torch.tensor(factors, dtype=torch.float64)[:, None])
    errors = []
    for shape in SIZES["equiangular"]:
        sites = SPHERE.sites(equiangular=shape)
        elements = SPACE.section(points.reshape(-1, 3))
        pull = mc.Pullback.by_action(SPACE, sites, RULE, elements=elements)
        out = mc.correlate(band_limited(sites.points, [1.0] * len(factors)), KERNEL, pull)
        errors.append(float((out.reshape(rows, columns) - expected).abs().max() / expected.abs().max()))
    assert errors[1] < BOUNDS["equiangular", "by_action"], errors
    assert math.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.25), errors

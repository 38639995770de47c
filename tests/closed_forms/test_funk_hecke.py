"""On the sphere: spherical harmonics are eigenfunctions of isotropic kernels (Funk and Hecke).

With the measure of the tangent space the eigenvalue of degree l is 2π ∫ k(r) P_l(cos r) r dr over the disc.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import eval_legendre, lpmv

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere

DEGREE, WIDTH, RADIUS = 6, 0.25, 0.6
KERNEL = mc.kernels.gaussian(WIDTH / math.sqrt(2))  # exp(-(r / WIDTH)²)
RULE = mc.TangentRule.polar(RADIUS, 10, 20)
EIGENVALUE = (
    2
    * math.pi
    * quad(
        lambda r: math.exp(-((r / WIDTH) ** 2)) * eval_legendre(DEGREE, math.cos(r)) * r,
        0,
        RADIUS,
        epsabs=1e-14,
    )[0]
)


def harmonics(points):
    """`(N, 13)`: P_l^m(z) cos(mφ) and P_l^m(z) sin(mφ) for l = 6, each of largest value about 1."""
    x, y, z = points.numpy().T
    angle = np.arctan2(y, x)
    columns = [lpmv(m, DEGREE, z) * np.cos(m * angle) for m in range(DEGREE + 1)]
    columns += [lpmv(m, DEGREE, z) * np.sin(m * angle) for m in range(1, DEGREE + 1)]
    return torch.from_numpy(np.stack([column / np.abs(column).max() for column in columns], axis=1))


def relative_error(operator, points):
    """The largest |out - λY| over the largest |λY|, for the worst of the thirteen harmonics."""
    field = harmonics(points)
    expected = EIGENVALUE * field
    return float(((operator(field) - expected).abs().amax(0) / expected.abs().amax(0)).max())


def operator_on(manifold, sites):
    with warnings.catch_warnings():
        # Harmonics of degree 6 are smooth: 20 angles do, though the sites are closer than the nodes.
        warnings.simplefilter("ignore", mc.AccuracyWarning)
        (operator,) = mc.ops.operators([KERNEL], mc.Pullback.blocks(manifold, sites, RULE))
    return operator


def test_the_harmonics_are_of_degree_six():
    """Checks the checker: the mean of Y_l over a circle of radius r round p is P_l(cos r) Y_l(p)."""
    sphere, radius, n = mc.Sphere(), 0.3, 32  # 32 > 2 · 6 equal angles integrate degree 6 exactly
    angles = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    circle = radius * torch.stack([angles.cos(), angles.sin()], dim=-1)
    points = sphere.sites(icosphere=2).points
    every = torch.cat([points[:, None], sphere.exp(points[:, None], circle)], dim=1)
    values = harmonics(every.reshape(-1, 3)).reshape(len(points), n + 1, 13)
    expected = eval_legendre(DEGREE, math.cos(radius)) * values[:, 0]
    assert float((values[:, 1:].mean(dim=1) - expected).abs().max()) < 1e-12


def test_icospheres_as_meshes_converge_with_order_two():
    errors, lengths = [], []
    for level in (3, 4, 5, 6):  # 642, 2562, 10242, 40962 vertices
        vertices, faces = icosphere(level)
        surface = mc.MeshSurface(vertices, faces)
        errors.append(relative_error(operator_on(surface, surface.sites()), vertices))
        lengths.append(surface.mean_edge_length)
    slope, _ = np.polyfit(np.log(lengths), np.log(errors), 1)
    assert abs(slope - 2) < 0.15, (slope, errors)
    assert errors[-1] < 1.2e-3, errors


@pytest.mark.parametrize("kind", ["icosphere", "equiangular"])
def test_the_round_sphere_converges_with_order_two(kind):
    """Here the geodesics are exact, and the error is that of the interpolation between sites alone."""
    sphere, errors = mc.Sphere(), []
    sizes = (3, 4) if kind == "icosphere" else ((24, 48), (48, 96))
    for size in sizes:
        sites = sphere.sites(**{kind: size})
        errors.append(relative_error(operator_on(sphere, sites), sites.points))
    slope = math.log2(errors[0] / errors[-1])
    assert abs(slope - 2) < 0.15, (slope, errors)
    assert errors[-1] < 0.02, errors


def test_the_eigenvalue_depends_on_the_radius_as_it_should():
    """On a sphere of radius R with everything scaled by R, the eigenvalue is scaled by R², the area."""
    factor = 3.0
    sites = mc.Sphere().sites(icosphere=3)
    larger = mc.Sphere(radius=factor)
    operator = mc.Pullback.build(larger, larger.sites(icosphere=3), RULE.scaled(factor)).operator(
        mc.kernels.gaussian(factor * WIDTH / math.sqrt(2))
    )
    small = mc.Pullback.build(mc.Sphere(), sites, RULE).operator(KERNEL)
    field = harmonics(sites.points)
    assert float((operator(field) / factor**2 - small(field)).abs().max()) < 1e-12


def test_rotations_of_the_sphere_commute_with_the_correlation():
    """Exactly so for those of the icosahedron: a turn by 72° about a vertex permutes the sites."""
    sphere = mc.Sphere()
    sites = sphere.sites(icosphere=3)
    axis, angle = sites.points[0], 2 * math.pi / 5
    cross = torch.zeros(3, 3, dtype=torch.float64)
    cross[0, 1], cross[0, 2], cross[1, 2] = -axis[2], axis[1], -axis[0]
    turn = torch.linalg.matrix_exp(angle * (cross - cross.T))
    gap = (sites.points @ turn.T)[:, None].sub(sites.points).norm(dim=-1)
    permutation = gap.argmin(dim=1)
    assert float(gap.amin(dim=1).max()) < 1e-12
    field = torch.randn(len(sites), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # The nodes turn with the local frames, so only a rule of many angles is blind to the turn.
    pull = mc.Pullback.build(sphere, sites, mc.TangentRule.polar(0.4, 4, 240))
    kernel = mc.kernels.gaussian(0.15)
    out = mc.correlate(field, kernel, pull)
    moved = mc.correlate(field[permutation], kernel, pull)
    # White noise is the worst field for the angular quadrature, whose error falls with the square of 1/240.
    assert float((moved - out[permutation]).abs().max()) < 1e-3 * float(out.abs().max())

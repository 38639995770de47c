"""The manifold's own measure: the Jacobian of exp in a pullback, and sums over sites."""

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import leggauss
from scipy.special import eval_legendre, sph_harm_y

import manifoldconv as mc
from manifoldconv.manifolds import icosphere
from manifoldconv.ops import operators
from manifoldconv.over_sites import over_sites

RADIUS, DEGREE = 0.6, 6
KERNEL = mc.kernels.gaussian(0.25 / math.sqrt(2))


def harmonic(points):
    x = points.numpy()
    polar, azimuth = np.arccos(x[:, 2].clip(-1, 1)), np.arctan2(x[:, 1], x[:, 0])
    return torch.from_numpy(np.ascontiguousarray(sph_harm_y(DEGREE, 3, polar, azimuth).real))[:, None]


def eigenvalue(density=np.sin):
    """2π ∫ k(r) P_l(cos r) sin r dr: Funk-Hecke with the sphere's own measure (density r: the tangent space's)."""
    r, w = leggauss(200)
    r, w = (r + 1) / 2 * RADIUS, w / 2 * RADIUS
    profile = np.exp(-((r / 0.25) ** 2)) * eval_legendre(DEGREE, np.cos(r))
    return 2 * math.pi * float(np.sum(w * profile * density(r)))


def relative_error(out, field):
    expected = eigenvalue() * field
    return float((out - expected).abs().max() / expected.abs().max())


def test_zonal_eigenvalues_with_the_spheres_own_measure_at_41k_sites():
    """The bound is what linear interpolation between 40962 sites allows; the first blocks stand for all."""
    sphere = mc.Sphere()
    sites = sphere.sites(icosphere=6)
    field = harmonic(sites.points)
    rule = mc.TangentRule.polar(RADIUS, 10, 20)
    with pytest.warns(mc.AccuracyWarning, match="nodes at the rim"):
        blocks = list(
            itertools.islice(mc.Pullback.blocks(sphere, sites, rule, measure="manifold", rows=750), 2)
        )
    out = operators([KERNEL], blocks)[0](field)
    expected = eigenvalue() * field
    assert float((out - expected[:1500]).abs().max() / expected.abs().max()) <= 1.2e-3


@pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")
def test_the_measures_differ_by_the_jacobian_and_converge_with_second_order():
    errors, sizes = [], []
    for level in (2, 3):
        sphere = mc.Sphere()
        sites = sphere.sites(icosphere=level)
        field = harmonic(sites.points)
        rule = mc.TangentRule.polar(RADIUS, 10, 20)
        own = mc.Pullback.build(sphere, sites, rule, measure="manifold")
        errors.append(relative_error(mc.correlate(field, KERNEL, own), field))
        sizes.append(len(sites) ** -0.5)
    slope = math.log(errors[0] / errors[1]) / math.log(sizes[0] / sizes[1])
    assert slope > 1.7
    tangent = mc.Pullback.build(sphere, sites, rule)
    ratio = mc.correlate(field, KERNEL, tangent).norm() / mc.correlate(field, KERNEL, own).norm()
    assert float(ratio) == pytest.approx(eigenvalue(lambda r: r) / eigenvalue(), rel=1e-4)
    assert float(ratio) > 1.003


@pytest.mark.parametrize("on", ["sphere", "mesh"])
def test_sums_over_sites_converge_with_second_order(on):
    """No interpolation, so the constant is smaller than that of the pullback through nodes."""
    errors = []
    for level in (2, 3):
        if on == "sphere":
            manifold = mc.Sphere()
            sites = manifold.sites(icosphere=level)
            points = sites.points
        else:
            manifold = mc.MeshSurface(*icosphere(level))
            sites = manifold.sites()
            points = manifold.vertices
        field = harmonic(points)
        errors.append(relative_error(mc.correlate(field, KERNEL, over_sites(manifold, sites, RADIUS)), field))
    assert errors[1] < 0.015
    assert math.log(errors[0] / errors[1]) / math.log(2) > 1.7


def test_sums_over_sites_reference_and_gradients_agree():
    surface = mc.MeshSurface(*icosphere(1))
    pull = over_sites(surface, surface.sites("faces"), 0.8)
    field = torch.randn(pull.n_sources, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sparse = mc.correlate(field, KERNEL, pull)
    assert torch.allclose(sparse, mc.correlate(field, KERNEL, pull, method="reference"), rtol=0, atol=1e-13)
    sigma = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: mc.correlate(field, mc.kernels.gaussian(s), pull), (sigma,))


def test_one_unfolding_finds_what_single_logarithms_find():
    rng = np.random.default_rng(1)
    vertices, faces = icosphere(2)
    surface = mc.MeshSurface(
        np.asarray(vertices) * (1 + 0.1 * rng.standard_normal((len(vertices), 1))), faces
    )
    radius = 3.0 * surface.mean_edge_length
    sources = torch.arange(0, surface.n_vertices, 5)
    start, found, vectors = surface.log_to_vertices(sources, radius)
    seen = 0
    for row, source in enumerate(sources.tolist()):
        everyone = surface.log(surface.vertex_points(source)[None], surface.vertex_points())
        near = torch.nonzero(everyone.norm(dim=-1) <= radius)[:, 0]
        mine = slice(int(start[row]), int(start[row + 1]))
        # The unfolding also sees lines that are longer than a path along edges, where `log` gives none.
        known = torch.isin(found[mine], near)
        assert torch.equal(found[mine][known], near)
        assert torch.allclose(vectors[mine][known], everyone[near], rtol=0, atol=1e-11)
        ends = surface.exp(surface.vertex_points(found[mine] * 0 + source), vectors[mine])
        gap = (surface.embed(ends) - surface.vertices[found[mine]]).norm(dim=-1)
        assert float(gap.max()) < 1e-9
        seen += len(near)
    assert seen > 10 * len(sources)


def test_batches_keep_the_densities():
    sphere = mc.Sphere()
    rule = mc.TangentRule.polar(0.5, 4, 12)
    pulls = [mc.Pullback.build(sphere, sphere.sites(icosphere=k), rule, measure="manifold") for k in (1, 2)]
    both = mc.Pullback.batch(pulls)
    field = torch.randn(both.n_sources, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    parts = [
        mc.correlate(part, KERNEL, pull) for part, pull in zip(field.split([42, 162]), pulls, strict=True)
    ]
    assert torch.allclose(mc.correlate(field, KERNEL, both), torch.cat(parts), rtol=0, atol=1e-14)
    with pytest.raises(ValueError, match="nodes of their own"):
        mc.Pullback.batch([over_sites(sphere, sphere.sites(icosphere=1), 0.5)] * 2)


def test_no_formula_no_measure():
    surface = mc.MeshSurface(*icosphere(1))
    with pytest.raises(mc.GeometryError, match="Jacobian"):
        mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.3, 2, 6), measure="manifold")


def test_a_measure_that_does_not_exist_is_refused() -> None:
    plane = mc.Euclidean(2)
    with pytest.raises(ValueError, match='measure must be "tangent" or "manifold"; got \'own\''):
        mc.Pullback.build(plane, plane.sites(shape=(2, 2)), mc.TangentRule.polar(1.0, 1, 4), measure="own")

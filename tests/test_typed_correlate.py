"""Correlation between field types: the sparse form against the formula, gradients, batches, refusals."""

import pytest
import torch

import manifoldconv as mc
from manifoldconv.kernels import KernelSpace, RadialBasis
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.representations import Representation

O2, SO2 = mc.StructureGroup.orthogonal(2), mc.StructureGroup.special_orthogonal(2)
RULE = mc.TangentRule.polar(0.5, 2, 7)
PAIRS = [("0", "1"), ("1", "0"), ("1", "1"), ("2x0 + 1x1", "sign + 2"), ("1 + 2", "2x0 + 1x1")]


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def space_of(rep_in, rep_out, group=O2):
    return KernelSpace(rep_in, rep_out, group, RadialBasis.gaussian_rings(0.5, 2))


def pulls():
    """A closed mesh, a bounded one under each policy, the same in other frames, and a Möbius strip."""
    vertices, faces = icosphere(1)
    closed = mc.MeshSurface(vertices, faces)
    upper = vertices[faces][..., 2].min(dim=1).values > -0.3
    used, renumbered = faces[upper].unique(return_inverse=True)
    cap = mc.MeshSurface(vertices[used], renumbered)
    strip = mc.MoebiusStrip(3.0, 1.0)
    yield "closed", mc.Pullback.build(closed, closed.sites(), RULE)
    for boundary in ("zero", "renormalise", "reflect"):
        yield f"cap, {boundary}", mc.Pullback.build(cap, cap.sites(), RULE, boundary=boundary)
    pull = mc.Pullback.build(cap, cap.sites(), RULE, boundary="renormalise")
    turns = torch.linalg.qr(random(len(pull), 2, 2, seed=3)).Q
    yield "cap, other frames", pull.change_gauge(turns)
    strip_pull = mc.Pullback.build(strip, strip.sites(shape=(4, 8)), mc.TangentRule.polar(0.4, 2, 7))
    yield "strip", strip_pull


PULLS = dict(pulls())


@pytest.mark.parametrize("name", PULLS)
def test_the_sparse_form_equals_the_formula_loop_by_loop(name):
    """Values, and gradients with respect to the field and the coefficients of the kernel."""
    pull = PULLS[name]
    for pair in PAIRS[2:4]:
        space = space_of(*pair)
        results = []
        for method in ("sparse", "reference"):
            coefficients = random(space.dimension, seed=1).requires_grad_()
            field = random(pull.n_sources, space.rep_in.size).requires_grad_()
            out = mc.correlate(
                field, space.kernel(coefficients), pull, method=method, gauge_dependent=method == "reference"
            )
            loss = (out * random(*out.shape, seed=2)).sum()
            results.append((out, *torch.autograd.grad(loss, (field, coefficients))))
        for fast, slow in zip(*results, strict=True):
            scale = float(slow.detach().abs().max())
            assert scale > 1e-3
            # Sums of at most 14 x 3 products, rounded in another order.
            assert float((fast - slow).detach().abs().max()) < 1e-12 * max(scale, 1.0), pair


@pytest.mark.parametrize("pair", PAIRS)
def test_every_pair_without_gradients_too(pair):
    pull = PULLS["closed"]
    space = space_of(*pair)
    kernel = space.kernel(random(space.dimension, seed=1))
    field = random(pull.n_sources, space.rep_in.size)
    out = mc.correlate(field, kernel, pull)
    assert out.shape == (len(pull), space.rep_out.size)
    assert not out.requires_grad
    expected = mc.correlate(field, kernel, pull, method="reference")
    assert float((out - expected).abs().max()) < 1e-12
    assert float((pull.operator(kernel)(field) - out).abs().max()) == 0.0
    dense = torch.from_numpy(pull.operator(kernel).to_scipy().toarray())
    assert float(((dense @ field.reshape(-1)).reshape(out.shape) - out).abs().max()) < 1e-12


@pytest.mark.parametrize("boundary", ["zero", "renormalise", "reflect"])
def test_gradcheck(boundary):
    cylinder = mc.Cylinder(1.0, 0.6)
    rule = mc.TangentRule.polar(0.3, 1, 5)
    pull = mc.Pullback.build(cylinder, cylinder.sites(shape=(2, 3)), rule, boundary=boundary)
    space = KernelSpace("0 + 1", "1", O2, RadialBasis.gaussian_rings(0.3, 1))
    field = random(2, len(pull), 3).requires_grad_()
    coefficients = random(space.dimension, seed=1).requires_grad_()

    def run(field, coefficients):
        return mc.correlate(field, space.kernel(coefficients), pull, gauge_dependent=True)

    assert torch.autograd.gradcheck(run, (field, coefficients))
    fixed = space.kernel(coefficients.detach())
    assert torch.autograd.gradcheck(lambda f: mc.correlate(f, fixed, pull), (field,))


def test_batch_axes_are_independent():
    pull = PULLS["closed"]
    space = space_of("2x0 + 1x1", "1")
    for coefficients in (random(space.dimension), random(space.dimension).requires_grad_()):
        kernel = space.kernel(coefficients)
        field = random(2, 3, pull.n_sources, 4)
        out = mc.correlate(field, kernel, pull)
        assert out.shape == (2, 3, len(pull), 2)
        for a, b in [(0, 0), (1, 2)]:
            single = mc.correlate(field[a, b], kernel, pull)
            assert torch.allclose(out[a, b], single, rtol=0, atol=1e-13)
        swapped = field.transpose(0, 1)
        assert not swapped.is_contiguous()
        assert torch.allclose(mc.correlate(swapped, kernel, pull), out.transpose(0, 1), rtol=0, atol=1e-13)
        empty = field[:0].requires_grad_()
        nothing = mc.correlate(empty, kernel, pull)
        assert nothing.shape == (0, 3, len(pull), 2)
        nothing.sum().backward()
        assert empty.grad.shape == empty.shape


def test_float32_in_float32_out():
    pull = PULLS["closed"]
    space = space_of("1", "1")
    expected = mc.correlate(random(len(pull), 2), space.kernel(random(space.dimension)), pull)
    for coefficients in (random(space.dimension), random(space.dimension).requires_grad_()):
        field = random(len(pull), 2, dtype=torch.float32)
        out = mc.correlate(field, space.kernel(coefficients), pull)
        assert out.dtype == torch.float32
        # 14 x 3 products of numbers below 3, each rounded by 6e-8.
        assert float((out.detach().double() - expected).abs().max()) < 1e-5


def test_scalars_as_a_field_type_are_the_scalar_correlation():
    """A kernel 0 → 0 is a scalar kernel, and copies are channels."""
    pull = PULLS["cap, renormalise"]
    scalar, rep = mc.kernels.gaussian(0.3), Representation("1x0", O2)
    typed = mc.kernels.Kernel.from_function(
        lambda v: scalar(v)[..., None, None], "the same", rep_in=rep, rep_out=rep
    )
    field = random(pull.n_sources, 1)
    difference = mc.correlate(field, typed, pull) - mc.correlate(field, scalar, pull)
    assert float(difference.abs().max()) < 1e-14


def test_a_constant_vector_field_of_the_plane_stays_under_an_isotropic_kernel():
    """The features are carried: on a strip whose frames mirror at the seam, (1, 0) is parallel and (0, 1) is not."""
    strip = mc.MoebiusStrip(3.0, 1.2)
    pull = mc.Pullback.build(strip, strip.sites(shape=(6, 15)), mc.TangentRule.polar(0.2, 3, 8), "reflect")
    rep, g = Representation("1", O2), mc.kernels.gaussian(0.1)
    mass = float(g.weights(pull.rule).sum())
    kernel = mc.kernels.Kernel.from_function(
        lambda v: (g(v) / mass)[..., None, None] * torch.eye(2).double(), "mean", rep_in=rep, rep_out=rep
    )
    along = torch.tensor([1.0, 0.0], dtype=torch.float64).repeat(len(pull), 1)
    assert torch.allclose(mc.correlate(along, kernel, pull), along, rtol=0, atol=1e-12)
    # A vector across the band has one sign on the strip cut open, and cannot have it everywhere.
    across = along.flip(-1)
    lost = (mc.correlate(across, kernel, pull) - across).abs().amax(dim=-1)
    assert 0 < int((lost > 0.1).sum()) < len(pull)


def test_fields_of_another_size_are_refused():
    pull = PULLS["closed"]
    space = space_of("2x0 + 1x1", "1")
    kernel = space.kernel(random(space.dimension))
    for shape in [(len(pull), 3), (len(pull) + 1, 4), (len(pull),)]:
        with pytest.raises(ValueError, match=r"\(\.\.\., 42, 4\).*type 2x0 \+ 1x1"):
            mc.correlate(random(*shape), kernel, pull)
    with pytest.raises(ValueError, match="floating"):
        mc.correlate(torch.zeros(len(pull), 4, dtype=torch.int64), kernel, pull)


def test_kernels_of_a_smaller_group_are_refused_with_the_element_and_the_distance():
    pull = PULLS["closed"]
    trivial = space_of("1", "1", mc.StructureGroup.trivial(2))
    kernel = trivial.kernel(random(trivial.dimension))
    with pytest.raises(mc.HolonomyError, match=r"from 1x1 to 1x1.*rotation by.*nearest admissible kernel"):
        mc.correlate(random(len(pull), 2), kernel, pull)
    nearest = mc.kernels.project(kernel, SO2)
    mc.correlate(random(len(pull), 2), nearest, pull)


def test_isotropic_smoothing_of_vectors_on_the_torus_is_that_of_their_components():
    torus = mc.FlatTorus(3.0, 2.0)
    pull = mc.Pullback.build(torus, torus.sites(shape=(8, 12)), mc.TangentRule.polar(0.4, 3, 8))
    field = random(pull.n_sources, 2)
    kernel = mc.kernels.gaussian(0.2)
    smooth = mc.correlate(field, kernel.acting_on(Representation("1", pull.group)), pull)
    assert torch.allclose(smooth, mc.correlate(field, kernel, pull), rtol=0, atol=1e-14)


def test_isotropic_smoothing_keeps_the_rotations_of_the_sphere():
    """They are the only fields of degree 1 without sources, so every isotropic kernel multiplies them by a number."""
    sphere = mc.Sphere()
    sites = sphere.sites(icosphere=3)
    axis = torch.tensor([0.0, 0.6, 0.8], dtype=torch.float64).expand(len(sites), 3)
    ambient = torch.linalg.cross(axis, sites.points)
    field = (sphere.frame(sites.points).mT @ ambient[..., None])[..., 0]
    rule = mc.TangentRule.polar(0.6, 5, 20)
    pull = mc.Pullback.build(sphere, sites, rule)
    kernel = mc.kernels.gaussian(0.2, normalise=True).acting_on(Representation("1", O2), rule)
    out = mc.correlate(field, kernel, pull)
    factor = (out * field).sum() / (field * field).sum()
    assert 0.9 < factor < 1
    # The stencil interpolates linearly between 642 sites: (edge of 0.15)² / 8 = 3e-3 of the field's curvature.
    assert (out - factor * field).abs().max() < 3e-3

"""Correlation: the sparse form against the readable one, boundary policies, and what is refused."""

import math
import subprocess
import sys
import warnings

import pytest
import torch

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere

RULE = mc.TangentRule.polar(0.45, 2, 8)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.fixture(scope="module")
def sphere_pull():
    sphere = mc.Sphere()
    return mc.Pullback.build(sphere, sphere.sites(icosphere=1), RULE)


@pytest.fixture(scope="module")
def cap():
    """A mesh with a boundary: the upper part of an icosphere."""
    vertices, faces = icosphere(1)
    upper = vertices[faces][..., 2].min(dim=1).values > -0.3
    used, renumbered = faces[upper].unique(return_inverse=True)
    return mc.MeshSurface(vertices[used], renumbered)


def strip_pull(boundary):
    strip = mc.MoebiusStrip(3.0, 1.0)
    return mc.Pullback.build(strip, strip.sites(shape=(4, 8)), RULE, boundary=boundary)


def pullback_cases(sphere_pull, cap):
    """Every boundary policy, with and without a change of gauge, on a mesh, a sphere and a strip."""
    yield "sphere", sphere_pull, mc.kernels.gaussian(0.2)
    yield "sphere, normalised", sphere_pull, mc.kernels.gaussian(0.2, normalise=True)
    for boundary in ("zero", "renormalise", "reflect"):
        yield (
            f"cap, {boundary}",
            mc.Pullback.build(cap, cap.sites(), RULE, boundary=boundary),
            mc.kernels.ring(0.2, 0.1),
        )
        pull = strip_pull(boundary)
        yield f"strip, {boundary}", pull, mc.kernels.gabor(0.2, 0.4, (1.0, 0.0), 0.7)
        yield f"strip, {boundary}, normalised", pull, mc.kernels.gabor(0.2, 0.4).normalised()
        turned = pull.change_gauge(
            torch.diag_embed(torch.tensor([1.0, -1.0]).double()).expand(len(pull), 2, 2)
        )
        yield f"strip, {boundary}, other gauge", turned, mc.kernels.gabor(0.2, 0.4).normalised()


def test_the_sparse_form_equals_the_formula_loop_by_loop(sphere_pull, cap):
    for name, pull, kernel in pullback_cases(sphere_pull, cap):
        field = random(pull.n_sources, 3)
        expected = mc.correlate(field, kernel, pull, method="reference")
        error = float((mc.correlate(field, kernel, pull) - expected).abs().max())
        # Sums of at most 16 × 4 products of numbers of order 1: rounding in another order.
        assert error < 1e-13, (name, error)
        assert float(expected.abs().max()) > 1e-3, name


def test_the_formula_itself_on_one_site(sphere_pull):
    """Written out once more from the definition, independent of both forms."""
    field, p = random(sphere_pull.n_sources, 1), 17
    kernel = mc.kernels.gaussian(0.3)
    by_hand = 0.0
    for q, node in enumerate(RULE.nodes):
        value = sum(
            float(sphere_pull.weight[p, q, s]) * float(field[sphere_pull.index[p, q, s], 0])
            for s in range(sphere_pull.index.shape[-1])
        )
        by_hand += float(RULE.weights[q]) * math.exp(-float(node @ node) / (2 * 0.09)) * value
    assert float(mc.correlate(field, kernel, sphere_pull)[p, 0]) == pytest.approx(by_hand, rel=1e-13)


def test_gradients_with_respect_to_the_field_and_the_kernel(sphere_pull, cap):
    """The same in both forms, and equal to finite differences."""
    for name, pull, _ in pullback_cases(sphere_pull, cap):
        results = []
        for method in ("sparse", "reference"):
            sigma = torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
            field = random(2, pull.n_sources, 2).requires_grad_()
            out = mc.correlate(
                field, mc.kernels.gaussian(sigma, normalise="normalised" in name), pull, method=method
            )
            loss = (out * random(*out.shape, seed=1)).sum()
            results.append((out, *torch.autograd.grad(loss, (field, sigma))))
        for fast, slow in zip(*results, strict=True):
            scale = float(slow.detach().abs().max())
            assert float((fast - slow).detach().abs().max()) < 1e-12 * max(scale, 1.0), name


@pytest.mark.parametrize("boundary", ["zero", "renormalise", "reflect"])
def test_gradcheck(boundary):
    strip = mc.Cylinder(1.0, 0.6)
    pull = mc.Pullback.build(
        strip, strip.sites(shape=(2, 4)), mc.TangentRule.polar(0.3, 1, 6), boundary=boundary
    )
    field = random(len(pull), 2).requires_grad_()
    sigma, direction_free = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.2, 0.3))

    def run(field, sigma, phase):
        return mc.correlate(field, mc.kernels.gabor(sigma, 0.5, (1.0, 0.0), phase), pull)

    assert torch.autograd.gradcheck(run, (field, sigma, direction_free))
    fixed = mc.kernels.gaussian(0.2)
    assert torch.autograd.gradcheck(lambda f: mc.correlate(f, fixed, pull), (field,))
    assert torch.autograd.gradgradcheck(lambda f: mc.correlate(f, fixed, pull) ** 2, (field,))


def test_batch_axes_and_channels_are_independent(sphere_pull):
    kernel = mc.kernels.gaussian(0.2)
    field = random(2, 3, sphere_pull.n_sources, 4)
    out = mc.correlate(field, kernel, sphere_pull)
    assert out.shape == (2, 3, len(sphere_pull), 4)
    for a, b, c in [(0, 0, 0), (1, 2, 3), (1, 0, 2)]:
        single = mc.correlate(field[a, b, :, c : c + 1], kernel, sphere_pull)
        assert torch.allclose(out[a, b, :, c : c + 1], single, rtol=0, atol=1e-14)
    # Noncontiguous fields, as transposes give them.
    transposed = field.movedim(0, -1)[0]
    expected = torch.stack([mc.correlate(transposed[..., i], kernel, sphere_pull) for i in range(2)], dim=-1)
    assert torch.allclose(
        mc.correlate(transposed[..., 1], kernel, sphere_pull), expected[..., 1], rtol=0, atol=0
    )
    reference = mc.correlate(field, kernel, sphere_pull, method="reference")
    assert torch.allclose(out, reference, rtol=0, atol=1e-13)


def test_an_empty_batch_and_no_channels(sphere_pull):
    kernel = mc.kernels.gaussian(0.2)
    n = sphere_pull.n_sources
    assert mc.correlate(torch.zeros(0, n, 2), kernel, sphere_pull).shape == (0, n, 2)
    assert mc.correlate(torch.zeros(n, 0), kernel, sphere_pull).shape == (n, 0)
    sigma = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    for field in (torch.zeros(0, n, 2), torch.zeros(n, 0)):
        out = mc.correlate(field, mc.kernels.gaussian(sigma), sphere_pull)
        assert out.shape == field.shape
        assert torch.autograd.grad(out.sum(), sigma)[0] == 0


def test_float32_in_float32_out(sphere_pull):
    """Rounding of the field's own precision, whatever torch's default dtype."""
    field = random(sphere_pull.n_sources, 2)
    sigma = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    expected = mc.correlate(field, mc.kernels.gaussian(0.2), sphere_pull)
    for kernel in (mc.kernels.gaussian(0.2), mc.kernels.gaussian(sigma)):
        for method in ("sparse", "reference"):
            out = mc.correlate(field.float(), kernel, sphere_pull, method=method)
            assert out.dtype == torch.float32
            # 16 × 3 products, each rounded by 6e-8 of numbers below 1.
            assert float((out.detach().double() - expected).abs().max()) < 2e-6
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert mc.correlate(field.float(), mc.kernels.gaussian(0.2), sphere_pull).dtype == torch.float32
    finally:
        torch.set_default_dtype(before)


def test_float32_gradients(sphere_pull):
    gradients = []
    for dtype in (torch.float64, torch.float32):
        sigma = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
        field = random(sphere_pull.n_sources, 2, dtype=dtype).requires_grad_()
        mc.correlate(field, mc.kernels.gaussian(sigma), sphere_pull).square().sum().backward()
        assert field.grad.dtype == dtype
        assert sigma.grad.dtype == torch.float64
        gradients.append((field.grad.double(), sigma.grad))
    (exact_field, exact_sigma), (field_grad, sigma_grad) = gradients
    assert torch.allclose(field_grad, exact_field, rtol=0, atol=1e-5 * float(exact_field.abs().max()))
    assert float(sigma_grad) == pytest.approx(float(exact_sigma), rel=1e-5)


def test_convolution_is_correlation_with_the_flipped_kernel():
    torus = mc.FlatTorus(1.0, 1.0)
    pull = mc.Pullback.build(torus, torus.sites(shape=(10, 10)), mc.TangentRule.polar(0.3, 3, 16))
    field = random(100, 2)
    odd, even = mc.kernels.derivative_of_gaussian(0.1), mc.kernels.gabor(0.1, 0.3)
    correlated = mc.correlate(field, odd, pull)
    assert torch.allclose(mc.convolve(field, odd, pull), -correlated, rtol=0, atol=1e-13)
    assert torch.allclose(mc.convolve(field, even, pull), mc.correlate(field, even, pull), rtol=0, atol=1e-13)
    # It is the transpose: <k ⋆ f, g> = <f, k * g>, exactly so on a torus, where all shifts are alike.
    other = random(100, 2, seed=1)
    left = (correlated * other).sum()
    assert float(left) == pytest.approx(float((field * mc.convolve(other, odd, pull)).sum()), rel=1e-10)


@pytest.mark.parametrize("boundary", ["renormalise", "reflect"])
def test_a_constant_stays_where_the_boundary_is_made_good(cap, boundary):
    """Under kernels of one sign; under "zero" it does not."""
    for manifold, sites in [
        (cap, cap.sites()),
        (mc.MoebiusStrip(3.0, 1.0), mc.MoebiusStrip(3.0, 1.0).sites(shape=(6, 18))),
        (mc.Cylinder(3.0, 1.0), mc.Cylinder(3.0, 1.0).sites(shape=(6, 18))),
    ]:
        ones = torch.ones(len(sites), 1, dtype=torch.float64)
        kernel = mc.kernels.gaussian(0.2, normalise=True)
        pull = mc.Pullback.build(manifold, sites, RULE, boundary=boundary)
        assert torch.allclose(mc.correlate(ones, kernel, pull), ones, rtol=0, atol=1e-12)
        reference = mc.correlate(ones, kernel, pull, method="reference")
        assert torch.allclose(reference, ones, rtol=0, atol=1e-12)
        zero = mc.Pullback.build(manifold, sites, RULE, boundary="zero")
        lost = mc.correlate(ones, kernel, zero)
        # Sites near the boundary lose about half of the disc (at corners three quarters), others nothing.
        assert 0.2 < float(lost.min()) < 0.75
        assert float(lost.max()) == pytest.approx(1.0, abs=1e-12)


def test_reflection_at_the_boundary_of_a_mesh_is_correlation_on_the_doubled_mesh(cap):
    """The cap glued to its own copy along the rim is a closed mesh; the field on both halves alike."""
    edges = torch.cat([cap.faces[:, [0, 1]], cap.faces[:, [1, 2]], cap.faces[:, [2, 0]]]).sort(dim=1).values
    unique, count = edges.unique(dim=0, return_counts=True)
    rim = unique[count == 1].unique()
    n = cap.n_vertices
    inner = torch.ones(n, dtype=torch.bool)
    inner[rim] = False
    copy = torch.arange(n)
    copy[inner] = n + torch.arange(int(inner.sum()))
    corners = cap.vertices[cap.faces]
    lengths = (corners.roll(-1, dims=1) - corners).norm(dim=-1)
    doubled = mc.MeshSurface.from_edge_lengths(
        torch.cat([cap.faces, copy[cap.faces][:, [0, 2, 1]]]), torch.cat([lengths, lengths[:, [2, 1, 0]]])
    )
    field = random(n, 2)
    both = torch.cat([field, field[inner]])
    kernel = mc.kernels.gaussian(0.15)
    reflected = mc.correlate(field, kernel, mc.Pullback.build(cap, cap.sites(), RULE, boundary="reflect"))
    glued = mc.correlate(both, kernel, mc.Pullback.build(doubled, doubled.sites(), RULE))
    # Vertices of the rim have a whole disc in the doubled mesh; in the cap their frame covers half of one.
    assert torch.allclose(reflected[inner], glued[:n][inner], rtol=0, atol=1e-11)


def test_inadmissible_kernels_are_refused_with_a_witness(sphere_pull):
    odd = mc.kernels.derivative_of_gaussian(0.2)
    field = random(sphere_pull.n_sources, 1)
    for call in (mc.correlate, mc.convolve):
        with pytest.raises(mc.HolonomyError, match=r"SO\(2\).*changes by"):
            call(field, odd, sphere_pull)
    out = mc.correlate(field, odd, sphere_pull, gauge_dependent=True)
    assert torch.allclose(
        out,
        mc.correlate(field, odd, sphere_pull, gauge_dependent=True, method="reference"),
        rtol=0,
        atol=1e-13,
    )


def test_declared_frames_admit_every_kernel():
    sphere = mc.Sphere()
    sites = sphere.sites(icosphere=2)
    frames = mc.FrameField(torch.eye(2, dtype=torch.float64).expand(len(sites), 2, 2))
    pull = mc.Pullback.build(sphere, sites, RULE, frames=frames)
    assert pull.group is None
    mc.correlate(random(len(sites), 1), mc.kernels.derivative_of_gaussian(0.2), pull)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (torch.zeros(41, 1), r"\(\.\.\., 42, channels\).*\(41, 1\)"),
        (torch.zeros(42), r"\(42,\)"),
        (torch.zeros(1, 42), r"\(1, 42\)"),
        (torch.zeros(42, 1, dtype=torch.int64), "int64"),
        (torch.zeros(42, 1, dtype=torch.complex128), "complex128"),
        ([[0.0]] * 42, "list"),
    ],
)
def test_fields_that_do_not_fit_are_refused(sphere_pull, field, message):
    with pytest.raises(ValueError, match=message):
        mc.correlate(field, mc.kernels.gaussian(0.2), sphere_pull)


def test_an_unknown_method_is_refused(sphere_pull):
    with pytest.raises(ValueError, match="sparse"):
        mc.correlate(random(42, 1), mc.kernels.gaussian(0.2), sphere_pull, method="quick")


def test_a_kernel_without_integral_is_not_normalised_in_silence(sphere_pull):
    """Also not where the kernel is sampled site by site, after a change of gauge, or in the reference."""
    field = random(42, 1)
    vanishing = mc.kernels.Kernel.from_function(
        lambda v: v[..., 0].square() - v[..., 1].square(), name="saddle"
    ).normalised()
    turned = sphere_pull.change_gauge(torch.eye(2, dtype=torch.float64).expand(42, 2, 2))
    for pull in (sphere_pull, turned):
        for method in ("sparse", "reference"):
            with pytest.raises(ValueError, match="saddle cannot be normalised"):
                mc.correlate(field, vanishing, pull, gauge_dependent=True, method=method)


@pytest.mark.parametrize("rule", [RULE, mc.TangentRule.grid((3, 3), 0.2)], ids=["polar", "grid"])
@pytest.mark.parametrize("boundary", ["zero", "renormalise", "reflect"])
def test_vertices_of_no_face_give_zero(cap, rule, boundary):
    """They have no tangent space: no node lies on the surface, not even the centre of a grid."""
    stray = torch.tensor([[9.0, 9.0, 9.0]], dtype=torch.float64)
    mesh = mc.MeshSurface(
        torch.cat([cap.vertices[:5], stray, cap.vertices[5:]]), cap.faces + (cap.faces >= 5)
    )
    keep = torch.arange(mesh.n_vertices) != 5
    field = random(mesh.n_vertices, 1)
    out = mc.correlate(
        field, mc.kernels.gaussian(0.2), mc.Pullback.build(mesh, mesh.sites(), rule, boundary=boundary)
    )
    assert float(out[5]) == 0.0
    plain = mc.correlate(
        field[keep], mc.kernels.gaussian(0.2), mc.Pullback.build(cap, cap.sites(), rule, boundary=boundary)
    )
    assert torch.allclose(out[keep], plain, rtol=0, atol=1e-13)


def test_no_warnings_of_other_libraries_reach_the_user():
    """torch warns of its sparse tensors once a process, so a process of its own is asked."""
    code = (
        "import torch, manifoldconv as mc\n"
        "torus = mc.FlatTorus(1.0, 1.0)\n"
        "pull = mc.Pullback.build(torus, torus.sites(shape=(8, 8)), mc.TangentRule.polar(0.2, 3, 12))\n"
        "mc.correlate(torch.ones(64, 1), mc.kernels.gaussian(0.1), pull)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_suitable_rules_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error", mc.AccuracyWarning)
        sphere = mc.Sphere()
        mc.Pullback.build(sphere, sphere.sites(icosphere=2), RULE)

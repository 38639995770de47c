"""The layer operator against the reference: values and gradients, for every form, backend, dtype and policy."""

import importlib.util
from dataclasses import replace

import pytest
import torch

import manifoldconv as mc
from manifoldconv.correlate import correlate_reference
from manifoldconv.kernels import Kernel, RadialBasis
from manifoldconv.manifolds.neighbour_sites import NeighbourSites

SO2, O2 = mc.StructureGroup.special_orthogonal(2), mc.StructureGroup.orthogonal(2)
TRIVIAL, REFLECTION = mc.StructureGroup.trivial(), mc.StructureGroup.reflection()
C4, D4 = mc.StructureGroup.cyclic(4), mc.StructureGroup.dihedral(4)
RINGS = RadialBasis.gaussian_rings(0.5, 2)
HAS_SCATTER = importlib.util.find_spec("torch_scatter") is not None
BACKENDS = [
    "compiled",
    "torch",
    pytest.param(
        "scatter", marks=pytest.mark.skipif(not HAS_SCATTER, reason="torch-scatter is not installed")
    ),
]
# Sums of some hundred products of numbers near 1, rounded after each.
TOLERANCE = {torch.float64: 1e-13, torch.float32: 5e-6}


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.fixture(scope="module")
def sphere():
    manifold = mc.Sphere()
    return mc.Pullback.build(manifold, manifold.sites(icosphere=1), mc.TangentRule.polar(0.8, 2, 12))


def strip(boundary="zero", frames="parallel"):
    manifold = mc.MoebiusStrip(2.0, 1.0)
    rule = mc.TangentRule.polar(0.4, 2, 12)
    return mc.Pullback.build(manifold, manifold.sites(shape=(4, 8)), rule, boundary, frames=frames)


@pytest.fixture(scope="module")
def strips():
    return {
        "zero": strip(),
        "reflect": strip("reflect"),
        "local": strip(frames="local"),
        "renormalise": strip("renormalise"),
    }


def compared(pull, space, *, backend=None, dtype=torch.float64, expected=None):
    """The largest relative errors of the output and of the gradients of field and weights."""
    operator = pull.collapse(space, dtype=dtype, backend=backend)
    field = random(2, pull.n_sources, space.rep_in.size, dtype=dtype).requires_grad_()
    weight = random(space.dimension, seed=1, dtype=dtype).requires_grad_()
    along = random(2, len(pull), space.rep_out.size, seed=2, dtype=dtype)
    out = operator(field, weight)
    found = (out, *torch.autograd.grad((out * along).sum(), (field, weight)))
    exact_field = field.detach().double().requires_grad_()
    exact_weight = weight.detach().double().requires_grad_()
    reference = mc.correlate(exact_field, space.kernel(exact_weight), pull, gauge_dependent=True)
    wanted = (
        reference,
        *torch.autograd.grad((reference * along.double()).sum(), (exact_field, exact_weight)),
    )
    assert out.dtype == dtype
    if expected is not None:
        assert operator.form == expected
    return [
        float((a - b).detach().abs().max() / b.detach().abs().max())
        for a, b in zip(found, wanted, strict=True)
    ]


def space(rep_in, rep_out, group, **keywords):
    return mc.KernelSpace(rep_in, rep_out, group, RINGS, **keywords)


# (field types, group, the form that should be chosen); more copies than a vector, blocks that come twice
PLANAR = [
    ("3x0", "1x0 + 18x2", SO2, "scalar"),
    ("2x0 + 1x1", "1x0 + 2x1", SO2, "complex"),
    ("1x1 + 2x2 + 1x0 + 1x1", "1x1 + 3x0 + 1x3", SO2, "complex"),
    ("40x0 + 40x1", "1x2 + 1x1", SO2, "complex"),
    ("2x0 + 1xsign + 17x1", "1x1 + 1x0 + 1xsign", O2, "complex"),
    ("2x0 + 1x1", "1x0 + 2x1 + 1x2", TRIVIAL, "complex"),
    ("2x0 + 1x1 + 2x3", "1x0 + 2x1 + 1x2 + 1x3", C4, "complex"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("rep_in", "rep_out", "group", "form"), PLANAR, ids=lambda value: str(value))
def test_it_is_the_correlation_with_the_kernel_of_its_weights(sphere, rep_in, rep_out, group, form, backend):
    pull = sphere if group in (SO2, O2) else replace(sphere, group=None)
    errors = compared(pull, space(rep_in, rep_out, group), backend=backend, expected=form)
    assert max(errors) < TOLERANCE[torch.float64]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("group", [SO2, TRIVIAL])
def test_single_precision(sphere, group, backend):
    pull = sphere if group == SO2 else replace(sphere, group=None)
    errors = compared(
        pull, space("2x0 + 3x1", "4x0 + 2x1 + 1x2", group), backend=backend, dtype=torch.float32
    )
    assert max(errors) < TOLERANCE[torch.float32]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("policy", "rep_in", "rep_out", "group"),
    [
        ("zero", "2x0 + 1xsign + 2x1", "1x1 + 1x0 + 1xsign + 1x2", REFLECTION),
        ("reflect", "2x0 + 1xsign + 2x1", "1x1 + 1x0 + 1xsign + 1x2", O2),
        ("reflect", "1x0 + 1x1 + 1xregular", "1x1 + 1xregular", D4),
        ("local", "2x0 + 1xsign + 1x1", "1xsign + 2x1", O2),
        ("zero", "1xregular + 1x2+", "2xregular", D4),
    ],
)
def test_mirrors_and_finite_groups(strips, policy, rep_in, rep_out, group, backend):
    """Transports of determinant -1, some sites read with both, and field types of a finite group's elements."""
    errors = compared(strips[policy], space(rep_in, rep_out, group), backend=backend)
    assert max(errors) < TOLERANCE[torch.float64]


@pytest.mark.parametrize("backend", BACKENDS)
def test_transports_that_vary_in_three_dimensions(backend):
    """The matrix form: no class of transports, no angle."""
    manifold = mc.Sphere(3)
    points = torch.nn.functional.normalize(random(40, 4), dim=-1)
    sites = NeighbourSites(manifold, points, 6, torch.ones(40, dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    nodes = 0.5 * torch.randn(9, 3, generator=generator, dtype=torch.float64)
    rule = mc.TangentRule.points(nodes, torch.rand(9, generator=generator, dtype=torch.float64))
    pull = mc.Pullback.build(manifold, sites, rule)
    group = mc.StructureGroup.special_orthogonal(3)
    errors = compared(pull, space("2x0 + 3x1", "1x0 + 2x1 + 1x2", group), backend=backend, expected="matrix")
    assert max(errors) < TOLERANCE[torch.float64]


def test_the_reference_itself(sphere):
    """Loop by loop, not by another sparse product."""
    kernels = space("1x0 + 1x1", "1x0 + 1x1", SO2)
    weight, field = random(kernels.dimension), random(sphere.n_sources, 3, seed=1)
    found = sphere.collapse(kernels, dtype=torch.float64)(field, weight)
    assert torch.allclose(
        found, correlate_reference(field, kernels.kernel(weight), sphere), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("channels_in", "channels_out"), [(3, 20), (40, 2), (1, 1)])
def test_a_table_of_scalar_kernels(strips, backend, channels_in, channels_out):
    """Each basis kernel is a correlation of its own; a free value for each node is the identity."""
    for pull in (strips["zero"], strips["renormalise"]):
        nodes = len(pull.rule)
        table = torch.cat([random(nodes, 3), torch.eye(nodes, dtype=torch.float64)[:, :2]], 1)
        operator = pull.collapse(table, dtype=torch.float64, backend=backend)
        field = random(pull.n_sources, channels_in).requires_grad_()
        weight = random(channels_out, channels_in, 5, seed=1).requires_grad_()
        found = operator(field, weight)
        alone = [
            mc.correlate(field, on_nodes(pull, table[:, b]), pull, gauge_dependent=True) @ weight[:, :, b].mT
            for b in range(5)
        ]
        along = random(*found.shape, seed=2)
        for a, b in zip(
            (found, *torch.autograd.grad((found * along).sum(), (field, weight))),
            (sum(alone), *torch.autograd.grad((sum(alone) * along).sum(), (field, weight))),
            strict=True,
        ):
            assert float((a - b).detach().abs().max() / b.detach().abs().max()) < TOLERANCE[torch.float64]


@pytest.mark.parametrize("count", range(1, 15))
def test_any_number_of_features_is_summed_together(strips, count):
    """One real feature for each kernel of a table: the compiled loops are different ones for each number."""
    pull = strips["zero"]
    table, field = random(len(pull.rule), count), random(pull.n_sources, 2, seed=1)
    weight = random(3, 2, count, seed=2)
    found, wanted = (
        pull.collapse(table, dtype=torch.float64, backend=name)(field, weight)
        for name in ("compiled", "torch")
    )
    assert float((found - wanted).abs().max() / wanted.abs().max()) < TOLERANCE[torch.float64]


@pytest.mark.parametrize("count", range(1, 9))
def test_any_number_of_complex_features_is_summed_together(sphere, count):
    """One complex feature for each radial function, conjugate ones for the gradient."""
    kernels = mc.KernelSpace("1x1", "1x0 + 1x1", SO2, RadialBasis.gaussian_rings(0.5, count))
    assert max(compared(sphere, kernels, expected="complex")) < TOLERANCE[torch.float64]


def on_nodes(pull, values):
    """The scalar kernel with given values on the nodes."""

    def function(nodes):
        nearest = torch.cdist(nodes.reshape(-1, 2), pull.rule.nodes).argmin(-1)
        return values[nearest].reshape(nodes.shape[:-1])

    return Kernel.from_function(function, name="table")


def test_renormalised_kernels_are_scaled_one_by_one(strips):
    """Linear in the weights, as a layer must be: each basis kernel as `correlate` scales it, by itself."""
    pull = strips["renormalise"]
    kernels = space("1x0 + 1x1", "1x0 + 1x1", O2)
    operator = pull.collapse(kernels, dtype=torch.float64)
    field = random(pull.n_sources, 3)
    total = torch.zeros(len(pull), 3, dtype=torch.float64)
    weight = random(kernels.dimension, seed=1)
    for b in range(kernels.dimension):
        one = torch.zeros(kernels.dimension, dtype=torch.float64)
        one[b] = 1.0
        alone = mc.correlate(field, kernels.kernel(one), pull)
        assert torch.allclose(operator(field, one), alone, rtol=0, atol=1e-13)
        total += weight[b] * alone
    assert torch.allclose(operator(field, weight), total, rtol=0, atol=1e-12)


def test_renormalising_kernels_whose_size_has_a_direction_is_refused(strips):
    with pytest.raises(ValueError, match="depends on the direction"):
        strips["renormalise"].collapse(space("0", "0", REFLECTION))


def test_changed_gauges_own_measures_and_own_nodes(sphere):
    """Nodes, weights and frames that differ from site to site."""
    angle = random(len(sphere)) * 3
    rotations = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()], -1), torch.stack([angle.sin(), angle.cos()], -1)], -2
    )
    density = 1 + random(*sphere.coverage.shape, seed=3).abs()
    for pull in (sphere.change_gauge(rotations), replace(sphere, density=density)):
        assert max(compared(pull, space("1x0 + 2x1", "1x0 + 1x2", SO2))) < TOLERANCE[torch.float64]
    manifold = mc.Sphere()
    own = mc.over_sites(manifold, manifold.sites(icosphere=1), 0.8)
    assert max(compared(own, space("1x0 + 2x1", "1x0 + 1x2", SO2))) < TOLERANCE[torch.float64]


@pytest.mark.parametrize("rows", [1, 7])
def test_chunks_give_the_operator_of_the_whole(strips, rows, monkeypatch):
    """To the last bit: each row is summed in the same order."""
    kernels = space("2x0 + 2x1", "1x0 + 1x1", O2)
    whole = strips["reflect"].collapse(kernels, dtype=torch.float64)
    entries = strips["reflect"].index[0].numel()
    monkeypatch.setattr("manifoldconv.ops.build.ENTRIES_AT_A_TIME", rows * entries)
    again = strip("reflect").collapse(kernels, dtype=torch.float64)
    for a, b in zip(whole.arrays.tensors(), again.arrays.tensors(), strict=True):
        assert torch.equal(a, b)


def test_one_sparsity_serves_all_pairs_of_field_types(sphere):
    """The pairs do not depend on the types, and the complex form stores what rotations need, no more."""
    few = sphere.collapse(space("1x0", "1x0", SO2))
    many = sphere.collapse(space("3x0 + 2x1 + 1x2", "3x0 + 2x1 + 1x2", SO2))
    assert few.nnz == many.nnz
    assert torch.equal(few.arrays.forward.column, many.arrays.forward.column)
    # From k to l: n = l - k and -(l + k), complex but where k = n = 0; two radial functions.
    numbers = sum(
        1 if k == n == 0 else 2
        for k in (0, 1, 2)
        for n in ({0, 1, 2} if k == 0 else {sign * out - k for out in (0, 1, 2) for sign in (1, -1)})
    )
    assert many.arrays.values.shape[1] == 2 * numbers


def test_flat_manifolds_need_no_transports():
    torus = mc.FlatTorus(1.0, 1.0)
    pull = mc.Pullback.build(torus, torus.sites(shape=(6, 6)), mc.TangentRule.polar(0.2, 2, 8))
    operator = pull.collapse(space("1x0 + 1x1", "1x1", TRIVIAL))
    assert operator.form == "scalar"
    assert not len(operator.arrays.extension.site)
    assert max(compared(pull, space("1x0 + 1x1", "1x1", TRIVIAL))) < TOLERANCE[torch.float64]

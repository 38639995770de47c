"""The layer operator as an operator of torch: opcheck, torch.compile, autocast, derivatives of any order."""

import pytest
import torch

import manifoldconv as mc
from manifoldconv.kernels import RadialBasis
from manifoldconv.ops.library import collapsed, collapsed_backward
from manifoldconv.ops.sparse import sparse

SO2 = mc.StructureGroup.special_orthogonal(2)


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def built(level, dtype=torch.float32, backend=None):
    sphere = mc.Sphere()
    pull = mc.Pullback.build(sphere, sphere.sites(icosphere=level), mc.TangentRule.polar(0.8, 2, 12))
    space = mc.KernelSpace("1x0 + 2x1", "2x0 + 1x1", SO2, RadialBasis.gaussian_rings(0.6, 3))
    return pull.collapse(space, dtype=dtype, backend=backend)


@pytest.mark.parametrize("backend", ["compiled", "torch"])
def test_opcheck(backend):
    operator = built(1, backend=backend)
    arrays = operator.arrays.tensors()
    field, grad = random(1, operator.n_sources, 5), random(1, operator.n_sites, 4)
    weight = random(operator.dimension)
    arguments = (field.requires_grad_(), weight.requires_grad_(), arrays, backend, False)
    torch.library.opcheck(collapsed, arguments)
    torch.library.opcheck(collapsed_backward, (grad.requires_grad_(), field, weight, arrays, backend))


def test_gradients_to_second_order():
    operator = built(0, torch.float64)
    field = random(operator.n_sources, 5, dtype=torch.float64).requires_grad_()
    weight = random(operator.dimension, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(operator, (field, weight), fast_mode=True)
    assert torch.autograd.gradgradcheck(operator, (field, weight), fast_mode=True)


def test_compiled_as_one_graph_for_any_number_of_sites():
    """One trace serves meshes of different sizes: `fullgraph`, and no recompilation."""
    traces = []

    def backend(module, inputs):
        traces.append(module)
        return module.forward

    torch._dynamo.reset()
    layer = torch.compile(
        lambda op, f, w: torch.relu(op(f, w)), fullgraph=True, dynamic=True, backend=backend
    )
    for level in (0, 1, 2):
        operator = built(level)
        field = random(operator.n_sources, 5).requires_grad_()
        weight = random(operator.dimension).requires_grad_()
        found, wanted = layer(operator, field, weight), torch.relu(operator(field, weight))
        assert torch.equal(found, wanted)
        gradients = [torch.autograd.grad(out.square().sum(), (field, weight)) for out in (found, wanted)]
        assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert len(traces) == 1


def test_collapsing_inside_a_compiled_layer():
    """As a layer calls it: the operator comes from the pullback's own memory."""
    sphere = mc.Sphere()
    pull = mc.Pullback.build(sphere, sphere.sites(icosphere=1), mc.TangentRule.polar(0.8, 2, 12))
    space = mc.KernelSpace("1x0", "1x1", SO2)
    pull.collapse(space)
    torch._dynamo.reset()
    field, weight = random(len(pull), 1), random(space.dimension)
    layer = torch.compile(lambda f, w: pull.collapse(space)(f, w), fullgraph=True, backend="aot_eager")
    assert torch.equal(layer(field, weight), pull.collapse(space)(field, weight))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_autocast_leaves_the_integral_in_single_precision(half):
    operator = built(1)
    field, weight = random(operator.n_sources, 5).to(half), random(operator.dimension)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        leaf, parameter = field.clone().requires_grad_(), weight.clone().requires_grad_()
        out = operator(leaf, parameter)
    assert out.dtype == torch.float32
    assert torch.equal(out, operator(field.float(), weight))
    out.sum().backward()
    assert leaf.grad.dtype == half
    assert parameter.grad.dtype == torch.float32


@pytest.fixture(scope="module")
def fixed():
    """The operators of fixed kernels, on scalars and between field types."""
    sphere = mc.Sphere()
    pull = mc.Pullback.build(sphere, sphere.sites(icosphere=1), mc.TangentRule.polar(0.8, 2, 12))
    space = mc.KernelSpace("1x0 + 1x1", "1x1", SO2)
    typed = pull.operator(space.kernel(random(space.dimension, dtype=torch.float64)))
    return pull.operator(mc.kernels.gaussian(0.4)), typed


def test_opcheck_of_fixed_kernels(fixed):
    operator, _ = fixed
    place = (torch.device("cpu"), torch.float32)
    arrays, adjoint = operator._arrays(*place), operator.transposed._arrays(*place)
    torch.library.opcheck(sparse, (random(42, 3).requires_grad_(), arrays, adjoint))


def test_fixed_kernels_compiled_as_one_graph(fixed):
    for operator, channels in zip(fixed, (2, 3), strict=True):
        torch._dynamo.reset()
        layer = torch.compile(lambda op, f: torch.relu(op(f)), fullgraph=True, backend="aot_eager")
        field = random(5, 42, channels).requires_grad_()
        wanted = torch.relu(operator(field))
        wanted_gradient = torch.autograd.grad(wanted.square().sum(), field)
        with torch.no_grad():
            assert torch.equal(layer(operator, field), wanted)
        found = layer(operator, field)
        assert torch.equal(found, wanted)
        assert torch.equal(torch.autograd.grad(found.square().sum(), field)[0], wanted_gradient[0])


def test_a_transpose_is_not_built_while_compiling():
    sphere = mc.Sphere()
    pull = mc.Pullback.build(sphere, sphere.sites(icosphere=0), mc.TangentRule.polar(0.8, 2, 12))
    operator = pull.operator(mc.kernels.gaussian(0.4))
    torch._dynamo.reset()
    layer = torch.compile(lambda op, f: op(f), fullgraph=True, backend="aot_eager")
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"operator\.transposed"):
        layer(operator, random(12, 1).requires_grad_())

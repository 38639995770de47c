"""The collapsed operator: what it sums, its transpose, and that blocks are one operator."""

import numpy as np
import pytest
import scipy.sparse
import torch

import manifoldconv as mc
from manifoldconv.ops import SparseOperator, kernel_factors, operators, operators_from_factors
from manifoldconv.ops.small import back_and_forth

RULE = mc.TangentRule.polar(0.4, 2, 10)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def pull():
    strip = mc.MoebiusStrip(2.0, 1.0)
    return mc.Pullback.build(strip, strip.sites(shape=(5, 10)), RULE)


@pytest.fixture(scope="module")
def operator(pull):
    return pull.operator(mc.kernels.gabor(0.2, 0.5, (1.0, 0.0), 0.4))


def dense(pull, factors):
    """The sum over nodes and stencils, by SciPy's addition of coordinate triples."""
    rows, nodes, width = pull.index.shape
    row = np.arange(rows).repeat(nodes * width)
    value = (factors[..., None] * pull.weight).reshape(-1).numpy()
    triples = (value, (row, pull.index.reshape(-1).numpy()))
    return scipy.sparse.coo_array(triples, shape=(rows, pull.n_sources)).toarray()


def test_it_sums_over_nodes_and_stencils(pull):
    kernel = mc.kernels.gabor(0.2, 0.5, (1.0, 0.0), 0.4)
    matrix = pull.operator(kernel).to_scipy()
    assert matrix.shape == (50, 50)
    expected = dense(pull, kernel_factors(kernel, pull).expand(50, -1))
    assert float(np.abs(matrix.toarray() - expected).max()) < 1e-15


def test_factors_may_differ_from_site_to_site(pull):
    factors = random(2, len(pull), len(RULE))
    for operator, own in zip(operators_from_factors([(pull, factors)]), factors, strict=True):
        assert float(np.abs(operator.to_scipy().toarray() - dense(pull, own)).max()) < 1e-14


def test_rows_are_sorted_without_duplicates_and_without_nodes_outside(operator):
    for row in range(50):
        columns = operator.column[operator.row_start[row] : operator.row_start[row + 1]]
        assert bool((columns.diff() > 0).all())
    matrix = operator.to_scipy()
    assert matrix.has_canonical_format
    assert operator.column.min() >= 0
    assert operator.column.max() < 50


def test_several_kernels_share_their_sparsity_and_equal_single_ones(pull):
    kernels = [mc.kernels.gaussian(0.1), mc.kernels.ring(0.2, 0.1), mc.kernels.gabor(0.2, 0.5, (1.0, 0.0))]
    together = operators(kernels, [pull])
    for kernel, operator in zip(kernels, together, strict=True):
        alone = pull.operator(kernel)
        assert torch.equal(operator.column, alone.column)
        assert torch.equal(operator.values, alone.values)


@pytest.mark.parametrize("rows", [1, 7, 49, 50, 1000])
def test_blocks_give_the_operator_of_the_whole(rows):
    """To the last bit: each row is summed in the same order."""
    strip = mc.MoebiusStrip(2.0, 1.0)
    kernel = mc.kernels.gabor(0.2, 0.5, (1.0, 0.0), 0.4)
    for boundary in ("zero", "renormalise", "reflect"):
        arguments = (strip, strip.sites(shape=(5, 10)), RULE, boundary)
        whole = mc.Pullback.build(*arguments).operator(kernel)
        (joined,) = operators([kernel], mc.Pullback.blocks(*arguments, rows=rows))
        for name in ("row_start", "column", "values"):
            assert torch.equal(getattr(joined, name), getattr(whole, name)), (boundary, name)


def test_no_blocks_give_no_operator():
    with pytest.raises(ValueError, match="no blocks"):
        operators([mc.kernels.gaussian(0.1)], [])


def test_applying_it_is_the_product_with_its_matrix(operator):
    field = random(3, 50, 2)
    expected = np.einsum("pn,bnc->bpc", operator.to_scipy().toarray(), field.numpy())
    assert float(np.abs(operator(field).numpy() - expected).max()) < 1e-13


def test_the_transposed_operator_is_the_adjoint(operator):
    f, g = random(50, 3), random(50, 3, seed=1)
    assert float((operator(f) * g).sum()) == pytest.approx(
        float((f * operator.transposed(g)).sum()), rel=1e-12
    )
    twice = operator.transposed.transposed
    assert torch.equal(twice.values, operator.values)
    assert torch.equal(twice.column, operator.column)


def test_gradients_to_second_order(operator):
    field = random(50, 1).requires_grad_()
    assert torch.autograd.gradcheck(operator, (field,))
    assert torch.autograd.gradgradcheck(lambda f: operator(f) ** 2, (field,))


def test_rectangular_operators():
    """Rows without entries, columns that nobody reads."""
    operator = SparseOperator(
        torch.tensor([0, 2, 2]), torch.tensor([0, 3]), torch.tensor([2.0, -1.0], dtype=torch.float64), 5
    )
    field = random(5, 2).requires_grad_()
    out = operator(field)
    assert out.shape == (2, 2)
    assert torch.equal(out[1], torch.zeros(2, dtype=torch.float64))
    assert torch.allclose(out[0], 2 * field[0] - field[3], rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(out.sum(), field)
    assert gradient[:, 0].tolist() == [2.0, 0.0, 0.0, -1.0, 0.0]


def test_it_takes_the_dtype_of_the_field(operator):
    assert operator(random(50, 1).float()).dtype == torch.float32
    assert operator.to(dtype=torch.float64) is operator
    assert operator.to(dtype=torch.float32) is operator.to(dtype=torch.float32)


def test_results_are_the_same_on_every_run(pull):
    """Sums have a fixed order, with any number of threads."""
    kernel, field = mc.kernels.gaussian(0.2), random(50, 3)
    first = pull.operator(kernel)
    for _ in range(3):
        again = pull.operator(kernel)
        assert torch.equal(again.values, first.values)
        assert torch.equal(again(field), first(field))


def test_fields_of_other_sites_are_refused(operator):
    for shape in [(49, 1), (50,), (1, 50)]:
        with pytest.raises(ValueError, match="50"):
            operator(torch.zeros(*shape))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_it_follows_the_field_to_its_device(operator):
    field = random(50, 3)
    out = operator(field.cuda())
    assert out.device.type == "cuda"
    assert torch.allclose(out.cpu(), operator(field), rtol=0, atol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_back_and_forth_is_a_product_of_matrices(d):
    there, stencil = random(4, 5, d, d), random(4, 5, 3, d, d, seed=1)
    assert torch.allclose(
        back_and_forth(there, stencil), there[..., None, :, :].mT @ stencil, rtol=0, atol=1e-14
    )
    one = there[:1, :1].expand(4, 5, d, d)
    assert torch.allclose(back_and_forth(one, stencil), one[..., None, :, :].mT @ stencil, rtol=0, atol=1e-14)

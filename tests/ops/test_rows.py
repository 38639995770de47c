"""Sparse rows times fields against SciPy, and shares of rows over threads of either kind."""

import numpy as np
import pytest
import scipy.sparse
import torch

from manifoldconv.ops import SparseOperator
from manifoldconv.ops.backends import shares
from manifoldconv.ops.backends.rows import sum_rows

ROWS, SITES = 23, 31
# Sums of at most 31 products, rounded after each.
TOLERANCE = {torch.float64: 1e-14, torch.float32: 5e-6}


@pytest.fixture(scope="module")
def matrix():
    """Rows of 0 to 31 entries: the first, the last and some between are empty."""
    generator = np.random.default_rng(0)
    dense = generator.normal(size=(ROWS, SITES)) * (
        generator.random((ROWS, SITES)) < np.linspace(0, 1, ROWS)[:, None]
    )
    dense[[0, 7, ROWS - 1]] = 0
    return scipy.sparse.csr_array(dense)


def operator(matrix, dtype=torch.float64):
    return SparseOperator(
        torch.from_numpy(matrix.indptr.astype(np.int64)),
        torch.from_numpy(matrix.indices.astype(np.int64)),
        torch.from_numpy(matrix.data).to(dtype),
        SITES,
    )


def random(*shape, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [0, 1, 7, 8, 9, 16, 17, 24, 32, 33, 48, 50, 64, 65, 130])
def test_any_number_of_channels(matrix, channels, dtype):
    """Vectors that are full and those that are not; one to four of them at a time, and more."""
    field = random(SITES, channels, dtype=dtype)
    found = operator(matrix, dtype)(field)
    wanted = matrix @ field.double().numpy()
    assert found.dtype == dtype
    assert found.shape == (ROWS, channels)
    assert float(np.abs(found.double().numpy() - wanted).max(initial=0)) < TOLERANCE[dtype]


def test_columns_of_either_width_give_the_same_bits(matrix):
    one = operator(matrix)
    field = random(SITES, 5)
    both = [sum_rows(field, one.row_start, column, one.values) for column in (one.column, one.column.int())]
    assert torch.equal(*both)


def test_batches_and_fields_that_do_not_lie_in_one_piece(matrix):
    one = operator(matrix)
    field = random(3, 20, SITES, 2).movedim(3, 1)[:, :, ::2].movedim(1, 3)
    assert not field.is_contiguous()
    found = one(field)
    wanted = torch.einsum("pn,abnc->abpc", torch.from_numpy(matrix.toarray()), field)
    assert float((found - wanted).abs().max()) < TOLERANCE[torch.float64]


def test_the_backward_pass_is_the_transposed_sum(matrix):
    for dtype, tolerance in TOLERANCE.items():
        field = random(SITES, 33, dtype=dtype).requires_grad_()
        along = random(ROWS, 33, dtype=dtype)
        (found,) = torch.autograd.grad(operator(matrix, dtype)(field), field, along)
        assert float(np.abs(found.double().numpy() - matrix.T @ along.double().numpy()).max()) < tolerance


# ---------------------------------------------------------------- shares


@pytest.fixture
def two_threads(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(shares, "WORK_FOR_A_THREAD", 1)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["threads of torch", "threads of Python"])
def kind(request, monkeypatch, two_threads):
    if request.param == "threads of Python":
        monkeypatch.setattr(shares, "_openmp", lambda: None)
    elif shares._openmp() is None:
        pytest.skip("the OpenMP of this torch cannot be called")
    return request.param


def test_each_row_is_made_once(kind):
    for count in (1, 2, 3, 17, 1000):
        made = np.zeros(count, dtype=np.int64)

        def prepare(made=made):
            def rows(start, stop):
                made[start:stop] += 1

            return rows

        shares.in_shares(prepare, count, 10**6)
        assert (made == 1).all()


def test_errors_of_any_thread_are_raised(kind):
    def prepare():
        def rows(start, stop):
            raise ArithmeticError(f"rows {start} to {stop}")

        return rows

    with pytest.raises(ArithmeticError, match="rows"):
        shares.in_shares(prepare, 100, 10**6)


def test_both_kinds_of_threads_give_the_same_bits(matrix, two_threads, monkeypatch):
    field = random(SITES, 33)
    found = [operator(matrix)(field)]
    monkeypatch.setattr(shares, "_openmp", lambda: None)
    found.append(operator(matrix)(field))
    torch.set_num_threads(1)
    found.append(operator(matrix)(field))
    assert all(torch.equal(found[0], other) for other in found[1:])

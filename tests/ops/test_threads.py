"""The same bits from run to run, for any number of threads, after a fork and in threads of one's own."""

import multiprocessing
import os
import threading

import numba
import pytest
import torch

import manifoldconv as mc
from manifoldconv.kernels import RadialBasis
from manifoldconv.ops.backends import shares

SO2 = mc.StructureGroup.special_orthogonal(2)


@pytest.fixture(scope="module")
def case():
    sphere = mc.Sphere()
    pull = mc.Pullback.build(sphere, sphere.sites(icosphere=3), mc.TangentRule.polar(0.3, 2, 12))
    space = mc.KernelSpace("16x0 + 17x1", "3x0 + 8x1", SO2, RadialBasis.gaussian_rings(0.25, 3))
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(2, len(pull), 50, generator=generator)
    return pull, space, field, torch.randn(space.dimension, generator=generator)


def step(pull, space, field, weight):
    """Values and both gradients."""
    leaf, parameter = field.clone().requires_grad_(), weight.clone().requires_grad_()
    out = pull.collapse(space)(leaf, parameter)
    return (out.detach(), *torch.autograd.grad(out.square().sum(), (leaf, parameter)))


@pytest.fixture
def threads(monkeypatch):
    """Sets the number of threads; small shares, so that there is work for all of them."""
    before = torch.get_num_threads()
    monkeypatch.setattr("manifoldconv.ops.backends.shares.WORK_FOR_A_THREAD", 1)
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_the_bits_do_not_depend_on_the_number_of_threads(case, threads):
    found = []
    for count in (1, 2, 3, 1):
        threads(count)
        found.append(step(*case))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_the_values_do_not_depend_on_the_number_of_threads(case):
    _, space, *_ = case
    rule = mc.TangentRule.polar(0.3, 2, 12)
    before, found = numba.get_num_threads(), []
    for count in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
        numba.set_num_threads(count)
        sphere = mc.Sphere()
        again = mc.Pullback.build(sphere, sphere.sites(icosphere=3), rule)
        found.append(again.collapse(space).arrays.tensors())
    numba.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_weights_first_and_scalar_products_too(case, threads):
    pull, _, field, _ = case
    few = mc.KernelSpace("40x0", "1x0", SO2)
    operator = pull.collapse(few)
    assert operator.weights_first
    wide = torch.randn(len(pull), 40, generator=torch.Generator().manual_seed(1))
    weight = torch.randn(few.dimension, generator=torch.Generator().manual_seed(2))
    plain = pull.operator(mc.kernels.gaussian(0.1)).to(dtype=torch.float32)
    found = []
    for count in (1, 2):
        threads(count)
        found.append((operator(wide, weight), plain(field), plain.transposed(field)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def _in_a_fork(case, queue):
    torch.set_num_threads(1)  # torch's own threads do not survive a fork; a DataLoader's workers do the same
    shares.torch.get_num_threads = lambda: 2
    queue.put([part.numpy().tobytes() for part in step(*case)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_it_works_in_a_fork(case, threads):
    """As in a worker of a DataLoader: threads of the parent do not live there."""
    threads(2)
    wanted = [part.numpy().tobytes() for part in step(*case)]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_fork, args=(case, queue))
    child.start()
    try:
        assert queue.get(timeout=60) == wanted
    finally:
        child.join(10)
        if child.is_alive():
            child.kill()


def test_it_works_in_several_threads_at_once(case, threads):
    threads(2)
    wanted, found = step(*case), []
    workers = [threading.Thread(target=lambda: found.append(step(*case))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 3
    assert all(torch.equal(a, b) for one in found for a, b in zip(wanted, one, strict=True))

"""Ordinary modules of torch: saved, copied, compiled, in mixed precision, with checkpoints, in threads."""

import copy
import io
import pickle
import threading

import pytest
import torch
from nn_cases import random

import manifoldconv as mc
from manifoldconv import nn

TYPES = "2x0 + 2x1"


def network(**options):
    torch.manual_seed(0)
    return nn.TangentResNet("1x0", "2x0 + 1x1", TYPES, blocks=1, rings=2, **options)


def everything():
    """One of every module that has parameters or constants."""
    return nn.Sequential(
        nn.TangentConv("1x0", "2x0 + 2x1 + 2x2", rings=2),
        nn.FieldBatchNorm("2x0 + 2x1 + 2x2"),
        nn.FourierActivation("2x0 + 2x1 + 2x2"),
        nn.FieldNorm("2x0 + 2x1 + 2x2"),
        nn.Linear("2x0 + 2x1 + 2x2", "2x0 + 1x1 + 1x0"),
        nn.Gate("2x0 + 1x1"),
        nn.FieldDropout("2x0 + 1x1", 0.1),
        nn.ResidualBlock("2x0 + 1x1", "1x0", rings=2),
    )


@pytest.fixture
def field(sphere_pull):
    return random(len(sphere_pull), 1, dtype=torch.float32)


def test_copies_and_pickles_give_the_same_bits(sphere_pull, field):
    net = everything().eval()
    here = net(field, sphere_pull)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(field, sphere_pull), here)
        assert repr(other) == repr(net)
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    fresh = everything().eval()
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(fresh(field, sphere_pull), here)


def test_precision_is_changed_without_leaving_rounding_behind(sphere_pull, field):
    """Constants come from float64: single, then double precision, is what double precision alone is."""
    net = everything().eval()
    there = copy.deepcopy(net).double()
    back = copy.deepcopy(net).half().to(torch.float64)
    for (name, one), (_, other) in zip(there.named_buffers(), back.named_buffers(), strict=True):
        if "running" not in name:
            assert torch.equal(one, other), name
    assert torch.allclose(there(field.double(), sphere_pull).float(), net(field, sphere_pull), atol=1e-4)


def test_the_default_dtype_does_not_matter(sphere_pull, field):
    before = torch.get_default_dtype()
    here = network()(field, sphere_pull)
    try:
        torch.set_default_dtype(torch.float64)
        net = network()
    finally:
        torch.set_default_dtype(before)
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert net(field, sphere_pull).shape == here.shape


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_mixed_precision(sphere_pull, field, dtype):
    net = network()
    exact = net(field, sphere_pull)
    with torch.autocast("cpu", dtype=dtype):
        out = net(field, sphere_pull)
        out.float().square().mean().backward()
    assert torch.allclose(out.float(), exact, atol=0.1)  # eps of bfloat16 is 8e-3, through seven layers
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_checkpointing_gives_the_same_gradients(sphere_pull, field):
    gradients = []
    for checkpointing in (False, True):
        net = network(checkpointing=checkpointing).train()
        net(field, sphere_pull).square().sum().backward()
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_compiled(sphere_pull, pulls, field):
    net = nn.Sequential(nn.TangentConv("1x0", TYPES, rings=2), nn.NormGate(TYPES), nn.Linear(TYPES, "1x0"))
    compiled = torch.compile(net, backend="aot_eager")
    for pull in (sphere_pull, pulls["with boundary"]):
        own = field[: len(pull)]
        there, here = compiled(own, pull), net(own, pull)
        assert torch.allclose(there, here, atol=1e-5)
        for output in (there, here):
            output.square().sum().backward()


def test_many_threads_share_one_network(sphere_pull, pulls, field):
    """As DataParallel calls its replicas: nothing is written in forward."""
    net = network().eval()
    here = {name: net(field[: len(pull)], pull) for name, pull in pulls.items()}
    wrong = []

    def call(name):
        for _ in range(3):
            if not torch.equal(net(field[: len(pulls[name])], pulls[name]), here[name]):
                wrong.append(name)

    threads = [threading.Thread(target=call, args=(name,)) for name in [*pulls, *pulls]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert torch.equal(torch.nn.DataParallel(net)(field, sphere_pull), here["closed"])


def test_nothing_is_collapsed_again_in_forward(sphere_pull, field, monkeypatch):
    net = network()
    net(field, sphere_pull)
    known = dict(sphere_pull.__dict__)
    sizes = {name: len(value) for name, value in known.items() if isinstance(value, dict)}
    net(field, sphere_pull)
    net(field.expand(3, -1, -1), sphere_pull)
    assert {
        name: len(value) for name, value in sphere_pull.__dict__.items() if isinstance(value, dict)
    } == sizes


def test_a_step_of_training_lowers_the_loss(sphere_pull, field):
    net = network().train()
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    target = field.square()
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss = (net(field, sphere_pull)[:, :1] - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_an_empty_batch_of_meshes_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        mc.Pullback.batch([])
    with pytest.raises(ValueError, match="at least one hierarchy"):
        nn.Hierarchy.batch([])

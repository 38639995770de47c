"""Ordinary modules of torch: saved, copied, compiled, in mixed precision, with checkpoints, in threads."""

import copy
import io
import pickle
import threading

import pytest
import torch
import torch._dynamo.testing
from nn_cases import bumpy, random

import manifoldconv as mc
from manifoldconv import nn
from manifoldconv.homogeneous import SE2, plane_sites, plane_under_se2
from manifoldconv.lifting import group_pullback, group_rule, lift_pullback

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


def answer_and_gradients(module, net, *args):
    """Of a module, compiled or not: the output, and the gradients of its square for input and parameters of `net`."""
    field = args[0].clone().requires_grad_()
    net.zero_grad(set_to_none=True)
    out = module(field, *args[1:])
    out.square().sum().backward()
    return [out.detach(), field.grad, *(p.grad.clone() for p in net.parameters() if p.grad is not None)]


def assert_compiled_is_eager(compiled, net, *args):
    there, here = answer_and_gradients(compiled, net, *args), answer_and_gradients(net, net, *args)
    assert len(there) == len(here)
    assert all(torch.equal(one, other) for one, other in zip(there, here, strict=True))


def compile_counter():
    """A backend that runs graphs as they are, forward and backward, and counts them."""
    torch._dynamo.reset()
    return torch._dynamo.testing.CompileCounterWithBackend("aot_eager")


def test_a_convolution_is_one_graph_that_serves_every_mesh():
    """Collapsed outside of the graph at the first call; sizes are dynamic, so that prepared meshes need no new one."""
    counter = compile_counter()
    net = nn.TangentConv("1x0", TYPES, rings=2)
    compiled = torch.compile(net, backend=counter, fullgraph=True)
    meshes = [nn.mesh_pullback(bumpy(1, cut=cut), nodes=(2, 12)) for cut in (None, -0.9, -0.3)]
    fields = [random(len(pull), 1, dtype=torch.float32) for pull in meshes]
    assert_compiled_is_eager(compiled, net, fields[0], meshes[0])  # not prepared before
    for pull in meshes:
        net.prepare(pull)
    for _ in range(2):
        for field, pull in zip(fields, meshes, strict=True):
            assert_compiled_is_eager(compiled, net, field, pull)
    assert counter.frame_count <= 3  # the first call, the first mesh that was prepared, any size
    with pytest.raises(Exception, match=r"this layer was made for radius 0\.1; the pullback has radius"):
        torch.compile(nn.TangentConv("1x0", TYPES, 0.1), backend=counter, fullgraph=True)(
            fields[0], meshes[0]
        )


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_network_is_one_graph(sphere_pull, field, checkpointing):
    counter = compile_counter()
    net = network(checkpointing=checkpointing).train()
    net.last = nn.Sequential(nn.FourierActivation(TYPES), nn.FieldBatchNorm(TYPES), nn.Linear(TYPES, "1x0"))
    compiled = torch.compile(net, backend=counter, fullgraph=True)
    assert_compiled_is_eager(compiled, net, field, sphere_pull)
    assert counter.frame_count == 1


def test_layers_on_groups_are_one_graph():
    counter = compile_counter()
    elements, rule = SE2().sites((5, 5, 4)), mc.TangentRule.grid((3, 3), 1.0)
    on_group = group_rule(plane_under_se2(), rule, 4)
    pulls = (
        lift_pullback(plane_under_se2(), plane_sites((5, 5)), elements, rule),
        group_pullback(SE2(), elements, on_group),
    )

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lift, self.conv = nn.LiftConv(1, 3, rule), nn.GroupConv(3, 2, on_group)
            self.back = nn.Projection(elements)

        def forward(self, field, lifting, on_group):
            return self.back(self.conv(torch.relu(self.lift(field, lifting)), on_group))

    net = Net()
    compiled = torch.compile(net, backend=counter, fullgraph=True)
    assert_compiled_is_eager(compiled, net, random(25, 1, dtype=torch.float32), *pulls)
    assert counter.frame_count == 1


def test_layers_that_differ_have_operators_of_their_own():
    """What a pullback keeps for one layer is not found by another that would refuse it, or has other kernels."""
    layers = [
        nn.TangentConv("1x0", "1x1"),
        nn.TangentConv("1x0", "1x1", group=mc.StructureGroup.special_orthogonal(2)),
        nn.TangentConv("1x0", "1x1", rings=2),
        nn.TangentConv("1x0", "1x1", radial="bumps"),
        nn.TangentConv("1x0", "1x1", band_limit=3),
        nn.TangentConv("1x0", "1x1", 0.3),
        nn.TangentConv("1x0", "1x1", rule=mc.TangentRule.polar(0.3, 2, 12)),
        nn.TangentConv("1x0", "1x1", rule=mc.TangentRule.polar(0.3, 2, 14)),
        nn.TangentConv("1x0", "1x0", self_interaction=False),
        nn.TangentConv("1x0", "1x0"),
    ]
    assert len({layer.names[torch.float32] for layer in layers}) == len(layers)
    assert nn.TangentConv("1x0", "1x1").names == layers[0].names == copy.deepcopy(layers[0]).names


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
    monkeypatch.setattr(mc.Pullback, "collapse", None)
    net(field, sphere_pull)
    net(field.expand(3, -1, -1), sphere_pull)
    assert all(sphere_pull.__dict__[name] is value for name, value in known.items())
    assert len(sphere_pull.__dict__) == len(known)


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

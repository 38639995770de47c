"""What does not fit is refused, with both sides named; and equal requests share one operator."""

import copy
import pickle

import pytest
import torch

import manifoldconv as mc
from manifoldconv.ops import backends
from manifoldconv.ops.memory import require_memory

SO2, C4 = mc.StructureGroup.special_orthogonal(2), mc.StructureGroup.cyclic(4)


@pytest.fixture(scope="module")
def pull():
    sphere = mc.Sphere()
    return mc.Pullback.build(sphere, sphere.sites(icosphere=1), mc.TangentRule.polar(0.8, 2, 12))


@pytest.fixture(scope="module")
def space():
    return mc.KernelSpace("1x0 + 1x1", "2x0", SO2)


def fields(pull, space, **keywords):
    return torch.zeros(len(pull), space.rep_in.size, **keywords), torch.zeros(space.dimension, **keywords)


def test_fields_of_another_mesh_or_type(pull, space):
    operator = pull.collapse(space)
    _, weight = fields(pull, space)
    with pytest.raises(ValueError, match=r"42 sites of the mesh.*got \(43, 3\)"):
        operator(torch.zeros(43, 3), weight)
    with pytest.raises(ValueError, match=r"3 channels of 1x0 \+ 1x1.*got \(42, 4\)"):
        operator(torch.zeros(42, 4), weight)
    with pytest.raises(ValueError, match=rf"shape \({space.dimension},\); got \(1,\)"):
        operator(torch.zeros(42, 3), torch.zeros(1))


def test_other_dtypes(pull, space):
    operator = pull.collapse(space)
    field, weight = fields(pull, space)
    with pytest.raises(ValueError, match=r"float32, the field torch\.float64"):
        operator(field.double(), weight)
    with pytest.raises(ValueError, match=r"float32, the weight torch\.float64"):
        operator(field, weight.double())
    with pytest.raises(ValueError, match=r"float32 or float64; got torch\.float16"):
        pull.collapse(space, dtype=torch.float16)


def test_other_devices(pull, space):
    operator = pull.collapse(space)
    field, weight = fields(pull, space)
    with pytest.raises(ValueError, match="on cpu, the field on meta"):
        operator(field.to("meta"), weight)
    with pytest.raises(ValueError, match="on cpu, the weight on meta"):
        operator(field, weight.to("meta"))


def test_kernels_that_the_pullback_does_not_admit(pull):
    with pytest.raises(mc.HolonomyError, match=r"C\(4\).*SO\(2\)"):
        pull.collapse(mc.KernelSpace("0", "0", C4))
    with pytest.raises(ValueError, match="dimension"):
        pull.collapse(mc.KernelSpace("0", "0", mc.StructureGroup.special_orthogonal(3)))
    with pytest.raises(ValueError, match="KernelSpace or a tensor"):
        pull.collapse(mc.kernels.gaussian(0.1))


def test_tables_of_another_rule(pull):
    with pytest.raises(ValueError, match=r"shape \(24, B\).*\(23, 2\)"):
        pull.collapse(torch.zeros(23, 2))
    operator = pull.collapse(torch.zeros(24, 2))
    with pytest.raises(ValueError, match=r"\(channels out, channels in, 2\); got \(3, 3, 4\)"):
        operator(torch.zeros(42, 3), torch.zeros(3, 3, 4))


def test_backends_that_are_not_there(pull, space, monkeypatch):
    with pytest.raises(ValueError, match=r"no backend 'cublas'.*'compiled', 'torch'"):
        pull.collapse(space, backend="cublas")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(backends, "_installed", lambda package: True)
    with pytest.raises(ValueError, match=r"'triton' runs on graphics cards; the pullback is on cpu"):
        pull.collapse(space, backend="triton")
    with pytest.raises(ValueError, match="'compiled' runs on the processor; the pullback is on cuda"):
        backends.choose("compiled", torch.device("cuda"))
    assert backends.choose(None, torch.device("cuda")) == "triton"
    monkeypatch.setattr(backends, "_installed", lambda package: False)
    assert backends.choose(None, torch.device("cuda")) == "torch"
    for name in ("scatter", "triton"):
        with pytest.raises(ValueError, match="is not installed"):
            pull.collapse(space, backend=name)


def test_too_little_memory_says_what_would_have_fitted(space, monkeypatch):
    monkeypatch.setattr("manifoldconv.ops.memory.available_memory", lambda device: 1_000_000)
    with pytest.raises(MemoryError, match=r"2 GB for 1000 sites, and 0\.001 GB are free on cpu; 0 sites"):
        require_memory(2_000_000_000, torch.device("cpu"), 1000, "an operator")
    sphere = mc.Sphere()
    monkeypatch.undo()
    pull = mc.Pullback.build(sphere, sphere.sites(icosphere=1), mc.TangentRule.polar(0.8, 2, 12))
    monkeypatch.setattr("manifoldconv.ops.memory.available_memory", lambda device: 40_000)
    with pytest.raises(MemoryError, match=r"for 42 sites.*pull\.split\((\d+)\)") as caught:
        pull.collapse(space)
    rows = int(str(caught.value).split("pull.split(")[1].split(")")[0])
    assert 0 < rows < 42
    for block in pull.split(rows):
        assert block.collapse(space).n_sites <= rows


def test_an_operator_is_built_once(pull, space):
    """For the same object, and for an equal space of another layer; not for another radius, dtype or backend."""
    operator = pull.collapse(space)
    assert pull.collapse(space) is operator
    assert pull.collapse(mc.KernelSpace("1x0 + 1x1", "2x0", SO2)) is operator
    assert pull.collapse(space, backend="compiled") is operator
    others = [
        pull.collapse(space, dtype=torch.float64),
        pull.collapse(space, backend="torch"),
        pull.collapse(
            mc.KernelSpace("1x0 + 1x1", "2x0", SO2, mc.kernels.RadialBasis.gaussian_rings(1.01, 3))
        ),
        pull.collapse(mc.KernelSpace("1x0 + 1x1", "2x0", SO2, band_limit=0)),
    ]
    assert len({id(one) for one in [operator, *others]}) == 5


def test_a_changed_table_is_another_basis(pull):
    table = torch.ones(24, 1)
    before = pull.collapse(table)
    table *= 2
    field, weight = torch.ones(42, 1), torch.ones(1, 1, 1)
    assert torch.allclose(pull.collapse(table)(field, weight), 2 * before(field, weight))


def test_operators_can_be_copied_and_pickled(pull, space):
    operator = pull.collapse(space)
    field = torch.randn(42, 3, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(space.dimension, generator=torch.Generator().manual_seed(1))
    for other in (copy.deepcopy(operator), pickle.loads(pickle.dumps(operator))):
        assert torch.equal(other(field, weight), operator(field, weight))


def test_empty_batches_and_single_sites(pull, space):
    operator = pull.collapse(space)
    assert operator(torch.zeros(0, 42, 3), torch.zeros(space.dimension)).shape == (0, 42, 2)
    (block, *_) = pull.split(1)
    assert block.collapse(space)(torch.zeros(42, 3), torch.zeros(space.dimension)).shape == (1, 2)


def test_channels_that_no_kernel_reaches_are_zero(pull):
    """Band limit 0 leaves no kernel from scalars to vectors."""
    narrow = mc.KernelSpace("1x0", "1x0 + 1x1", SO2, band_limit=0)
    out = pull.collapse(narrow)(torch.ones(42, 1), torch.ones(narrow.dimension))
    assert torch.equal(out[:, 1:], torch.zeros(42, 2))
    assert bool((out[:, 0] != 0).all())

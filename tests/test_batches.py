"""Batches of different manifolds: block-diagonal, without padding, there and back, and in DataLoader workers."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import manifoldconv as mc
from manifoldconv.batches import Batch, collate
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.orthogonal import rotation_matrix

RULE = mc.TangentRule.polar(0.3, 2, 12)
KERNEL = mc.kernels.gaussian(0.2)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ball(level, kind="vertices", **choices):
    surface = mc.MeshSurface(*icosphere(level))
    return mc.Pullback.build(surface, surface.sites(kind), RULE, frames="local", **choices)


@pytest.fixture(scope="module")
def pulls():
    """Stencils of 3, 1 and 3; 42, 80 and 12 sites."""
    return [ball(1), ball(1, "faces"), ball(0)]


@pytest.fixture(scope="module")
def samples(pulls):
    return [
        {"pull": pull, "field": random(len(pull), 2, seed=i), "label": i, "name": f"sample {i}"}
        for i, pull in enumerate(pulls)
    ]


def test_stencils_of_any_width_make_one_operator_without_padding(pulls):
    together = mc.Pullback.batch(pulls)
    dense = together.operator(KERNEL).to_scipy()
    parts = [pull.operator(KERNEL).to_scipy() for pull in pulls]
    assert np.array_equal(
        dense.toarray(), torch.block_diag(*(torch.from_numpy(p.toarray()) for p in parts)).numpy()
    )
    assert dense.nnz == sum(part.nnz for part in parts)  # nothing stored for what the narrow stencils lack


def test_collapsed_operators_of_a_batch_are_block_diagonal(pulls):
    group = mc.StructureGroup.special_orthogonal(2)
    space = mc.KernelSpace("1x0 + 1x1", "1x1", group, mc.RadialBasis.gaussian_rings(0.3, 2))
    weight = random(space.dimension)
    fields = [random(len(pull), 3, seed=i) for i, pull in enumerate(pulls)]
    operator = mc.Pullback.batch(pulls).collapse(space, dtype=torch.float64)
    apart = [p.collapse(space, dtype=torch.float64)(f, weight) for p, f in zip(pulls, fields, strict=True)]
    assert float((operator(torch.cat(fields), weight) - torch.cat(apart)).abs().max()) < 1e-14


def test_a_batch_comes_apart_again(samples, pulls):
    batch = collate(samples)
    assert (len(batch), batch.n_sites, batch.n_sources) == (3, (42, 80, 12), (42, 80, 12))
    assert batch.sample.tolist() == [0] * 42 + [1] * 80 + [2] * 12
    assert torch.equal(batch["field"], torch.cat([sample["field"] for sample in samples]))
    assert torch.equal(batch["label"], torch.arange(3))
    assert batch["name"] == ["sample 0", "sample 1", "sample 2"]
    answers = batch.split(mc.correlate(batch["field"], KERNEL, batch.pull))
    for answer, sample, again in zip(answers, samples, batch.pullbacks(), strict=True):
        apart = mc.correlate(sample["field"], KERNEL, sample["pull"])
        assert float((answer - apart).abs().max()) < 1e-14
        assert torch.equal(answer, mc.correlate(sample["field"], KERNEL, again))
    for again, pull in zip(batch.pullbacks(), pulls, strict=True):
        width = pull.index.shape[-1]
        assert torch.equal(again.index[..., :width], pull.index)
        assert torch.equal(again.transport[..., :width, :, :], pull.transport)
        assert again.weight[..., width:].abs().sum() == 0
        assert 0 <= int(again.index.min()) <= int(again.index.max()) < again.n_sources == pull.n_sources


def test_gauges_and_densities_come_apart_too():
    turns = rotation_matrix(torch.linspace(0, 1, 42, dtype=torch.float64))
    sphere = mc.Sphere()
    rule = mc.TangentRule.polar(0.3, 1, 20)
    first = mc.Pullback.build(sphere, sphere.sites(icosphere=1), rule, measure="manifold").change_gauge(turns)
    surface = mc.MeshSurface(*icosphere(0))
    second = mc.Pullback.build(surface, surface.sites(), rule, frames="local")
    batch = collate([{"pull": first}, {"pull": second}])
    one, other = batch.pullbacks()
    assert torch.equal(one.gauge, first.gauge)
    assert torch.equal(one.density, first.density)
    assert torch.equal(other.gauge, torch.eye(2, dtype=torch.float64).expand(12, 2, 2))
    assert torch.equal(other.density, torch.ones(12, 20, dtype=torch.float64))


def test_groups_of_a_batch_hold_those_of_its_members():
    strip, sphere = mc.MoebiusStrip(2.0, 1.0), mc.Sphere()
    mixed = mc.Pullback.batch(
        [
            mc.Pullback.build(strip, strip.sites(shape=(5, 10)), RULE),
            mc.Pullback.build(sphere, sphere.sites(icosphere=1), RULE),
        ]
    )
    assert mixed.group.name == "O(2)"
    assert mixed.index.shape[-1] == 4


def test_sites_that_are_not_their_own_sources(pulls):
    part = next(iter(mc.Pullback.blocks(mc.Sphere(), mc.Sphere().sites(icosphere=1), RULE, rows=10)))
    batch = collate(
        [
            {"pull": pulls[0]},
            {
                "pull": part,
            },
        ]
    )
    assert (batch.n_sites, batch.n_sources) == ((42, 10), (42, 42))
    assert [len(p) for p in batch.split(torch.zeros(2, 52, 1))] == [2, 2]
    assert [len(p) for p in batch.split(torch.zeros(52), axis=0)] == [42, 10]
    with pytest.raises(
        ValueError, match=r"52 sites along axis -2, 42 \+ 10 of the 2 samples; got shape \(51, 1\)"
    ):
        batch.split(torch.zeros(51, 1))
    with pytest.raises(ValueError, match=r"axis 5"):
        batch.split(torch.zeros(52), axis=5)


def test_a_length_that_fits_by_accident(pulls):
    samples = [{"pull": pulls[2], "spectrum": torch.arange(12), "field": torch.ones(12, 1)} for _ in range(2)]
    assert collate(samples)["spectrum"].shape == (24,)
    batch = collate(samples, per_site=["field"])
    assert batch["spectrum"].shape == (2, 12)
    assert batch["field"].shape == (24, 1)
    with pytest.raises(
        ValueError, match="per_site names 'signal'; the samples have 'pull', 'spectrum', 'field'"
    ):
        collate(samples, per_site=["signal"])


def test_moving(samples):
    batch = collate(samples).to("meta")
    assert batch["field"].device.type == batch.pull.index.device.type == "meta"
    assert batch["name"] == ["sample 0", "sample 1", "sample 2"]
    with pytest.raises(KeyError, match="no 'x'; it has field, label, name"):
        batch["x"]


def refusals(pulls):
    other_rule = mc.TangentRule.polar(0.4, 2, 12)
    surface = mc.MeshSurface(*icosphere(0))
    return {
        r"pullback 1 has TangentRule.polar\(radius=0.4, .*, pullback 0 has TangentRule.polar\(radius=0.3": (
            mc.Pullback.build(surface, surface.sites(), other_rule, frames="local")
        ),
        r"pullback 1 has boundary policy 'renormalise', pullback 0 has 'zero'": ball(
            0, boundary="renormalise"
        ),
        r"pullback 1 has device meta, pullback 0 has cpu": pulls[1].to("meta"),
        r"pullback 1 has dimension 3, pullback 0 has 2": mc.Pullback.build(
            mc.Euclidean(3),
            mc.Euclidean(3).sites(shape=(3, 3, 3), spacing=0.2),
            mc.TangentRule.grid((3, 3, 3), 0.1),
        ),
        r"pullback 1: pullbacks whose sites have nodes of their own": mc.over_sites(
            mc.Sphere(), mc.Sphere().sites(icosphere=1), 0.5
        ),
    }


@pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")
def test_what_does_not_fit_is_refused_with_both_sides(pulls):
    for complaint, other in refusals(pulls).items():
        with pytest.raises(ValueError, match=complaint):
            mc.Pullback.batch([pulls[0], other])


def test_samples_that_do_not_fit_are_refused(samples):
    first = samples[0]
    for bad, complaint in [
        ([], "at least one sample"),
        ([first, (1, 2)], "sample 1 is a tuple"),
        (
            [first, {"pull": first["pull"]}],
            "sample 1 has 'pull'; sample 0 has 'pull', 'field', 'label', 'name'",
        ),
        ([{"field": first["field"]}], "sample 0 has 0"),
        ([{"a": first["pull"], "b": first["pull"]}], "sample 0 has 2"),
        ([first, first | {"pull": None}], "'pull' of sample 1 is a NoneType"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            collate(bad)
    with pytest.raises(
        ValueError, match=r"'field' of sample 1 must have one row for each of its 80 sites; got \(7, 1\)"
    ):
        collate([samples[0], samples[1] | {"field": torch.ones(7, 1)}], per_site=["field"])


class Balls(Dataset):
    """Icospheres whose pullbacks are built where they are asked for: in the worker."""

    def __len__(self):
        return 3

    def __getitem__(self, number):
        pull = ball(number % 2)
        return {"pull": pull, "field": random(len(pull), 2, seed=number), "label": number}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_trace_and_join(method):
    loader = DataLoader(
        Balls(),
        batch_size=2,
        num_workers=1,
        collate_fn=partial(collate, per_site=["field"]),
        multiprocessing_context=method,
    )
    batches = list(loader)
    wanted = [collate([Balls()[0], Balls()[1]]), collate([Balls()[2]])]
    assert [len(batch) for batch in batches] == [2, 1]
    for batch, here in zip(batches, wanted, strict=True):
        assert isinstance(batch, Batch)
        assert torch.equal(batch.pull.index, here.pull.index)
        assert torch.equal(batch.pull.transport, here.pull.transport)
        assert batch.pull.group == here.pull.group
        assert torch.equal(batch["field"], here["field"])
        answer = mc.correlate(batch["field"], KERNEL, batch.pull)
        assert torch.equal(answer, mc.correlate(here["field"], KERNEL, here.pull))


def test_one_member_is_itself(pulls):
    alone = mc.Pullback.batch([pulls[0]])
    assert all(
        torch.equal(getattr(alone, name), getattr(pulls[0], name))
        for name in ("index", "weight", "transport")
    )
    renamed = replace(pulls[0], group_role="stabiliser")
    assert mc.Pullback.batch([renamed, renamed]).group_role == "stabiliser"
    assert mc.Pullback.batch([pulls[0], renamed]).group_role == "group of the batch"

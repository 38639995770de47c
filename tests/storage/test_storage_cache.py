"""The cache: found by content, safe against damage, bounded, shared between processes."""

import os
import subprocess
import sys
import time
import warnings

import pytest
import torch

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.storage import Cache, default_folder, mesh_fingerprint, pullback_key
from manifoldconv.storage.keys import digest

RULE = mc.TangentRule.polar(0.3, 1, 20)


@pytest.fixture
def surface():
    return mc.MeshSurface(*icosphere(1))


@pytest.fixture
def builds(monkeypatch):
    """How often a pullback was built."""
    counted = []
    build = mc.Pullback.build.__func__

    def counting(cls, *arguments, **choices):
        counted.append(arguments)
        return build(cls, *arguments, **choices)

    monkeypatch.setattr(mc.Pullback, "build", classmethod(counting))
    return counted


def test_what_was_built_once_is_read(surface, builds, tmp_path):
    first = Cache(tmp_path).pullback(surface, surface.sites(), RULE)
    again = mc.MeshSurface(surface.vertices.numpy().copy(), surface.faces.numpy().copy())
    second = Cache(tmp_path).pullback(again, again.sites(), mc.TangentRule.polar(0.3, 1, 20))
    assert len(builds) == 1
    assert torch.equal(first.transport, second.transport)
    assert torch.equal(first.index, second.index)


def test_everything_that_matters_is_in_the_key(surface, monkeypatch):
    sites, faces = surface.sites(), surface.sites("faces")
    vertices = surface.vertices.clone()
    vertices[0, 0] = torch.nextafter(vertices[0, 0], torch.tensor(9.0, dtype=torch.float64))
    moved = mc.MeshSurface(vertices, surface.faces)
    turned = mc.MeshSurface(surface.vertices, surface.faces.roll(1, dims=1))
    lengths = torch.from_numpy(surface.tables.chart[:, 0].reshape(-1, 3).copy())
    intrinsic = mc.MeshSurface.from_edge_lengths(surface.faces, lengths)
    eye = torch.eye(2, dtype=torch.float64).expand(42, 2, 2)
    keys = [
        pullback_key(surface, sites, RULE),
        pullback_key(moved, moved.sites(), RULE),
        pullback_key(turned, turned.sites(), RULE),
        pullback_key(intrinsic, intrinsic.sites(), RULE),
        pullback_key(surface, faces, RULE),
        pullback_key(surface, sites, RULE.scaled(1 + 1e-15)),
        pullback_key(surface, sites, mc.TangentRule.points(RULE.nodes, RULE.weights)),
        pullback_key(surface, sites, RULE, boundary="reflect"),
        pullback_key(surface, sites, RULE, base=3),
        pullback_key(surface, sites, RULE, frames="local"),
        pullback_key(surface, sites, RULE, frames=mc.FrameField(eye)),
        pullback_key(surface, sites, RULE, frames=mc.FrameField(-eye)),
        pullback_key(surface, sites, RULE, measure="manifold"),
    ]
    monkeypatch.setattr(mc, "__version__", "99.0")
    keys.append(pullback_key(surface, sites, RULE))
    monkeypatch.setattr("manifoldconv.storage.keys.VERSION", 99)
    keys.append(pullback_key(surface, sites, RULE))
    assert len(set(keys)) == len(keys)


def test_digests_do_not_run_into_each_other():
    zeros = torch.zeros(4, dtype=torch.float64)
    values = [("ab", "c"), ("a", "bc"), (1,), (1.0,), ("1",), (None,), ("None",), (True,), (zeros,)]
    values += [(zeros.reshape(2, 2),), (zeros.to(torch.int64),), (zeros[:2], zeros[:2])]
    assert len({digest(*value) for value in values}) == len(values)
    assert digest(torch.arange(6).reshape(2, 3).T) == digest(torch.arange(6).reshape(2, 3).T.contiguous())
    with pytest.raises(TypeError, match="list"):
        digest([1])


def test_only_meshes_are_cached(surface, tmp_path):
    sphere = mc.Sphere()
    with pytest.raises(mc.GeometryError, match=r"only .* sites"):
        Cache(tmp_path).pullback(sphere, sphere.sites(icosphere=1), RULE)
    with pytest.raises(mc.GeometryError, match="only meshes have a fingerprint; got"):
        mesh_fingerprint(sphere)
    other = mc.MeshSurface(*icosphere(2))
    with pytest.raises(mc.GeometryError, match="the sites are those of"):
        Cache(tmp_path).pullback(surface, other.sites(), RULE)


def test_warnings_of_the_accuracy_come_again(tmp_path):
    surface = mc.MeshSurface(*icosphere(2))
    coarse = mc.TangentRule.polar(0.6, 1, 3)
    for _ in range(2):
        with pytest.warns(mc.AccuracyWarning, match="undersampled"):
            Cache(tmp_path).pullback(surface, surface.sites(), coarse)


def test_operators_come_back_as_they_were(surface, builds, tmp_path):
    cache, sites = Cache(tmp_path), surface.sites()
    group = mc.StructureGroup.special_orthogonal(2)

    def space(radius=0.3, types="2x0 + 1x1"):
        return mc.KernelSpace(types, "1x1", group, mc.RadialBasis.gaussian_rings(radius, 2))

    field = torch.randn(42, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(space().dimension, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    field.requires_grad_(True)
    weight.requires_grad_(True)
    wanted = mc.Pullback.build(surface, sites, RULE).collapse(space(), dtype=torch.float64)(field, weight)
    wanted.square().sum().backward()
    gradients = field.grad.clone(), weight.grad.clone()
    builds.clear()
    for _ in range(2):
        field.grad = weight.grad = None
        found = cache.operator(surface, sites, RULE, space(), dtype=torch.float64)(field, weight)
        found.square().sum().backward()
        assert torch.equal(found, wanted)
        assert torch.equal(field.grad, gradients[0])
        assert torch.equal(weight.grad, gradients[1])
    assert len(builds) == 1
    table = torch.linspace(0, 1, 20, dtype=torch.float64)[:, None]
    others = [
        {"basis": space(0.31)},
        {"basis": space(types="1x0 + 1x1")},
        {"basis": table},
        {"basis": -table},
    ]
    others += [{"basis": space()}, {"basis": space(), "dtype": torch.float64, "backend": "torch"}]
    for other in others:
        cache.operator(surface, sites, RULE, **other)
    assert len(builds) == 1 + len(others)
    assert [entry.kind for entry in cache.entries()] == ["operator"] * (1 + len(others))
    cache.pullback(surface, sites, RULE)
    cache.operator(surface, sites, RULE, torch.ones(20, 1))  # of the pullback that is there now
    assert len(builds) == 2 + len(others)
    with pytest.raises(ValueError, match="KernelSpace or a tensor"):
        cache.operator(surface, sites, RULE, mc.kernels.gaussian(0.1))


def damage(path, how):
    raw = bytearray(path.read_bytes())
    if how == "cut short":
        raw = raw[: len(raw) // 2]
    elif how == "one bit":
        raw[-9] ^= 16
    elif how == "foreign":
        raw = bytearray(b"not ours" * 1000)
    else:
        raw = bytearray()
    path.write_bytes(raw)


@pytest.mark.parametrize("how", ["cut short", "one bit", "foreign", "empty"])
def test_damaged_files_are_built_anew_with_a_warning(surface, builds, tmp_path, how):
    cache = Cache(tmp_path)
    first = cache.pullback(surface, surface.sites(), RULE)
    (entry,) = cache.entries()
    weight = first.weight.clone()
    damage(entry.path, how)
    if how != "one bit":  # what the listing does not read it cannot know
        assert cache.entries()[0].kind == "damaged"
    with pytest.warns(mc.StorageWarning, match=r"built anew") as caught:
        second = cache.pullback(surface, surface.sites(), RULE)
    assert str(entry.path) in str(caught[0].message)
    assert torch.equal(second.weight, weight)
    assert len(builds) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.pullback(surface, surface.sites(), RULE)
    assert len(builds) == 2


def test_a_file_under_another_files_name_is_not_taken_for_it(surface, builds, tmp_path):
    cache = Cache(tmp_path)
    cache.pullback(surface, surface.sites(), RULE)
    (one,) = cache.entries()
    wanted = cache.path_of("pullback", pullback_key(surface, surface.sites("faces"), RULE))
    wanted.write_bytes(one.path.read_bytes())
    with pytest.warns(mc.StorageWarning, match="another pullback than its name says"):
        pull = cache.pullback(surface, surface.sites("faces"), RULE)
    assert len(pull) == 80


def test_the_least_recently_used_goes_first(surface, builds, tmp_path):
    rules = [mc.TangentRule.polar(0.3 + 0.01 * i, 1, 20) for i in range(4)]
    cache = Cache(tmp_path)
    for i, rule in enumerate(rules[:3]):
        cache.pullback(surface, surface.sites(), rule)
        os.utime(cache.path_of("pullback", pullback_key(surface, surface.sites(), rule)), (i + 1, i + 1))
    size = cache.entries()[0].size
    small = Cache(tmp_path, limit=3 * size + 100)
    small.pullback(surface, surface.sites(), rules[0])  # used again: now the second is the oldest
    small.pullback(surface, surface.sites(), rules[3])
    kept = {entry.path for entry in small.entries()}
    keys = [pullback_key(surface, surface.sites(), rule) for rule in rules]
    assert kept == {small.path_of("pullback", keys[i]) for i in (0, 2, 3)}
    assert sum(entry.size for entry in small.entries()) <= small.limit
    assert small.trim(size) == [small.path_of("pullback", keys[2]), small.path_of("pullback", keys[0])]


def test_what_is_too_large_is_not_kept(surface, tmp_path):
    cache = Cache(tmp_path, limit=1000)
    with pytest.warns(mc.StorageWarning, match=r"is not kept: the cache .* may have 1000"):
        pull = cache.pullback(surface, surface.sites(), RULE)
    assert len(pull) == 42
    assert cache.entries() == []
    with pytest.raises(ValueError, match="limit"):
        Cache(tmp_path, limit=-1)


def test_a_place_that_is_no_folder_costs_nothing_but_a_warning(surface, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(mc.StorageWarning):
        pull = Cache(tmp_path / "file").pullback(surface, surface.sites(), RULE)
    assert len(pull) == 42
    assert (tmp_path / "file").read_text() == ""


def test_clearing_leaves_other_files_alone(surface, tmp_path):
    cache = Cache(tmp_path)
    cache.pullback(surface, surface.sites(), RULE)
    others = [
        tmp_path / "thesis.safetensors",
        tmp_path / "pullback-of-mine.safetensors",
        tmp_path / ".new.part",
    ]
    given_up = tmp_path / ".old.part"
    for other in [*others, given_up]:
        other.write_text("x")
    os.utime(given_up, (time.time() - 1e5,) * 2)
    assert len(cache.clear()) == 1
    assert sorted(tmp_path.iterdir()) == sorted(others)  # what is being written now stays, too
    assert Cache(tmp_path / "none").entries() == Cache(tmp_path / "none").clear() == []


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MANIFOLDCONV_CACHE", str(tmp_path / "named"))
    assert default_folder() == Cache().folder == tmp_path / "named"
    monkeypatch.delenv("MANIFOLDCONV_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "manifoldconv"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "manifoldconv"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_folder() == tmp_path / "Library" / "Caches" / "manifoldconv"


SHARED = """
import sys, warnings
import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere
warnings.simplefilter("error")
surface, cache = mc.MeshSurface(*icosphere(1)), mc.Cache(sys.argv[1])
mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.2, 1, 20))
print("ready", flush=True)
sys.stdin.readline()
total = 0.0
for i in range(6):
    pull = cache.pullback(surface, surface.sites(), mc.TangentRule.polar(0.3 + 0.001 * i, 1, 20))
    total += float((pull.weight * pull.index).sum())
print(total)
"""


def test_two_processes_fill_one_folder_at_once(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SHARED, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outcomes
    assert outcomes[0][0] == outcomes[1][0]
    assert len(list(tmp_path.iterdir())) == len(Cache(tmp_path).entries()) == 6

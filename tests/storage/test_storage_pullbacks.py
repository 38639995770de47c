"""Pullbacks in files: bit by bit the same, with groups, gauges and densities; and for the mesh that they are for."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

import manifoldconv as mc
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.sphere_sites import icosphere
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.storage.files import read_file, write_file
from manifoldconv.storage.values import CLASSES, decode, encode

MESHES = Path(__file__).parent.parent.parent / "meshes"
RULE = mc.TangentRule.polar(0.3, 2, 10)


def cases():
    """Pullbacks that between them use every field."""
    surface = mc.MeshSurface(*icosphere(1))
    cube, strip = mc.load_mesh(MESHES / "cube.ply"), mc.MoebiusStrip(2.0, 1.0)
    sphere = mc.Sphere()
    pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.3, 1, 20))
    turns = rotation_matrix(torch.linspace(0, 1, len(pull), dtype=torch.float64))
    grid = sphere.sites(icosphere=1)
    return {
        "SO(2)": pull,
        "a gauge": pull.change_gauge(turns),
        "C(4)": mc.Pullback.build(cube, cube.sites("faces"), mc.TangentRule.polar(0.3, 2, 8)),
        "a reflection": mc.Pullback.build(strip, strip.sites(shape=(5, 10)), RULE, boundary="renormalise"),
        "declared frames": mc.Pullback.build(
            strip, strip.sites(shape=(5, 10)), RULE, frames=mc.FrameField(torch.eye(2).expand(50, 2, 2))
        ),
        "a density": mc.Pullback.build(sphere, grid, mc.TangentRule.polar(0.3, 1, 20), measure="manifold"),
        "places": mc.over_sites(sphere, grid, 0.9),
    }


def tensors_of(value):
    """Every tensor in a value, by its place in it, and the rest."""
    tensors = {}
    return tensors, encode(value, "x", tensors)


def assert_same(one, other):
    (left, left_rest), (right, right_rest) = tensors_of(one), tensors_of(other)
    assert left_rest == right_rest
    assert left.keys() == right.keys()
    assert all(left[name].dtype == right[name].dtype for name in left)
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")
@pytest.mark.parametrize(
    "name", ["SO(2)", "a gauge", "C(4)", "a reflection", "declared frames", "a density", "places"]
)
def test_loaded_is_what_was_saved(name, tmp_path):
    pull = cases()[name]
    pull.save(tmp_path / "pull.safetensors")
    loaded = mc.Pullback.load(tmp_path / "pull.safetensors")
    assert_same(pull, loaded)
    assert (pull.group is None) == (loaded.group is None)
    if pull.group is not None:
        assert (loaded.group, loaded.group.name) == (pull.group, pull.group.name)
    kernel = mc.kernels.gaussian(0.2)
    field = torch.linspace(-1, 1, pull.n_sources, dtype=torch.float64)[:, None]
    assert torch.equal(mc.correlate(field, kernel, loaded), mc.correlate(field, kernel, pull))


@pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")
def test_the_cases_use_every_field():
    pulls = list(cases().values())
    for field in dataclasses.fields(mc.Pullback):
        if field.init and field.default is None:
            assert any(getattr(pull, field.name) is not None for pull in pulls), field.name


def test_a_pullback_knows_its_mesh(tmp_path):
    surface, path = mc.MeshSurface(*icosphere(1)), tmp_path / "pull.safetensors"
    vertices = surface.vertices.clone()
    vertices[3] *= 1 + 1e-15
    vertices[3, 0] = torch.nextafter(vertices[3, 0], torch.tensor(9.0, dtype=torch.float64))
    other = mc.MeshSurface(vertices, surface.faces)
    pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.3, 1, 20))
    pull.save(path, manifold=surface)
    same = mc.MeshSurface(surface.vertices.clone(), surface.faces.clone())
    assert_same(mc.Pullback.load(path, manifold=same), pull)
    with pytest.raises(
        mc.GeometryError, match=r"built for the mesh with fingerprint [0-9a-f]{12}; got MeshSurface\(42"
    ):
        mc.Pullback.load(path, manifold=other)
    pull.save(path)
    with pytest.raises(mc.GeometryError, match="does not say"):
        mc.Pullback.load(path, manifold=surface)
    with pytest.raises(mc.GeometryError, match="only meshes have a fingerprint"):
        pull.save(path, manifold=mc.Sphere())


def test_files_of_something_else_are_refused(tmp_path):
    path = tmp_path / "x"
    write_file(path, "operator", {}, {})
    with pytest.raises(mc.StorageError, match="kind 'operator'; expected 'pullback'"):
        mc.Pullback.load(path)
    tensors = {}
    code = encode(mc.TangentRule.polar(1.0, 1, 4), "pullback", tensors)
    write_file(path, "pullback", tensors, {"value": code})
    with pytest.raises(mc.StorageError, match="holds a TangentRule"):
        mc.Pullback.load(path)
    path.write_text("no file of tensors at all")
    with pytest.raises(mc.StorageError, match="no file of manifoldconv"):
        mc.Pullback.load(path)


def test_values_come_back_as_they_were():
    group = StructureGroup.product(StructureGroup.dihedral(3, 0.2), StructureGroup.special_orthogonal(2))
    value = (1, -0.1, math.inf, True, None, "a", slice(1, 4), torch.float32, (), group)
    tensors, code = tensors_of(value)
    *plain, back = decode(code, tensors)
    assert tuple(plain) == value[:-1]
    assert [type(part) for part in plain] == [type(part) for part in value[:-1]]
    assert back == group


class Pullback:
    """Of the right name, from elsewhere."""


@pytest.mark.parametrize("value", [[1], {1: 2}, object(), Pullback(), 1j])
def test_unknown_values_are_refused(value):
    with pytest.raises(TypeError, match="cannot be stored"):
        encode((value,), "x", {})


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ({"tensor": "y"}, "no tensor 'y'"),
        ({"class": "Popen", "fields": {}}, "no class 'Popen'"),
        ({"class": "TangentRule", "fields": {"nodes": 1}}, "has the fields nodes, weights, radius"),
        ({"something": 1}, "no class None"),
    ],
)
def test_codes_that_stand_for_nothing_are_refused(code, complaint):
    with pytest.raises(mc.StorageError, match=complaint):
        decode(code, {})


def test_the_classes_are_where_the_table_says():
    import importlib

    for name, module in CLASSES.items():
        assert getattr(importlib.import_module(module), name).__module__ == module


def test_no_file_holds_code(tmp_path):
    """The header is JSON and the rest is numbers: as `read_file` finds nothing else, there is nothing to run."""
    torus = mc.FlatTorus(1.0, 1.0)
    pull = mc.Pullback.build(torus, torus.sites(shape=(8, 8)), mc.TangentRule.polar(0.2, 3, 8))
    pull.save(tmp_path / "x")
    raw = (tmp_path / "x").read_bytes()
    assert not raw.startswith(b"PK")
    assert b"pickle" not in raw
    stored = read_file(tmp_path / "x")
    assert all(type(tensor) is torch.Tensor for tensor in stored.tensors.values())

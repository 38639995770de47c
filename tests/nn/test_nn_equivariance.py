"""Whole networks: equivariant to changes of frame, renumbering and rigid motion, on surfaces of every kind."""

import pytest
import torch
from nn_cases import SURFACES, bumpy, random, random_orthogonal

import manifoldconv as mc
from manifoldconv import nn
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.testing import Discretisation, GaugeChange, check_equivariance

O2, SO2 = mc.StructureGroup.orthogonal(2), mc.StructureGroup.special_orthogonal(2)
IN, OUT = "1x0 + 1x1", "2x0 + 1x1 + 1x2"
INNER = "4x0 + 2xsign + 2x1 + 2x2"


def resnet(group=O2, dtype=torch.float64):
    torch.manual_seed(0)
    return nn.TangentResNet(IN, OUT, INNER, blocks=2, rings=2, group=group).to(dtype).eval()


def unet(dtype=torch.float64):
    torch.manual_seed(0)
    net = nn.TangentUNet(IN, OUT, ("4x0 + 2x1 + 1x2", "4x0 + 4x1"), rings=2)
    return net.to(dtype).eval()


def gauge_error(net, surface, pull, g, dtype=torch.float64):
    field = random(surface.n_vertices, net.rep_in.size, dtype=dtype)
    return check_equivariance(
        net,
        GaugeChange(g),
        field,
        Discretisation(surface.sites(), pull),
        rep_in=net.rep_in,
        rep_out=net.rep_out,
        tolerance=1e-9 if dtype == torch.float64 else 1e-4,
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", SURFACES)
def test_a_residual_network_does_not_see_the_frames(surfaces, pulls, name, dtype):
    g = random_orthogonal(surfaces[name].n_vertices)
    report = gauge_error(resnet(dtype=dtype), surfaces[name], pulls[name], g, dtype)
    assert report.passed, report


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", SURFACES)
def test_a_u_net_does_not_see_the_frames(surfaces, name, dtype):
    surface = surfaces[name]
    hierarchy = nn.Hierarchy.of_mesh(surface, 2, nodes=(2, 12))
    report = gauge_error(unet(dtype), surface, hierarchy, random_orthogonal(surface.n_vertices), dtype)
    assert report.passed, report


def test_rotations_are_enough_for_networks_of_so2(surfaces, pulls):
    surface, pull = surfaces["closed"], pulls["closed"]
    turns = random_orthogonal(surface.n_vertices, mirrors=False)
    assert gauge_error(resnet(SO2), surface, pull, turns).passed
    with pytest.raises(mc.HolonomyError):
        gauge_error(resnet(SO2), surface, pull, random_orthogonal(surface.n_vertices))


@pytest.mark.parametrize("boundary", ["renormalise", "reflect"])
def test_so_it_is_with_other_boundaries(surfaces, boundary):
    surface = surfaces["with boundary"]
    pull = nn.mesh_pullback(surface, nodes=(2, 12), boundary=boundary)
    report = gauge_error(resnet(), surface, pull, random_orthogonal(surface.n_vertices))
    assert report.passed, report


class ReluOnVectors(nn.FieldModule):
    """Broken: an activation on each coordinate of a vector."""

    def __init__(self, rep):
        super().__init__()
        self.rep_in = self.rep_out = mc.Representation(rep, O2)

    def forward(self, field, pull=None):
        return torch.relu(field)


class BiasOnVectors(ReluOnVectors):
    def forward(self, field, pull=None):
        return field + 0.1


class MeanOffVectors(ReluOnVectors):
    def forward(self, field, pull=None):
        return field - field.mean(dim=-2, keepdim=True)


class NoTransport(ReluOnVectors):
    """Broken: neighbours are averaged without being carried."""

    def forward(self, field, pull):
        return (pull.weight[..., None] * field[pull.index]).sum(dim=(1, 2))


@pytest.mark.parametrize("broken", [ReluOnVectors, BiasOnVectors, MeanOffVectors, NoTransport])
def test_the_check_fails_on_layers_that_are_broken(surfaces, pulls, broken):
    net = nn.Sequential(nn.TangentConv(IN, "2x1"), broken("2x1"), nn.TangentConv("2x1", OUT)).double()
    report = gauge_error(net, surfaces["closed"], pulls["closed"], random_orthogonal(162))
    assert not report.passed
    assert report.constraint > 1e-2


def renumbered(surface, order):
    """The same mesh with vertex i at place order[i], and its faces in another order."""
    vertices = torch.empty_like(surface.vertices)
    vertices[order] = surface.vertices
    faces = order[surface.faces][
        torch.randperm(len(surface.faces), generator=torch.Generator().manual_seed(2))
    ]
    return mc.MeshSurface(vertices, faces)


@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("kind", ["residual", "U"])
def test_numbering_and_motion_change_nothing(surfaces, pulls, name, kind):
    """Scalars to scalars; frames are rebuilt by the new mesh, in other places of the numbering."""
    torch.manual_seed(0)
    surface = surfaces[name]
    if kind == "residual":
        net = nn.TangentResNet("1x0", "2x0", INNER, blocks=1, rings=2).double().eval()
    else:
        net = nn.TangentUNet("1x0", "2x0", ("4x0 + 2x1", "4x0 + 4x1"), rings=2).double().eval()

    def prepared(mesh):
        if kind == "residual":
            return nn.mesh_pullback(mesh, nodes=(2, 12))
        return nn.Hierarchy.of_mesh(mesh, 2, nodes=(2, 12))

    field = random(surface.n_vertices, 1)
    here = net(field, prepared(surface))
    order = torch.randperm(surface.n_vertices, generator=torch.Generator().manual_seed(1))
    moved = torch.empty_like(field)
    moved[order] = field
    there = net(moved, prepared(renumbered(surface, order)))
    # Exact but for rounding: sums run in another order, and rays start from other coordinates.
    assert torch.allclose(there[order], here, atol=1e-9)
    turn = torch.block_diag(rotation_matrix(1.1), torch.eye(1, dtype=torch.float64))
    rigid = mc.MeshSurface(surface.vertices @ turn.mT + 5.0, surface.faces)
    assert torch.allclose(net(field, prepared(rigid)), here, atol=1e-9)


def test_ten_meshes_of_different_sizes_in_one_batch_are_ten_meshes_one_by_one():
    torch.manual_seed(0)
    surfaces = [bumpy(2, cut=-1 + 0.15 * i, seed=i) for i in range(10)]
    assert len({s.n_vertices for s in surfaces}) == 10
    pulls = [nn.mesh_pullback(s, 0.5, nodes=(2, 12)) for s in surfaces]
    fields = [random(len(p), 3, seed=i) for i, p in enumerate(pulls)]
    net = resnet()
    batch = mc.Pullback.batch(pulls)
    together = net(torch.cat(fields), batch).split([len(p) for p in pulls])
    for field, pull, joint in zip(fields, pulls, together, strict=True):
        assert torch.allclose(net(field, pull), joint, atol=1e-10)
    sample = torch.cat([torch.full((len(p),), i) for i, p in enumerate(pulls)])
    pool = nn.GlobalPool(net.rep_out)
    every = pool(torch.cat(list(together)), sample)
    assert torch.allclose(every, torch.stack([pool(part) for part in together]), atol=1e-10)


def test_a_batch_of_hierarchies_is_the_hierarchies_one_by_one():
    surfaces = [bumpy(2, cut=-0.5, seed=1), bumpy(2, cut=0.0, seed=2)]
    parts = [nn.Hierarchy.of_mesh(s, 2, 0.5, nodes=(2, 12)) for s in surfaces]
    fields = [random(len(h), 3, seed=i) for i, h in enumerate(parts)]
    net = unet()
    together = net(torch.cat(fields), nn.Hierarchy.batch(parts)).split([len(h) for h in parts])
    for field, hierarchy, joint in zip(fields, parts, together, strict=True):
        assert torch.allclose(net(field, hierarchy), joint, atol=1e-10)

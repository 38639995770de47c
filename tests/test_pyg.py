"""PyTorch Geometric: its batches, its loader and its edges give what the pullbacks give one by one."""

import pytest
import torch

import manifoldconv as mc
from manifoldconv.manifolds.sphere_sites import icosphere

pytest.importorskip("torch_geometric", reason="torch_geometric is not installed (the extra pyg)")

from torch_geometric.data import Batch as GraphBatch
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import SimpleConv
from torch_geometric.transforms import Compose, FaceToEdge

from manifoldconv.pyg import AddPullback, operator_edges, to_batch, to_data

RULE = mc.TangentRule.polar(0.3, 2, 12)
KERNEL = mc.kernels.gaussian(0.2)


def mesh(level):
    vertices, faces = icosphere(level)
    return mc.MeshSurface(vertices, faces)


@pytest.fixture(scope="module")
def graphs():
    made = []
    for number, (level, kind) in enumerate([(0, "vertices"), (1, "faces"), (1, "vertices")]):
        surface = mesh(level)
        pull = mc.Pullback.build(surface, surface.sites(kind), RULE, frames="local")
        field = torch.randn(
            len(pull), 2, generator=torch.Generator().manual_seed(number), dtype=torch.float64
        )
        made.append(to_data(pull, x=field, y=torch.tensor([number])))
    return made


def test_there_and_back(graphs):
    batch = to_batch(GraphBatch.from_data_list(graphs))
    assert (batch.n_sites, batch["y"].tolist()) == ((12, 80, 42), [0, 1, 2])
    assert torch.equal(batch["batch"], batch.sample)
    for answer, graph in zip(batch.split(mc.correlate(batch["x"], KERNEL, batch.pull)), graphs, strict=True):
        assert float((answer - mc.correlate(graph.x, KERNEL, graph.pull)).abs().max()) < 1e-14
    back = GraphBatch.from_data_list(graphs).to_data_list()
    assert [one.pull is graph.pull for one, graph in zip(back, graphs, strict=True)] == [True] * 3
    alone = to_batch(graphs[1])
    assert torch.equal(alone.pull.index, graphs[1].pull.index)
    assert alone.n_sites == (80,)


def test_its_loader(graphs):
    batches = [to_batch(batch) for batch in DataLoader(graphs, batch_size=2)]
    assert [batch.n_sites for batch in batches] == [(12, 80), (42,)]


def test_its_edges_run_over_the_same_neighbours(graphs):
    operator = graphs[2].pull.operator(KERNEL)
    edges, weights = operator_edges(operator)
    answer = SimpleConv(aggr="sum")(graphs[2].x, edges, edge_weight=weights)
    assert float((answer - operator(graphs[2].x)).abs().max()) < 1e-13


def test_the_transform(tmp_path):
    surface = mesh(1)
    data = Data(pos=surface.vertices.to(torch.float32), face=surface.faces.T)
    rounded = mc.MeshSurface(data.pos, surface.faces)
    wanted = mc.Pullback.build(rounded, rounded.sites(), RULE)
    transform = Compose([AddPullback(RULE), FaceToEdge()])
    assert torch.equal(transform(data.clone()).pull.transport, wanted.transport)
    cached = AddPullback(lambda s: RULE.scaled(s.mean_edge_length), frames="local", cache=mc.Cache(tmp_path))
    one, two = cached(data.clone()).pull, cached(data.clone()).pull
    assert torch.equal(one.transport, two.transport)
    assert one.rule.radius == 0.3 * rounded.mean_edge_length
    assert len(mc.Cache(tmp_path).entries()) == 1
    assert "lambda" in repr(cached)


def test_refusals(graphs):
    surface = mesh(0)
    with pytest.raises(ValueError, match=r"needs pos \(N, 3\) and face \(3, F\); the data has pos"):
        AddPullback(RULE)(Data(pos=surface.vertices))
    with pytest.raises(mc.GeometryError, match="refers to vertex 11"):
        AddPullback(RULE)(Data(pos=surface.vertices[:5], face=surface.faces.T))
    with pytest.raises(ValueError, match="sample 0 holds no pullback"):
        to_batch(Data(x=torch.ones(3, 1)))
    with pytest.raises(ValueError, match="sample 0 holds no pullback"):
        to_batch(GraphBatch.from_data_list([Data(x=torch.ones(3, 1))]))
    wrong = graphs[0].clone()
    wrong.num_nodes = 5
    with pytest.raises(ValueError, match="for 12 sites; the sample has 5 nodes"):
        to_batch(wrong)
    other = to_data(
        mc.Pullback.build(surface, surface.sites(), RULE.scaled(2.0), frames="local"),
        x=torch.ones(12, 2),
        y=torch.tensor([3]),
    )
    with pytest.raises(ValueError, match=r"pullback 1 has TangentRule.polar\(radius=0.6"):
        to_batch(GraphBatch.from_data_list([graphs[0], other]))

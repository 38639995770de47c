"""PyTorch Geometric: pullbacks in its `Data` and `Batch`, a transform that builds them, operators as its edges.

Needs torch_geometric (`pip install 'manifoldconv[pyg]'`), which takes seconds to import: nothing else here needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.data import Batch as GraphBatch
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from manifoldconv.batches import Batch, join
from manifoldconv.carried import BoundaryPolicy, Frames
from manifoldconv.ops import SparseOperator
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.surface.surface import MeshSurface

if TYPE_CHECKING:
    from manifoldconv.storage import Cache

# The attribute of a `Data` that holds its pullback. PyG keeps such values in a list when it makes a batch.
PULL = "pull"


def to_data(pull: Pullback, **values: Any) -> Data:
    """A `Data` with a pullback as its attribute `pull`, and further attributes by name.

    `torch_geometric.loader.DataLoader` and `Batch.from_data_list` batch it like any other; `to_batch` then joins the
    pullbacks. Its nodes are the sites: `num_nodes` is N.

    >>> import manifoldconv as mc
    >>> torus = mc.FlatTorus(1.0, 1.0)
    >>> pull = mc.Pullback.build(torus, torus.sites(shape=(8, 8)), mc.TangentRule.polar(0.2, 2, 8))
    >>> data = to_data(pull, x=torch.ones(64, 3))
    >>> data.num_nodes, data.num_node_features
    (64, 3)
    """
    return Data(**{PULL: pull}, num_nodes=pull.n_sources, **values)


def to_batch(data: Data) -> Batch:
    """A `Data` or a PyG `Batch`, whose samples hold pullbacks, as a `manifoldconv.batches.Batch`.

    The pullbacks become one; the attributes keep their names and stay as PyG has joined them. Fields of samples are
    then `batch["x"]`, and results are taken apart by `batch.split(...)`.

    Raises `ValueError` where a sample has no pullback or nodes of another number, and as `Pullback.batch`.
    """
    held = data.to_dict().get(PULL)
    pulls = list(held) if isinstance(data, GraphBatch) and held is not None else [held]
    counts = (data.ptr[1:] - data.ptr[:-1]).tolist() if isinstance(data, GraphBatch) else [data.num_nodes]
    for number, (pull, count) in enumerate(zip(pulls, counts, strict=False)):
        if not isinstance(pull, Pullback):
            raise ValueError(
                f"sample {number} holds no pullback; build one by AddPullback, or set data.{PULL}"
            )
        if pull.n_sources != count:
            raise ValueError(
                f"the pullback of sample {number} is for {pull.n_sources} sites; the sample has {count} nodes"
            )
    values = {name: value for name, value in data.to_dict().items() if name not in (PULL, "num_nodes")}
    device = next((value.device for value in values.values() if isinstance(value, Tensor)), None)
    pull = join(pulls)
    return Batch(
        pull if device is None or device == pull.index.device else pull.to(device),
        values,
        tuple(counts),
        tuple(len(one) for one in pulls),
    )


def operator_edges(operator: SparseOperator) -> tuple[Tensor, Tensor]:
    """A collapsed operator as `edge_index` `(2, nnz)`, from neighbour to site, and `edge_weight` `(nnz,)`.

    So that PyG's own layers run over the same neighbours: Σ over the edges of edge_weight · x[edge_index[0]] into
    edge_index[1] is the correlation.
    """
    lengths = operator.row_start.diff()
    sites = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    return torch.stack([operator.column, sites]), operator.values


class AddPullback(BaseTransform):
    """A transform that builds the pullback of a mesh, from `data.pos` `(N, 3)` and `data.face` `(3, F)`.

    Args:
        rule: the rule, or a function of the `MeshSurface` that gives it (for a radius in units of its edges; such
            pullbacks can only be batched where the rules come out the same).
        boundary, frames: as of `Pullback.build`.
        cache: a `manifoldconv.Cache` where pullbacks are looked up and kept.

    Raises `ValueError` for data without faces, and `GeometryError` for faces that make no surface.

    >>> from torch_geometric.data import Data
    >>> corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    >>> faces = torch.tensor([[0, 0, 0, 1], [1, 3, 2, 3], [2, 1, 3, 2]])
    >>> rule = TangentRule.polar(0.5, 2, 16)
    >>> AddPullback(rule, frames="local")(Data(pos=corners, face=faces)).pull
    Pullback(4 sites, 32 nodes, stencils of 3, group SO(2), boundary 'zero')
    """

    def __init__(
        self,
        rule: TangentRule | Callable[[MeshSurface], TangentRule],
        boundary: BoundaryPolicy = "zero",
        frames: Frames = "parallel",
        cache: Cache | None = None,
    ) -> None:
        self.rule, self.boundary, self.frames, self.cache = rule, boundary, frames, cache

    def forward(self, data: Data) -> Data:
        """The same data with the attribute `pull`."""
        if data.get("pos") is None or data.get("face") is None:
            raise ValueError(
                f"AddPullback needs pos (N, 3) and face (3, F); the data has {', '.join(data.keys()) or 'nothing'} "
                "(FaceToEdge removes the faces unless it is told remove_faces=False)"
            )
        surface = MeshSurface(data.pos.detach().cpu(), data.face.T.cpu())
        rule = self.rule if isinstance(self.rule, TangentRule) else self.rule(surface)
        build = Pullback.build if self.cache is None else self.cache.pullback
        data[PULL] = build(surface, surface.sites(), rule, self.boundary, None, self.frames)
        return data

    def __repr__(self) -> str:
        rule = (
            self.rule if isinstance(self.rule, TangentRule) else getattr(self.rule, "__name__", "a function")
        )
        return f"AddPullback({rule!r}, boundary={self.boundary!r}, frames={self.frames!r})"

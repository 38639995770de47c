"""One kernel on scalar fields: the sparse product against other sparse products, and against messages on every edge."""

from __future__ import annotations

import statistics
import warnings

import numpy as np
import torch

import manifoldconv as mc
from benchmarks import meshes
from benchmarks.measure import Row, in_turns, ratio, row

NAME = "scalar"
CHANNELS = 32


def run(quick: bool) -> list[Row]:
    """32 channels in float32 on 41k vertices, about 40 neighbours, the same matrix for all; forward only."""
    surface = meshes.sphere(3 if quick else 6)
    edge = surface.mean_edge_length
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mc.AccuracyWarning)
        warnings.filterwarnings("ignore", "Sparse CSR tensor support", UserWarning)
        blocks = mc.Pullback.blocks(surface, surface.sites(), mc.TangentRule.polar(2.5 * edge, 4, 16))
        (exact,) = mc.ops.operators([mc.kernels.gaussian(edge)], blocks)
        operator = exact.to(dtype=torch.float32)
        count, pairs = operator.shape[0], len(operator.column)
        field = torch.randn(count, CHANNELS, generator=torch.Generator().manual_seed(0))
        matrix = operator.to_scipy()
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
        arrays = (operator.row_start, operator.column, operator.values)
        compressed = torch.sparse_csr_tensor(*arrays, operator.shape, check_invariants=False)
    array = field.numpy()
    target = torch.repeat_interleave(torch.arange(count), operator.row_start.diff())

    def embedding_bag() -> torch.Tensor:
        return torch.nn.functional.embedding_bag(
            operator.column, field, operator.row_start, mode="sum", per_sample_weights=operator.values,
            include_last_offset=True,
        )  # fmt: skip

    def messages() -> torch.Tensor:
        every = field[operator.column] * operator.values[:, None]
        return torch.zeros(count, CHANNELS).index_add(0, target, every)

    ways = {
        # What takes long comes first: after it, the caches hold nothing of the rest for some calls.
        "gather, multiply, index_add": messages,
        "scipy": lambda: matrix @ array,
        "torch CSR": lambda: compressed @ field,
        "embedding_bag": embedding_bag,
        "operator": lambda: operator(field),
    }
    wanted = ways["scipy"]()
    for name, way in ways.items():
        if float(np.abs(np.asarray(way()) - wanted).max()) > 1e-4 * float(np.abs(wanted).max()):
            raise ArithmeticError(f"{name} gives another result")
    seconds = in_turns(ways, 5 if quick else 15, warm=3)
    what = f"{count} vertices, {pairs / count:.0f} neighbours, {CHANNELS} channels"
    rows = [row(NAME, f"{name}, {what}", seconds[name], "ms", scale=1e3) for name in ways]
    best = min(("scipy", "torch CSR", "embedding_bag"), key=lambda name: statistics.median(seconds[name]))
    slow = seconds["gather, multiply, index_add"]
    return [
        *rows,
        ratio(
            NAME,
            "operator faster than gather, multiply, index_add by",
            slow,
            seconds["operator"],
            "to reach: 20",
        ),
        ratio(
            NAME,
            f"time of the operator over the best of the other three, {best}",
            seconds["operator"],
            seconds[best],
            "to reach: at most 1.2",
        ),
    ]

"""The straight logarithm between near points, beside potpourri3d's vector heat log map for context."""

from __future__ import annotations

import math

import potpourri3d
import torch

from benchmarks import meshes
from benchmarks.measure import Row, in_turns, row

NAME = "log"


def run(quick: bool) -> list[Row]:
    """Pairs up to 4 mean edges apart. The heat method gives all vertices from one source, approximately."""
    surface = meshes.sphere(3 if quick else 5)
    pairs, sources = (2_000, 3) if quick else (200_000, 20)
    generator = torch.Generator().manual_seed(0)
    start = surface.vertex_points(torch.randint(surface.n_vertices, (pairs,), generator=generator))
    length = 4 * surface.mean_edge_length * torch.rand(pairs, generator=generator, dtype=torch.float64)
    angle = 2 * math.pi * torch.rand(pairs, generator=generator, dtype=torch.float64)
    end = surface.exp(start, length[:, None] * torch.stack([angle.cos(), angle.sin()], dim=-1))
    solver = potpourri3d.MeshVectorHeatSolver(*meshes.for_potpourri3d(surface))

    def heat() -> None:
        for source in range(sources):
            solver.compute_log_map(source)

    seconds = in_turns({"straight": lambda: surface.log(start, end), "heat": heat})
    per_second = [pairs / s for s in seconds["straight"]]
    note = "local pairs, exact"
    per_source = [s / sources for s in seconds["heat"]]
    return [
        row(
            NAME,
            f"MeshSurface.log, {pairs} pairs, {surface.n_vertices} vertices",
            per_second,
            "pairs/s",
            note,
        ),
        row(
            NAME,
            "potpourri3d vector heat log map, from one vertex to all",
            per_source,
            "ms",
            "global, approximate",
            scale=1e3,
        ),
    ]

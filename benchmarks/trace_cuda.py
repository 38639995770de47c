"""Geodesics on a GPU, beside the same rays on the CPU. Without a GPU and numba-cuda there are no rows.

Both times are those of rays and answers that lie where they are computed.
"""

from __future__ import annotations

import math

import torch
from numba import cuda

from benchmarks import meshes
from benchmarks.measure import Row, in_turns, ratio, row
from manifoldconv.surface.trace import Rays, trace_rays

NAME = "trace-gpu"


def run(quick: bool) -> list[Row]:
    """Rays from random vertices, lengths uniform between 0 and 4 mean edges, directions uniform."""
    if (
        getattr(cuda, "implementation", "") != "NVIDIA"
        or not cuda.is_available()
        or not torch.cuda.is_available()
    ):
        return []
    from manifoldconv.surface.trace_cuda import GpuTracer

    surface = meshes.sphere(3 if quick else 5)
    rays = 200_000 if quick else 20_000_000
    generator = torch.Generator().manual_seed(0)
    length = 4 * surface.mean_edge_length * torch.rand(rays, generator=generator, dtype=torch.float64)
    angle = 2 * math.pi * torch.rand(rays, generator=generator, dtype=torch.float64)
    velocity = length[:, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
    start = surface.vertex_points(torch.randint(surface.n_vertices, (rays,), generator=generator))
    face, barycentric, vertex = start.face, start.barycentric.contiguous(), start.vertex
    on_gpu = (face.cuda(), barycentric.cuda(), vertex.cuda(), velocity.cuda())
    given = Rays(face.numpy(), barycentric.numpy(), vertex.numpy(), velocity.numpy())
    tracer = GpuTracer.of(surface)
    seconds = in_turns(
        {
            "gpu": lambda: tracer.trace(*on_gpu, False),
            "cpu": lambda: trace_rays(surface.tables, given, False),
        }
    )
    millions = [rays / one / 1e6 for one in seconds["gpu"]]
    mesh = f"{rays} rays, {surface.n_vertices} vertices"
    return [
        row(NAME, f"GpuTracer.trace, {mesh}", millions, "M rays/s", "to reach: 200"),
        ratio(NAME, "faster than the CPU by", seconds["cpu"], seconds["gpu"]),
    ]

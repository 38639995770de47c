"""Geodesics with end, transport and length, against potpourri3d's GeodesicTracer called ray by ray."""

from __future__ import annotations

import math

import potpourri3d
import torch

from benchmarks import meshes
from benchmarks.measure import Row, in_turns, ratio, row
from manifoldconv.surface.trace import Rays, trace_rays

NAME = "trace"


def run(quick: bool) -> list[Row]:
    """Rays from random vertices, lengths uniform between 0 and 4 mean edges, directions uniform."""
    surface = meshes.sphere(3 if quick else 5)
    rays, sample = (20_000, 500) if quick else (1_000_000, 5_000)
    generator = torch.Generator().manual_seed(0)
    start = torch.randint(surface.n_vertices, (rays,), generator=generator)
    length = 4 * surface.mean_edge_length * torch.rand(rays, generator=generator, dtype=torch.float64)
    angle = 2 * math.pi * torch.rand(rays, generator=generator, dtype=torch.float64)
    velocity = length[:, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
    points = surface.vertex_points(start)
    given = Rays(*points.arrays(), velocity.numpy())
    tracer = potpourri3d.GeodesicTracer(*meshes.for_potpourri3d(surface))
    ambient = surface.to_ambient(points[:sample], velocity[:sample]).numpy()
    vertex = start[:sample].tolist()

    def one_by_one() -> None:
        for origin, direction in zip(vertex, ambient, strict=True):
            tracer.trace_geodesic_from_vertex(origin, direction)

    seconds = in_turns(
        {
            "public": lambda: surface.geodesic(points, velocity),
            "kernel": lambda: trace_rays(surface.tables, given, False),
            "potpourri3d": one_by_one,
        }
    )
    per_ray = {
        name: [s / (sample if name == "potpourri3d" else rays) for s in runs]
        for name, runs in seconds.items()
    }
    mesh = f"{surface.n_vertices} vertices"
    return [
        row(NAME, f"MeshSurface.geodesic, {rays} rays, {mesh}", per_ray["public"], "µs/ray", scale=1e6),
        row(NAME, f"compiled kernel alone, {rays} rays", per_ray["kernel"], "µs/ray", scale=1e6),
        row(
            NAME,
            f"potpourri3d, {sample} of these rays one by one",
            per_ray["potpourri3d"],
            "µs/ray",
            scale=1e6,
        ),
        ratio(
            NAME,
            "MeshSurface.geodesic faster by",
            per_ray["potpourri3d"],
            per_ray["public"],
            "to reach: 40, aim 100",
        ),
        ratio(NAME, "compiled kernel faster by", per_ray["potpourri3d"], per_ray["kernel"]),
    ]

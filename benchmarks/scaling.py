"""How cost grows with the mesh: a torus, subdivided three times, from 16 thousand to a million vertices.

`python -m benchmarks.scaling --full` goes up to the million; `manifoldconv bench` stops at 250 thousand. Each size runs
in a process of its own, whose peak memory is that of the size.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence

import numpy as np
import torch

import manifoldconv as mc
from benchmarks.measure import Row, machine, peak_memory, row

NAME = "scaling"
SIDE = 125
CHANNELS = 16
SLOPE = "to reach: at most 1.1"


def run(quick: bool) -> list[Row]:
    """Without the largest size."""
    return rows((SIDE // 5,) * 2 if quick else (SIDE,) * 2, 2)


def rows(grid: tuple[int, int], subdivisions: int) -> list[Row]:
    """The figures of every size, and the slopes of their logarithms."""
    found = []
    for times in range(subdivisions + 1):
        command = [sys.executable, "-m", "benchmarks.scaling", "--measure", *map(str, grid), str(times)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    sizes = [float(one["vertices"]) for one in found]
    made = []
    for figure, unit in (("build", "s"), ("work", "s"), ("forward", "s"), ("memory", "GB")):
        values = [float(one[figure]) for one in found]
        largest = f"{figure}, {int(sizes[-1])} vertices, 96 nodes"
        note = {
            "build": "to reach at a million: under 120 s",
            "memory": "beyond the libraries, the mesh included; to reach: under 10 GB",
        }
        made.append(row(NAME, largest, values[-1:], unit, note.get(figure, f"{CHANNELS} channels")))
        steps = np.diff(np.log(values)) / np.diff(np.log(sizes))
        slope = float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
        spread = (float(steps.min()), float(steps.max()))
        span = f"{int(sizes[0])} to {int(sizes[-1])}"
        made.append(Row(NAME, f"{figure}, log-log slope from {span} vertices", slope, "", spread, SLOPE))
    return made


def torus(rows_and_columns: tuple[int, int], subdivisions: int) -> mc.MeshSurface:
    """A torus of a regular grid, each triangle split into four as often as asked."""
    n, m = rows_and_columns
    u, v = np.meshgrid(2 * np.pi * np.arange(n) / n, 2 * np.pi * np.arange(m) / m, indexing="ij")
    ring = 2 + 0.7 * np.cos(v)
    vertices = np.stack([ring * np.cos(u), ring * np.sin(u), 0.7 * np.sin(v)], axis=-1).reshape(-1, 3)
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    a, b = i * m + j, (i + 1) % n * m + j
    c, d = (i + 1) % n * m + (j + 1) % m, i * m + (j + 1) % m
    surface = mc.MeshSurface(vertices, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]))
    return mc.subdivide(surface, subdivisions).surface if subdivisions else surface


def measure(grid: tuple[int, int], subdivisions: int) -> dict[str, float]:
    """One size, in this process: a pullback of 96 nodes, streamed into an operator, and its application."""
    warnings.simplefilter("ignore", mc.AccuracyWarning)
    _collapse(torus((12, 12), 1))  # compiles, or reads what was compiled
    base = peak_memory()
    surface = torus(grid, subdivisions)
    start, work = time.perf_counter(), time.process_time()
    operator = _collapse(surface)
    build, work = time.perf_counter() - start, time.process_time() - work
    field = torch.randn(surface.n_vertices, CHANNELS, generator=torch.Generator().manual_seed(0))
    operator(field)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        operator(field)
        seconds.append(time.perf_counter() - start)
    return {
        "vertices": surface.n_vertices,
        "build": build,
        "work": work,
        "forward": float(np.median(seconds)),
        "memory": peak_memory() - base,
        "peak": peak_memory(),
    }


def _collapse(surface: mc.MeshSurface) -> mc.ops.SparseOperator:
    edge = surface.mean_edge_length
    rule = mc.TangentRule.polar(3 * edge, 6, 16)
    kernel = mc.kernels.gaussian(edge)
    return mc.ops.operators([kernel], mc.Pullback.blocks(surface, surface.sites(), rule))[0]


def main(arguments: Sequence[str]) -> int:
    """`--full`: up to a million vertices. `--measure N M TIMES`: one size, as JSON."""
    if arguments[:1] == ["--measure"]:
        n, m, times = map(int, arguments[1:])
        print(json.dumps(measure((n, m), times)))
        return 0
    from benchmarks.runner import table

    print(table(rows((SIDE, SIDE), 3 if "--full" in arguments else 2), machine()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Pullback and collapsed operator for one isotropic kernel, 96 nodes: time, and memory of the process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import manifoldconv as mc
from benchmarks import meshes
from benchmarks.measure import REPEATS, Row, peak_memory, row

NAME = "correlate"
WAYS = ("streaming", "whole")


def run(quick: bool) -> list[Row]:
    """Fresh processes in turns. Reading the mesh and compiling are not timed; memory is the whole."""
    found: dict[str, list[dict[str, object]]] = {way: [] for way in WAYS}
    for _ in range(1 if quick else REPEATS):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.correlate", way, *(["--quick"] if quick else [])]
            root = Path(__file__).resolve().parents[1]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=root)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    names = {
        "streaming": "operators(kernels, Pullback.blocks(...))",
        "whole": "Pullback.build(...) then .operator(kernel)",
    }
    rows = []
    for way in WAYS:
        mesh = found[way][0]["mesh"]
        seconds = [float(one["seconds"]) for one in found[way]]  # type: ignore[arg-type]
        memory = [float(one["gigabytes"]) for one in found[way]]  # type: ignore[arg-type]
        rows.append(row(NAME, f"{names[way]}, {mesh}", seconds, "s", "to reach: under 20 s"))
        rows.append(row(NAME, f"{names[way]}, peak memory", memory, "GB", "to reach: under 4 GB"))
    return rows


def measure(way: str, quick: bool) -> dict[str, object]:
    """One measurement, in this process."""
    name, surface = meshes.large(quick)
    edge = surface.mean_edge_length
    kernel, rule = mc.kernels.gaussian(edge), mc.TangentRule.polar(3 * edge, 6, 16)
    warm_up = meshes.sphere(1)
    warnings.simplefilter("ignore", mc.AccuracyWarning)
    _collapse(way, warm_up, kernel, rule.scaled(0.1 / edge))
    start = time.perf_counter()
    _collapse(way, surface, kernel, rule)
    seconds = time.perf_counter() - start
    return {"mesh": name, "seconds": seconds, "gigabytes": peak_memory()}


def _collapse(way: str, surface: mc.MeshSurface, kernel: mc.kernels.Kernel, rule: mc.TangentRule) -> None:
    if way == "streaming":
        mc.ops.operators([kernel], mc.Pullback.blocks(surface, surface.sites(), rule))
    else:
        mc.Pullback.build(surface, surface.sites(), rule).operator(kernel)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], "--quick" in sys.argv)))

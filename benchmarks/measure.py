"""Timing: two or more ways to one result, in turns, so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        benchmark: the file that measured it.
        what: what was measured.
        value: the median of the repeats.
        unit: of the value.
        spread: smallest and largest of the repeats, in the same unit.
        note: what it is compared with, or has to reach.
    """

    benchmark: str
    what: str
    value: float
    unit: str
    spread: tuple[float, float]
    note: str = ""


def peak_memory() -> float:
    """Gigabytes that this process has held at most.

    On Linux from its status: what the system reports of a child's use holds what its parent had when it was started.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return status_bytes("VmHWM") / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def status_bytes(name: str) -> int:
    """A figure of memory that Linux keeps of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status does not say {name}")


def in_turns(
    ways: Mapping[str, Callable[[], Any]], repeats: int = REPEATS, warm: int = 0
) -> dict[str, list[float]]:
    """Seconds for each repeat of each way: all once to warm up, then A, B, ..., A, B, ...

    Each way runs `warm` times more before it is timed: where it takes a millisecond, what the way before it left in the
    caches would decide else.
    """
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            for _ in range(warm):
                way()
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def row(benchmark: str, what: str, values: list[float], unit: str, note: str = "", scale: float = 1.0) -> Row:
    """A line with the median of the values, each multiplied by `scale`."""
    scaled = [value * scale for value in values]
    return Row(benchmark, what, statistics.median(scaled), unit, (min(scaled), max(scaled)), note)


def ratio(benchmark: str, what: str, above: list[float], below: list[float], note: str = "") -> Row:
    """How many times faster: the quotients of the runs that followed each other."""
    quotients = [a / b for a, b in zip(above, below, strict=True)]
    return row(benchmark, what, quotients, "x", note)


def machine() -> dict[str, Any]:
    """What the figures depend on besides the code."""
    names = ("manifoldconv", "torch", "numba", "numpy", "scipy", "potpourri3d")
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in names},
    }


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"

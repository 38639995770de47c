"""Runs the benchmarks, writes a table and a baseline."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import apply, build, correlate, layer, log, scalar, scaling, trace, trace_cuda, train_step
from benchmarks.measure import Row, machine

BENCHMARKS = {
    module.NAME: module
    for module in (trace, trace_cuda, correlate, apply, scalar, layer, log, build, scaling, train_step)
}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, run, print the table as Markdown, and write JSON where `--out` says."""
    parser = argparse.ArgumentParser(
        prog="benchmarks", description="Side by side with other ways to the same result."
    )
    parser.add_argument(
        "--only", choices=sorted(BENCHMARKS), action="append", help="run this one (repeatable)"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    arguments = parser.parse_args(argv)
    rows: list[Row] = []
    for name in arguments.only or BENCHMARKS:
        if sys.stderr.isatty():
            print(f"{name} ...", file=sys.stderr)
        rows += BENCHMARKS[name].run(arguments.quick)
    facts = machine()
    print(table(rows, facts))
    if arguments.out is not None:
        write(
            arguments.out, {"machine": facts, "quick": arguments.quick, "rows": [asdict(row) for row in rows]}
        )
    return 0


def table(rows: Sequence[Row], facts: dict[str, Any]) -> str:
    """The rows as a Markdown table, with the machine below it."""
    lines = ["| benchmark | what | median | smallest to largest | |", "|---|---|---:|---:|---|"]
    for row in rows:
        low, high = row.spread
        spread = f"{low:.3g} to {high:.3g}"
        lines.append(f"| {row.benchmark} | {row.what} | {row.value:.3g} {row.unit} | {spread} | {row.note} |")
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines += [
        "",
        f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}, Python {facts['python']}; {versions}.",
    ]
    return "\n".join(lines)


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole or not at all."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(beside, path)

"""`manifoldconv bench`: the benchmark table, from a checkout of the project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def bench(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This benchmark alone (repeatable).")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, to see that everything runs.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON too.")] = None,
) -> int:
    """Measure against other ways to the same result, side by side, and print the table."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "benchmarks" / "runner.py").exists():
        raise ValueError(
            f"the benchmarks are not part of the installed package, and {root} is no checkout of the project: "
            "clone it, install it with pip install -e, and run the command again"
        )
    sys.path.insert(0, str(root))
    from benchmarks.runner import BENCHMARKS, main

    unknown = [name for name in only or [] if name not in BENCHMARKS]
    if unknown:
        raise ValueError(f"no benchmark is called {unknown[0]!r}; there are {', '.join(sorted(BENCHMARKS))}")
    arguments = [part for name in only or [] for part in ("--only", name)]
    arguments += ["--quick"] if quick else []
    arguments += ["--out", str(out)] if out is not None else []
    return main(arguments)

"""The figures of a run as a CSV file, written whole after every epoch so that it always agrees with the checkpoint."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path


def write_history(history: list[dict[str, float]], path: Path) -> None:
    """One row an epoch, one column a figure."""
    names = list(dict.fromkeys(name for row in history for name in row))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", text=True)
    with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)
    os.replace(temporary, path)

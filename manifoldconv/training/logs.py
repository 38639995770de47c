"""The figures of a run as a CSV file, written whole after every epoch so that it always agrees with the checkpoint."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from manifoldconv.surface.io import write_atomically


def write_history(history: list[dict[str, float]], path: Path) -> None:
    """One row an epoch, one column a figure."""
    names = list(dict.fromkeys(name for row in history for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomically(path, lambda stream: stream.write(text.getvalue().encode()))

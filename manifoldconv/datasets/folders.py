"""Finding the files of a data set, and saying what was expected where they are not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from manifoldconv.errors import GeometryError


def root_folder(root: str | Path, inside: Sequence[str], layout: str) -> Path:
    """`root`, or the folder below it that holds the data set: the first of `inside` that is there.

    Raises `GeometryError`, which shows the layout that was expected and what the folder holds instead.
    """
    root = Path(root)
    if not root.is_dir():
        raise GeometryError(f"{root} is not a folder; expected\n{layout}")
    for below in inside:
        if (root / below).is_dir():
            return root / below
    held = sorted(path.name for path in root.iterdir())
    shown = ", ".join(held[:8]) + (f" and {len(held) - 8} more" if len(held) > 8 else "")
    wanted = " or ".join(f"{below}/" for below in inside)
    raise GeometryError(f"{root} holds no {wanted} but {shown or 'nothing'}; expected\n{layout}")


def numbered(folder: Path, pattern: str, layout: str) -> dict[int, Path]:
    """The files of a folder whose names match a pattern with one group, a number: by that number, in its order."""
    if not folder.is_dir():
        raise GeometryError(f"{folder} is not a folder; expected\n{layout}")
    found = {}
    for path in folder.iterdir():
        match = re.fullmatch(pattern, path.name)
        if match:
            found[int(match[1])] = path
    if not found:
        raise GeometryError(f"{folder} holds no file named like {pattern}; expected\n{layout}")
    return dict(sorted(found.items()))


def meshes_in(folder: Path, layout: str) -> list[Path]:
    """The mesh files of a folder, by name."""
    if not folder.is_dir():
        raise GeometryError(f"{folder} is not a folder; expected\n{layout}")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".obj", ".off", ".ply"))
    if not found:
        raise GeometryError(f"{folder} holds no mesh (.obj, .off or .ply); expected\n{layout}")
    return found


def must_be_file(path: Path, layout: str) -> Path:
    """The path, if it is a file; else `GeometryError` with the layout that was expected."""
    if not path.is_file():
        raise GeometryError(f"{path} is missing; expected\n{layout}")
    return path

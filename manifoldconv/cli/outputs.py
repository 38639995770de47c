"""Files that a command makes: checked before the work, and all of them there at the end, or none."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

Writer = Callable[[Path], None]

PICTURE_ENDINGS = (".png", ".pdf", ".svg", ".jpg", ".jpeg")


def check_outputs(outputs: Sequence[tuple[str, Path | None, Sequence[str]]], inputs: Sequence[Path]) -> None:
    """Refuse what could not be written, before hours are spent on it.

    Args:
        outputs: (option, path or None, endings that it may have).
        inputs: files that may not be written over.

    Raises:
        ValueError, OSError: one line that names the option and the path.
    """
    taken = {Path(os.path.realpath(path)): f"the input {path}" for path in inputs}
    for option, path, endings in outputs:
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            came = f"the ending {path.suffix}" if path.suffix else "no ending"
            raise ValueError(
                f"{option} {path}: expected a name that ends in {', '.join(endings)}; got {came}"
            )
        target = Path(os.path.realpath(path))
        if target in taken:
            raise ValueError(f"{option} {path}: would write over {taken[target]}; give another name")
        taken[target] = f"{option} {path}"
        check_folder(option, path)
    if any(option == "--picture" and path is not None for option, path, _ in outputs):
        require_plot("--picture")


def check_folder(option: str, path: Path) -> None:
    """Raise `OSError` unless a file of this name can be made."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{option} {path}: is a folder; name a file in it")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{option} {path}: there is no folder {target.parent}; make it first")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{option} {path}: the folder {target.parent} does not admit writing")


def require_plot(what: str) -> None:
    """Raise `ImportError` with the way to install it where matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(f"{what} needs matplotlib: pip install 'manifoldconv[plot]'")


def write_together(outputs: Sequence[tuple[Path, Writer]]) -> None:
    """Write several files, so that all of them appear or none.

    Each writer fills a temporary file in the folder of its target; when the last one has succeeded they take
    the names of their targets. Older files of these names are untouched until then.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path, writer in outputs:
            target = Path(os.path.realpath(path))
            temporary = target.with_name(f".{secrets.token_hex(6)}{target.suffix}")
            staged.append((temporary, target))
            writer(temporary)
        for temporary, target in staged:
            if target.exists():
                shutil.copymode(target, temporary)
            os.replace(temporary, target)
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)

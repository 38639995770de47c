"""The data of one element of a PLY file: its columns, whatever way they were stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.ply_header import Element

Array = np.ndarray


class Lists(NamedTuple):
    """Lists of different lengths: all their items, one after the other, and the length of each."""

    items: Array
    sizes: Array


@dataclass(frozen=True)
class Table:
    """The columns of one element, in the native byte order.

    Attributes:
        element: what the header says of it.
        numbers: the single numbers by name, each `(count,)` in its own type.
        lists: the lists by name.
        lines: `(count,)` line numbers in a text file, from 1; None for binary data.
    """

    element: Element
    numbers: dict[str, Array]
    lists: dict[str, Lists]
    lines: Array | None = None


def ranges(starts: Array, sizes: Array) -> Array:
    """The integers from starts[i] up to, not including, starts[i] + sizes[i], for all i one after the other.

    >>> ranges(np.array([10, 20]), np.array([2, 3])).tolist()
    [10, 11, 20, 21, 22]
    """
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))


def truncated(path: Path, element: Element, row: int) -> GeometryError:
    """The error for data that end before the announced number of items."""
    return GeometryError(
        f"{path} is truncated: its header announces {element.count} {element.name!r} elements, but the data "
        f"ends at number {row}; get a complete copy of the file"
    )


def unreadable(
    path: Path, element: Element, row: int, name: str | None, why: str, line: int | None = None
) -> GeometryError:
    """The error for one item, or one property of it (`name`), that is not what the header announces."""
    place = f"{path}" if line is None else f"{path}, line {line}"
    what = f"{element.name} {row}" + ("" if name is None else f", property {name!r}")
    return GeometryError(f"{place}: {what} cannot be read ({why}); the file is damaged there")

"""The data of a binary PLY file, of either byte order.

Memory is only taken for bytes that are there, never for what a header announces.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifoldconv.surface.io.ply_header import Element, Header
from manifoldconv.surface.io.ply_table import Lists, Table, ranges, truncated, unreadable

Array = np.ndarray

# numpy keeps the size of a record in a C int.
_LARGEST_RECORD = 2**31 - 1


@dataclass(frozen=True)
class _Data:
    """Where the data of one element start."""

    path: Path
    content: bytes
    byte_order: str
    element: Element
    start: int

    def stored(self, dtype: np.dtype) -> np.dtype:
        """A type as the file stores it."""
        return dtype.newbyteorder(self.byte_order)  # type: ignore[arg-type]


def read_binary(path: Path, content: bytes, header: Header) -> tuple[list[Table], int]:
    """The tables of all elements, and the number of bytes that follow the last of them.

    Raises `GeometryError` where the data end early or a list has a negative length.
    """
    tables: list[Table] = []
    at = header.size
    for element in header.elements:
        data = _Data(path, content, header.byte_order, element, at)
        table, at = (_equal_rows(data) or _any_rows(data)) if element.count else (_no_rows(element), at)
        tables.append(table)
    return tables, len(content) - at


def _no_rows(element: Element) -> Table:
    numbers = {item.name: np.empty(0, item.dtype) for item in element.properties if item.length_dtype is None}
    lists = {
        item.name: Lists(np.empty(0, item.dtype), np.empty(0, np.int64))
        for item in element.properties
        if item.length_dtype is not None
    }
    return Table(element, numbers, lists)


def _equal_rows(data: _Data) -> tuple[Table, int] | None:
    """The table as one array of records, where all lists are as long as the first; None otherwise."""
    count, properties = data.element.count, data.element.properties
    has_lists = any(item.length_dtype is not None for item in properties)
    sizes = list(_walk(data, 1)[1])
    fields: list[tuple[str, np.dtype, tuple[int, ...]]] = []
    for index, item in enumerate(properties):
        shape: tuple[int, ...] = ()
        if item.length_dtype is not None:
            fields.append((f"size {index}", data.stored(item.length_dtype), ()))
            shape = (sizes.pop(0),)
        fields.append((f"value {index}", data.stored(item.dtype), shape))
    record = sum(dtype.itemsize * int(np.prod(shape)) for _, dtype, shape in fields)
    available = len(data.content) - data.start
    if count * record > available and not has_lists:
        raise truncated(data.path, data.element, available // record)
    if record > _LARGEST_RECORD or count * record > available:
        return None
    rows = np.frombuffer(data.content, np.dtype(fields), count, data.start)
    numbers, lists = {}, {}
    for index, item in enumerate(properties):
        values = rows[f"value {index}"].astype(item.dtype)
        if item.length_dtype is None:
            numbers[item.name] = values
            continue
        size = values.shape[1]
        if (rows[f"size {index}"] != size).any():
            return None
        lists[item.name] = Lists(values.reshape(-1), np.full(count, size, dtype=np.int64))
    return Table(data.element, numbers, lists), data.start + count * record


def _any_rows(data: _Data) -> tuple[Table, int]:
    """The table where lists differ in length: first where every row is, then each property at once."""
    count = data.element.count
    row_starts, lengths, end = _walk(data, count)
    at = np.array(row_starts, dtype=np.int64)
    columns = iter(np.array(lengths, dtype=np.int64).reshape(count, -1).T)
    numbers, lists = {}, {}
    for item in data.element.properties:
        size = item.dtype.itemsize
        # A number of this type at every byte of the file: the places are of any alignment.
        everywhere = np.ndarray(
            max(len(data.content) - size + 1, 0), data.stored(item.dtype), data.content, strides=1
        )
        if item.length_dtype is None:
            numbers[item.name] = everywhere[at].astype(item.dtype)
            at = at + size
            continue
        sizes = next(columns)
        first = at + item.length_dtype.itemsize
        places = np.repeat(first, sizes) + size * ranges(np.zeros_like(sizes), sizes)
        lists[item.name] = Lists(everywhere[places].astype(item.dtype), sizes)
        at = first + size * sizes
    return Table(data.element, numbers, lists), end


def _walk(data: _Data, rows: int) -> tuple[array[int], array[int], int]:
    """The byte where each of the first rows starts, the lengths of its lists, and the byte after them.

    A row can only be found from the lengths in the one before, so this is a loop.
    """
    content, end = data.content, len(data.content)
    order = "little" if data.byte_order == "<" else "big"
    row_starts, lengths = array("q"), array("q")
    steps = [
        (
            item.name,
            item.dtype.itemsize,
            item.smallest,
            item.length_dtype is not None and item.length_dtype.kind,
        )
        for item in data.element.properties
    ]
    at = data.start
    for row in range(rows):
        row_starts.append(at)
        for name, size, step, kind in steps:
            value = content[at : at + step]
            at += step
            if kind:
                length = int.from_bytes(value, order, signed=kind == "i")  # type: ignore[arg-type]
                if length < 0:
                    why = f"a list cannot have {length} items"
                    raise unreadable(data.path, data.element, row, name, why)
                lengths.append(length)
                at += length * size
            if at > end:
                raise truncated(data.path, data.element, row)
    return row_starts, lengths, at

"""The header of a PLY file: which elements it announces, how many of each, and with which properties.

Source: G. Turk, The PLY Polygon File Format (1994); later writers added the type names int8 ... float64.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io.text import shown

# The byte order of each format, as numpy writes it; text has none.
BYTE_ORDERS = {b"ascii": "", b"binary_little_endian": "<", b"binary_big_endian": ">"}

_TYPES = {
    b"char": "i1",
    b"uchar": "u1",
    b"short": "i2",
    b"ushort": "u2",
    b"int": "i4",
    b"uint": "u4",
    b"float": "f4",
    b"double": "f8",
    b"int8": "i1",
    b"uint8": "u1",
    b"int16": "i2",
    b"uint16": "u2",
    b"int32": "i4",
    b"uint32": "u4",
    b"float32": "f4",
    b"float64": "f8",
}


@dataclass(frozen=True)
class Property:
    """A number, or a list of numbers, that each item of an element has.

    Attributes:
        name: as the file has it.
        dtype: of the number, or of the items of the list.
        length_dtype: of the number before each list that says how long it is; None for a single number.
    """

    name: str
    dtype: np.dtype
    length_dtype: np.dtype | None = None

    @property
    def smallest(self) -> int:
        """The bytes that the property takes at least: those of the number, or of the length of the list."""
        return self.dtype.itemsize if self.length_dtype is None else self.length_dtype.itemsize


@dataclass(frozen=True)
class Element:
    """So many items of one kind (vertices, faces), each with the same properties."""

    name: str
    count: int
    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Header:
    """What the head of a PLY file says.

    Attributes:
        byte_order: "<" or ">" for binary data, "" for text.
        elements: in the order of their data.
        size: bytes of the header, its last line end included; the data follow.
        lines: lines of the header.
    """

    byte_order: str
    elements: tuple[Element, ...]
    size: int
    lines: int


def parse_header(path: Path, content: bytes) -> Header:
    """Read the header at the start of a PLY file's content; comments may hold any bytes.

    Raises `GeometryError` with the line where it is not a PLY header.
    """
    lines, size = _lines(path, content)
    order: str | None = None
    elements: list[Element] = []
    for number, line in enumerate(lines[1:-1], start=2):
        words = line.split()
        match words:
            case [] | [b"comment" | b"obj_info", *_]:
                pass
            case [b"format", kind, b"1.0"] if kind in BYTE_ORDERS and order is None:
                order = BYTE_ORDERS[kind]
            case [b"element", name, count] if re.fullmatch(rb"\d{1,18}", count):
                elements.append(Element(_unused(path, number, name, elements), int(count), ()))
            case [b"property", *rest] if elements:
                last = elements[-1]
                added = _property(path, number, rest, last)
                elements[-1] = Element(last.name, last.count, (*last.properties, added))
            case _:
                raise _unreadable(
                    path, number, "'format', 'element NAME COUNT', 'property TYPE NAME' or 'comment'", line
                )
    if order is None:
        raise _unreadable(path, 2, "'format ascii 1.0' or a binary format", lines[1])
    for element in elements:
        if element.count and not element.properties:
            raise GeometryError(
                f"{path}: the PLY header cannot be read: its {element.count} {element.name!r} elements "
                "have no properties; the file is damaged"
            )
    return Header(order, tuple(elements), size, len(lines))


def _lines(path: Path, content: bytes) -> tuple[list[bytes], int]:
    """The lines of the header, from "ply" to "end_header", and their bytes together.

    The end of the first line says how lines end: where it is a lone carriage return, a line feed after the
    header is the first byte of the data.
    """
    first = re.match(rb"ply[ \t]*(\r\n|\n|\r)", content)
    if not first:
        raise _unreadable(path, 1, "the word 'ply'", re.split(rb"[\r\n]", content[:80])[0])
    end = b"\r" if first[1] == b"\r" else b"\n"
    last = re.search(end + rb"end_header[ \t\r]*?(" + end + rb"|\Z)", content)
    if not last:
        raise GeometryError(
            f"{path}: the PLY header cannot be read: it has no line 'end_header'; "
            "the file is truncated, damaged, or not a PLY file"
        )
    head = content[: last.end()]
    return head.removesuffix(end).split(end), len(head)


def _property(path: Path, number: int, words: list[bytes], element: Element) -> Property:
    """From the words after "property" in line `number`."""
    match words:
        case [b"list", length, items, name] if length in _TYPES and items in _TYPES:
            length_dtype = np.dtype(_TYPES[length])
            if length_dtype.kind == "f":
                raise _unreadable(path, number, "an integer type for the length of a list", length)
            return Property(
                _unused(path, number, name, element.properties), np.dtype(_TYPES[items]), length_dtype
            )
        case [kind, name] if kind in _TYPES:
            return Property(_unused(path, number, name, element.properties), np.dtype(_TYPES[kind]))
    raise _unreadable(
        path, number, "'property TYPE NAME' or 'property list TYPE TYPE NAME'", b" ".join(words)
    )


def _unused(
    path: Path, number: int, name: bytes, before: list[Element] | tuple[Element | Property, ...]
) -> str:
    """The name as text, if none of the elements or properties before it has it."""
    text = name.decode("utf-8", errors="backslashreplace")
    if any(item.name == text for item in before):
        raise _unreadable(path, number, "a name that was not used before", name)
    return text


def _unreadable(path: Path, number: int, expected: str, came: bytes) -> GeometryError:
    return GeometryError(
        f"{path}: the PLY header cannot be read, line {number}: expected {expected}, got "
        f"{shown(came.strip())}; the file is damaged, or not a PLY file"
    )

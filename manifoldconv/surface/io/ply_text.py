"""The data of a text (ASCII) PLY file: one item a line, all its numbers read in bulk."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifoldconv.surface.io.ply_header import Element, Header, Property
from manifoldconv.surface.io.ply_table import Lists, Table, ranges, truncated, unreadable
from manifoldconv.surface.io.text import shown

Array = np.ndarray

_SPACES = np.isin(np.arange(256), list(b" \t\n\v\f\r"))
_NUMBER = re.compile(rb"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|inf(inity)?)", re.IGNORECASE)


@dataclass(frozen=True)
class _Words:
    """The words of a text, and the lines that have any.

    Attributes:
        text: the text.
        begin: `(words + 1,)` the byte where each word begins; last, where the text ends.
        row: `(rows + 1,)` the first word of each line that is not blank; last, the number of words.
        line: `(rows,)` the number of that line in the file, from 1.
    """

    text: bytes
    begin: Array
    row: Array
    line: Array


def read_text(path: Path, content: bytes, header: Header) -> tuple[list[Table], int]:
    """The tables of all elements, and the number of lines that follow the last of them.

    Blank lines are passed over. Raises `GeometryError` with the line where the text is not as announced.
    """
    body = content[header.size :].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    words = _split(body, header.lines + 1)
    available = len(words.line)
    tables: list[Table] = []
    at = 0
    for element in header.elements:
        if element.count > available - at:
            raise truncated(path, element, available - at)
        tables.append(_table(path, words, element, at))
        at += element.count
    return tables, available - at


def _split(text: bytes, first_line: int) -> _Words:
    letters = np.frombuffer(text, np.uint8)
    space = _SPACES[letters]
    begin = np.flatnonzero(~space & np.concatenate([[True], space])[:-1])
    line = np.searchsorted(np.flatnonzero(letters == ord("\n")), begin)
    first = np.flatnonzero(np.diff(line, prepend=-1))
    return _Words(text, np.append(begin, len(text)), np.append(first, len(begin)), line[first] + first_line)


def _table(path: Path, words: _Words, element: Element, first_row: int) -> Table:
    """One element, whose items are on the rows from `first_row` on."""
    row = words.row[first_row : first_row + element.count + 1]
    lines = words.line[first_row : first_row + element.count]
    text = words.text[words.begin[row[0]] : words.begin[row[-1]]]
    values = _numbers(text, int(row[-1] - row[0]))
    if values is None:
        raise _first_bad_word(path, words, element, row, lines)
    row = row - row[0]
    at, stop = row[:-1], row[1:]
    numbers, lists = {}, {}
    for item in element.properties:
        _refuse(path, element, item.name, lines, at >= stop, "the line ends before it")
        if item.length_dtype is None:
            numbers[item.name] = _typed(path, element, item, item.dtype, values[at], lines)
            at = at + 1
            continue
        sizes = _typed(path, element, item, item.length_dtype, values[at], lines).astype(np.int64)
        _refuse(path, element, item.name, lines, sizes < 0, "a list cannot have fewer than 0 items")
        _refuse(path, element, item.name, lines, sizes >= stop - at, "the line ends before the list does")
        items = values[ranges(at + 1, sizes)]
        lists[item.name] = Lists(
            _typed(path, element, item, item.dtype, items, lines, np.cumsum(sizes)), sizes
        )
        at = at + 1 + sizes
    _refuse(path, element, None, lines, at < stop, "the line has more numbers than properties")
    return Table(element, numbers, lists, lines)


def _numbers(text: bytes, count: int) -> Array | None:
    """The words of a text as float64; None if they are not `count` numbers."""
    if count == 0:
        return np.empty(0)
    with warnings.catch_warnings():
        # Where a word is no number, numpy stops there, with a warning (later versions: an error).
        warnings.simplefilter("error")
        try:
            values = np.fromstring(text, dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return values if len(values) == count else None


def _first_bad_word(path: Path, words: _Words, element: Element, row: Array, lines: Array) -> Exception:
    """The error for the first word that is not a number."""
    for index in range(element.count):
        begin, end = words.begin[row[index]], words.begin[row[index + 1]]
        for place, word in enumerate(words.text[begin:end].split()):
            if not _NUMBER.fullmatch(word):
                name = _property_at(element, words.text[begin:end].split(), place)
                why = f"expected a number, got {shown(word)}"
                return unreadable(path, element, index, name, why, int(lines[index]))
    return unreadable(path, element, 0, None, "its words are not all numbers", int(lines[0]))


def _property_at(element: Element, words: list[bytes], place: int) -> str | None:
    """The property that a word of a line belongs to; all words before it are numbers."""
    at = 0
    for item in element.properties:
        at += 1
        if item.length_dtype is not None and place >= at and words[at - 1].isdigit():
            at += int(words[at - 1])
        if place < at:
            return item.name
    return None


def _typed(
    path: Path,
    element: Element,
    item: Property,
    dtype: np.dtype,
    values: Array,
    lines: Array,
    ends: Array | None = None,
) -> Array:
    """Numbers in the type that the header announces; `ends`: for items of lists, where each list ends."""
    if dtype.kind == "f":
        # A number too large for the type becomes infinite, which is refused where it matters.
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    limits = np.iinfo(dtype)
    bad = ~((values >= limits.min) & (values <= limits.max) & (values == np.floor(values)))
    if bad.any():
        at = int(np.argmax(bad))
        row = at if ends is None else int(np.searchsorted(ends, at, side="right"))
        why = f"expected an integer from {limits.min} to {limits.max}, got {values[at]:g}"
        raise unreadable(path, element, row, item.name, why, int(lines[row]))
    return values.astype(dtype)


def _refuse(path: Path, element: Element, name: str | None, lines: Array, bad: Array, why: str) -> None:
    """Raise the error for the first row where `bad` holds."""
    if bad.any():
        row = int(np.argmax(bad))
        raise unreadable(path, element, row, name, why, int(lines[row]))

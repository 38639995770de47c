"""What the readers of text formats share: bytes to numbered lines, and words to numbers with their place."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from manifoldconv.errors import GeometryError

Array = np.ndarray


def numbered_lines(path: Path) -> list[bytes]:
    """The lines of a text file, whatever the line ends; line n of the file is item n - 1.

    UTF-8 and UTF-16 with a byte-order mark are understood; other bytes above 127 can only stand in names and
    comments, so their encoding does not matter. Raises `GeometryError` for binary content.
    """
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise GeometryError(
                f"{path}: expected text, but the file is not valid UTF-16; save it as UTF-8"
            ) from error
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise GeometryError(
            f"{path}: expected text, but line {line} holds binary data; check that the ending "
            f"{path.suffix!r} is the format of the file"
        )
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


def shown(word: bytes) -> str:
    """A word or line of a file, short enough for a message."""
    text = word.decode("utf-8", errors="replace")
    return repr(text if len(text) <= 40 else text[:37] + "...")


def convert(
    path: Path,
    kind: Callable[[bytes], Any],
    words: Sequence[Sequence[bytes]],
    lines: Sequence[int],
    what: str,
) -> Array:
    """All words of all rows as numbers of one kind (`float` or `int`), one after the other.

    Raises `GeometryError` with the line of the first word that is not such a number.
    """
    dtype = np.float64 if kind is float else np.int64
    try:
        return np.fromiter((kind(word) for row in words for word in row), dtype)
    except (ValueError, OverflowError) as error:
        for row, line in zip(words, lines, strict=True):
            for word in row:
                if not _fits(kind, word):
                    noun = "a number" if kind is float else "an integer"
                    raise GeometryError(
                        f"{path}, line {line}: expected {noun} {what}, got {shown(word)}; correct that line"
                    ) from error
        raise


def _fits(kind: Callable[[bytes], Any], word: bytes) -> bool:
    try:
        return kind(word) is not None and (kind is float or abs(kind(word)) < 2**63)
    except (ValueError, OverflowError):
        return False

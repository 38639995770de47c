"""Named tensors in a file: written whole or not at all, checked when read, and mapped into memory.

The layout is that of safetensors, which other programs read: the length of the header (8 bytes, little endian), the
header as JSON, and the tensors' bytes one after the other without gaps. Nothing in it is code, so a file from
somewhere else can be refused but cannot do harm. The header's `__metadata__` holds what this package adds:

    format    "manifoldconv"
    version   of this layout
    kind      what the tensors are, "pullback" for example
    content   all that is no tensor, as JSON
    crc32     of the bytes of each tensor, as JSON
    check     CRC-32 of everything above and of the table of tensors

A CRC finds damage by accident, at about the speed of memory; it is no protection against forgery.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import StorageError

FORMAT, VERSION = "manifoldconv", 1
ENDING = ".safetensors"
# The ending of files that are being written.
PART = ".part"
# Tensors begin at a multiple of this, so that they can be used where they lie.
ALIGNMENT = 64
# A longer header is not one of ours, and need not be read to find that out.
LONGEST_HEADER = 16_000_000

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


@dataclass(frozen=True, eq=False)
class StoredFile:
    """What a file holds.

    Attributes:
        kind: what the tensors are.
        content: all that is no tensor: numbers, strings, lists and dictionaries of them.
        tensors: by name; on the CPU, backed by the file until they are written to.
    """

    kind: str
    content: dict[str, Any]
    tensors: dict[str, Tensor]


def write_file(
    path: str | os.PathLike[str],
    kind: str,
    tensors: Mapping[str, Tensor],
    content: Mapping[str, Any],
    *,
    replace: bool = True,
    token: str = "",
) -> bool:
    """Write a file so that under its name there is never anything but a whole one.

    It is written under another name in the same folder, brought to the disk (fsync), and then renamed. Of several
    processes that write the same name at once, one is the last, and its file is there.

    Args:
        path: the file.
        kind, tensors, content: see `StoredFile`; names must be strings.
        replace: whether a file that is there already gives way. If not, it stays.
        token: the temporary name begins with a dot and this, so that who was killed can be cleaned up after.

    Returns:
        Whether the file is the one that was written here.

    Raises `OSError` where the folder does not exist or admit writing, or the disk is full.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_file(folder + "/x.safetensors", "example", {"a": torch.arange(3)}, {"unit": "m"})
    ...     read_file(folder + "/x.safetensors").tensors["a"].tolist()
    [0, 1, 2]
    """
    target = Path(path)
    # Wide numbers first: then everything is aligned without gaps, which the layout forbids.
    ordered = sorted(tensors, key=lambda name: -tensors[name].element_size())
    parts = {name: _bytes_of(tensors[name]) for name in ordered}
    table, start = {}, 0
    for name, part in parts.items():
        tensor = tensors[name]
        table[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, start + part.nbytes],
        }
        start += part.nbytes
    header = _header(kind, table, content, {name: zlib.crc32(part) for name, part in parts.items()})
    temporary = target.with_name(f".{token}{secrets.token_hex(8)}{PART}")
    try:
        with open(temporary, "xb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            for part in parts.values():
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        return _rename(temporary, target, replace)
    finally:
        temporary.unlink(missing_ok=True)


def read_file(path: str | os.PathLike[str], kind: str | None = None, *, verify: bool = True) -> StoredFile:
    """Map a file of `write_file` into memory.

    Args:
        path: the file.
        kind: what it must be; None: anything.
        verify: compare the checksums of the tensors, for which all of it is read once. The header is always checked,
            and so is the length of the file.

    Raises:
        StorageError: for a file that is damaged, cut short, of another program or of another kind; the message says
            which and names the file.
        OSError: for one that cannot be read.
    """
    place = Path(path)
    with open(
        place, "rb"
    ) as file:  # opened once: another process may put a new file under the name at any time
        metadata, table, first = _read_header(file, place)
        if kind is not None and metadata["kind"] != kind:
            raise StorageError(f"{place}: holds a file of kind {metadata['kind']!r}; expected {kind!r}")
        # Copied on write: what is done to a tensor never reaches the file.
        buffer = np.memmap(file, dtype=np.uint8, mode="c")
    checks = json.loads(metadata["crc32"])
    tensors = {}
    for name, entry in table.items():
        start, end = entry["data_offsets"]
        part = buffer[first + start : first + end]
        if verify and zlib.crc32(part) != checks[name]:  # type: ignore[arg-type]
            raise StorageError(
                f"{place}: damaged: the checksum of {name!r} does not fit its {end - start} bytes"
            )
        dtype, shape = _DTYPES[entry["dtype"]], entry["shape"]
        if end == start:
            tensors[name] = torch.empty(shape, dtype=dtype)
        else:
            tensors[name] = torch.from_numpy(np.asarray(part)).view(dtype).reshape(shape)
    return StoredFile(metadata["kind"], json.loads(metadata["content"]), tensors)


def read_about(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Kind and content of a file, from its header alone; errors as of `read_file`."""
    with open(path, "rb") as file:
        metadata, _, _ = _read_header(file, Path(path))
    return metadata["kind"], json.loads(metadata["content"])


def _bytes_of(tensor: Tensor) -> memoryview:
    if tensor.dtype not in _NAMES:
        raise ValueError(f"tensors of dtype {tensor.dtype} cannot be stored; known are {', '.join(_DTYPES)}")
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _header(kind: str, table: dict[str, Any], content: Mapping[str, Any], sums: dict[str, int]) -> bytes:
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "kind": kind,
        "content": json.dumps(content, allow_nan=False),
        "crc32": json.dumps(sums),
    }
    metadata["check"] = str(_check(metadata, table))
    text = json.dumps({"__metadata__": metadata, **table}).encode()
    return text + b" " * (-(8 + len(text)) % ALIGNMENT)


def _check(metadata: Mapping[str, str], table: Mapping[str, Any]) -> int:
    plain = {name: value for name, value in metadata.items() if name != "check"}
    return zlib.crc32(json.dumps([plain, table], sort_keys=True).encode())


def _read_header(file: BinaryIO, place: Path) -> tuple[dict[str, str], dict[str, Any], int]:
    """Metadata, table of tensors, and where their bytes begin; `StorageError` unless all of it fits the file."""
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, LONGEST_HEADER):
        raise StorageError(f"{place}: no file of manifoldconv, or cut short: it has {size} bytes")
    text = file.read(length)
    try:
        table = json.loads(text)
        metadata = table.pop("__metadata__")
        foreign = metadata.get("format") != FORMAT
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise StorageError(
            f"{place}: no file of manifoldconv, or damaged: its header is unreadable"
        ) from None
    if foreign:
        raise StorageError(f"{place}: no file of manifoldconv")
    if metadata.get("version") != str(VERSION):
        raise StorageError(
            f"{place}: has version {metadata.get('version')} of the format; expected {VERSION}"
        )
    if metadata.get("check") != str(_check(metadata, table)):
        raise StorageError(f"{place}: damaged: the checksum of its header does not fit")
    # From here on the header is what was written; that leaves the length of the rest.
    end = max((entry["data_offsets"][1] for entry in table.values()), default=0)
    if size != 8 + length + end:
        raise StorageError(f"{place}: damaged: it has {size} bytes; its header asks for {8 + length + end}")
    for name, entry in table.items():
        start, stop = entry["data_offsets"]
        if (
            entry["dtype"] not in _DTYPES
            or not 0 <= start <= stop <= end
            or stop - start != (math.prod(entry["shape"]) * _DTYPES[entry["dtype"]].itemsize)
        ):
            raise StorageError(f"{place}: the tensor {name!r} does not fit its place in the file")
    return metadata, table, 8 + length


def _rename(temporary: Path, target: Path, replace: bool) -> bool:
    if replace:
        os.replace(temporary, target)
    else:
        try:
            os.link(temporary, target)  # unlike a rename, this fails where there is a file already
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if target.exists():
                return False
            os.replace(temporary, target)
    _sync_folder(target.parent)
    return True


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk, where folders can be opened (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

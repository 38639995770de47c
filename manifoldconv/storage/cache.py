"""A folder of pullbacks and operators that are found by what they were built from."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from manifoldconv.carried import BoundaryPolicy, Frames
from manifoldconv.errors import AccuracyWarning, StorageError, StorageWarning
from manifoldconv.frames import FrameField
from manifoldconv.kernels.space import KernelSpace
from manifoldconv.ops import backends
from manifoldconv.ops.collapsed import CollapsedOperator
from manifoldconv.pullback import Measure, Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.storage.files import ENDING, PART, read_about, read_file, write_file
from manifoldconv.storage.keys import operator_key, pullback_key
from manifoldconv.storage.values import decode, encode

VARIABLE = "MANIFOLDCONV_CACHE"
DEFAULT_LIMIT = 10_000_000_000
# Hexadecimal digits of a key in a file's name; so many are needed only if files are counted by 10^19.
DIGITS = 40
# Seconds after which a file that was being written is taken for given up.
GIVEN_UP = 3600.0

T = TypeVar("T")
Notes = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One file of a cache.

    Attributes:
        path: the file.
        kind: "pullback", "operator", or "damaged" where its header cannot be read.
        about: what it was built from, in words.
        size: bytes.
        used: when it was written or last read, in seconds since 1970.
    """

    path: Path
    kind: str
    about: str
    size: int
    used: float


@dataclass(frozen=True)
class Cache:
    """A folder of pullbacks and operators, each under a digest of everything that it depends on.

    What is asked for is read where it is there, and built and kept where it is not. Files are written whole or not at
    all, so that processes may share a folder; they are mapped into memory, so that those who read the same one
    share it, too. A damaged file is built anew, with a `StorageWarning`, and so is one that cannot be kept (no
    room, no right to write): the answer is there in any case.

    Args:
        folder: made when it is needed; default `default_folder()`.
        limit: bytes that its files may have together. Those that were not used for the longest time go first.
        verify: compare checksums when a file is read. That reads all of it once, at some gigabytes a second.

    >>> import tempfile, manifoldconv as mc
    >>> surface, rule = mc.load_mesh("meshes/cube.ply"), mc.TangentRule.polar(0.2, 2, 8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = Cache(folder)
    ...     pull = cache.pullback(surface, surface.sites("faces"), rule)  # built
    ...     pull = cache.pullback(surface, surface.sites("faces"), rule)  # read
    ...     [entry.kind for entry in cache.entries()]
    ['pullback']
    """

    folder: str | os.PathLike[str] | None = None
    limit: int = DEFAULT_LIMIT
    verify: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", default_folder() if self.folder is None else Path(self.folder))
        if not (isinstance(self.limit, int) and self.limit >= 0):
            raise ValueError(f"limit must be a whole number of bytes ≥ 0; got {self.limit!r}")

    def pullback(
        self,
        manifold: Any,
        sites: Sites,
        rule: TangentRule,
        boundary: BoundaryPolicy = "zero",
        base: int | None = None,
        frames: Frames | FrameField = "parallel",
        measure: Measure = "tangent",
    ) -> Pullback:
        """`Pullback.build` of the same arguments, from the folder where it is there.

        Warnings of the accuracy are kept with it and given again.

        Raises:
            GeometryError: as `Pullback.build`; also for manifolds that are no meshes, which have no content to be
                found by.
        """
        choices = (manifold, sites, rule, boundary, base, frames, measure)
        key = pullback_key(*choices)

        def build() -> tuple[Pullback, Notes]:
            with _recorded() as texts:
                pull = Pullback.build(*choices)
            return pull, {"about": f"{manifold!r}, {rule!r}, {pull!r}", "warnings": texts}

        pull, notes = self._fetch("pullback", key, build)
        for text in notes["warnings"]:
            warnings.warn(text, AccuracyWarning, stacklevel=2)
        return pull

    def operator(
        self,
        manifold: Any,
        sites: Sites,
        rule: TangentRule,
        basis: KernelSpace | Tensor,
        boundary: BoundaryPolicy = "zero",
        base: int | None = None,
        frames: Frames | FrameField = "parallel",
        measure: Measure = "tangent",
        *,
        dtype: torch.dtype | None = None,
        backend: str | None = None,
    ) -> CollapsedOperator:
        """`Pullback.build(...).collapse(basis, ...)`, on the CPU, from the folder where it is there.

        The pullback behind it, which is some ten times larger, is read where it is there, and else built and let go.

        Raises as `pullback` and as `Pullback.collapse`.

        >>> import tempfile, manifoldconv as mc
        >>> surface, rule = mc.load_mesh("meshes/cube.ply"), mc.TangentRule.polar(0.2, 2, 8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     operator = Cache(folder).operator(surface, surface.sites("faces"), rule, torch.ones(16, 3))
        >>> operator(torch.ones(12, 1), torch.ones(5, 1, 3)).shape
        torch.Size([12, 5])
        """
        choices = (manifold, sites, rule, boundary, base, frames, measure)
        pullback = pullback_key(*choices)
        name = backends.choose(backend, torch.device("cpu"))
        key = operator_key(pullback, basis, rule, str(torch.float32 if dtype is None else dtype), name)

        def build() -> tuple[CollapsedOperator, Notes]:
            with _recorded() as texts:
                at_hand = self.path_of("pullback", pullback).exists()
                pull = self.pullback(*choices) if at_hand else Pullback.build(*choices)
            operator = pull.collapse(basis, dtype=dtype, backend=backend)
            return operator, {"about": f"{manifold!r}, {rule!r}, {operator!r}", "warnings": texts}

        operator, notes = self._fetch("operator", key, build)
        for text in notes["warnings"]:
            warnings.warn(text, AccuracyWarning, stacklevel=2)
        return operator

    def path_of(self, kind: str, key: str) -> Path:
        """Where the file of a key lies, or would."""
        return self._home / f"{kind}-{key[:DIGITS]}{ENDING}"

    def entries(self) -> list[Entry]:
        """What is in the folder, the file that was used last first. Files that are not the cache's are left out."""
        found = []
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                status = path.stat()
                try:
                    kind, content = read_about(path)
                    about = str(content.get("notes", {}).get("about", ""))
                except StorageError as error:
                    kind, about = "damaged", str(error)
                found.append(Entry(path, kind, about, status.st_size, status.st_mtime))
        return sorted(found, key=lambda entry: -entry.used)

    def clear(self) -> list[Path]:
        """Remove all files of the cache and no other; which they were."""
        return self.trim(-1)

    def trim(self, limit: int | None = None, keep: Path | None = None) -> list[Path]:
        """Remove the files that were not used for the longest time, until all together have at most `limit` bytes.

        Also what is left of writers that were killed. `keep` stays in any case.
        """
        self._sweep()
        allowed = self.limit if limit is None else limit
        aged = []
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                aged.append((status.st_mtime, status.st_size, path))
        total, removed = sum(size for _, size, _ in aged), []
        for _, size, path in sorted(aged, key=lambda one: one[0]):
            if total <= allowed:
                break
            if path == keep:
                continue
            # Missing: another process was faster. No permission: in use, on Windows.
            with contextlib.suppress(FileNotFoundError, PermissionError):
                path.unlink()
                removed.append(path)
                total -= size
        return removed

    @property
    def _home(self) -> Path:
        return Path(self.folder)  # type: ignore[arg-type]

    def _files(self) -> list[Path]:
        if not self._home.is_dir():
            return []
        names = [path for path in self._home.iterdir() if path.suffix == ENDING]
        return sorted(path for path in names if _is_ours(path.stem))

    def _sweep(self) -> None:
        """Remove files that someone began to write and gave up."""
        if not self._home.is_dir():
            return
        for path in self._home.glob(f".*{PART}"):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                if time.time() - path.stat().st_mtime > GIVEN_UP:
                    path.unlink()

    def _fetch(self, kind: str, key: str, build: Callable[[], tuple[T, Notes]]) -> tuple[T, Notes]:
        """What a key stands for, and the notes beside it: read, or else built and kept."""
        path = self.path_of(kind, key)
        try:
            stored = read_file(path, kind, verify=self.verify)
            if stored.content.get("key") != key:
                raise StorageError(f"{path}: holds another {kind} than its name says")
            value = decode(stored.content["value"], stored.tensors)
            with contextlib.suppress(OSError):  # a folder that may only be read
                os.utime(path)
            return value, stored.content["notes"]
        except FileNotFoundError:
            pass
        except (StorageError, OSError) as error:
            warnings.warn(f"{error}; it is built anew", StorageWarning, stacklevel=3)
        value, notes = build()
        tensors: dict[str, Tensor] = {}
        content = {"value": encode(value, kind, tensors), "notes": notes, "key": key, "mesh": None}
        self._keep(path, kind, tensors, content)
        return value, notes

    def _keep(self, path: Path, kind: str, tensors: dict[str, Tensor], content: dict[str, Any]) -> None:
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        if size > self.limit:
            warnings.warn(
                f"a {kind} of {size} bytes is not kept: the cache {self._home} may have {self.limit}",
                StorageWarning,
                stacklevel=4,
            )
            return
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            self.trim(self.limit - size, keep=path)
            write_file(path, kind, tensors, content)
            self.trim(keep=path)
        except OSError as error:
            warnings.warn(f"{path}: not kept: {error}", StorageWarning, stacklevel=4)


def default_folder() -> Path:
    """The folder that the environment variable MANIFOLDCONV_CACHE names, or the system's own place for caches.

    That is `$XDG_CACHE_HOME/manifoldconv` or `~/.cache/manifoldconv`, on macOS `~/Library/Caches/manifoldconv`, on
    Windows `%LOCALAPPDATA%\\manifoldconv\\Cache`.
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "manifoldconv" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "manifoldconv"
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The convention of XDG: a path that is not absolute counts as none.
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "manifoldconv"


def _is_ours(stem: str) -> bool:
    kind, _, key = stem.rpartition("-")
    return kind.isidentifier() and len(key) == DIGITS and set(key) <= set("0123456789abcdef")


@contextlib.contextmanager
def _recorded() -> Iterator[list[str]]:
    """The accuracy warnings of the block as texts; others pass."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AccuracyWarning)
        yield texts
    for warning in caught:
        if issubclass(warning.category, AccuracyWarning):
            texts.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)

"""Pullbacks in files of their own, which may say for which mesh they were built."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from manifoldconv.errors import GeometryError, StorageError
from manifoldconv.pullback import Pullback
from manifoldconv.storage.files import read_file, write_file
from manifoldconv.storage.keys import mesh_fingerprint
from manifoldconv.storage.values import decode, encode

KIND = "pullback"


def save_pullback(
    pull: Pullback,
    path: str | os.PathLike[str],
    *,
    manifold: Any = None,
    notes: Mapping[str, Any] | None = None,
    replace: bool = True,
    token: str = "",
) -> bool:
    """Write a pullback; see `Pullback.save` and, for `replace` and `token`, `write_file`.

    `notes` are plain values that are kept beside it.
    """
    tensors: dict[str, Tensor] = {}
    content = {
        "value": encode(pull, KIND, tensors),
        "mesh": None if manifold is None else mesh_fingerprint(manifold),
        "notes": dict(notes or {}),
    }
    return write_file(path, KIND, tensors, content, replace=replace, token=token)


def load_pullback(path: str | os.PathLike[str], *, manifold: Any = None, verify: bool = True) -> Pullback:
    """Read a pullback; see `Pullback.load`."""
    stored = read_file(path, KIND, verify=verify)
    if manifold is not None:
        built_for, given = stored.content.get("mesh"), mesh_fingerprint(manifold)
        if built_for is None:
            raise GeometryError(
                f"{path}: does not say which mesh it was built for; save it with manifold=..."
            )
        if built_for != given:
            raise GeometryError(
                f"{path}: was built for the mesh with fingerprint {built_for[:12]}; got {manifold!r} with {given[:12]}"
            )
    try:
        pull = decode(stored.content["value"], stored.tensors)
    except StorageError as error:
        raise StorageError(f"{path}: {error}") from None
    if not isinstance(pull, Pullback):
        raise StorageError(f"{path}: holds a {type(pull).__name__}; expected a pullback")
    return pull

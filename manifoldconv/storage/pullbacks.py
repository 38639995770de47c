"""A pullback as named tensors and plain values, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, StorageError
from manifoldconv.groups import StructureGroup
from manifoldconv.groups.structure import Structure
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.storage.files import StoredFile, read_file, write_file
from manifoldconv.storage.keys import mesh_fingerprint

KIND = "pullback"
TENSORS = ("index", "weight", "transport")
OPTIONAL = ("gauge", "density", "places")


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
    tensors, content = pullback_parts(pull)
    content["mesh"] = None if manifold is None else mesh_fingerprint(manifold)
    content["notes"] = dict(notes or {})
    return write_file(path, KIND, tensors, content, replace=replace, token=token)


def load_pullback(path: str | os.PathLike[str], *, manifold: Any = None, verify: bool = True) -> Pullback:
    """Read a pullback; see `Pullback.load`."""
    stored = read_file(path, KIND, verify=verify)
    if manifold is not None:
        built_for, given = stored.content["mesh"], mesh_fingerprint(manifold)
        if built_for is None:
            raise GeometryError(
                f"{path}: does not say which mesh it was built for; save it with manifold=..."
            )
        if built_for != given:
            raise GeometryError(
                f"{path}: was built for the mesh with fingerprint {built_for[:12]}; got {manifold!r} with {given[:12]}"
            )
    return pullback_from_parts(stored)


def pullback_parts(pull: Pullback) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a pullback by name, and the rest of it as plain values."""
    rule = pull.rule
    tensors = {"rule.nodes": rule.nodes, "rule.weights": rule.weights}
    tensors |= {name: getattr(pull, name) for name in TENSORS}
    tensors |= {name: getattr(pull, name) for name in OPTIONAL if getattr(pull, name) is not None}
    content: dict[str, Any] = {
        "rule": {"radius": rule.radius, "kind": rule.kind, "shape": list(rule.shape)},
        "n_sources": pull.n_sources,
        "boundary": pull.boundary,
        "group": None,
    }
    if pull.group is not None:
        structure = pull.group.structure
        tensors["group.components"] = structure.components
        tensors |= {f"group.generators.{i}": matrix for i, matrix in enumerate(structure.generators)}
        tensors |= {f"group.blocks.{i}": basis for i, basis in enumerate(structure.blocks)}
        content["group"] = {
            "generators": len(structure.generators),
            "blocks": len(structure.blocks),
            "residual": float(structure.residual),
            "label": pull.group.label,
        }
    return tensors, content


def pullback_from_parts(stored: StoredFile) -> Pullback:
    """The pullback of `pullback_parts`; `StorageError` where something is missing."""
    tensors, content = stored.tensors, stored.content
    try:
        rule = TangentRule(
            tensors["rule.nodes"],
            tensors["rule.weights"],
            content["rule"]["radius"],
            content["rule"]["kind"],
            tuple(content["rule"]["shape"]),
        )
        group = None if content["group"] is None else _group(tensors, content["group"])
        values: dict[str, Any] = {name: tensors[name] for name in TENSORS}
        values |= {name: tensors.get(name) for name in OPTIONAL}
        values |= {"n_sources": content["n_sources"], "boundary": content["boundary"], "group": group}
        return Pullback(rule, **values)
    except KeyError as error:
        raise StorageError(f"the file of a pullback lacks {error}") from None


def _group(tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> StructureGroup:
    structure = Structure(
        tensors["group.components"],
        tuple(tensors[f"group.generators.{i}"] for i in range(content["generators"])),
        tuple(tensors[f"group.blocks.{i}"] for i in range(content["blocks"])),
        content["residual"],
    )
    return StructureGroup(structure, content["label"])


def same_pullback(one: Pullback, other: Pullback) -> bool:
    """Whether two pullbacks agree to the last bit."""
    (left, left_content), (right, right_content) = pullback_parts(one), pullback_parts(other)
    return (
        left_content == right_content
        and left.keys() == right.keys()
        and all(torch.equal(left[name], right[name]) for name in left)
    )

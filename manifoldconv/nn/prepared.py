"""The collapsed operator of a layer and a pullback, kept with the pullback under a name.

The name is that of an attribute, so that the tracer of `torch.compile` can look it up and guard on what it finds: the
tensors of the operator are then inputs of the graph, which serves every pullback that was prepared. What must not be
traced, checking a pullback and collapsing it, happens in eager code, once for each layer and pullback.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import torch
from torch import Tensor

from manifoldconv.groups import StructureGroup
from manifoldconv.ops import CollapsedOperator
from manifoldconv.pullback import Pullback

Names = dict[torch.dtype, str]


class Prepares(Protocol):
    """What a layer has to offer: names, and how its operator is made."""

    names: Names

    def collapsed(self, pull: Pullback, dtype: torch.dtype) -> CollapsedOperator:
        """The operator for a pullback; raises errors for one that the layer was not made for."""


def operator_names(*parts: Any) -> Names:
    """A name for each precision, of whatever an operator and its checks depend on besides the pullback.

    Tensors and groups count by their values, anything else by its `repr`.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_bytes(part))
        digest.update(b"\0")
    name = digest.hexdigest()
    return {torch.float32: f"_single_{name}", torch.float64: f"_double_{name}"}


def operator_of(layer: Prepares, pull: Pullback, dtype: torch.dtype) -> CollapsedOperator:
    """The operator of a layer for a pullback, made at the first call with it."""
    if not hasattr(pull, layer.names[dtype]):
        _prepare(layer, pull, dtype)
    found: CollapsedOperator = getattr(pull, layer.names[dtype])
    return found


@torch.compiler.assume_constant_result  # run while tracing, and not part of the graph
def _prepare(layer: Prepares, pull: Pullback, dtype: torch.dtype) -> None:
    if not isinstance(pull, Pullback):
        raise ValueError(f"{type(layer).__name__} takes a Pullback; got {type(pull).__name__}")
    pull.__dict__[layer.names[dtype]] = layer.collapsed(pull, dtype)


def _bytes(part: Any) -> bytes:
    if isinstance(part, Tensor):
        return repr(tuple(part.shape)).encode() + part.detach().cpu().contiguous().numpy().tobytes()
    if isinstance(part, StructureGroup):
        matrices = [part.elements()] if part.is_finite else part.generators
        return part.name.encode() + b"".join(_bytes(matrix) for matrix in matrices)
    return repr(part).encode()

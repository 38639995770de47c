"""The package's frozen values as named tensors and plain JSON, and back: what pickle does, without running code.

Only the classes listed here are made again, and from their fields alone: a file can hold a wrong value, but nothing
that acts.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import StorageError

# Where each class lives; they are imported when a file names them.
CLASSES = {
    "Arrays": "manifoldconv.ops.arrays",
    "CollapsedOperator": "manifoldconv.ops.collapsed",
    "Direction": "manifoldconv.ops.arrays",
    "Extension": "manifoldconv.ops.arrays",
    "Pullback": "manifoldconv.pullback",
    "SparseOperator": "manifoldconv.ops.sparse",
    "Structure": "manifoldconv.groups.structure",
    "StructureGroup": "manifoldconv.groups.group",
    "TangentRule": "manifoldconv.quadrature",
    "TypedOperator": "manifoldconv.ops.typed",
}
_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (torch.float64, torch.float32)}


def encode(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """JSON for a value; its tensors are put into `tensors`, under names that begin with `name`.

    Known are tensors, None, booleans, numbers, strings, slices, floating dtypes, tuples of all that, and the frozen
    dataclasses and named tuples of `CLASSES`. `TypeError` for others.

    >>> tensors = {}
    >>> encode((1, torch.zeros(2), "a"), "x", tensors), list(tensors)
    ({'tuple': [1, {'tensor': 'x.1'}, 'a']}, ['x.1'])
    """
    kind = type(value)
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:  # JSON has no infinity
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is slice:
        return {"slice": [value.start, value.stop, value.step]}
    if kind is torch.dtype:
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return {"tuple": [encode(part, f"{name}.{i}", tensors) for i, part in enumerate(value)]}
    if CLASSES.get(kind.__name__) != kind.__module__:
        raise TypeError(f"{name}: a {kind.__module__}.{kind.__name__} cannot be stored")
    fields = {field: encode(getattr(value, field), f"{name}.{field}", tensors) for field in _fields(kind)}
    return {"class": kind.__name__, "fields": fields}


def decode(code: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The value of `encode`; `StorageError` where a tensor, a class or a field is missing or unknown."""
    if not isinstance(code, dict):
        return code
    if "tensor" in code:
        if code["tensor"] not in tensors:
            raise StorageError(f"there is no tensor {code['tensor']!r}")
        return tensors[code["tensor"]]
    if "float" in code:
        return float(code["float"])
    if "slice" in code:
        return slice(*code["slice"])
    if "dtype" in code:
        return _DTYPES[code["dtype"]]
    if "tuple" in code:
        return tuple(decode(part, tensors) for part in code["tuple"])
    name = code.get("class")
    if name not in CLASSES:
        raise StorageError(f"there is no class {name!r} to make a value of")
    kind = getattr(importlib.import_module(CLASSES[name]), name)
    if set(code["fields"]) != set(_fields(kind)):
        raise StorageError(
            f"a {name} has the fields {', '.join(_fields(kind))}; got {', '.join(code['fields'])}"
        )
    return kind(**{field: decode(part, tensors) for field, part in code["fields"].items()})


def _fields(kind: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind) if field.init)
    return kind._fields  # type: ignore[attr-defined]

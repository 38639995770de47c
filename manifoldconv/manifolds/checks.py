"""Checks of the numbers that describe a manifold or a grid, used where they come in."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError


def positive(name: str, value: Any) -> float:
    """`value` as a float; `GeometryError` unless it is a positive, finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise GeometryError(f"{name} must be a positive number; got {value!r}")
    return number


def whole(name: str, value: Any, smallest: int, largest: int | None = None) -> int:
    """`value` as an int; `GeometryError` unless it is a whole number from `smallest` to `largest`."""
    number = _as_integer(value)
    if number is None or number < smallest or (largest is not None and number > largest):
        bounds = f"of at least {smallest}" if largest is None else f"from {smallest} to {largest}"
        raise GeometryError(f"{name} must be a whole number {bounds}; got {value!r}")
    return number


def whole_numbers(name: str, value: Any, count: int, smallest: int) -> tuple[int, ...]:
    """`value` as a tuple of `count` ints of at least `smallest`; `GeometryError` where it isn't that."""
    numbers = [_as_integer(size) for size in value] if isinstance(value, Sequence) else []
    sizes = tuple(number for number in numbers if number is not None and number >= smallest)
    if not len(sizes) == len(numbers) == count:
        raise GeometryError(f"{name} must be {count} whole numbers of at least {smallest}; got {value!r}")
    return sizes


def common_batch(**shapes: Sequence[int]) -> torch.Size:
    """The batch axes that several arguments, given by name, have together; `ValueError` where they don't broadcast."""
    try:
        return torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        came = " and ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
        raise ValueError(f"{' and '.join(shapes)} must have batch axes that broadcast; got {came}") from None


def broadcast(**values: Tensor) -> tuple[Tensor, ...]:
    """Arguments of the same last axis `(..., d)`, given by name, with common batch axes; `ValueError` as above."""
    batch = common_batch(**{name: value.shape[:-1] for name, value in values.items()})
    return tuple(value.expand(*batch, value.shape[-1]) for value in values.values())


def _as_integer(value: Any) -> int | None:
    """An integer of any library as an int; None for all else, True and 2.0 among it."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None

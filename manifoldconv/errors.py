"""The package's exceptions, and the checks that are used at its public border."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class GeometryError(ValueError):
    """A mesh, point, path or manifold does not admit what was asked of it."""


class HolonomyError(ValueError):
    """A kernel is not invariant under the holonomy group that would have to carry it."""


class StorageError(ValueError):
    """A file is damaged, cut short, or no file of this package."""


class StorageWarning(UserWarning):
    """Something could not be kept or read back; the answer was computed anew and is right."""


class AccuracyWarning(UserWarning):
    """The answer is defined, but the sampling is too coarse for the accuracy that one would expect."""


def float64(name: str, value: Any, shape: tuple[int | None, ...], *, finite: bool = True) -> Tensor:
    """`value` as a float64 tensor whose last axes have `shape` (None: any size).

    Raises `ValueError` naming the argument, the shape expected and the shape that came, and for values
    that are not finite the place of the first one (unless `finite` is False: NaN may be an answer, as of `log`).
    """
    came = torch.as_tensor(value).dtype
    if came.is_complex or came == torch.bool:
        raise ValueError(f"{name} must be real numbers; got dtype {came}")
    # From the value itself: Python numbers would first be rounded to torch's default dtype.
    tensor = torch.as_tensor(value, dtype=torch.float64)
    tail = tuple(tensor.shape[tensor.ndim - len(shape) :])
    fits = len(tail) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, tail, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have last axes ({wanted}); got shape {tuple(tensor.shape)}")
    if finite and not bool(torch.isfinite(tensor.detach()).all()):
        where = torch.nonzero(~torch.isfinite(tensor.detach()))[0].tolist()
        raise ValueError(
            f"{name} must be finite; got {tensor.detach()[tuple(where)].item()} at index {where}"
        )
    return tensor

"""Ways to compute the layer operator, by name: chosen by device and by what is installed, or by the user."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from manifoldconv.ops.arrays import Arrays

NAMES = ("compiled", "torch", "scatter", "triton")


@dataclass(frozen=True)
class Backend:
    """Three functions, as in `manifoldconv.ops.backends.plain`, on extended fields and matrices of weights."""

    forward: Callable[[Tensor, Tensor, Arrays], Tensor]
    forward_weights_first: Callable[[Tensor, Tensor, Arrays], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor, Arrays], tuple[Tensor, Tensor]]


def choose(name: str | None, device: torch.device) -> str:
    """The name of the backend for a device; None takes "compiled" on the processor, "triton" or "torch" elsewhere.

    Raises `ValueError` for an unknown name, for one that cannot run on the device, and for one that is not installed.
    """
    if name is None:
        if device.type == "cpu":
            return "compiled"
        return "triton" if device.type == "cuda" and _installed("triton") else "torch"
    if name not in NAMES:
        raise ValueError(f"there is no backend {name!r}; there are {', '.join(map(repr, NAMES))}")
    if name == "compiled" and device.type != "cpu":
        raise ValueError(f"backend 'compiled' runs on the processor; the pullback is on {device}")
    if name == "scatter" and not _installed("torch_scatter"):
        raise ValueError(
            "backend 'scatter' needs torch-scatter, which is not installed: manifoldconv[scatter]"
        )
    if name == "triton":
        if not _installed("triton"):
            raise ValueError("backend 'triton' needs triton, which is not installed: manifoldconv[triton]")
        if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
            raise ValueError(
                f"backend 'triton' runs on graphics cards; the pullback is on {device} (with TRITON_INTERPRET=1 in "
                "the environment it is interpreted, slowly, anywhere)"
            )
    return name


def load(name: str) -> Backend:
    """The backend of a name that `choose` gave; its libraries are imported here."""
    if name == "compiled":
        from manifoldconv.ops.backends import compiled

        return Backend(compiled.forward, compiled.forward_weights_first, compiled.backward)
    if name == "triton":
        from manifoldconv.ops.backends import triton

        return Backend(triton.forward, _no_weights_first, triton.backward)
    from manifoldconv.ops.backends import plain

    summed = plain.sum_segments if name == "scatter" else plain.sum_compressed
    return Backend(
        partial(plain.forward, summed=summed),
        partial(plain.forward_weights_first, summed=summed),
        partial(plain.backward, summed=summed),
    )


def _no_weights_first(field: Tensor, matrix: Tensor, arrays: Arrays) -> Tensor:
    raise NotImplementedError("the triton backend sums neighbours first")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None

"""The border to geomstats: tensors in and out, and its effects on the whole process kept from the caller.

geomstats chooses its backend when it is first imported, from the environment variable GEOMSTATS_BACKEND
("numpy" if unset), and with the backend "pytorch" sets torch's default dtype to float64.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError


def import_geomstats(backend: str | None = None) -> ModuleType:
    """geomstats, imported with a backend, and torch's default dtype as it was.

    Args:
        backend: "numpy", "pytorch" or "autograd"; None for whichever is active, or that of the environment.

    Raises:
        GeometryError: where geomstats was imported before with another backend: one process can have but one.
        ImportError: where geomstats, or the backend, can't be imported (the extra "geomstats").

    >>> import torch
    >>> before = torch.get_default_dtype()
    >>> import_geomstats().__name__, torch.get_default_dtype() == before
    ('geomstats', True)
    """
    if backend not in (None, "numpy", "pytorch", "autograd"):
        raise GeometryError(f'backend must be "numpy", "pytorch" or "autograd"; got {backend!r}')
    dtype = torch.get_default_dtype()
    variable = os.environ.get("GEOMSTATS_BACKEND")
    try:
        if backend is not None and "geomstats.backend" not in sys.modules:
            os.environ["GEOMSTATS_BACKEND"] = backend
        try:
            importlib.import_module("geomstats.backend")
        except ImportError as reason:
            raise ImportError(
                f'geomstats could not be imported ({reason}): pip install "manifoldconv[geomstats]"; '
                "geomstats 2.8.0 needs a numpy before 2.4"
            ) from reason
    finally:
        torch.set_default_dtype(dtype)
        if variable is not None:
            os.environ["GEOMSTATS_BACKEND"] = variable
        else:
            os.environ.pop("GEOMSTATS_BACKEND", None)
    if backend not in (None, active_backend()):
        raise GeometryError(
            f'geomstats was imported before with the backend "{active_backend()}", and a process can have but one: '
            f'set the environment variable GEOMSTATS_BACKEND={backend}, or call import_geomstats("{backend}") first'
        )
    return sys.modules["geomstats"]


def active_backend() -> str:
    """The name of geomstats' backend; geomstats must be imported."""
    return sys.modules["geomstats.backend"].__name__.rpartition(".")[2]


@contextmanager
def contained(seed: int | None = None) -> Iterator[None]:
    """Within: torch's default dtype is what geomstats' torch backend counts on. After: all as before.

    With a seed the random numbers of the process are those of the seed within, and afterwards go on
    undisturbed.
    """
    dtype = torch.get_default_dtype()
    state = np.random.get_state() if seed is not None else None  # noqa: NPY002  geomstats draws from it
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        try:
            torch.set_default_dtype(torch.float64)
            if seed is not None:
                np.random.seed(seed)  # noqa: NPY002
                torch.manual_seed(seed)
            yield
        finally:
            torch.set_default_dtype(dtype)
            if state is not None:
                np.random.set_state(state)  # noqa: NPY002


@cache
def _blas_threads() -> Any:
    """The threads of the BLAS: geomstats takes logarithms of small matrices one by one, and on a busy machine threads
    that wait for each other made that 17 times slower. threadpoolctl comes with geomstats, by scikit-learn.
    """
    return importlib.import_module("threadpoolctl").ThreadpoolController()


def call(function: Callable[..., Any], *arguments: Tensor, **options: Any) -> Tensor:
    """A function of geomstats on tensors, which come and go as arrays of the active backend."""
    if active_backend() == "pytorch":
        with contained():
            return torch.as_tensor(function(*arguments, **options), dtype=torch.float64)
    if any(argument.requires_grad for argument in arguments):
        raise GeometryError(
            f'gradients cannot pass geomstats\' backend "{active_backend()}"; set GEOMSTATS_BACKEND=pytorch before '
            'geomstats is imported, or call import_geomstats("pytorch") first'
        )
    with contained(), _blas_threads().limit(limits=1, user_api="blas"):
        result = function(*(argument.numpy() for argument in arguments), **options)
    return torch.as_tensor(np.array(result), dtype=torch.float64)

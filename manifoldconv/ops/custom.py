"""Functions as operators of torch: what `torch.library.custom_op` does, without loading torch's compiler.

That function loads it at the first call, which takes most of a second; a program that compiles nothing need not wait.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch


def custom_operator(
    schema: str, fake: Callable[..., Any], keep: Callable[..., None], differentiate: Callable[..., Any]
) -> Callable[[Callable[..., Any]], Any]:
    """Decorates a function of new tensors, which changes none that it is given.

    Args:
        schema: as "library::name(Tensor a, Tensor[] b) -> Tensor".
        fake: the same for tensors without numbers, see `torch.library.register_fake`.
        keep, differentiate: the gradient, see `torch.library.register_autograd`.
    """
    name = schema[: schema.index("(")]

    def register(function: Callable[..., Any]) -> Any:
        torch.library.define(name, schema[len(name) :])
        torch.library.impl(name, "default", _not_traced(function))
        torch.library.register_fake(name, fake)
        torch.library.register_autograd(name, differentiate, setup_context=keep)
        return torch._library.utils.lookup_op(name)

    return register


def _not_traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, into which torch's compiler does not look, where it is loaded at all."""
    opaque: list[Callable[..., Any]] = []

    def call(*arguments: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            return function(*arguments)
        if not opaque:
            opaque.append(torch.compiler.disable(function))
        return opaque[0](*arguments)

    return call

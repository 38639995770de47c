"""What a law checker returns, and the few helpers that the checkers share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


class LawViolation(AssertionError):
    """A manifold or its sites break a law that they must obey."""


@dataclass(frozen=True)
class LawResult:
    """How far a law was from holding.

    Attributes:
        law: the law, in words.
        figure: the largest deviation found (NaN where the manifold gave one).
        tolerance: the largest that passes.
        error: the message, where the manifold refused its own points or vectors, or (of the checks of groups and
            actions) the element that shows a broken law; else empty.
    """

    law: str
    figure: float
    tolerance: float
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance; NaN is not."""
        return self.figure <= self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "BROKEN"
        return (
            f"{verdict:6} {self.law}: {self.figure:.2e} (at most {self.tolerance:.1e}) {self.error}".rstrip()
        )


def require(results: Iterable[LawResult]) -> None:
    """Raise `LawViolation`, listing every law, if any is broken."""
    results = list(results)
    if not all(result.passed for result in results):
        raise LawViolation("broken laws:\n" + "\n".join(str(result) for result in results))


def largest(deviations: Iterable[Tensor]) -> float:
    """The largest absolute value; NaN if there is one, 0 if there is nothing."""
    parts = [torch.as_tensor(part).detach().to(torch.float64).abs().flatten() for part in deviations]
    values = torch.cat(parts)
    return float(values.max()) if len(values) else 0.0


def apply(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrices `(..., d, d)` times vectors `(..., d)`."""
    return (matrix @ vector[..., None])[..., 0]


def identity_gap(matrix: Tensor) -> Tensor:
    """matrix - 1."""
    return matrix - torch.eye(matrix.shape[-1], dtype=torch.float64)

"""R^n as a group: the translations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from manifoldconv.errors import float64
from manifoldconv.homogeneous.lie_group import LieGroup
from manifoldconv.manifolds.euclidean import Euclidean


@dataclass(frozen=True)
class Translations(Euclidean, LieGroup):
    """The group R^n of translations, as vectors `(..., n)`: the product is the sum.

    As a manifold it is Euclidean space, `exp` and `group_exp` agree up to the base point, and the Haar measure is that
    of Lebesgue.

    Args:
        n: the dimension, at least 1.

    >>> import torch
    >>> Translations(2).product(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.0])).tolist()
    [1.5, 2.0]
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "element_shape", (self.dim,))
        object.__setattr__(self, "volume", math.inf)

    @property
    def identity(self) -> Tensor:
        """0."""
        return torch.zeros(self.n, dtype=torch.float64)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """a + b."""
        return float64("a", a, (self.n,)) + float64("b", b, (self.n,))

    def inverse(self, a: Tensor) -> Tensor:
        """-a."""
        return -float64("a", a, (self.n,))

    def act(self, a: Tensor, q: Tensor) -> Tensor:
        """a + q for points q `(..., n)`."""
        return self.product(a, float64("q", q, (self.n,)))

    def group_exp(self, v: Tensor) -> Tensor:
        """v."""
        return float64("v", v, (self.n,))

    def group_log(self, a: Tensor) -> Tensor:
        """a."""
        return float64("a", a, (self.n,))

    def adjoint(self, a: Tensor) -> Tensor:
        """The identity: `(..., n, n)`."""
        return self.frame(a)

    def bracket(self, v: Tensor, w: Tensor) -> Tensor:
        """0."""
        return torch.zeros_like(self.product(v, w))

    def left_differential(self, a: Tensor, x: Tensor) -> Tensor:
        """The identity: `(..., n, n)`."""
        return self.frame(self.product(a, x).detach())

    def random(self, count: int, generator: torch.Generator, spread: float = 1.0) -> Tensor:
        """Normal."""
        return spread * torch.randn(count, self.n, generator=generator, dtype=torch.float64)

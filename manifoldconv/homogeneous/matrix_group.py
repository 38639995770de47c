"""Groups of matrices, given by their Lie algebra: enough for an action of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from manifoldconv.errors import GeometryError, float64
from manifoldconv.homogeneous.lie_group import ActingGroup


@dataclass(frozen=True, eq=False)
class MatrixGroup(ActingGroup):
    """The connected group of matrices `(..., m, m)` whose Lie algebra has a given basis: SO(2, 1), SL(2), ...

        group_exp(v) = exp(Σ_i v_i algebra[i])

    Args:
        name: for messages.
        algebra: `(dim, m, m)`, linearly independent and closed under the bracket AB - BA.

    Raises:
        GeometryError: where the matrices are not independent, or their brackets leave their span.

    >>> boost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    >>> MatrixGroup("boosts of the line", boost).group_exp(torch.tensor([1.0])).round(decimals=4).tolist()
    [[1.5431, 1.1752], [1.1752, 1.5431]]
    """

    name: str
    algebra: Tensor = field(repr=False)
    dim: int = field(init=False, repr=False)
    element_shape: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        algebra = float64("algebra", self.algebra, (None, None, None)).detach().clone()
        if algebra.ndim != 3 or algebra.shape[1] != algebra.shape[2] or not algebra.numel():
            raise GeometryError(
                f"the Lie algebra must have shape (dim, m, m), dim ≥ 1; got {tuple(algebra.shape)}"
            )
        object.__setattr__(self, "algebra", algebra)
        object.__setattr__(self, "dim", len(algebra))
        object.__setattr__(self, "element_shape", tuple(algebra.shape[1:]))
        span = torch.linalg.qr(algebra.flatten(1).T)
        least = float(torch.linalg.svdvals(algebra.flatten(1)).min())
        if not least > 1e-9:
            raise GeometryError(f"{self.name}: the matrices of the Lie algebra are not linearly independent")
        brackets = algebra[:, None] @ algebra - algebra @ algebra[:, None]
        rest = brackets.flatten(2) - brackets.flatten(2) @ span.Q @ span.Q.T
        gap = rest.abs().amax(-1)
        if not float(gap.max()) <= 1e-9 * max(1.0, float(brackets.abs().max())):
            i, j = torch.nonzero(gap == gap.max())[0].tolist()
            raise GeometryError(
                f"{self.name}: the bracket of the matrices {i} and {j} leaves the span of the Lie algebra, by "
                f"{float(gap.max()):.3g}"
            )

    @property
    def identity(self) -> Tensor:
        """The unit matrix."""
        return torch.eye(self.element_shape[0], dtype=torch.float64)

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """The matrix product."""
        return float64("a", a, self.element_shape) @ float64("b", b, self.element_shape)

    def inverse(self, a: Tensor) -> Tensor:
        """The inverse matrix."""
        return torch.linalg.inv(float64("a", a, self.element_shape))

    def act(self, a: Tensor, q: Tensor) -> Tensor:
        """a q for vectors q `(..., m)`."""
        q = float64("q", q, self.element_shape[1:])
        return (float64("a", a, self.element_shape) @ q[..., None])[..., 0]

    def group_exp(self, v: Tensor) -> Tensor:
        """The exponential of the matrix Σ_i v_i algebra[i]."""
        v = float64("v", v, (self.dim,))
        return torch.linalg.matrix_exp(torch.tensordot(v, self.algebra, dims=1))

    def random(self, count: int, generator: torch.Generator, spread: float = 1.0) -> Tensor:
        """Products of two exponentials of normal vectors of standard deviation `spread`: no Haar measure."""
        v = spread * torch.randn(2, count, self.dim, generator=generator, dtype=torch.float64)
        return self.group_exp(v[0]) @ self.group_exp(v[1])

"""Sites: where a field lives, and how it is interpolated in between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Stencil:
    """How the value of a field at a point is put together from its values at sites.

        f(q) = Σ_s weight[s] · ρ(transport[s]) f[index[s]]

    Attributes:
        index: `(..., S)` int64, the sites used (0 where the weight is 0 and there is none).
        weight: `(..., S)` float64; their sum is 1 where the sites cover the point and less where they
            do not (outside a window: 0).
        transport: `(..., S, d, d)` float64, from the frame at the site to the frame at the point.
    """

    index: Tensor
    weight: Tensor
    transport: Tensor


class Sites(ABC):
    """N points of a manifold that carry a field, with area weights and an interpolation.

    Attributes:
        manifold: where the sites lie; None for sites of one's own that do not say.
        points: the N points, as the manifold writes them (one batch axis).
        area: `(N,)` float64, the weights of the manifold's own measure: Σ area f ≈ ∫_M f.
    """

    manifold: Any = None
    points: Any
    area: Tensor

    def __len__(self) -> int:
        return len(self.area)

    @abstractmethod
    def stencil(self, points: Any) -> Stencil:
        """The interpolation at points with any batch axes."""

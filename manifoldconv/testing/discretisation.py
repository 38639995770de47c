"""Where equivariance is measured, and changes of gauge as elements to measure it with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from manifoldconv.sampling import Sites


@dataclass(frozen=True, eq=False)
class GaugeChange:
    """Other frames at the sites: u' = matrices[p] u. The fields change coordinates; nothing moves.

    Attributes:
        matrices: `(N, d, d)` orthogonal, one for each site.
        name: for the report.
    """

    matrices: Tensor
    name: str = "a change of gauge"


@dataclass(frozen=True, eq=False)
class Discretisation:
    """One resolution: the sites of a field, and what an operator needs besides the field.

    Attributes:
        sites: where the field lives.
        pull: handed to the operator as its second argument: a `Pullback`, or whatever it takes (for a change of gauge
            a `Pullback`, or a tuple of them over the same sites). None: the operator takes the field alone.
        sites_out: where the answer lives; None where it lives on `sites`.
        spacing: the distance of neighbouring sites; by default area^(1/d) on average over the sites.
        inside: points to bool: the sites of the answer that are compared, as those away from the border of a window.
            None: all. The error stays relative to the largest answer at any site.
    """

    sites: Sites
    pull: Any = None
    sites_out: Sites | None = None
    spacing: float | None = None
    inside: Callable[[Any], Tensor] | None = None

    @property
    def distance(self) -> float:
        """The spacing, given or computed."""
        if self.spacing is not None:
            return self.spacing
        dim = getattr(self.sites.manifold, "dim", None)
        if dim is None:
            raise ValueError(
                f"{self.sites!r} do not say their manifold's dimension; give Discretisation a spacing"
            )
        return float(self.sites.area.mean()) ** (1 / dim)

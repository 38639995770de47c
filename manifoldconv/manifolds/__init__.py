"""The manifolds in closed form, those given by a metric, and the interface that all manifolds share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from manifoldconv.manifolds.base import Geodesic, LoopHolonomy, Manifold
from manifoldconv.manifolds.euclidean import Euclidean
from manifoldconv.manifolds.flat import Cylinder, FlatQuotient, FlatTorus, KleinBottle, MoebiusStrip
from manifoldconv.manifolds.hyperbolic import HyperbolicPlane
from manifoldconv.manifolds.neighbour_sites import NeighbourSites
from manifoldconv.manifolds.parametrised import ParametrisedSurface, SurfaceOfRevolution
from manifoldconv.manifolds.parametrised_flow import OdeSolver
from manifoldconv.manifolds.product import ProductManifold
from manifoldconv.manifolds.sphere import Sphere
from manifoldconv.manifolds.sphere_sites import icosphere

if TYPE_CHECKING:
    from manifoldconv.manifolds.geomstats import GeomstatsManifold
    from manifoldconv.manifolds.geomstats_bridge import import_geomstats

__all__ = [
    "Cylinder",
    "Euclidean",
    "FlatQuotient",
    "FlatTorus",
    "Geodesic",
    "GeomstatsManifold",
    "HyperbolicPlane",
    "KleinBottle",
    "LoopHolonomy",
    "Manifold",
    "MoebiusStrip",
    "NeighbourSites",
    "OdeSolver",
    "ParametrisedSurface",
    "ProductManifold",
    "Sphere",
    "SurfaceOfRevolution",
    "icosphere",
    "import_geomstats",
]


def __getattr__(name: str) -> Any:
    """geomstats takes seconds to import and is an extra: only where its adapter is asked for."""
    if name == "GeomstatsManifold":
        from manifoldconv.manifolds.geomstats import GeomstatsManifold

        return GeomstatsManifold
    if name == "import_geomstats":
        from manifoldconv.manifolds.geomstats_bridge import import_geomstats

        return import_geomstats
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The manifolds in closed form, and the interface that all manifolds share."""

from manifoldconv.manifolds.base import Geodesic, LoopHolonomy, Manifold
from manifoldconv.manifolds.euclidean import Euclidean
from manifoldconv.manifolds.flat import Cylinder, FlatQuotient, FlatTorus, KleinBottle, MoebiusStrip
from manifoldconv.manifolds.sphere import Sphere
from manifoldconv.manifolds.sphere_sites import icosphere

__all__ = [
    "Cylinder",
    "Euclidean",
    "FlatQuotient",
    "FlatTorus",
    "Geodesic",
    "KleinBottle",
    "LoopHolonomy",
    "Manifold",
    "MoebiusStrip",
    "Sphere",
    "icosphere",
]

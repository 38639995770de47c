"""Convolution on curved surfaces: kernels on tangent spaces, carried by parallel transport as far as holonomy allows.

(k ⋆ f)(p) = ∫_{T_pM} (Γ_{p0→p} k)(v) f(exp_p v) dμ(v)
"""

from manifoldconv import kernels, testing
from manifoldconv.correlate import convolve, correlate
from manifoldconv.errors import AccuracyWarning, GeometryError, HolonomyError
from manifoldconv.frames import FrameField
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds import (
    Cylinder,
    Euclidean,
    FlatTorus,
    Geodesic,
    KleinBottle,
    LoopHolonomy,
    Manifold,
    MoebiusStrip,
    Sphere,
)
from manifoldconv.pullback import Pullback
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites, Stencil
from manifoldconv.surface.load import load_mesh
from manifoldconv.surface.points import SurfacePoint
from manifoldconv.surface.surface import MeshSurface

__version__ = "0.1.0"

__all__ = [
    "AccuracyWarning",
    "Cylinder",
    "Euclidean",
    "FlatTorus",
    "FrameField",
    "Geodesic",
    "GeometryError",
    "HolonomyError",
    "KleinBottle",
    "LoopHolonomy",
    "Manifold",
    "MeshSurface",
    "MoebiusStrip",
    "Pullback",
    "Sites",
    "Sphere",
    "Stencil",
    "StructureGroup",
    "SurfacePoint",
    "TangentRule",
    "convolve",
    "correlate",
    "kernels",
    "load_mesh",
    "testing",
]

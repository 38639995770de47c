"""Convolution on curved surfaces: kernels on tangent spaces, carried by parallel transport as far as holonomy allows.

(k ⋆ f)(p) = ∫_{T_pM} (Γ_{p0→p} k)(v) f(exp_p v) dμ(v)

A name is imported when it is first used (PEP 562), so that `import manifoldconv` and `manifoldconv --help` wait for
nothing: not for torch, not for numba.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names once more, for type checkers and editors; a test compares the two
    from manifoldconv import datasets as datasets
    from manifoldconv import differential as differential
    from manifoldconv import features as features
    from manifoldconv import frame_fields as frame_fields
    from manifoldconv import homogeneous as homogeneous
    from manifoldconv import kernels as kernels
    from manifoldconv import lifting as lifting
    from manifoldconv import nn as nn
    from manifoldconv import ops as ops
    from manifoldconv import testing as testing
    from manifoldconv import training as training
    from manifoldconv.correlate import convolve as convolve
    from manifoldconv.correlate import correlate as correlate
    from manifoldconv.errors import AccuracyWarning as AccuracyWarning
    from manifoldconv.errors import GeometryError as GeometryError
    from manifoldconv.errors import HolonomyError as HolonomyError
    from manifoldconv.errors import StorageError as StorageError
    from manifoldconv.errors import StorageWarning as StorageWarning
    from manifoldconv.frames import FrameField as FrameField
    from manifoldconv.groups import StructureGroup as StructureGroup
    from manifoldconv.homogeneous import SE2 as SE2
    from manifoldconv.homogeneous import SE3 as SE3
    from manifoldconv.homogeneous import SO3 as SO3
    from manifoldconv.homogeneous import HomogeneousSpace as HomogeneousSpace
    from manifoldconv.homogeneous import LieGroup as LieGroup
    from manifoldconv.homogeneous import Translations as Translations
    from manifoldconv.kernels import KernelSpace as KernelSpace
    from manifoldconv.kernels import RadialBasis as RadialBasis
    from manifoldconv.manifolds import Cylinder as Cylinder
    from manifoldconv.manifolds import Euclidean as Euclidean
    from manifoldconv.manifolds import FlatTorus as FlatTorus
    from manifoldconv.manifolds import Geodesic as Geodesic
    from manifoldconv.manifolds import GeomstatsManifold as GeomstatsManifold
    from manifoldconv.manifolds import HyperbolicPlane as HyperbolicPlane
    from manifoldconv.manifolds import KleinBottle as KleinBottle
    from manifoldconv.manifolds import LoopHolonomy as LoopHolonomy
    from manifoldconv.manifolds import Manifold as Manifold
    from manifoldconv.manifolds import MoebiusStrip as MoebiusStrip
    from manifoldconv.manifolds import ParametrisedSurface as ParametrisedSurface
    from manifoldconv.manifolds import ProductManifold as ProductManifold
    from manifoldconv.manifolds import Sphere as Sphere
    from manifoldconv.manifolds import SurfaceOfRevolution as SurfaceOfRevolution
    from manifoldconv.over_sites import over_sites as over_sites
    from manifoldconv.pullback import Pullback as Pullback
    from manifoldconv.quadrature import TangentRule as TangentRule
    from manifoldconv.representations import Representation as Representation
    from manifoldconv.sampling import Sites as Sites
    from manifoldconv.sampling import Stencil as Stencil
    from manifoldconv.storage import Cache as Cache
    from manifoldconv.surface.holonomy_report import HolonomyReport as HolonomyReport
    from manifoldconv.surface.holonomy_report import holonomy_report as holonomy_report
    from manifoldconv.surface.load import load_mesh as load_mesh
    from manifoldconv.surface.points import SurfacePoint as SurfacePoint
    from manifoldconv.surface.remesh import decimate as decimate
    from manifoldconv.surface.remesh import intrinsic_delaunay as intrinsic_delaunay
    from manifoldconv.surface.remesh import subdivide as subdivide
    from manifoldconv.surface.repair import Repairs as Repairs
    from manifoldconv.surface.surface import MeshSurface as MeshSurface

__version__ = "0.1.0"

_MODULES = (
    "datasets",
    "differential",
    "features",
    "frame_fields",
    "homogeneous",
    "kernels",
    "lifting",
    "nn",
    "ops",
    "testing",
    "training",
)
_HOMES = {
    "convolve": "correlate",
    "correlate": "correlate",
    "AccuracyWarning": "errors",
    "GeometryError": "errors",
    "HolonomyError": "errors",
    "StorageError": "errors",
    "StorageWarning": "errors",
    "FrameField": "frames",
    "StructureGroup": "groups",
    "SE2": "homogeneous",
    "SE3": "homogeneous",
    "SO3": "homogeneous",
    "HomogeneousSpace": "homogeneous",
    "LieGroup": "homogeneous",
    "Translations": "homogeneous",
    "KernelSpace": "kernels",
    "RadialBasis": "kernels",
    "Cylinder": "manifolds",
    "Euclidean": "manifolds",
    "FlatTorus": "manifolds",
    "Geodesic": "manifolds",
    "GeomstatsManifold": "manifolds",
    "HyperbolicPlane": "manifolds",
    "KleinBottle": "manifolds",
    "LoopHolonomy": "manifolds",
    "Manifold": "manifolds",
    "MoebiusStrip": "manifolds",
    "ParametrisedSurface": "manifolds",
    "ProductManifold": "manifolds",
    "Sphere": "manifolds",
    "SurfaceOfRevolution": "manifolds",
    "over_sites": "over_sites",
    "Pullback": "pullback",
    "TangentRule": "quadrature",
    "Representation": "representations",
    "Sites": "sampling",
    "Stencil": "sampling",
    "Cache": "storage",
    "HolonomyReport": "surface.holonomy_report",
    "holonomy_report": "surface.holonomy_report",
    "load_mesh": "surface.load",
    "SurfacePoint": "surface.points",
    "decimate": "surface.remesh",
    "intrinsic_delaunay": "surface.remesh",
    "subdivide": "surface.remesh",
    "Repairs": "surface.repair",
    "MeshSurface": "surface.surface",
}

__all__ = [*_MODULES, *_HOMES]


if not TYPE_CHECKING:  # or a type checker would take every name for one of the package's

    def __getattr__(name: str) -> Any:
        """A public name or module, imported and kept."""
        if name in _MODULES:
            return importlib.import_module(f"manifoldconv.{name}")
        if name in _HOMES:
            value = getattr(importlib.import_module(f"manifoldconv.{_HOMES[name]}"), name)
            globals()[name] = value
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


class _Package(ModuleType):
    """A package whose function `correlate` is not hidden by its module `correlate`.

    Importing a submodule sets it as an attribute of its package. `mc.correlate` would be the function or the module
    then, depending on what was imported first.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

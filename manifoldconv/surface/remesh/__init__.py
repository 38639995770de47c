"""Other triangles for a surface, before convolving on it, with signals carried over and back."""

from manifoldconv.surface.remesh.decimate import decimate
from manifoldconv.surface.remesh.delaunay import intrinsic_delaunay
from manifoldconv.surface.remesh.result import RemeshResult
from manifoldconv.surface.remesh.subdivide import subdivide

__all__ = ["RemeshResult", "decimate", "intrinsic_delaunay", "subdivide"]

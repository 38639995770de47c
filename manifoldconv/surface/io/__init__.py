"""Mesh files: read with every vertex in its own place and order, written whole or not at all."""

from manifoldconv.surface.io.mesh_file import MeshFile
from manifoldconv.surface.io.read import read_mesh
from manifoldconv.surface.io.write import write_atomically, write_mesh

__all__ = ["MeshFile", "read_mesh", "write_atomically", "write_mesh"]

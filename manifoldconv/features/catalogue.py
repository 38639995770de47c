"""Features by name: their values in the frames at the vertices, their field type, and what they do not depend on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor

from manifoldconv.curvature import gaussian_curvature, mean_curvature
from manifoldconv.features.spectrum import heat_kernel_signature
from manifoldconv.groups import StructureGroup
from manifoldconv.representations import Representation
from manifoldconv.surface.surface import MeshSurface


@dataclass(frozen=True)
class Feature:
    """One entry of the catalogue.

    Attributes:
        field_type: for groups of the plane with reflections. Without them "sign" is "0".
        intrinsic: whether it depends on nothing but lengths inside the surface.
        invariant_under: the changes of the mesh under which its values stay the same (fields other than scalars:
            up to the change of frames).
        values: from a mesh: `(V, channels)`, in the frames at the vertices.
    """

    field_type: str
    intrinsic: bool
    invariant_under: str
    values: Callable[[MeshSurface], Tensor]


@dataclass(frozen=True, eq=False)
class Features:
    """Several features side by side.

    Attributes:
        values: `(V, channels)` float64, in the frames at the vertices.
        rep: their field type.
        names: which they are, in this order.
    """

    values: Tensor
    rep: Representation
    names: tuple[str, ...]


def features_of(surface: MeshSurface, names: Sequence[str], group: StructureGroup | None = None) -> Features:
    """Features of a mesh by name (see `CATALOGUE`), with their field type.

    Args:
        surface: the mesh.
        names: at least one.
        group: the structure group of the field type; by default O(2).

    Raises:
        ValueError: for a name that is not in the catalogue.
        GeometryError: for features that the mesh does not have: those of an embedding without one, the mean curvature
            where there is no orientation.

    >>> import manifoldconv as mc
    >>> found = features_of(mc.load_mesh("meshes/torus.ply"), ["gaussian-curvature", "axes"])
    >>> found.rep, found.values.shape[1]
    (Representation('1x0 + 3x1', O(2)), 7)
    """
    rep = feature_type(names, group)
    values = [CATALOGUE[name].values(surface) for name in names]
    return Features(torch.cat(values, dim=1), rep, tuple(names))


def feature_type(names: Sequence[str], group: StructureGroup | None = None) -> Representation:
    """The field type of features by name; arguments and `ValueError` as in `features_of`."""
    group = StructureGroup.orthogonal(2) if group is None else group
    if isinstance(names, str) or not names:
        raise ValueError(f"names must be a list of features; got {names!r}")
    for name in names:
        if name not in CATALOGUE:
            close = get_close_matches(name, CATALOGUE, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"there is no feature {name!r}{hint} (known: {', '.join(CATALOGUE)})")
    types = [CATALOGUE[name].field_type for name in names]
    if group.mirror is None:
        types = [text.replace("sign", "0") for text in types]
    return Representation(" + ".join(types), group)


def _gaussian(surface: MeshSurface) -> Tensor:
    return (gaussian_curvature(surface) * surface.area / (4 * math.pi))[:, None]


def _mean(surface: MeshSurface) -> Tensor:
    # With the orientation of the component; a vertex's own frame has that one on an orientable surface.
    return (mean_curvature(surface) * math.sqrt(surface.area / (4 * math.pi)))[:, None]


def _coordinates(surface: MeshSurface) -> Tensor:
    embedding, area = surface.embedding, surface.face_areas
    centroid = torch.from_numpy(embedding.corners).mean(dim=1)
    centre = (centroid * area[:, None]).sum(dim=0) / area.sum()
    # In the unit of the curvatures: the sphere of this area has radius 1.
    return (torch.from_numpy(embedding.vertices) - centre) / math.sqrt(surface.area / (4 * math.pi))


def _normals(surface: MeshSurface) -> Tensor:
    return surface.embedding.vertex_normals.clone()


def _axes(surface: MeshSurface) -> Tensor:
    points = surface.vertex_points(torch.arange(surface.n_vertices))
    axes = torch.eye(3, dtype=torch.float64)
    return torch.cat([surface.to_tangent(points, axis.expand(surface.n_vertices, 3)) for axis in axes], dim=1)


CATALOGUE: dict[str, Feature] = {
    "hks": Feature(
        "16x0",
        True,
        "isometries (bending, rigid motions, mirror images), uniform scaling, renumbering",
        heat_kernel_signature,
    ),
    "gaussian-curvature": Feature(
        "1x0",
        True,
        "isometries (bending, rigid motions, mirror images), uniform scaling, renumbering",
        _gaussian,
    ),
    "mean-curvature": Feature(
        "1xsign",
        False,
        "rigid motions, uniform scaling, renumbering; it changes its sign where the surface is turned inside out",
        _mean,
    ),
    "coordinates": Feature(
        "3x0", False, "translations, uniform scaling, renumbering; not rotations", _coordinates
    ),
    "normals": Feature(
        "3xsign",
        False,
        "translations, uniform scaling, renumbering; not rotations. Turned inside out it changes its sign",
        _normals,
    ),
    "axes": Feature(
        "3x1",
        False,
        "translations, uniform scaling, renumbering; not rotations. The parts of the three coordinate axes in the "
        "tangent plane, as vector fields",
        _axes,
    ),
}

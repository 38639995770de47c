"""The frames in which a pullback is written, and the group that kernels must respect there."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from manifoldconv.errors import GeometryError
from manifoldconv.frames import FrameField
from manifoldconv.groups import StructureGroup
from manifoldconv.manifolds.base import Manifold
from manifoldconv.orthogonal import rotation_matrix
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites

BoundaryPolicy = Literal["zero", "renormalise", "reflect"]
Frames = Literal["parallel", "local"]


def carried_frames(
    manifold: Manifold, sites: Sites, boundary: BoundaryPolicy, base: int | None, frames: Frames | FrameField
) -> tuple[StructureGroup | None, Tensor | None]:
    """The group that kernels must respect, and the frames `(N, d, d)` in local coordinates (None: the local ones)."""
    if isinstance(frames, FrameField):
        if len(frames.matrices) != len(sites):
            raise GeometryError(
                f"the frame field has {len(frames.matrices)} frames; there are {len(sites)} sites"
            )
        return None, frames.matrices
    if frames not in ("parallel", "local"):
        raise ValueError(f'frames must be "parallel", "local" or a FrameField; got {frames!r}')
    group = manifold.holonomy_group(doubled=boundary == "reflect")
    if base is not None and (not isinstance(base, int) or not 0 <= base < len(sites)):
        raise GeometryError(f"the base must be one of the {len(sites)} sites; got {base}")
    if frames == "local" or group.holds_rotations:
        d = manifold.dim
        reverses = group.mirror is not None
        return StructureGroup.orthogonal(d) if reverses else StructureGroup.special_orthogonal(d), None
    return _along_the_mirror(group, manifold.carry_frame(sites.points, base))


def _along_the_mirror(group: StructureGroup, carried: Tensor) -> tuple[StructureGroup, Tensor]:
    """A group of the plane with mirrors, and frames, turned so that the first axis is the line of a mirror.

    Across that line the nodes of polar rules and of grids are symmetric, so that a reflection only exchanges them: else
    the result for an admissible kernel would depend on the paths by as much as the quadrature errs.
    """
    if group.dimension != 2 or not group.axis:
        return group, carried
    turn = rotation_matrix(group.axis)
    return group.conjugated(turn.mT), carried @ turn


def check_request(manifold: Manifold, sites: Sites, rule: TangentRule, boundary: str) -> None:
    """Raise an error for sites or a rule that do not fit the manifold, or an unknown boundary policy."""
    if not isinstance(sites, Sites):
        raise GeometryError(f"sites are what manifold.sites(...) gives; got {type(sites).__name__}")
    if sites.manifold is not None and sites.manifold is not manifold and sites.manifold != manifold:
        raise GeometryError(f"the sites are those of {sites.manifold!r}; the manifold is {manifold!r}")
    if rule.nodes.shape[-1] != manifold.dim:
        raise GeometryError(
            f"the rule has nodes in dimension {rule.nodes.shape[-1]}; the manifold has dimension {manifold.dim}"
        )
    if boundary not in ("zero", "renormalise", "reflect"):
        raise ValueError(f'boundary must be "zero", "renormalise" or "reflect"; got {boundary!r}')

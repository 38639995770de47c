"""What a pullback is found by: a digest of everything that it depends on."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

from manifoldconv.carried import check_request
from manifoldconv.errors import GeometryError
from manifoldconv.frames import FrameField
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.storage.files import VERSION
from manifoldconv.surface.sites import FaceSites, VertexSites
from manifoldconv.surface.surface import MeshSurface


def digest(*values: Any) -> str:
    """SHA-256 of strings, numbers, None and tensors, as 64 hexadecimal digits.

    Each enters with its type and size, so that ("ab", "c") is not ("a", "bc"), nor 1 the same as 1.0.

    >>> digest("ab", "c") == digest("a", "bc")
    False
    """
    state = hashlib.sha256()
    for value in values:
        if isinstance(value, Tensor):
            array = value.detach().cpu().contiguous()
            state.update(f"tensor {array.dtype} {tuple(array.shape)};".encode())
            state.update(array.reshape(-1).view(torch.uint8).numpy().data)
        elif value is None or isinstance(value, (str, int, float)):
            text = repr(value)
            state.update(f"{type(value).__name__} {len(text)} {text};".encode())
        else:
            raise TypeError(f"there is no digest of a {type(value).__name__}")
    return state.hexdigest()


def mesh_fingerprint(manifold: Any) -> str:
    """64 hexadecimal digits that say which mesh it is: of its faces, and its vertices or edge lengths, bit by bit.

    Raises `GeometryError` for what is no mesh: other manifolds have no content to be known by.
    """
    if not isinstance(manifold, MeshSurface):
        raise GeometryError(
            f"only meshes have a fingerprint; got {manifold!r}. "
            "Save its pullback under a name of your own: pull.save(path)"
        )
    if manifold.vertices is not None:
        return digest("mesh", manifold.faces, manifold.vertices)
    lengths = torch.from_numpy(manifold.tables.chart[:, 0].copy())
    return digest("intrinsic mesh", manifold.n_vertices, manifold.faces, lengths)


def pullback_key(
    manifold: Any,
    sites: Sites,
    rule: TangentRule,
    boundary: str = "zero",
    base: int | None = None,
    frames: str | FrameField = "parallel",
    measure: str = "tangent",
) -> str:
    """The digest of all arguments of `Pullback.build`, of the package's version and of the file format's.

    Raises `GeometryError` as `Pullback.build`, for what is no mesh, and for sites of one's own.
    """
    from manifoldconv import __version__

    check_request(manifold, sites, rule, boundary)
    if type(sites) not in (VertexSites, FaceSites):
        raise GeometryError(
            f'only pullbacks for sites("vertices") and sites("faces") are cached; got {type(sites).__name__}'
        )
    return digest(
        "pullback",
        __version__,
        VERSION,
        mesh_fingerprint(manifold),
        sites.kind,  # type: ignore[attr-defined]
        rule.kind,
        str(tuple(rule.shape)),
        float(rule.radius),
        rule.nodes,
        rule.weights,
        boundary,
        base,
        frames.matrices if isinstance(frames, FrameField) else frames,
        measure,
    )

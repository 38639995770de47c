"""What a pullback is found by: a digest of everything that it depends on."""

from __future__ import annotations

import hashlib
from json import dumps
from typing import Any

import torch
from torch import Tensor

from manifoldconv.carried import check_request
from manifoldconv.errors import GeometryError
from manifoldconv.frames import FrameField
from manifoldconv.kernels.space import KernelSpace
from manifoldconv.quadrature import TangentRule
from manifoldconv.sampling import Sites
from manifoldconv.storage.files import VERSION
from manifoldconv.storage.values import encode
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


def basis_digest(basis: KernelSpace | Tensor, rule: TangentRule) -> str:
    """The digest of a kernel basis: of its kernels' values on the nodes, and of the field types between which they act.

    Args:
        basis: a `KernelSpace`, or the values `(Q, B)` of scalar kernels.
        rule: the nodes.
    """
    if isinstance(basis, Tensor):
        return digest("table", basis)
    if not isinstance(basis, KernelSpace):
        raise ValueError(
            f"an operator is made for a KernelSpace or a tensor (Q, B) of values; got {type(basis).__name__}"
        )
    tensors: dict[str, Tensor] = {}
    group = dumps(encode(basis.group, "group", tensors))
    layout = [number for part in basis.parts for number in (part.start, part.order, *part.copies)]
    types = (str(basis.rep_in), str(basis.rep_out))
    # Of each part for one copy of its channels: the values of all copies would be far more than the operator.
    values = [basis._part_values(rule.nodes, part) for part in basis.parts]
    return digest("space", group, *types, basis.band_limit, *layout, *values, *tensors.values())


def operator_key(
    pullback: str, basis: KernelSpace | Tensor, rule: TangentRule, dtype: str, backend: str
) -> str:
    """The digest of a collapsed operator: of its pullback's key, and of all arguments of `Pullback.collapse`."""
    return digest("operator", pullback, basis_digest(basis, rule), dtype, backend)


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

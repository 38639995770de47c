"""Unit quaternions (w, u) as a stage between rotation vectors and rotation matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def quaternion_of_vector(v: Tensor) -> Tensor:
    """(cos(r/2), sin(r/2) v / r) `(..., 4)` with r = |v|."""
    half = torch.linalg.vector_norm(v, dim=-1, keepdim=True) / 2
    return torch.cat([half.cos(), torch.sinc(half / math.pi) * v / 2], dim=-1)


def vector_of_quaternion(q: Tensor) -> Tensor:
    """`(..., 3)`: the rotation vector, of length at most π."""
    q = q * torch.where(q[..., :1].detach() < 0, -1.0, 1.0)
    w, u = q[..., :1], q[..., 1:]
    sine = torch.linalg.vector_norm(u, dim=-1, keepdim=True)
    # 2 atan(s / w) / s is 2 / w up to s² / 3 of itself; at 0 it has a derivative that way.
    tiny = sine.detach() < 1e-9
    safe = torch.where(tiny, 1.0, sine)
    return u * torch.where(tiny, 2 / torch.where(tiny, w, 1.0), 2 * torch.atan2(safe, w) / safe)


def rotation_of_quaternion(q: Tensor) -> Tensor:
    """`(..., 3, 3)`: the matrix of v ↦ q v q⁻¹, for q of length 1."""
    w, x, y, z = q.unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def quaternion_of_matrix(matrix: Tensor) -> Tensor:
    """`(..., 4)`, of either sign: the longest column of the matrix 4 q qᵀ, which is linear in the rotation's entries.

    So there is no root of a small number (Bar-Itzhack 2000 takes the eigenvector of the same matrix).
    """
    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    trace = m[0][0] + m[1][1] + m[2][2]
    x, y, z = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    columns = [
        [1 + trace, x, y, z],
        [x, 1 + 2 * m[0][0] - trace, xy, xz],
        [y, xy, 1 + 2 * m[1][1] - trace, yz],
        [z, xz, yz, 1 + 2 * m[2][2] - trace],
    ]
    square = torch.stack([torch.stack(column, dim=-1) for column in columns], dim=-2)
    longest = square.detach().diagonal(dim1=-2, dim2=-1).argmax(-1)
    column = torch.take_along_dim(square, longest[..., None, None], dim=-2)[..., 0, :]
    return torch.nn.functional.normalize(column, dim=-1)

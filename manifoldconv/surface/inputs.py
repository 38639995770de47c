"""What a mesh and its loops are given as: arrays, tensors and lists, checked where they come in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from manifoldconv.errors import GeometryError


def whole_numbers(kind: str, loop: Any) -> list[int]:
    """The numbers of faces or vertices of a loop; raises `GeometryError` for anything else."""
    numbers = torch.as_tensor(loop)
    if (
        numbers.ndim != 1
        or numbers.is_floating_point()
        or numbers.is_complex()
        or numbers.dtype == torch.bool
    ):
        raise GeometryError(f'a loop with kind="{kind}" is a list of whole numbers; got {loop!r}')
    return [int(number) for number in numbers.tolist()]


def face_number(face: int) -> str:
    """How a face is named where it comes from no file."""
    return f"face {face}"


def checked_vertices(vertices: Any) -> Tensor:
    """Positions as float64 `(V, 3)`; raises `GeometryError` for other shapes and for what is not finite."""
    came = torch.as_tensor(_forwards(vertices)).dtype
    if came.is_complex or came == torch.bool:
        raise GeometryError(f"vertices must be real numbers; got dtype {came}")
    # From the value itself: lists of Python numbers would first be rounded to torch's default dtype.
    tensor = torch.as_tensor(_forwards(vertices), dtype=torch.float64).detach().cpu()
    if tensor.ndim != 2 or tensor.shape[1] != 3:
        raise GeometryError(f"vertices must have shape (V, 3); got {tuple(tensor.shape)}")
    broken = torch.nonzero(~torch.isfinite(tensor).all(dim=1))[:, 0]
    if len(broken):
        vertex = int(broken[0])
        more = "" if len(broken) == 1 else f" (and {len(broken) - 1} more vertices like it)"
        raise GeometryError(f"vertex {vertex} is not finite: {tensor[vertex].tolist()}{more}")
    return tensor.contiguous()


def _forwards(value: Any) -> Any:
    """The value, an array that runs backwards (`faces[:, ::-1]`) copied: torch takes none such."""
    return np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value


def checked_faces(faces: Any) -> Tensor:
    """Vertex indices as int64 `(F, 3)`; raises `GeometryError` for other shapes and kinds of numbers."""
    tensor = torch.as_tensor(_forwards(faces)).detach().cpu()
    if tensor.numel() == 0:
        tensor = tensor.reshape(0, 3).to(torch.int64)
    if tensor.ndim != 2 or tensor.shape[1] != 3 or tensor.is_floating_point():
        raise GeometryError(
            f"faces must be whole numbers of shape (F, 3); got {tensor.dtype} {tuple(tensor.shape)}"
        )
    return tensor.to(torch.int64).contiguous()

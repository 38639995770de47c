"""Basis kernels drawn with characters, for a terminal: shades for numbers, arrows for vectors."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from manifoldconv.kernels import KernelSpace

COLUMNS, ROWS = 21, 11  # of one disc; a character is about twice as high as wide
ABREAST, MOST = 4, 8  # discs in a line, and in all
ARROWS, PLAIN_ARROWS = "→↗↑↖←↙↓↘", ">/^\\<,v."
SHADES = {1: "·+#", -1: "-=%"}
PLAIN_SHADES = {1: ".+#", -1: "-=%"}


def drawn(space: KernelSpace) -> list[str]:
    """The first basis kernels as lines of text; none for spaces of which no value is one number or one vector.

    Where standard output takes ASCII alone, other characters serve.
    """
    one, other = sorted((space.rep_in.size, space.rep_out.size))
    vectors = (one, other) == (1, 2) and {"1x1"} <= {str(space.rep_in), str(space.rep_out)}
    if not space.dimension or not (vectors or other == 1):
        return []
    nodes = _nodes(space.radial.radius)
    inside = nodes.norm(dim=-1) <= space.radial.radius * (1 + 1e-9)
    values = space.sample(nodes).flatten(-2)
    shown = min(space.dimension, MOST)
    plain = not _prints(ARROWS + "".join(SHADES.values()))
    lines = []
    for start in range(0, shown, ABREAST):
        discs = [
            _disc(values[:, :, k], inside, vectors, plain) for k in range(start, min(start + ABREAST, shown))
        ]
        lines += ["   ".join(parts).rstrip() for parts in zip(*discs, strict=True)] + [""]
    rest = f"; the first {shown} of {space.dimension}" if shown < space.dimension else ""
    if vectors:
        return [*lines, f"arrows: the kernel at each place of the tangent disc{rest}"]
    marks = PLAIN_SHADES if plain else SHADES
    legend = f"{' '.join(marks[1])} small to large, {' '.join(marks[-1])} the same below 0"
    return [*lines, f"{legend}, on the tangent disc{rest}"]


def _nodes(radius: float) -> Tensor:
    """`(ROWS, COLUMNS, 2)`: the first axis to the right, the second upward."""
    x = torch.linspace(-radius, radius, COLUMNS, dtype=torch.float64)
    y = torch.linspace(radius, -radius, ROWS, dtype=torch.float64)
    return torch.stack(torch.broadcast_tensors(x, y[:, None]), dim=-1)


def _disc(values: Tensor, inside: Tensor, vectors: bool, plain: bool) -> list[str]:
    """One kernel from its values `(ROWS, COLUMNS, 1 or 2)`."""
    size = values.norm(dim=-1)
    part = (size / size[inside].max().clamp(min=1e-300)).tolist()
    rows = []
    for i in range(ROWS):
        marks = []
        for j in range(COLUMNS):
            if not inside[i, j] or part[i][j] < 0.1:
                marks.append(" ")
            elif vectors:
                eighth = round(4 * math.atan2(float(values[i, j, 1]), float(values[i, j, 0])) / math.pi) % 8
                marks.append((PLAIN_ARROWS if plain else ARROWS)[eighth])
            else:
                sign = 1 if float(values[i, j, 0]) > 0 else -1
                marks.append((PLAIN_SHADES if plain else SHADES)[sign][min(2, int(3 * part[i][j]))])
        rows.append("".join(marks))
    return rows


def _prints(text: str) -> bool:
    """Whether standard output has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True

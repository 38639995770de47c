"""The picture of a kernel space: each basis kernel on the tangent disc."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from manifoldconv.plot.color import INK, ColorScale
from manifoldconv.plot.discs import arrow_nodes, disc_nodes, draw_arrows, draw_disc
from manifoldconv.plot.figure import Background, Page

if TYPE_CHECKING:
    from manifoldconv.kernels import KernelSpace

Array = NDArray[np.float64]

MOST = 48
"""Basis kernels that one picture shows."""


def figure_kernels(
    path: str | os.PathLike[str], space: KernelSpace, *, width: int = 1800, background: Background = "white"
) -> None:
    """Write the picture of the basis of a kernel space, the first 48 of it.

    A kernel between scalars is a coloured disc. A kernel from a scalar to a vector, or from a vector to a scalar, is an
    arrow at each point (what a unit impulse there gives; the direction that it measures) over its length as colour. Any
    other kernel is a matrix of discs, one for each pair of channels.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        space: of the plane, with at least one basis kernel.
        width: in pixels.

    Raises:
        ValueError: for a space of dimension 0, or of kernels in space.
    """
    if space.group.dimension != 2:
        raise ValueError(f"kernels are drawn in the plane; got {space!r}")
    if not space.dimension:
        raise ValueError(f"there is no kernel to draw in {space!r}")
    shown = min(space.dimension, MOST)
    radius = space.radial.radius
    dense = _sampled(space, disc_nodes(radius))[..., :shown, :, :]
    sparse = _sampled(space, arrow_nodes(radius))[..., :shown, :, :]
    columns = min(shown, 6)
    rows = -(-shown // columns)
    tile = min(width / columns, 0.36 * width)
    dpi = max(1, round(width / 9))
    top, bottom = 0.36 * dpi, 0.62 * dpi
    page = Page.blank(width, round(rows * 1.1 * tile + top + bottom), background, dpi)
    scale = _common_scale(dense, _as_vectors(space))
    left = (width - columns * tile) / 2
    for k in range(shown):
        row, column = divmod(k, columns)
        centre = left + (column + 0.5) * tile, page.height - top - (row + 0.5) * 1.1 * tile
        _draw_one(
            page, centre, 0.92 * tile, dense[..., k, :, :], sparse[:, k], radius, scale, _as_vectors(space)
        )
        page.write(centre[0], centre[1] - 0.51 * tile, _label(space, k), 8)
    more = "" if shown == space.dimension else f", the first {shown} of {space.dimension}"
    title = f"kernels from {space.rep_in} to {space.rep_out} under {space.group.name}{more}"
    page.write(width / 2, page.height - 0.55 * top, title.replace("$", r"\$"), 10)
    page.colorbar(scale, width / 2, 0.32 * dpi, 0.3 * width)
    page.save(path)


def _sampled(space: KernelSpace, nodes: Array) -> Array:
    return space.sample(torch.from_numpy(nodes)).numpy()


def _as_vectors(space: KernelSpace) -> bool:
    """Whether a value is one vector: between one scalar channel and one copy of the vector field."""
    types = {str(space.rep_in), str(space.rep_out)}
    return types in ({"1x0", "1x1"}, {"1xsign", "1x1"}) and sorted(
        (space.rep_in.size, space.rep_out.size)
    ) == [1, 2]


def _common_scale(values: Array, vectors: bool) -> ColorScale:
    if vectors:
        length = np.linalg.norm(values.reshape(*values.shape[:-2], 2), axis=-1)
        return ColorScale("Purples", 0.0, float(length.max()), "length", crop=(0.0, 0.35))
    size = float(np.abs(values).max())
    return ColorScale.of(values, limits=(-size, size), label="value")


def _draw_one(
    page: Page,
    centre: tuple[float, float],
    side: float,
    dense: Array,
    sparse: Array,
    radius: float,
    scale: ColorScale,
    vectors: bool,
) -> None:
    """One kernel: a disc, a disc with arrows, or a matrix of discs; dense `(n, n, out, in)`, sparse `(P, out, in)`."""
    if vectors:
        flat = dense.reshape(*dense.shape[:2], 2)
        axes = draw_disc(page, centre, side, np.linalg.norm(flat, axis=-1), scale)
        places = arrow_nodes(radius) / radius
        draw_arrows(axes, places, sparse.reshape(-1, 2), scale.high, INK)  # the disc is light on every page
        return
    rows, columns = dense.shape[2:]
    part = side / max(rows, columns)
    for i in range(rows):
        for j in range(columns):
            x = centre[0] + (j - (columns - 1) / 2) * part
            y = centre[1] - (i - (rows - 1) / 2) * part
            draw_disc(page, (x, y), 0.96 * part, dense[:, :, i, j], scale)


def _label(space: KernelSpace, k: int) -> str:
    """The angular order and the radial function of basis kernel k."""
    order = max((part for part in space.parts if part.start <= k), key=lambda part: part.start).order
    radial = f", ring {k % space.radial.count}" if space.radial.count > 1 else ""
    return f"order {order}{radial}"

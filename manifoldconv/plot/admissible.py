"""Pictures of single kernels, and of what each of several groups leaves of all kernels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.discs import disc_nodes, draw_disc
from manifoldconv.plot.figure import Background, Page

if TYPE_CHECKING:
    from manifoldconv.groups import StructureGroup
    from manifoldconv.kernels import Kernel

ORDERS = 4
RING = (0.55, 0.22)  # where the radial function of the picture peaks, and its width, in parts of the disc


def figure_kernel(
    path: str | os.PathLike[str],
    kernel: Kernel,
    radius: float | None = None,
    *,
    title: str = "",
    width: int = 900,
    background: Background = "white",
) -> None:
    """Write the picture of a scalar kernel on a tangent disc: colours for values, white for 0, a bar of one radius.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        radius: of the disc; by default the kernel's extent cut at half.
        title: by default the kernel's name.
        width: in pixels.

    Raises:
        ValueError: for a kernel between field types, or one of no known extent without a radius.
    """
    if kernel.value_shape:
        raise ValueError(
            f"a scalar kernel is drawn as a disc; {kernel.name} maps {kernel.rep_in} to {kernel.rep_out}"
        )
    if radius is None and kernel.extent is None:
        raise ValueError(f"{kernel.name} has no known extent; give radius, that of the disc")
    shown = radius if radius is not None else 0.5 * float(kernel.extent or 0)
    if not shown > 0:
        raise ValueError(f"the radius must be positive; got {shown}")
    values = kernel(torch.from_numpy(disc_nodes(shown))).detach().numpy()
    size = float(np.abs(values).max())
    scale = ColorScale.of(values, limits=(-size, size), label="value of the kernel")
    height = round(1.12 * width)
    page = Page.blank(width, height, background, dpi=max(1, round(width / 4.5)))
    centre = (0.5 * width, 0.56 * height)
    axes = draw_disc(page, centre, 0.72 * width, values, scale)
    axes.plot([0, 1], [-1.1, -1.1], "-|", color=page.text, linewidth=0.8, markersize=4, clip_on=False)
    axes.text(0.5, -1.14, f"radius {shown:.3g}", fontsize=7, color=page.text, ha="center", va="top")
    page.write(centre[0], 0.95 * height, title or kernel.name, 9)
    page.colorbar(scale, centre[0], 0.085 * height, 0.5 * width)
    page.save(path)


def figure_admissible(
    path: str | os.PathLike[str],
    groups: Sequence[StructureGroup],
    *,
    band_limit: int = ORDERS,
    width: int = 1700,
    background: Background = "white",
) -> None:
    """Write the picture of the scalar kernels that each group admits: a row for a group, a disc for a basis kernel.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        groups: of the plane.
        band_limit: the largest angular order.
        width: in pixels.

    Raises:
        ValueError: for no group, or one of space.
    """
    from manifoldconv.kernels import KernelSpace, RadialBasis

    if not groups or any(group.dimension != 2 for group in groups):
        raise ValueError(f"kernels are drawn for groups of the plane; got {list(groups)}")
    centre, spread = RING
    radial = RadialBasis.from_functions([lambda r: torch.exp(-((r - centre) ** 2) / (2 * spread**2))], 1.0)
    spaces = [KernelSpace("1x0", "1x0", group, radial, band_limit) for group in groups]
    columns = max(space.dimension for space in spaces)
    label, dpi = 0.13 * width, max(1, round(width / 9))
    tile = min((width - label) / columns, 0.16 * width)
    top, bottom = 0.5 * dpi, 0.7 * dpi
    page = Page.blank(width, round(len(spaces) * 1.12 * tile + top + bottom), background, dpi)
    nodes = torch.from_numpy(disc_nodes(1.0))
    samples = [space.sample(nodes)[..., 0, 0].numpy() for space in spaces]
    size = max(float(np.abs(values).max()) for values in samples)
    scale = ColorScale.of(samples[0], limits=(-size, size), label="value of the kernel")
    for row, (space, values) in enumerate(zip(spaces, samples, strict=True)):
        y = page.height - top - (row + 0.5) * 1.12 * tile
        page.write(0.5 * label, y + 0.1 * dpi, space.group.name, 10)
        page.write(0.5 * label, y - 0.1 * dpi, f"{space.dimension} of {2 * band_limit + 1}", 8.5)
        for k in range(space.dimension):
            draw_disc(page, (label + (k + 0.5) * tile, y), 0.9 * tile, values[..., k], scale)
    page.write(width / 2, page.height - 0.5 * top, f"scalar kernels up to angular order {band_limit}", 10)
    page.colorbar(scale, width / 2, 0.36 * dpi, 0.3 * width)
    page.save(path)

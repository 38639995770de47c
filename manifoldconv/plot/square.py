"""The commuting square: first filter and then move, or first move and then filter."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from manifoldconv.plot.color import ColorScale
from manifoldconv.plot.figure import Background, Page

Array = NDArray[np.float64]


def figure_commuting_square(
    path: str | os.PathLike[str],
    image: ArrayLike,
    operate: Callable[[Array], ArrayLike],
    move: Callable[[Array], ArrayLike],
    *,
    names: tuple[str, str] = (r"$k\,\star$", "$T$"),
    margin: int = 0,
    width: int = 1500,
    background: Background = "white",
) -> float:
    """Write the picture of f, T f, k ⋆ f, T (k ⋆ f) and k ⋆ (T f), and say how far the last two are apart.

        f  ───k ⋆───►  k ⋆ f
        │                │
        T                T
        ▼                ▼
       T f ───k ⋆───►  k ⋆ (T f)  =?  T (k ⋆ f)

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        image: `(height, width)` numbers, drawn in grey.
        operate: k ⋆, from an image to one of the same shape.
        move: T, the same: a translation, a rotation.
        names: what is written at the arrows of the two.
        margin: pixels at each side that are left out of the comparison (and drawn all the same).
        width: in pixels.

    Returns:
        The largest difference between T (k ⋆ f) and k ⋆ (T f), relative to the largest value of T (k ⋆ f).

    Raises:
        ValueError: where an image is not two-dimensional, or an operator changes its shape.
    """
    first = np.asarray(image, dtype=np.float64)
    if first.ndim != 2:
        raise ValueError(f"the image must have shape (height, width); got {first.shape}")
    moved, filtered = np.asarray(move(first)), np.asarray(operate(first))
    around, across = np.asarray(move(filtered)), np.asarray(operate(moved))
    for name, result in (("operate", filtered), ("move", moved), ("move", around), ("operate", across)):
        if result.shape != first.shape:
            raise ValueError(f"{name} must keep the shape {first.shape}; it gave {result.shape}")
    inner = tuple(slice(margin, size - margin) for size in first.shape)
    apart = np.abs(around - across)[inner]
    difference = float(apart.max() / max(np.abs(around[inner]).max(), 1e-300))
    _draw(first, moved, filtered, around, across, difference, names, width, background).save(path)
    return difference


def _draw(
    first: Array,
    moved: Array,
    filtered: Array,
    around: Array,
    across: Array,
    difference: float,
    names: tuple[str, str],
    width: int,
    background: Background,
) -> Page:
    tile = 0.215 * width
    tall = tile * first.shape[0] / first.shape[1]
    gap = 0.115 * width
    height = round(2 * tall + gap + 0.13 * width)
    page = Page.blank(width, height, background, dpi=max(1, round(width / 9)))
    left, right, last = 0.14 * width, 0.47 * width, 0.83 * width
    upper, lower = height - 0.06 * width - tall / 2, height - 0.06 * width - 1.5 * tall - gap
    raw = ColorScale("gray", float(first.min()), float(first.max()))
    size = float(np.abs(filtered).max())
    signed = bool(filtered.min() < -0.05 * size)
    out = ColorScale.of(filtered, limits=(-size, size)) if signed else ColorScale("gray", 0.0, size)
    k, move = names
    for (x, y), picture, scale, name in (
        ((left, upper), first, raw, "$f$"),
        ((right, upper), filtered, out, f"{k}$\\,f$"),
        ((left, lower), moved, raw, f"{move}$\\,f$"),
        ((right, lower), across, out, f"{k} ({move}$\\,f$)"),
        ((last, lower), around, out, f"{move} ({k}$\\,f$)"),
    ):
        axes = page.panel(x - tile / 2, y - tall / 2, tile, tall)
        axes.imshow(scale.colors(picture), interpolation="nearest")
        axes.set_axis_off()
        page.write(x, y + tall / 2 + 0.018 * width, name, 11)
    reach = 0.5 * tile + 0.012 * width
    _arrow(page, (left + reach, upper), (right - reach, upper), k, (0, 0.022 * width))
    _arrow(page, (left + reach, lower), (right - reach, lower), k, (0, 0.022 * width))
    below = upper - tall / 2 - 0.008 * width, lower + tall / 2 + 0.034 * width
    _arrow(page, (left, below[0]), (left, below[1]), move, (-0.022 * width, 0))
    # The other way round the square, to the last picture.
    _arrow(page, (right + reach, upper), (last, below[1]), move, (0.03 * width, 0.012 * width))
    page.write((right + last) / 2, lower, "$=$" if difference < 1e-6 else r"$\neq$", 16)
    note = "no difference at all"
    if difference > 0:
        note = (
            f"largest difference {difference:.0e}"
            if difference < 0.01
            else f"differ by up to {difference:.0%}"
        )
    page.write((right + last) / 2, lower - tall / 2 - 0.028 * width, note, 9)
    return page


def _arrow(
    page: Page, start: tuple[float, float], end: tuple[float, float], name: str, aside: tuple[float, float]
) -> None:
    from matplotlib.patches import FancyArrowPatch

    page.figure.add_artist(
        FancyArrowPatch(
            (start[0] / page.width, start[1] / page.height),
            (end[0] / page.width, end[1] / page.height),
            transform=page.figure.transFigure,
            arrowstyle="-|>",
            mutation_scale=11,
            linewidth=1.1,
            color=page.text,
        )
    )
    page.write((start[0] + end[0]) / 2 + aside[0], (start[1] + end[1]) / 2 + aside[1], name, 11)

"""From numbers to colours, with the scale that the colour bar shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

Array = NDArray[np.float64]

# Both can be read by the colour-blind. Their ends are cut off (`..._CROP`) where these are so dark that they
# would hide the form of a shaded surface.
DIVERGING = "RdBu_r"
DIVERGING_CROP = (0.08, 0.08)
SEQUENTIAL = "viridis"
SEQUENTIAL_CROP = (0.12, 0.02)

PLASTER = (0.86, 0.84, 0.81)
INK = (0.13, 0.14, 0.17)
ACCENT = (0.95, 0.60, 0.07)
MISSING = (0.55, 0.55, 0.55)


@dataclass(frozen=True)
class ColorScale:
    """A colour map and the interval that it is stretched over.

    Attributes:
        colormap: the name of a matplotlib colour map.
        low, high: the values at its two ends; values beyond take the end's colour, and then
            `clipped` says so, which the colour bar shows by pointed ends.
        crop: the shares of the map cut off at its two ends.
        label: the text at the colour bar.
    """

    colormap: str
    low: float
    high: float
    label: str = ""
    clipped: bool = False
    crop: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(
        cls,
        values: Array,
        *,
        colormap: str | None = None,
        limits: tuple[float, float] | None = None,
        label: str = "",
        clip: float = 0.0,
    ) -> ColorScale:
        """The scale that suits some values: diverging about 0 where both signs occur, sequential otherwise.

        Args:
            values: any shape; NaN is left out of account.
            colormap: a name, to choose another map.
            limits: the two ends, to choose them.
            clip: share of the values that may lie beyond the ends, so that a few extreme ones
                (the tip of an ear) do not wash out the rest. Where all others are equal (a delta) the few
                are what there is to see, and none lies beyond.
        """
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            finite = np.zeros(1)
        if limits is None:
            least, most = float(finite.min()), float(finite.max())
            if least < 0 < most:
                size, whole = float(np.quantile(np.abs(finite), 1 - clip)), max(-least, most)
                limits = (-size, size) if size > 0 else (-whole, whole)
            else:
                low, high = np.quantile(finite, [clip / 2, 1 - clip / 2]).tolist()
                limits = (low, high) if low < high else (least, most)
        low, high = limits
        if not low < high:  # a constant: give it the middle of the map
            low, high = low - 0.5, high + 0.5
        crop = (0.0, 0.0)
        if colormap is None and low == -high:
            colormap, crop = DIVERGING, DIVERGING_CROP
        elif colormap is None:
            colormap, crop = SEQUENTIAL, SEQUENTIAL_CROP
        clipped = bool(finite.min() < low or finite.max() > high)
        return cls(colormap, low, high, label, clipped, crop)

    def mappable(self) -> ScalarMappable:
        """What matplotlib's colour bar wants to be given."""
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize

        steps = colormaps[self.colormap](np.linspace(self.crop[0], 1 - self.crop[1], 1024))
        return ScalarMappable(Normalize(self.low, self.high), ListedColormap(steps))

    def colors(self, values: Array) -> Array:
        """RGB `(..., 3)` in [0, 1]; NaN gives a grey that no colour map here holds."""
        rgb = np.asarray(self.mappable().to_rgba(values))[..., :3]
        return np.where(np.isfinite(values)[..., None], rgb, MISSING)

"""Light and shadow: what colour a lit point of a surface shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Light:
    """A lamp over the viewer's left shoulder, a weak one on the right, and a sky.

    The strengths are chosen so that a matt point that faces the lamp shows very nearly the colour of the
    colour bar: shading may darken a value's colour, and never lightens it.

    Attributes:
        key, fill: directions to the two lamps in the camera's frame (right, up, towards the viewer).
        key_strength, fill_strength, sky_strength: shares of the light, in linear light.
        gloss: strength of the highlight; 0 is matt.
        occlusion: how much hollows are darkened, from 0 to 1.
    """

    key: tuple[float, float, float] = (-0.45, 0.65, 0.75)
    fill: tuple[float, float, float] = (0.9, 0.1, 0.5)
    key_strength: float = 0.56
    fill_strength: float = 0.18
    sky_strength: float = 0.43
    gloss: float = 0.05
    occlusion: float = 0.75

    def shade(self, color: Array, normal: Array, towards: Array, sky: Array) -> Array:
        """The lit colour.

            L = c (sky_strength s (3 + n_up)/4 + key_strength s' ⟨n, key⟩₊ + fill_strength ⟨n, fill⟩₊)
                + gloss s ⟨n, h⟩₊⁴⁰

        with s the open share of the sky, s' = (2 + 3 s)/5, and h halfway between lamp and viewer
        (Blinn 1977), computed in linear light.

        Args:
            color: `(P, 3)` sRGB in [0, 1].
            normal, towards: `(P, 3)` unit vectors in the frame (right, down, towards the viewer).
            sky: `(P,)` from `open_sky`.

        Returns:
            `(P, 3)` sRGB in [0, 1].
        """
        key, fill = _unit(self.key), _unit(self.fill)
        half = key + towards
        half /= np.sqrt(np.einsum("pc,pc->p", half, half))[:, None]
        open_share = 1 - self.occlusion * (1 - sky)
        intensity = self.sky_strength * (3 - normal[:, 1]) / 4 * open_share
        intensity += self.key_strength * np.maximum(normal @ key, 0) * (0.4 + 0.6 * open_share)
        intensity += self.fill_strength * np.maximum(normal @ fill, 0)
        highlight = self.gloss * np.maximum(np.einsum("pc,pc->p", normal, half), 0) ** 40 * open_share
        linear = color**2.2 * intensity[:, None] + highlight[:, None]
        return np.clip(linear, 0, 1) ** (1 / 2.2)


def _unit(direction: tuple[float, float, float]) -> Array:
    right, up, towards = direction
    vector = np.array([right, -up, towards])
    return vector / np.linalg.norm(vector)

from __future__ import annotations

import numpy as np
import pytest

from manifoldconv.plot.color import MISSING, ColorScale
from manifoldconv.plot.light import Light


def test_values_of_both_signs_get_a_diverging_scale_about_zero() -> None:
    scale = ColorScale.of(np.array([-1.0, 0.5, 3.0]))
    assert (scale.low, scale.high) == (-3, 3)
    middle = scale.colors(np.array(0.0))
    assert np.ptp(middle) < 0.02, "zero is a neutral grey"


def test_values_of_one_sign_get_a_sequential_scale_of_rising_lightness() -> None:
    scale = ColorScale.of(np.array([2.0, 5.0]))
    assert (scale.low, scale.high) == (2, 5)
    lightness = scale.colors(np.linspace(2, 5, 50)) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > 0).all()


def test_missing_values_are_grey_and_do_not_count() -> None:
    scale = ColorScale.of(np.array([np.nan, 1.0, 2.0]))
    assert (scale.low, scale.high) == (1, 2)
    np.testing.assert_array_equal(scale.colors(np.array([np.nan])), [MISSING])
    assert ColorScale.of(np.array([np.nan])).colors(np.array([0.0])).shape == (1, 3)


def test_clipping_is_never_silent() -> None:
    values = np.append(np.linspace(0, 1, 999), 100)
    assert not ColorScale.of(values).clipped
    scale = ColorScale.of(values, clip=0.01)
    assert scale.clipped
    assert scale.high < 2
    assert ColorScale.of(values, limits=(0, 50)).clipped


def test_a_delta_is_not_clipped_away() -> None:
    delta = np.zeros(1000)
    for peak, ends in ((3.0, (0, 3)), (-2.0, (-2, 0))):
        delta[7] = peak
        scale = ColorScale.of(delta, clip=0.005)
        assert (scale.low, scale.high, scale.clipped) == (*ends, False)
    delta[8] = 1.0
    scale = ColorScale.of(delta, clip=0.005)
    assert (scale.low, scale.high, scale.clipped) == (-2, 2, False)


def test_a_constant_lies_in_the_middle_of_its_scale() -> None:
    scale = ColorScale.of(np.full(5, 7.0))
    assert (scale.low + scale.high) / 2 == pytest.approx(7)


def test_a_chosen_map_is_taken_whole() -> None:
    scale = ColorScale.of(np.array([0.0, 1.0]), colormap="gray")
    np.testing.assert_allclose(scale.colors(np.array([0.0, 1.0])), [[0, 0, 0], [1, 1, 1]], atol=1e-6)


def test_light_darkens_colours_and_shows_them_almost_true_where_it_falls_straight() -> None:
    directions = np.random.default_rng(0).normal(size=(5000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions[:, 2] = np.abs(directions[:, 2])  # towards the viewer
    color = np.broadcast_to([0.8, 0.5, 0.2], (5000, 3))
    towards = np.broadcast_to([0.0, 0, 1], (5000, 3))
    lit = Light(gloss=0).shade(color, directions, towards, np.ones(5000))
    ratio = lit / color
    assert ratio.max() <= 1.0
    assert ratio.max() > 0.95
    assert ratio.min() > 0.3, "nothing is so dark that its value cannot be read"
    np.testing.assert_allclose(ratio.max(axis=1), ratio.min(axis=1), rtol=1e-9)  # the hue stays


def test_hollows_are_darker() -> None:
    one = np.array([[0.0, 0, 1.0]])
    grey = np.full((1, 3), 0.7)
    assert (
        Light().shade(grey, one, one, np.array([0.3])) < Light().shade(grey, one, one, np.array([1.0]))
    ).all()

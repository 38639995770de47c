from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from manifoldconv.plot import Scene, figure_convolution, save_scene
from manifoldconv.plot.figure import _number
from manifoldconv.plot.solids import ball

VERTICES, FACES = ball(16)


def gaussian(v: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-np.sum(v**2, axis=-1)))


def convolution(path: Path, **options: Any) -> None:
    signal, result = VERTICES[:, 0], VERTICES[:, 1]
    figure_convolution(path, VERTICES, FACES, signal, result, gaussian, 1.0, **({"width": 500} | options))


def test_the_picture_has_the_size_that_was_asked_for(tmp_path: Path) -> None:
    convolution(tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[1] == 500
    save_scene(
        Scene().surface(VERTICES, FACES, values=VERTICES[:, 0]),
        tmp_path / "b.png",
        size=(301, 199),
        title="t",
    )
    assert imread(tmp_path / "b.png").shape[:2] == (199, 301)


def test_a_flat_wide_surface_makes_a_lower_picture(tmp_path: Path) -> None:
    convolution(tmp_path / "round.png")
    values = VERTICES[:, 0]
    figure_convolution(
        tmp_path / "wide.png", VERTICES * [3, 1, 1], FACES, values, values, gaussian, 1.0, width=500
    )
    heights = [imread(tmp_path / name).shape[0] for name in ("wide.png", "round.png")]
    assert heights[0] < heights[1]


@pytest.mark.parametrize(("background", "corner"), [("white", 1.0), ("dark", 0.09), ("transparent", 0.0)])
def test_backgrounds(tmp_path: Path, background: str, corner: float) -> None:
    convolution(tmp_path / "a.png", background=background)
    pixel = imread(tmp_path / "a.png")[0, 0]
    assert pixel[3] == (0 if background == "transparent" else 1)
    if background != "transparent":
        assert pixel[:3].mean() == pytest.approx(corner, abs=0.02)


def test_the_file_is_the_same_each_time(tmp_path: Path) -> None:
    convolution(tmp_path / "a.png")
    convolution(tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(("suffix", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_other_formats_follow_the_suffix(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / f"a.{suffix}"
    save_scene(Scene().surface(VERTICES, FACES), path, size=(200, 200))
    assert path.read_bytes().startswith(start)


def test_values_may_live_on_faces_and_the_support_is_drawn(tmp_path: Path) -> None:
    values = VERTICES[FACES].mean(axis=1)
    arguments = (VERTICES, FACES, values[:, 0], values[:, 1], gaussian, 1.0)
    figure_convolution(tmp_path / "a.png", *arguments, on="faces", width=500)
    turn = np.linspace(0, 2 * np.pi, 50)
    ring = 1.02 * np.stack([np.cos(turn), 0 * turn, np.sin(turn)], axis=1)
    figure_convolution(tmp_path / "b.png", *arguments, on="faces", width=500, support=[ring])
    left, right = (
        np.abs(imread(tmp_path / "a.png") - imread(tmp_path / "b.png"))[:, part] for part in _HALVES
    )
    assert left.max() > 0.3
    assert right.max() == 0


_HALVES = (slice(None, 250), slice(250, None))


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture format is called 'xyz'"):
        convolution(tmp_path / "a.xyz")
    with pytest.raises(ValueError, match="background must be one of white, dark, transparent; got 'pink'"):
        convolution(tmp_path / "a.png", background="pink")
    with pytest.raises(ValueError, match="on must be 'vertices' or 'faces'; got 'edges'"):
        convolution(tmp_path / "a.png", on="edges")
    with pytest.raises(ValueError, match=r"face 0 refers to vertices \[0, 1, 999\]"):
        save_scene(Scene().surface(VERTICES, [[0, 1, 999]]), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_two_decimals_and_a_true_minus_sign_stand_at_the_colour_bar(tmp_path: Path) -> None:
    save_scene(
        Scene().surface(VERTICES, FACES, values=12.3456 * VERTICES[:, 0]), tmp_path / "a.svg", size=(300, 300)
    )
    assert "\N{MINUS SIGN}12" in (tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1e-15, "0"),
        (-2.84, "\N{MINUS SIGN}2.8"),
        (0.0304, "0.030"),
        (0.27, "0.27"),
        (114.0, "110"),
        (5200.0, "5200"),
        (1.0, "1"),
        (0.999, "1"),
        (-56000.0, "\N{MINUS SIGN}5.6$\\times$10$^{4}$"),
        (1e-5, "1$\\times$10$^{-5}$"),
    ],
)
def test_the_numbers_at_a_colour_bar_are_short(value: float, text: str) -> None:
    assert _number(value) == text

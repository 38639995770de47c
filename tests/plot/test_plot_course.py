"""Whole figures: what each says is so, they suit light and dark pages, are written as vectors, and refuse."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

import manifoldconv as mc
from manifoldconv import plot
from manifoldconv.manifolds import icosphere
from manifoldconv.plot.field import spread_vertices
from manifoldconv.plot.figure import Page
from manifoldconv.plot.loop import caption

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sphere() -> mc.MeshSurface:
    return mc.MeshSurface(*icosphere(2))


@pytest.fixture(scope="module")
def cone() -> mc.MeshSurface:
    return mc.load_mesh(ROOT / "meshes" / "cone.ply")


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    """examples/figures.py as a module."""
    spec = importlib.util.spec_from_file_location("figures", ROOT / "examples" / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["figures"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manifoldconv.plot.picture.SUBPIXELS", 1)


def circle(surface: mc.MeshSurface, vertex: int, radius: float) -> list[mc.SurfacePoint]:
    angle = torch.arange(12, dtype=torch.float64) * (2 * math.pi / 12)
    spokes = radius * torch.stack([angle.cos(), angle.sin()], dim=-1)
    points = surface.exp(surface.vertex_points(torch.full((12,), vertex)), spokes)
    return [*(points[i] for i in range(12)), points[0]]


def test_every_figure_of_the_course_is_drawn_for_light_and_dark_pages(
    figures: ModuleType, tmp_path: Path
) -> None:
    for name in figures.FIGURES:  # those that show a number raise SystemExit where it is wrong
        if name != "signal-on-a-mesh":  # the largest mesh; `test_a_signal...` draws another
            figures.FIGURES[name](tmp_path / f"{name}.png", figures.Look("dark", 0.12))
            assert imread(tmp_path / f"{name}.png").std() > 0.03, f"{name} is empty"


def test_the_pages_have_every_figure_in_both_themes(figures: ModuleType) -> None:
    folder = ROOT / "docs" / "images" / "course"
    wanted = {f"{name}-{theme}.webp" for name in figures.FIGURES for theme in ("light", "dark")}
    assert {path.name for path in folder.iterdir()} == wanted
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_words_do_not_run_into_one_another_or_off_the_page(
    figures: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: dict[str, Page] = {}
    monkeypatch.setattr(Page, "save", lambda page, path: pages.update({Path(path).stem: page}))
    drawn = ("carried-along-two-paths", "exponential-disc", "admissible-bases", "kernels-to-vectors")
    for name in drawn:
        figures.FIGURES[name](tmp_path / name, figures.Look("white", 0.3))
    band = mc.load_mesh(ROOT / "meshes" / "moebius.ply")
    plot.figure_holonomy(
        tmp_path / "holonomy", band, mc.holonomy_report(band), size=(420, 360), title="title"
    )
    assert {*pages} == {*drawn, "holonomy"}
    for name, page in pages.items():
        canvas = FigureCanvasAgg(page.figure)
        canvas.draw()  # labels get their places
        renderer = canvas.get_renderer()
        bars = [axes for axes in page.figure.axes if axes.get_xlabel()]
        words = [t for t in page.figure.texts if t.get_weight() != "bold"]  # bold ones stand in the picture
        words += [t for axes in bars for t in (axes.xaxis.label, *axes.get_xticklabels())]
        boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in words if t.get_text()]
        for k, (text, box) in enumerate(boxes):
            assert box.x0 >= 0, (name, text)
            assert box.y0 >= 0, (name, text)
            assert box.x1 <= page.width, (name, text)
            assert box.y1 <= page.height, (name, text)
            for other, beside in boxes[:k]:
                apart = min(box.x1, beside.x1) <= max(box.x0, beside.x0) or min(box.y1, beside.y1) <= max(
                    box.y0, beside.y0
                )
                assert apart, (name, text, other)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_figures_are_written_as_pixels_and_as_vectors(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"kernel.{ending}"
    plot.figure_kernel(path, mc.kernels.derivative_of_gaussian(0.2), 0.5, width=200)
    start = path.read_bytes()[:400]
    assert {"png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}[ending] in start


def test_a_loop_is_drawn_with_the_angle_that_its_holonomy_has(cone: mc.MeshSurface, tmp_path: Path) -> None:
    tip = int(cone.vertices[:, 2].argmax())
    loop = plot.figure_loop(tmp_path / "loop.png", cone, circle(cone, tip, 0.4), size=(160, 140))
    assert abs(loop.angle) == pytest.approx(math.pi / 2, abs=1e-9)  # a cone of 270°
    assert caption(loop) == "turned by 90.0°; curvature inside the loop 90.0°"
    assert "reverses" in caption(mc.LoopHolonomy(torch.diag(torch.tensor([1.0, -1.0]))))


def test_a_signal_may_live_on_vertices_or_faces_and_nowhere_else(
    sphere: mc.MeshSurface, tmp_path: Path
) -> None:
    for values in (sphere.vertices[:, 2], torch.arange(len(sphere.faces)).double()):
        plot.figure_signal(tmp_path / "signal.png", sphere, values, size=(120, 100))
    with pytest.raises(
        ValueError, match=r"\(162,\) for the vertices or \(320,\) for the faces; got shape \(7,\)"
    ):
        plot.figure_signal(tmp_path / "signal.png", sphere, np.zeros(7))


def test_one_path_is_enough_for_a_carried_kernel(sphere: mc.MeshSurface, tmp_path: Path) -> None:
    way = sphere.vertex_points([0, int(sphere.faces[0][1])])
    kernel = mc.kernels.derivative_of_gaussian(0.1)
    plot.figure_carried(tmp_path / "one.png", sphere, kernel, way, width=200)
    plot.figure_carried(tmp_path / "two.png", sphere, kernel, way, way, width=200)
    one, two = (imread(tmp_path / f"{name}.png")[..., :3] for name in ("one", "two"))
    assert one.shape == two.shape
    assert np.abs(one - two).max() > 0.5  # the discs of the second path are missing in the first


def test_an_exponential_disc_needs_a_radius_and_a_scalar_kernel(
    sphere: mc.MeshSurface, tmp_path: Path
) -> None:
    point = sphere.vertex_points(5)
    plot.figure_exponential(tmp_path / "disc.png", sphere, point, 0.4, width=200)
    with pytest.raises(ValueError, match="radius must be positive; got 0"):
        plot.figure_exponential(tmp_path / "disc.png", sphere, point, 0.0)
    space = mc.KernelSpace("1x0", "1x1", mc.StructureGroup.special_orthogonal(2))
    typed = space.kernel(torch.ones(space.dimension))
    for draw in (
        lambda: plot.figure_exponential(tmp_path / "disc.png", sphere, point, 0.4, kernel=typed),
        lambda: plot.figure_kernel(tmp_path / "kernel.png", typed, 0.4),
    ):
        with pytest.raises(ValueError, match="1x0 to 1x1"):
            draw()


def test_the_square_says_how_far_it_is_from_commuting(tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(size=(12, 12))

    def mean(f: np.ndarray) -> np.ndarray:
        return (f + np.roll(f, 1, 0) + np.roll(f, 1, 1)) / 3

    options = {"width": 200}
    translation = plot.figure_commuting_square(
        tmp_path / "a.png", image, mean, lambda f: np.roll(f, 3, 0), **options
    )
    rotation = plot.figure_commuting_square(tmp_path / "b.png", image, mean, np.rot90, **options)
    assert translation < 1e-15
    turned, expected = mean(np.rot90(image)), np.rot90(mean(image))
    assert rotation == pytest.approx(np.abs(turned - expected).max() / np.abs(expected).max(), abs=1e-12)
    with pytest.raises(ValueError, match=r"operate must keep the shape \(12, 12\); it gave \(11, 12\)"):
        plot.figure_commuting_square(tmp_path / "c.png", image, lambda f: f[1:], np.rot90)
    with pytest.raises(ValueError, match=r"shape \(height, width\)"):
        plot.figure_commuting_square(tmp_path / "c.png", np.zeros(3), mean, np.rot90)


def test_frames_are_drawn_for_vertices_spread_over_the_surface(
    sphere: mc.MeshSurface, tmp_path: Path
) -> None:
    chosen, apart = spread_vertices(sphere.vertices.numpy(), np.ones(162, dtype=bool), 40)
    assert len(set(chosen.tolist())) == 40
    # 40 discs of that diameter cannot overlap by much: together they cover less than the sphere's area, 4 π.
    assert 0.3 < 40 * math.pi * (apart / 2) ** 2 / (4 * math.pi) < 1
    frames = mc.frame_fields.ambient(sphere, (0.0, 0.0, 1.0), at_singular="nearest")
    plot.figure_frame_field(tmp_path / "frames.png", sphere, frames, arrows=40, size=(120, 100))
    with pytest.raises(ValueError, match="a frame for each of the 162 vertices is drawn; got 5"):
        plot.figure_frame_field(tmp_path / "frames.png", sphere, mc.FrameField(frames.matrices[:5]))


def test_admissible_kernels_are_those_of_groups_of_the_plane(tmp_path: Path) -> None:
    plot.figure_admissible(tmp_path / "bases.png", [mc.StructureGroup.cyclic(4)], width=300)
    for groups in ([], [mc.StructureGroup.special_orthogonal(3)]):
        with pytest.raises(ValueError, match="groups of the plane"):
            plot.figure_admissible(tmp_path / "bases.png", groups)

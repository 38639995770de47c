"""Renders every figure of the course: python figures.py [FOLDER] [--dark] [--format png|svg|pdf] [--only NAME ...]

Each is one call of `manifoldconv.plot`. Those that show a number also check it, and the script fails where it is wrong.
`figures.py docs/images/course --docs` renews those of the documentation, in both themes.
"""

from __future__ import annotations

import argparse
import functools
import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import manifoldconv as mc
from manifoldconv import plot
from manifoldconv.plot import Camera
from manifoldconv.plot.figure import Background

MESHES = Path(__file__).parent.parent / "meshes"
DOCS_WIDTH, DOCS_SCALE = 900, 0.6  # pixels of a figure on a page of the documentation; drawn so much smaller


@dataclass(frozen=True)
class Look:
    """How the figures are to look: for light or dark pages, at what part of their full size."""

    background: Background = "white"
    scale: float = 1.0

    def wide(self, width: int = 1700) -> dict:
        """Options of the figures that have a width."""
        return {"width": round(self.scale * width), "background": self.background}

    def sized(self, width: int = 1300, height: int = 1150) -> dict:
        """Options of the figures that have a size."""
        return {
            "size": (round(self.scale * width), round(self.scale * height)),
            "background": self.background,
        }


Draw = Callable[[Path, Look], None]
FIGURES: dict[str, Draw] = {}


def figure(draw: Draw) -> Draw:
    """Enter a function as a figure, under its name with dashes."""
    FIGURES[draw.__name__.replace("_", "-")] = draw
    return draw


def expect(name: str, value: float, wanted: float, tolerance: float) -> None:
    """Stop where a figure shows a wrong number."""
    if not abs(value - wanted) <= tolerance:
        raise SystemExit(f"{name} is {value:.6g}, not {wanted:.6g} up to {tolerance:.1g}")


# -- what the figures are of -------------------------------------------------------------------


def photograph() -> np.ndarray:
    """`(120, 102)`: a photograph in grey, 0 to 1 (Grace Hopper, US Navy, public domain; it comes with matplotlib)."""
    from matplotlib.cbook import get_sample_data
    from matplotlib.image import imread

    with get_sample_data("grace_hopper.jpg") as file:
        grey = np.asarray(imread(file, format="jpg"))[..., :3].mean(axis=-1) / 255
    rows, columns = 600 // 5, 510 // 5
    small = grey[: 5 * rows, : 5 * columns].reshape(rows, 5, columns, 5).mean(axis=(1, 3))
    fade = [np.clip(np.minimum(np.arange(n), n - 1 - np.arange(n)) / 12 - 1, 0, 1) for n in small.shape]
    return small * np.sin(np.pi / 2 * fade[0])[:, None] * np.sin(np.pi / 2 * fade[1])


def shifted(image: np.ndarray, down: int = 8, right: int = 9) -> np.ndarray:
    """The image moved, with nothing where there was none."""
    result = np.zeros_like(image)
    result[down:, right:] = image[:-down, :-right]
    return result


def on_the_plane(kernel: mc.kernels.Kernel, shape: tuple[int, int], size: int = 9) -> Callable:
    """k ⋆ on pixel images: the package's own correlation on a plane, its nodes the pixels round each pixel."""
    pull = around_each_pixel(shape, size)

    def operate(image: np.ndarray) -> np.ndarray:
        field = torch.from_numpy(np.ascontiguousarray(image)).reshape(-1, 1)
        return mc.correlate(field, kernel, pull).reshape(image.shape).numpy()

    return operate


@functools.lru_cache(maxsize=1)  # for one kernel after the other
def around_each_pixel(shape: tuple[int, int], size: int) -> mc.Pullback:
    """The pixels in a square round each pixel of an image."""
    plane = mc.Euclidean(2)
    return mc.Pullback.build(plane, plane.sites(shape=shape), mc.TangentRule.grid((size, size), spacing=1.0))


def sphere(level: int = 5) -> mc.MeshSurface:
    """A sphere from an octahedron, each triangle halved `level` times: eight congruent octants, along mesh edges."""
    vertices = np.concatenate([np.eye(3), -np.eye(3)])
    faces = np.array([[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]])
    for _ in range(level):
        edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        once, number = np.unique(edges, axis=0, return_inverse=True)
        middle = len(vertices) + number.reshape(-1, 3)
        vertices = np.concatenate([vertices, vertices[once].mean(axis=1)])
        (a, b, c), (ab, bc, ca) = faces.T, middle.T
        faces = np.concatenate(
            [np.stack(face, axis=1) for face in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
        vertices /= np.linalg.norm(vertices, axis=1, keepdims=True)
    return mc.MeshSurface(vertices, faces)


def great_circle(surface: mc.MeshSurface, start: tuple, end: tuple, level: int = 5) -> list[int]:
    """All vertices along the quarter of a great circle between two corners of the octahedron."""
    angle = np.linspace(0, np.pi / 2, 2**level + 1)[:, None]
    places = torch.from_numpy(np.cos(angle) * np.array(start) + np.sin(angle) * np.array(end))
    return [int((surface.vertices - place).norm(dim=1).argmin()) for place in places]


X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


# -- the figures -------------------------------------------------------------------------------


@figure
def signal_on_a_mesh(path: Path, look: Look) -> None:
    """A function on a surface: mean curvature of the octopus."""
    from manifoldconv.signals import read_signal

    surface = mc.load_mesh(MESHES / "octopus.ply")
    values = read_signal(surface, "mean-curvature").values
    plot.figure_signal(
        path,
        surface,
        values,
        label="mean curvature",
        camera=Camera(35, 25, up="z"),
        **look.sized(1200, 1000),
    )


@figure
def convolution(path: Path, look: Look) -> None:
    """Noise on the surface of a fox, a kernel on a tangent disc, and the response: what `manifoldconv demo` draws."""
    from manifoldconv.ops import operators

    surface = mc.load_mesh(MESHES / "fox.ply")
    radius, sigma = 6 * surface.mean_edge_length, 1.2 * surface.mean_edge_length
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((surface.n_vertices, 1)))
    kernel = mc.kernels.difference_of_gaussians(sigma, 1.6 * sigma)
    rule = mc.TangentRule.polar(radius, 10, 40)
    response = operators([kernel], mc.Pullback.blocks(surface, surface.sites(), rule))[0](noise)
    cheek = (surface.vertices - torch.tensor([1.0, -0.13, 1.31], dtype=torch.float64)).norm(dim=1).argmin()
    angle = torch.arange(241, dtype=torch.float64) * (2 * math.pi / 240)
    spokes = radius * torch.stack([angle.cos(), angle.sin()], dim=-1)
    rim = surface.embed(surface.exp(surface.vertex_points(cheek), spokes)).numpy()
    plot.figure_convolution(
        path,
        surface.embedding.vertices,
        surface.faces,
        noise[:, 0].numpy(),
        response[:, 0].numpy(),
        lambda nodes: kernel(torch.from_numpy(nodes)).numpy(),
        radius,
        support=[rim],
        camera=Camera(40, 15, up="z"),
        **look.wide(2000),
    )


@figure
def kernel_on_a_disc(path: Path, look: Look) -> None:
    """A derivative of a Gaussian: odd, so it has a direction."""
    kernel = mc.kernels.derivative_of_gaussian(0.12)
    plot.figure_kernel(path, kernel, 0.4, title="derivative of a Gaussian", **look.wide(900))


@figure
def translation_square(path: Path, look: Look) -> None:
    """Correlation and translation commute, to rounding, away from the border."""
    image = photograph()
    difference = plot.figure_commuting_square(
        path,
        image,
        on_the_plane(mc.kernels.derivative_of_gaussian(1.5), image.shape),
        shifted,
        **look.wide(1500),
    )
    expect("the square of translations", difference, 0.0, 1e-12)


@figure
def rotation_square(path: Path, look: Look) -> None:
    """An anisotropic kernel does not commute with a quarter turn."""
    image = photograph()[:102]
    difference = plot.figure_commuting_square(
        path,
        image,
        on_the_plane(mc.kernels.derivative_of_gaussian(1.5), image.shape),
        np.rot90,
        names=(r"$k\,\star$", "$R$"),
        **look.wide(1500),
    )
    if difference < 0.5:
        raise SystemExit("a kernel with a direction should not commute with rotations")


@figure
def rotation_square_isotropic(path: Path, look: Look) -> None:
    """An isotropic kernel does."""
    image = photograph()[:102]
    difference = plot.figure_commuting_square(
        path,
        image,
        on_the_plane(mc.kernels.laplacian_of_gaussian(1.5), image.shape),
        np.rot90,
        names=(r"$k\,\star$", "$R$"),
        **look.wide(1500),
    )
    expect("the square of rotations", difference, 0.0, 1e-12)


@figure
def admissible_bases(path: Path, look: Look) -> None:
    """What four groups leave of the scalar kernels."""
    groups = [
        mc.StructureGroup.trivial(2),
        mc.StructureGroup.reflection(),
        mc.StructureGroup.cyclic(4),
        mc.StructureGroup.special_orthogonal(2),
    ]
    plot.figure_admissible(path, groups, **look.wide())


@figure
def kernels_to_vectors(path: Path, look: Look) -> None:
    """From scalars to vectors, two for each radius."""
    space = mc.KernelSpace(
        "1x0", "1x1", mc.StructureGroup.special_orthogonal(2), mc.RadialBasis.gaussian_rings(1.0, 1)
    )
    plot.figure_kernels(path, space, **look.wide(1200))


@figure
def carried_along_one_path(path: Path, look: Look) -> None:
    """A kernel carried from the pole of the sphere to its equator."""
    surface = sphere()
    way = surface.vertex_points(great_circle(surface, Z, X))
    plot.figure_carried(
        path,
        surface,
        mc.kernels.derivative_of_gaussian(0.12),
        way,
        camera=Camera(50, 25, up="z"),
        **look.wide(1900),
    )


@figure
def carried_along_two_paths(path: Path, look: Look) -> None:
    """The same kernel along two paths: they arrive turned against each other."""
    surface = sphere()
    west = (0.0, -1.0, 0.0)
    round_about = great_circle(surface, Z, west)[:-1] + great_circle(surface, west, X)
    plot.figure_carried(
        path,
        surface,
        mc.kernels.derivative_of_gaussian(0.12),
        surface.vertex_points(round_about),
        surface.vertex_points(great_circle(surface, Z, X)),
        camera=Camera(50, 25, up="z"),
        **look.wide(1900),
    )


@figure
def loop_on_the_sphere(path: Path, look: Look) -> None:
    """An eighth of the sphere turns a vector by a right angle."""
    surface = sphere()
    way = great_circle(surface, Z, X) + great_circle(surface, X, Y)[1:] + great_circle(surface, Y, Z)[1:]
    loop = plot.figure_loop(
        path, surface, surface.vertex_points(way), camera=Camera(135, 34, up="z"), **look.sized()
    )
    expect("the angle of an octant", abs(loop.angle), math.pi / 2, 1e-9)


@figure
def loop_on_a_moebius_band(path: Path, look: Look) -> None:
    """Once round the core of a Möbius band, a vector comes back reflected."""
    surface = mc.load_mesh(MESHES / "moebius.ply")
    angle = np.linspace(0, 2 * math.pi, 25)
    core = torch.from_numpy(np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1))
    way = [int((surface.vertices - place).norm(dim=1).argmin()) for place in core]
    loop = plot.figure_loop(
        path,
        surface,
        surface.vertex_points([*way[:-1], way[0]]),
        camera=Camera(20, 42, up="z"),
        **look.sized(),
    )
    if not loop.reflects:
        raise SystemExit("a loop round the core of a Möbius band reflects")


@figure
def loop_round_a_cone(path: Path, look: Look) -> None:
    """Round the tip of a cone of angle 270°: the vector is turned by 90°, though every side is flat."""
    surface = mc.load_mesh(MESHES / "cone.ply")
    tip = int(surface.vertex_curvature.where(~torch.from_numpy(surface.tables.open_fan), -1.0).argmax())
    angle = torch.arange(25, dtype=torch.float64) * (2 * math.pi / 24)
    spokes = 0.55 * torch.stack([angle.cos(), angle.sin()], dim=-1)
    circle = surface.exp(surface.vertex_points(torch.full((25,), tip)), spokes)
    loop = plot.figure_loop(
        path,
        surface,
        [*(circle[i] for i in range(24)), circle[0]],
        camera=Camera(20, 40, up="z"),
        **look.sized(),
    )
    expect("the angle round the cone", abs(loop.angle), math.pi / 2, 1e-9)


@figure
def exponential_disc(path: Path, look: Look) -> None:
    """A kernel on a tangent disc, laid on a torus by the exponential map."""
    surface = mc.load_mesh(MESHES / "torus.ply")
    vertex = int(
        (surface.vertices - torch.tensor([0.6, -1.0, 0.35], dtype=torch.float64)).norm(dim=1).argmin()
    )
    plot.figure_exponential(
        path,
        surface,
        surface.vertex_points(vertex),
        0.55,
        kernel=mc.kernels.gabor(0.2, 0.4),
        **look.wide(1800),
    )


@figure
def exponential_disc_saddle(path: Path, look: Look) -> None:
    """Round a vertex with an angle of 450°, the rays part and leave a shadow."""
    surface = mc.load_mesh(MESHES / "saddle.ply")
    middle = int(surface.vertex_curvature.where(~torch.from_numpy(surface.tables.open_fan), 1.0).argmin())
    start = surface.exp(surface.vertex_points(middle), torch.tensor([0.25, 0.1], dtype=torch.float64))
    plot.figure_exponential(path, surface, start, 0.6, camera=Camera(60, 72, up="z"), **look.wide(1800))


@figure
def frame_field(path: Path, look: Look) -> None:
    """Frames along an axis of space on a sphere: no direction at the poles."""
    surface = sphere(4)
    frames = mc.frame_fields.ambient(surface, (0.0, 0.0, 1.0), at_singular="nearest")
    plot.figure_frame_field(
        path, surface, frames, arrows=200, camera=Camera(30, 50, up="z"), **look.sized(1200, 1050)
    )


@figure
def moved_by_rotations(path: Path, look: Look) -> None:
    """A kernel on the sphere, and two rotations that take the pole to the same place but not the kernel."""
    from manifoldconv.plot.color import ColorScale
    from manifoldconv.plot.figure import Page
    from manifoldconv.plot.scene import Scene

    surface, round_sphere = sphere(), mc.Sphere()
    pole = torch.tensor(Z, dtype=torch.float64)
    kernel = mc.kernels.derivative_of_gaussian(0.22)
    tilt, turn = rotation(Y, 0.9), rotation(Z, 1.1)
    titles = ("$k$, round the pole", "$g\\,k$", "$g\\,h\\,k$, with $h$ a turn about the pole")
    width = look.wide(1700)["width"]
    page = Page.blank(width, round(0.4 * width), look.background, dpi=max(1, round(width / 10)))
    scale = ColorScale.of(np.array([-1.0, 1.0]) * float(kernel(0.22 * torch.tensor([-1.0, 0.0]))))
    for column, (title, g) in enumerate(zip(titles, (torch.eye(3).double(), tilt, tilt @ turn), strict=True)):
        values = kernel(round_sphere.log(pole, surface.vertices @ g))  # k(g⁻¹ x); rows are g⁻¹ x
        scene = Scene().surface(surface.vertices, surface.faces, values=values, scale=scale)
        scene = scene.points((g @ pole)[None], radius=0.03)
        panel = page.panel((column + 0.04) * width / 3, 0.03 * width, 0.307 * width, 0.307 * width)
        scene.draw(panel, camera=Camera(60, 35, up="z"))
        page.write((column + 0.5) * width / 3, 0.375 * width, title, 11)
    page.save(path)


def rotation(axis: tuple, angle: float) -> torch.Tensor:
    """`(3, 3)`: the rotation about a unit axis."""
    x, y, z = axis
    generator = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(angle * generator)


@figure
def lifted_to_se2(path: Path, look: Look) -> None:
    """A photograph, correlated with one kernel in eight directions: a signal on positions and angles."""
    from manifoldconv.plot.color import ColorScale
    from manifoldconv.plot.figure import Page

    image = photograph()[:102]
    kernel = mc.kernels.derivative_of_gaussian(1.5)
    angles = 2 * math.pi * np.arange(8) / 8
    turned = [kernel.transformed(rotation(Z, float(angle))[:2, :2]) for angle in angles]
    layers = [on_the_plane(k, image.shape)(image) for k in turned]
    strongest = np.stack(layers).max(axis=0)
    width = look.wide(1700)["width"]
    page = Page.blank(width, round(0.38 * width), look.background, dpi=max(1, round(width / 10)))
    size = float(strongest.max())
    signed = ColorScale.of(strongest, limits=(-size, size))
    tile = 0.135 * width

    def show(x: float, y: float, side: float, picture: np.ndarray, scale: ColorScale, name: str) -> None:
        axes = page.panel(x, y, side, side)
        axes.imshow(scale.colors(picture), interpolation="nearest")
        axes.set_axis_off()
        page.write(x + side / 2, y + side + 0.016 * width, name, 10)

    show(0.01 * width, 0.09 * width, 0.17 * width, image, ColorScale("gray", 0.0, 1.0), "image $f(x)$")
    for k, layer in enumerate(layers):
        x, y = (0.21 + 0.145 * (k % 4)) * width, (0.2 if k < 4 else 0.02) * width
        show(x, y, tile, layer, signed, f"$F(x, {45 * k}°)$")
    show(0.81 * width, 0.09 * width, 0.17 * width, strongest, signed, "largest over all angles")
    page.save(path)


@figure
def convergence(path: Path, look: Look) -> None:
    """The error on icospheres falls with the square of the edge length."""
    from scipy.integrate import quad
    from scipy.special import eval_legendre

    from manifoldconv.manifolds import icosphere
    from manifoldconv.plot.figure import Page

    def integrand(r: float) -> float:
        return math.exp(-((r / 0.18) ** 2) / 2) * float(eval_legendre(4, math.cos(r))) * r

    exact = 2 * math.pi * quad(integrand, 0, 0.6)[0]
    edges, errors = [], []
    for level in (1, 2, 3, 4):
        surface = mc.MeshSurface(*icosphere(level))
        harmonic = torch.from_numpy(eval_legendre(4, surface.vertices[:, 2:].numpy()))
        pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.6, 10, 56))
        response = mc.correlate(harmonic, mc.kernels.gaussian(0.18), pull)
        edges.append(surface.mean_edge_length)
        errors.append(abs(float((response * harmonic).sum() / harmonic.square().sum()) / exact - 1))
    order = np.polyfit(np.log(edges[1:]), np.log(errors[1:]), 1)[0]
    width = look.wide(1200)["width"]
    page = Page.blank(width, round(0.62 * width), look.background, dpi=max(1, round(width / 6)))
    axes = page.panel(0.14 * width, 0.11 * width, 0.8 * width, 0.42 * width)
    axes.set_facecolor("none")
    axes.loglog(edges, errors, "o-", color=plot.carried.PATHS[1], markersize=6, label="measured")
    axes.loglog(
        edges, [errors[-1] * (e / edges[-1]) ** 2 for e in edges], "--", color=page.line, label="order 2"
    )
    axes.set_xlabel("mean edge length", color=page.text)
    axes.set_ylabel("relative error", color=page.text)
    axes.set_xticks(edges, [f"{edge:.2f}" for edge in edges], minor=False)
    axes.set_xticks([], minor=True)
    axes.tick_params(which="both", colors=page.text)
    axes.grid(True, color=page.line, alpha=0.3)
    for side in axes.spines.values():
        side.set_color(page.line)
    axes.legend(frameon=False, labelcolor=page.text)
    page.write(0.54 * width, 0.57 * width, f"eigenvalue of degree 4 on icospheres: order {order:.2f}", 10)
    page.save(path)
    expect("the order of convergence", float(order), 2.0, 0.2)


@figure
def vectors_from_scalars(path: Path, look: Look) -> None:
    """Kernels from scalars to vectors: the smoothed gradient of the height, arrows on a torus."""
    surface = mc.load_mesh(MESHES / "torus.ply")
    pull = mc.Pullback.build(surface, surface.sites(), mc.TangentRule.polar(0.3, 6, 24))
    space = mc.KernelSpace("1x0", "1x1", pull.group, mc.RadialBasis.gaussian_rings(0.3, 1))
    outward = torch.tensor([1.0, 0.0], dtype=torch.float64)
    vectors = mc.correlate(surface.vertices[:, 1:2], space.kernel(outward), pull)
    frames = mc.frame_fields.from_vectors(surface, vectors, at_singular="nearest")
    plot.figure_frame_field(
        path,
        surface,
        frames,
        arrows=260,
        first_only=True,
        title="the direction in which a signal grows",
        camera=Camera(20, 50, up="z"),
        **look.sized(1200, 1000),
    )


def render(folder: Path, names: list[str], look: Look, ending: str = "png") -> list[Path]:
    """Write the named figures (all by default) and say how long each took."""
    unknown = sorted(set(names) - set(FIGURES))
    if unknown:
        raise SystemExit(f"no figure is called {', '.join(unknown)}; known are {', '.join(FIGURES)}")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in names or FIGURES:
        start = time.perf_counter()
        paths.append(folder / f"{name}.{ending}")
        FIGURES[name](paths[-1], look)
        print(f"{time.perf_counter() - start:5.1f} s  {paths[-1]}")
    return paths


def render_for_pages(folder: Path, names: list[str]) -> None:
    """Light and dark, no wider than a page, as WebP: about 30 kB each."""
    from PIL import Image

    for theme, background in (("light", "white"), ("dark", "dark")):
        for path in render(folder, names, Look(background, DOCS_SCALE)):  # type: ignore[arg-type]
            with Image.open(io.BytesIO(path.read_bytes())) as image:
                shown = image.convert("RGB")
            shown.thumbnail((DOCS_WIDTH, DOCS_WIDTH), Image.Resampling.LANCZOS)
            shown.save(path.with_name(f"{path.stem}-{theme}.webp"), quality=88, method=6)
            path.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("figures"))
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="some figures instead of all")
    parser.add_argument("--dark", action="store_true", help="for dark pages")
    parser.add_argument("--format", default="png", choices=["png", "svg", "pdf"])
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full size")
    parser.add_argument("--docs", action="store_true", help="both themes, as WebP")
    chosen = parser.parse_args()
    if chosen.docs:
        render_for_pages(chosen.folder, chosen.only)
    else:
        render(
            chosen.folder, chosen.only, Look("dark" if chosen.dark else "white", chosen.scale), chosen.format
        )

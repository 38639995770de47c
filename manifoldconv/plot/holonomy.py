"""The picture of a holonomy group: curvature, generating loops, and a vector carried once round each."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from manifoldconv.curvature import gaussian_curvature
from manifoldconv.plot.camera import Camera, View
from manifoldconv.plot.color import ACCENT, INK, ColorScale
from manifoldconv.plot.figure import Background, Page
from manifoldconv.plot.scene import Scene
from manifoldconv.plot.strips import SWEEPS, Sight, Strip, disc_round, tightened
from manifoldconv.surface.face_loops import FaceLoop
from manifoldconv.surface.holonomy_report import Generator, HolonomyReport
from manifoldconv.surface.surface import MeshSurface

Array = NDArray[np.float64]
Color = tuple[float, float, float]

HANDLE, ORIENTATION, BOUNDARY, DISC = (
    (0.10, 0.12, 0.16),
    (0.48, 0.10, 0.55),
    (0.02, 0.42, 0.30),
    (0.45, 0.25, 0.08),
)
WAY = (0.40, 0.42, 0.46)
MOST = {"handle": 6, "orientation": 4, "boundary": 4}
DISCS = 4
DISC_RADIUS = 0.075  # of the bounding box's diagonal
LEGIBLE = 0.1  # of the diagonal: smaller loops are left out
FLAT = 1e-7  # radians of curvature of a vertex that gets no loop
TEXT_SHADOW = 3.0  # points of paper round the letters, so that they are read on any colour


@dataclass(frozen=True, eq=False)
class Shown:
    """A loop in the picture: its strip, by what angle it turns (None: it reflects), its colour and its name."""

    strip: Strip
    angle: float | None
    color: Color
    name: str


def figure_holonomy(
    path: str | os.PathLike[str],
    surface: MeshSurface,
    report: HolonomyReport,
    camera: Camera | None = None,
    *,
    title: str = "",
    size: tuple[int, int] = (1400, 1190),
    background: Background = "white",
) -> None:
    """Write the picture: the mesh coloured by its curvature, generating loops, and a vector carried round each.

    Of each loop the start of the vector is dark and its end orange, with the angle between them; small grey arrows
    show it on its way. Loops round vertices are drawn round a disc of many vertices where the mesh is fine: they are
    products of the loops round those vertices, and turn by the sum of their curvatures.

    Args:
        path: PNG, PDF, SVG, ... by its suffix.
        surface: with an embedding.
        report: of that surface, `holonomy_report(surface)`.
        size: in pixels.

    Raises:
        GeometryError: for a mesh that is given by edge lengths.
    """
    camera = camera or Camera()
    camera = replace(camera, margin=max(camera.margin, 0.05))  # room for labels beside the surface
    sight = Sight.of(surface, camera)
    vertices = surface.embedding.vertices
    used = vertices[surface.connectivity.referenced]
    diagonal = float(np.linalg.norm(np.ptp(used, axis=0)))
    scale = curvature_scale(surface)
    scene = Scene().surface(vertices, surface.faces, values=curvature_density(surface), scale=scale)
    loops = _chosen(surface, report, sight, diagonal)
    labels: list[tuple[Array, Shown]] = []
    taken: list[Array] = []
    for shown in loops:
        length = _arrow_length(shown.strip, diagonal)
        strip = sight.best_start(shown.strip, length, taken)
        taken.append(strip.middles[0])
        scene = scene.curves(
            [_lifted(strip, sight, 0.002 * diagonal)], color=shown.color, radius=0.0032 * diagonal
        )
        scene, tip = _with_vector(scene, surface, strip, shown, sight, length, diagonal)
        labels.append((tip, shown))
    _page(scene, labels, loops, scale, camera, title, size, background).save(path)


# -- what is drawn --------------------------------------------------------------------------


def curvature_density(surface: MeshSurface) -> Array:
    """`(V,)` angle defect by the area of each vertex; on the boundary, for the colour, the mean of inner neighbours."""
    faces = surface.connectivity.faces
    density = gaussian_curvature(surface).numpy()
    inner = ~surface.tables.open_fan & surface.connectivity.referenced
    total, count = np.zeros(len(density)), np.zeros(len(density))
    for i in range(3):
        for j in (1, 2):
            other = faces[:, (i + j) % 3]
            total += np.bincount(faces[:, i], density[other] * inner[other], len(density))
            count += np.bincount(faces[:, i], inner[other], len(density))
    return np.where(inner, density, total / np.maximum(count, 1))


def curvature_scale(surface: MeshSurface) -> ColorScale:
    """Diverging about 0; the strongest 3 % of the vertices may lie beyond its ends, unless they are all there is."""
    density = curvature_density(surface)[surface.connectivity.referenced]
    size = float(np.quantile(np.abs(density), 0.97))
    if size < 1e-6 * float(np.abs(density).max()):
        size = float(np.abs(density).max())
    # Rounding on a flat surface is no curvature.
    size = size if size * surface.area > 1e-6 else 1.0 / surface.area
    return ColorScale.of(density, limits=(-size, size), label="Gaussian curvature  (angle defect / area)")


def _chosen(surface: MeshSurface, report: HolonomyReport, sight: Sight, diagonal: float) -> list[Shown]:
    """The loops of the topology, short ones first, and discs round the vertices of largest curvature."""
    kinds = {
        "handle": (HANDLE, "round a handle"),
        "orientation": (ORIENTATION, "reverses orientation"),
        "boundary": (BOUNDARY, "along the boundary"),
    }
    chosen = []
    for kind, (color, name) in kinds.items():
        loops = [
            (g, g.loop)
            for g in report.generators
            if g.kind == kind and g.loop is not None and len(g.loop) > 2
        ]
        for generator, loop in sorted(loops, key=lambda pair: len(pair[1]))[: MOST[kind]]:
            chosen.append(_of_generator(surface, generator, loop, color, name))
    return chosen + _discs(surface, report, sight, diagonal, max(1, DISCS - len(chosen)))


def _of_generator(
    surface: MeshSurface, generator: Generator, loop: FaceLoop, color: Color, name: str
) -> Shown:
    angle = None if generator.reflects else generator.angle
    sweeps = 40 if generator.kind == "boundary" else SWEEPS
    return Shown(tightened(surface, loop, sweeps=sweeps), angle, color, name)


def _discs(
    surface: MeshSurface, report: HolonomyReport, sight: Sight, diagonal: float, most: int
) -> list[Shown]:
    vertices = surface.embedding.vertices
    seen = np.zeros(surface.n_vertices)
    np.maximum.at(seen, surface.faces.numpy().reshape(-1), np.repeat(sight.clear, 3))
    candidates = [g for g in report.generators if g.kind == "vertex" and abs(g.angle) > FLAT]
    # Those that the camera sees well first; among these the largest angles, in steps, so that ties go by sight.
    candidates.sort(key=lambda g: (seen[g.vertex] < 0.45, -round(abs(g.angle), 3), -seen[g.vertex]))
    shown: list[Shown] = []
    places: list[Array] = []
    for generator in candidates[:400]:
        place = vertices[generator.vertex]
        if len(shown) == most or seen[generator.vertex] < 0.2:
            break
        if any(np.linalg.norm(place - other) < 0.26 * diagonal for other in places):
            continue
        found = disc_round(surface, int(generator.vertex or 0), DISC_RADIUS * diagonal)
        if found is None or float(np.linalg.norm(np.ptp(found[0].curve, axis=0))) < LEGIBLE * diagonal:
            continue
        strip, inside = found
        total = float(surface.vertex_curvature[inside].sum())
        name = "round a vertex" if len(inside) == 1 or _one_alone(surface, inside) else "round a disc"
        places.append(place)
        shown.append(Shown(strip, total, DISC, name))
    return shown


def _one_alone(surface: MeshSurface, inside: NDArray[np.int64]) -> bool:
    """Whether all curvature of these vertices sits at one of them."""
    return int((surface.vertex_curvature[inside].abs() > FLAT).sum()) == 1


# -- the vector -----------------------------------------------------------------------------


def _arrow_length(strip: Strip, diagonal: float) -> float:
    around = float(np.linalg.norm(np.diff(strip.curve, axis=0), axis=1).sum())
    return min(0.075 * diagonal, 0.25 * around)


def _lifted(strip: Strip, sight: Sight, height: float) -> Array:
    curve = strip.crossing + height * sight.normals[strip.loop.half_edges // 3]
    return np.concatenate([curve, curve[:1]])


def _with_vector(
    scene: Scene,
    surface: MeshSurface,
    strip: Strip,
    shown: Shown,
    sight: Sight,
    length: float,
    diagonal: float,
) -> tuple[Scene, Array]:
    """With a vector at the start, on its way, and back; and the place for its label."""
    faces = np.array(strip.loop.faces)
    frames = surface.embedding.face_frames.numpy()[faces]
    carried = strip.loop.transports(surface.tables)
    places = strip.middles + 0.006 * diagonal * sight.normals[faces]
    ahead = strip.crossing[0] - strip.crossing[-1]
    across = np.cross(sight.normals[faces[0]], ahead)
    if across @ np.array([0.3, 0.3, 1.0]) < 0:
        across = -across
    first = frames[0].T @ across
    if shown.angle is None:
        # Of all vectors the one that comes back as its opposite shows a reflection best.
        mirrored = first - carried[-1] @ first
        first = mirrored if np.linalg.norm(mirrored) > 1e-6 * np.linalg.norm(first) else first[::-1] * [-1, 1]
    first /= np.linalg.norm(first)
    vectors = length * np.einsum("kcd,kde,e->kc", frames, carried, first)
    on_way = _spaced(strip.curve, 1.3 * length)
    thin, thick = 0.0022 * diagonal, 0.0048 * diagonal
    scene = scene.arrows(places[on_way], 0.55 * vectors[on_way], color=WAY, radius=thin)
    scene = scene.arrows(places[:1], vectors[:1], color=INK, radius=thick)
    scene = scene.arrows(places[:1], vectors[-1:], color=ACCENT, radius=thick)
    end = carried[-1] @ first
    turned = math.atan2(first[0] * end[1] - first[1] * end[0], float(first @ end))
    if shown.angle is not None:
        # The same angle as the label's, which may be more than half a turn; its sign by the frame of the face.
        turned = math.copysign(shown.angle, turned) if abs(shown.angle) <= math.pi else shown.angle
    steps = np.linspace(0, turned, 40)
    arc = np.cos(steps)[:, None] * first + np.sin(steps)[:, None] * np.array([-first[1], first[0]])
    if shown.angle is not None and abs(turned) > 0.02:
        scene = scene.curves(
            [places[0] + 0.62 * length * arc @ frames[0].T], color=ACCENT, radius=0.6 * thick
        )
    middle = arc[len(arc) // 2] if abs(turned) < 2.6 else -first
    return scene, places[0] + 1.45 * length * frames[0] @ middle


def _spaced(curve: Array, distance: float) -> NDArray[np.int64]:
    """Indices of faces along a closed curve, about `distance` apart and so from its start; at most 24."""
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    count = min(24, int(run[-1] / distance))
    wanted = run[-1] * np.arange(1, count) / max(count, 1)
    return np.unique(np.clip(np.searchsorted(run, wanted), 1, len(curve) - 2)).astype(np.int64)


# -- the page -------------------------------------------------------------------------------


def _page(
    scene: Scene,
    labels: list[tuple[Array, Shown]],
    loops: list[Shown],
    scale: ColorScale,
    camera: Camera,
    title: str,
    size: tuple[int, int],
    background: Background,
) -> Page:
    from matplotlib import patheffects

    page = Page.blank(*size, background, dpi=max(1, round(size[0] / 8)))
    line = page.figure.dpi / 5
    bottom, top = 4.3 * line, 1.7 * line
    height = page.height - bottom - top
    axes = page.panel(0, bottom, page.width, height)
    scene.draw(axes, camera=camera)
    box = axes.get_window_extent()
    corners = np.concatenate([item.corners.reshape(-1, 3) for item in scene.items])
    view = View.fit(camera, corners, round(box.width), round(box.height))
    paper = "black" if background == "dark" else "white"
    halo = [patheffects.withStroke(linewidth=TEXT_SHADOW, foreground=paper)]
    for place, shown in labels:
        x, y, _ = view.project(place)
        text = "reflected" if shown.angle is None else _degrees(shown.angle)
        page.write(float(x), page.height - top - float(y), text, 10, path_effects=halo, weight="bold")
    if title:
        page.write(page.width / 2, page.height - 0.9 * line, title, 11)
    page.colorbar(scale, page.width / 2, 3.5 * line, 0.4 * page.width)
    _legend(page, loops, line)
    return page


def _degrees(angle: float) -> str:
    degrees = math.degrees(angle)
    text = f"{degrees:.0f}°" if abs(degrees) >= 10 else f"{degrees:.1f}°"
    return "0°" if abs(degrees) < 0.05 else text.replace("-", "\N{MINUS SIGN}")


def _legend(page: Page, loops: list[Shown], line: float) -> None:
    """Names of the loops in their colours, and how the arrows are to be read."""
    kinds = {shown.name: shown.color for shown in loops}
    parts = [(f"loop {'that ' * name.startswith('reverses')}{name}", color) for name, color in kinds.items()]
    for k, (text, color) in enumerate(parts):
        x = page.width * (k + 0.5) / len(parts)
        page.write(x, 1.35 * line, text, 8, color=color if page.text != "#e8e6e1" else page.text)
    if loops:
        words = "a vector carried once round each loop: dark when it leaves, orange when it is back"
        page.write(page.width / 2, 0.55 * line, words, 7.5)

"""What the page shows, as a picture made without a browser, a display or a graphics card."""

from __future__ import annotations

import os

import numpy as np

from manifoldconv.plot import Scene, save_scene
from manifoldconv.plot.camera import Camera
from manifoldconv.plot.color import INK
from manifoldconv.plot.figure import Background
from manifoldconv.view import shown
from manifoldconv.view.model import State, Workbench

LIFT = 0.002  # of the diagonal


def snapshot(
    workbench: Workbench,
    state: State,
    path: str | os.PathLike[str],
    *,
    camera: Camera | None = None,
    size: tuple[int, int] = (1400, 1100),
    background: Background = "white",
) -> str:
    """Write the picture of a state, and return what the page would say, line by line.

    Args:
        path: PNG, PDF, SVG or JPEG by its suffix.
        size: in pixels.
    """
    surface = workbench.surface
    judgement = shown.verdict(workbench, state)
    painting = shown.painting(workbench, state, judgement)
    marks = shown.marks(workbench, state)
    vertices = surface.embedding.vertices
    diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    scene = Scene().surface(vertices, surface.faces, values=painting.values, scale=painting.scale)
    disc = marks.disc
    for side in (1.0, -1.0):
        if len(disc.faces):
            lifted = disc.vertices + side * LIFT * diagonal * disc.normals()
            scene = scene.surface(lifted, disc.faces, values=disc.values, scale=marks.disc_scale)
    scene = scene.curves([*disc.rim], radius=0.0015 * diagonal)
    if len(marks.curve) > 1:
        scene = scene.curves([marks.curve], radius=0.002 * diagonal)
    scene = scene.points(marks.base[None], color=INK, radius=0.004 * diagonal)
    for tail, head, colour in marks.arrows:
        scene = scene.arrows(tail[None], (head - tail)[None], color=colour, radius=0.003 * diagonal)
    if len(disc.arrows):
        scene = scene.arrows(
            disc.arrows[:, 0], disc.arrows[:, 1] - disc.arrows[:, 0], radius=0.002 * diagonal
        )
    save_scene(scene, path, title=painting.title, camera=camera, size=size, background=background)
    return "\n".join(
        plain(text)
        for text in (
            shown.surface_text(workbench),
            judgement.text,
            painting.text,
            shown.point_text(workbench, state),
            shown.trail_text(workbench, state),
        )
    )


def plain(text: str) -> str:
    """Without the marks for bold type."""
    return text.replace("**", "")

"""Small surfaces, and a running viewer in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from browser import FLAGS, chromium

import manifoldconv as mc
from manifoldconv.surface.remesh import subdivide
from manifoldconv.view.display import Display
from manifoldconv.view.model import Workbench, choose, start


def flat_moebius_band(pieces: int = 40, width: float = 0.8, rounds: int = 2) -> mc.MeshSurface:
    """A band with a half twist, flat inside: made of one row of triangles, so that no vertex is inside, and divided."""
    angle = np.arange(pieces) * 2 * np.pi / pieces
    tilt = angle / 2
    centre = np.stack([np.cos(angle), np.sin(angle), np.zeros(pieces)], axis=1)
    across = np.stack([np.cos(tilt) * np.cos(angle), np.cos(tilt) * np.sin(angle), np.sin(tilt)], axis=1)
    vertices = np.concatenate([centre - width / 2 * across, centre + width / 2 * across])
    faces = []
    for k in range(pieces):
        low, high = k, pieces + k
        after_low, after_high = (
            (k + 1, pieces + k + 1) if k + 1 < pieces else (pieces, 0)
        )  # glued with a twist
        faces += [[low, after_low, high], [high, after_low, after_high]]
    surface = mc.MeshSurface(vertices, np.array(faces))
    for _ in range(rounds):
        surface = subdivide(surface).surface
    return surface


@pytest.fixture(scope="session")
def band() -> mc.MeshSurface:
    """A flat Möbius band: its holonomy group is one reflection."""
    return flat_moebius_band()


@pytest.fixture(scope="session")
def sphere() -> mc.MeshSurface:
    """A round sphere of 642 vertices."""
    return icosphere(3)


def icosphere(rounds: int) -> mc.MeshSurface:
    """An icosahedron, divided and pushed out onto the unit sphere."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, s, t * golden) for s in (-1, 1) for t in (-1, 1)]
    vertices = np.array([np.roll(c, k) for k in range(3) for c in corners], dtype=float)
    distance = np.linalg.norm(vertices[:, None] - vertices[None], axis=2)
    near = np.abs(distance - 2) < 1e-9
    faces = [
        (i, j, k) if np.dot(np.cross(vertices[i], vertices[j]), vertices[k]) > 0 else (i, k, j)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    surface = mc.MeshSurface(vertices, np.array(faces))
    for _ in range(rounds):
        surface = subdivide(surface).surface
        points = surface.vertices.numpy()
        surface = mc.MeshSurface(points / np.linalg.norm(points, axis=1, keepdims=True), surface.faces)
    return surface


@pytest.fixture(scope="session")
def on_sphere(sphere: mc.MeshSurface) -> Workbench:
    """The sphere with what is computed for it."""
    return Workbench(sphere, "sphere")


@pytest.fixture(scope="session")
def on_band(band: mc.MeshSurface) -> Workbench:
    """The flat Möbius band with what is computed for it."""
    return Workbench(band, "band")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; skips with the reason where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = chromium()
    with playwright.sync_playwright() as driver:
        try:
            running = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        except playwright.Error as error:
            pytest.skip(f"no Chromium to test in: {str(error).splitlines()[0]}; apt-get install chromium")
        yield running
        running.close()


@pytest.fixture(scope="session")
def viewers(on_sphere: Workbench, on_band: Workbench) -> Iterator[dict[str, Any]]:
    """A viewer for either surface."""
    pytest.importorskip("viser", reason="viser is not installed")
    from manifoldconv.view.server import Server

    servers = {}
    for name, bench in (("sphere", on_sphere), ("band", on_band)):
        state = choose(bench, start(bench), kernel="gaussian")
        servers[name] = Server(bench, Display.of(bench.surface), state, say=lambda text: None)
    yield servers
    for server in servers.values():
        server.stop()

"""Picking, trails, the disc, the display mesh and its file, the server's port: each for itself."""

from __future__ import annotations

import json
import math
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.kernels import gaussian
from manifoldconv.plot.color import ColorScale
from manifoldconv.view import trail as trails
from manifoldconv.view.disc import exponential_disc
from manifoldconv.view.display import SIZE, Display, png
from manifoldconv.view.model import Workbench, start
from manifoldconv.view.page import FIELD_OF_VIEW, framing
from manifoldconv.view.picking import first_hit, line_of_sight
from manifoldconv.view.server import free_port, open_in_browser, reaches_others
from manifoldconv.view.snapshot import snapshot

EYE = torch.eye(2, dtype=torch.float64)


def test_a_line_of_sight_meets_the_near_side(sphere: mc.MeshSurface) -> None:
    vertices, faces = sphere.vertices.numpy(), sphere.faces.numpy()
    for direction in np.random.default_rng(0).normal(size=(20, 3)):
        unit = direction / np.linalg.norm(direction)
        point = first_hit(vertices, faces, 3 * unit, -unit)
        assert point is not None
        place = sphere.embed(point).numpy()
        assert np.linalg.norm(np.cross(place, unit)) < 1e-5  # on the line
        assert place @ unit > 0.98  # in front
    assert first_hit(vertices, faces, [3, 0, 0], [0, 1, 0]) is None
    assert first_hit(vertices, faces, [3, 0, 0], [1, 0, 0]) is None  # behind the eye


def test_the_corners_of_the_screen_see_as_far_as_the_field_of_view() -> None:
    up = line_of_sight((0.5, 0.0), np.eye(3), math.pi / 2, 2.0)
    right = line_of_sight((1.0, 0.5), np.eye(3), math.pi / 2, 2.0)
    assert up == pytest.approx([0, -1, 1])  # y points down
    assert right == pytest.approx([2, 0, 1])


@pytest.mark.parametrize("aspect", [390 / 844, 0.75, 1280 / 900, 2.0])
def test_the_surface_is_seen_whole_beside_or_above_the_controls(aspect: float) -> None:
    """A ball as large as the surface can be, by its place on the screen: from -1 to 1 each way."""
    place, middle = framing(aspect)
    ahead = (middle - place) / np.linalg.norm(middle - place)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    points = np.random.default_rng(0).normal(size=(500, 3))
    points *= SIZE / 2 / np.linalg.norm(points, axis=1, keepdims=True)
    depth = (points - place) @ ahead
    tangent = math.tan(FIELD_OF_VIEW / 2)
    across = (points - place) @ right / (depth * tangent * aspect)
    up = (points - place) @ np.cross(right, ahead) / (depth * tangent)
    assert np.abs(across).max() < 1
    assert np.abs(up).max() < 1
    if aspect < 0.8:
        assert np.median(up) > 0.25  # the controls take the lower half
    else:
        assert np.median(across) < -0.1  # and here the right


def test_a_trail_goes_round_what_no_straight_line_passes() -> None:
    saddle = mc.load_mesh("meshes/saddle.ply")
    ends = [mc.SurfacePoint(face, [1 / 3, 1 / 3, 1 / 3]) for face in (0, len(saddle.faces) // 2)]
    trail = trails.extended(saddle, trails.begin(saddle, ends[0], EYE), ends[1])
    assert torch.equal(trail.points[-1].face, ends[1].face)
    assert trail.length >= float(np.linalg.norm(trail.curve[-1] - trail.curve[0]))
    assert torch.allclose(trail.transport @ trail.transport.mT, EYE, atol=1e-12)


def test_no_trail_leads_to_another_piece(sphere: mc.MeshSurface) -> None:
    points = torch.cat([sphere.vertices, sphere.vertices + 3])
    two = mc.MeshSurface(points, torch.cat([sphere.faces, sphere.faces + sphere.n_vertices]))
    third = [1 / 3, 1 / 3, 1 / 3]
    trail = trails.begin(two, mc.SurfacePoint(0, third), EYE)
    with pytest.raises(mc.GeometryError, match="different pieces"):
        trails.extended(two, trail, mc.SurfacePoint(len(sphere.faces), third))


def test_a_step_over_the_edge_is_refused(band: mc.MeshSurface) -> None:
    trail = trails.begin(band, mc.SurfacePoint(0, [1 / 3, 1 / 3, 1 / 3]), band_frame(band))
    across = trails.turned(trail, math.pi / 2)
    with pytest.raises(mc.GeometryError, match="the surface ends here"):
        trails.stepped(band, across, 3.0)


def band_frame(band: mc.MeshSurface) -> torch.Tensor:
    """The frame in the first face with its first axis along the band."""
    return Workbench(band).frame(mc.SurfacePoint(0, [1 / 3, 1 / 3, 1 / 3]))


def test_loops_of_the_topology_are_as_many_as_it_has_and_get_no_longer() -> None:
    torus = mc.load_mesh("meshes/torus.ply")
    loops = trails.loops_of_the_topology(torus)
    assert len(loops) == 2
    for loop in loops:
        tight = trails.tightened(torus, loop)
        assert tight.length <= loop.length * (1 + 1e-9)
        assert tight.loop is not None
        assert tight.loop.enclosed_curvature is None
        assert np.allclose(tight.curve[0], tight.curve[-1], atol=1e-6)


def test_the_disc_of_a_sphere_is_a_cap(sphere: mc.MeshSurface) -> None:
    point = mc.SurfacePoint(100, [0.3, 0.3, 0.4])
    disc = exponential_disc(sphere, point, 0.5, gaussian(0.2), EYE[:, 0])
    centre = sphere.embed(point).numpy()
    angle = np.arccos(np.clip(disc.vertices @ centre / np.linalg.norm(centre), -1, 1))
    assert not disc.torn
    assert np.degrees(angle.max()) == pytest.approx(np.degrees(0.5), rel=0.05)
    assert disc.values.max() == pytest.approx(1.0)
    outward = (disc.normals() * disc.vertices).sum(axis=1)
    assert np.abs(outward).min() > 0.9


def test_places_go_to_the_scene_and_back(sphere: mc.MeshSurface) -> None:
    moved = mc.MeshSurface(5 + 30 * sphere.vertices, sphere.faces)
    for up in ("y", "z"):
        display = Display.of(moved, up)
        assert np.abs(display.vertices).max() == pytest.approx(1.0, abs=0.02)
        places = moved.vertices.numpy()
        assert display.to_file(display.to_scene(places)) == pytest.approx(places)
        assert display.direction_to_file(display.direction_to_scene(places)) == pytest.approx(places)
        lifted = display.to_scene([[5, 5, 6], [5, 6, 5]]) - display.to_scene([[5, 5, 5]])
        assert int(lifted[0 if up == "z" else 1].argmax()) == 2  # the upward axis is the scene's z


def test_a_large_mesh_is_decimated_for_display_and_this_is_said(sphere: mc.MeshSurface) -> None:
    display = Display.of(sphere, "z", most_faces=400)
    assert len(display.faces) <= 400
    assert "1280 faces, too many to turn smoothly: 400 are shown" in display.note
    z = sphere.vertices[:, 2]
    shown = display.shown_values(z)
    assert shown == pytest.approx(display.to_file(display.vertices)[:, 2], abs=0.05)


@pytest.mark.parametrize("split", [False, True])
def test_the_file_for_the_browser_is_binary_gltf(
    sphere: mc.MeshSurface, band: mc.MeshSurface, split: bool
) -> None:
    surface = band if split else sphere
    values = surface.vertices[:, 2]
    data = Display.of(surface).glb(values, ColorScale.of(values.numpy()))
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size = struct.unpack_from("<I", data, 12)[0]
    described = json.loads(data[20 : 20 + size])
    position = described["accessors"][0]
    assert position["count"] == (3 * len(surface.faces) if split else surface.n_vertices)
    assert described["accessors"][3]["count"] == 3 * len(surface.faces)
    assert described["buffers"][0]["byteLength"] == len(data) - 20 - size - 8


def test_png_holds_the_pixels() -> None:
    image = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    data = png(image)
    start = data.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompress(data[start : data.index(b"IEND") - 8]), np.uint8).reshape(2, 13)
    assert np.array_equal(rows[:, 1:].reshape(2, 3, 4), image)


def test_a_port_in_use_is_named_and_another_is_found() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} on 127.0.0.1 cannot be had.*--port"):
            free_port("127.0.0.1", port)
    assert free_port("127.0.0.1", None) >= 8080


def test_addresses_that_are_not_here_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no such address|cannot be had"):
        free_port("no-such-host.invalid", 8080)
    with pytest.raises(ValueError, match="from 1 to 65535"):
        free_port("127.0.0.1", 70000)
    assert reaches_others("0.0.0.0")
    assert not reaches_others("127.0.0.1")
    assert not reaches_others("localhost")


def test_without_a_display_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert open_in_browser("http://127.0.0.1:1") is False


def test_a_snapshot_needs_no_browser(on_sphere: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    said = snapshot(on_sphere, start(on_sphere), path, size=(160, 120))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "Holonomy group SO(2)" in said
    assert "Admitted" in said

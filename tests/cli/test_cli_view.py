"""`manifoldconv view`: pictures without a browser, bad input, and the server as the shell starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

CUBE = "meshes/cube_fine.ply"


def test_a_screenshot_says_what_the_page_would(run, tmp_path: Path) -> None:
    path = tmp_path / "cube.png"
    outcome = run("view", CUBE, "--screenshot", path, "--kernel", "derivative", "--radius", 2)
    assert outcome.status == 0, outcome.err
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "Holonomy group C(4)" in outcome.out
    assert "Refused. derivative is not invariant under the holonomy group (C(4))" in outcome.out
    assert "there is no response" in outcome.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kernel", "nonsense"), "there is no kernel 'nonsense'"),
        (("--radius", 5), "there is no radius in mean edges 5.0; there are 2.0, 3.0, 4.0, 6.0, 8.0"),
        (("--signal", "nonsense"), "there is no signal 'nonsense'"),
        (("--signal", "delta:99999"), "delta:99999 names no site"),
        (("--loop", 1), "every loop bounds a region"),
        (("--screenshot", "picture.txt"), "expected a name that ends in .png"),
        (("--port", 70000), "--port must be a number from 1 to 65535"),
    ],
)
def test_bad_input_is_one_line(run, options: tuple[object, ...], said: str) -> None:
    assert said in run("view", CUBE, "--no-browser", *options).complaint


def test_a_mesh_that_is_not_there_is_named(run) -> None:
    assert "unicorn.ply" in run("view", "unicorn.ply", "--no-browser").complaint


def test_a_port_in_use_is_said_before_the_mesh_is_read(run) -> None:
    pytest.importorskip("viser")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        complaint = run("view", "unicorn.ply", "--port", port).complaint
    assert f"port {port} on 127.0.0.1 cannot be had" in complaint


def test_without_viser_it_says_how_to_get_it(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viser", None)
    assert "pip install 'manifoldconv[view]'" in run("view", CUBE, "--no-browser").complaint


@pytest.mark.skipif(os.name != "posix", reason="ends it by a signal of POSIX")
def test_without_a_display_it_serves_at_the_address_that_it_prints_until_it_is_ended() -> None:
    pytest.importorskip("viser")
    command = [sys.executable, "-m", "manifoldconv", "view", CUBE, "--radius", "2", "--display-faces", "400"]
    bare = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    server = subprocess.Popen(command, env=bare, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said = [server.stdout.readline() for _ in range(3)]
        assert "1200 faces, too many to turn smoothly: 400 are shown" in said[0]
        url = said[1].split()[4]
        assert url.startswith("http://127.0.0.1:")
        assert "No browser could be opened here" in said[2]
        with urllib.request.urlopen(url, timeout=60) as page:
            assert b"<!doctype html>" in page.read(200).lower()
        time.sleep(0.5)
    finally:
        server.send_signal(signal.SIGINT)
        rest, errors = server.communicate(timeout=120)
    assert server.returncode == 0, errors
    assert "The viewer has ended." in rest
    assert "Traceback" not in errors

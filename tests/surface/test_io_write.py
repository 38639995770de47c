"""Writing meshes: what is written comes back bit for bit, and nothing half written is ever seen."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import trimesh

from manifoldconv.surface.io import read_mesh, write_atomically, write_mesh
from manifoldconv.surface.io.ply import read_tables

GENERATOR = np.random.default_rng(20)
VERTICES = GENERATOR.normal(size=(50, 3)) * 10.0 ** GENERATOR.integers(-8, 8, size=(50, 1))
FACES = GENERATOR.integers(0, 50, size=(70, 3))
SIGNALS = {
    "heat": GENERATOR.normal(size=50),
    "single": GENERATOR.normal(size=50).astype(np.float32),
    "label": GENERATOR.integers(-(2**31), 2**31, size=50),
    "flow": GENERATOR.normal(size=(50, 3)),
    "features": GENERATOR.normal(size=(50, 5)),
    "wide": GENERATOR.normal(size=(50, 12)),
    "normal": GENERATOR.normal(size=(50, 3)),
    "color": GENERATOR.integers(0, 256, size=(50, 3)) / 255.0,
    "gap": np.where(np.arange(50) % 3, np.nan, np.inf),
}
FACE_SIGNALS = {"area": GENERATOR.normal(size=70), "frame": GENERATOR.normal(size=(70, 2))}


def test_ply_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "mesh.ply"
    write_mesh(path, VERTICES, FACES, SIGNALS, FACE_SIGNALS, comments=("radius 4e", "aus Köln\nin two lines"))
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, VERTICES)
    np.testing.assert_array_equal(mesh.faces, FACES)
    for written, found in ((SIGNALS, mesh.vertex_data), (FACE_SIGNALS, mesh.face_data)):
        for name, values in written.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert mesh.vertex_data["single"].dtype == np.float32
    assert mesh.vertex_data["heat"].dtype == np.float64


def test_what_was_read_can_be_written_back(tmp_path: Path) -> None:
    first, second = tmp_path / "first.ply", tmp_path / "second.ply"
    write_mesh(first, VERTICES, FACES, SIGNALS, FACE_SIGNALS)
    mesh = read_mesh(first)
    write_mesh(second, mesh.vertices, mesh.faces, mesh.vertex_data, mesh.face_data)
    again = read_mesh(second)
    assert set(again.vertex_data) == set(mesh.vertex_data)
    for name, values in mesh.vertex_data.items():
        np.testing.assert_array_equal(again.vertex_data[name], values, err_msg=name)


def test_other_readers_see_the_same_ply(tmp_path: Path) -> None:
    path = tmp_path / "mesh.ply"
    write_mesh(path, VERTICES, FACES, SIGNALS, FACE_SIGNALS, comments=("made here",))
    assert b"comment made here\n" in path.read_bytes()
    other = trimesh.load(str(path), process=False)
    np.testing.assert_array_equal(other.vertices, VERTICES)
    np.testing.assert_array_equal(other.faces, FACES)
    raw = other.metadata["_ply_raw"]
    assert raw["vertex"]["data"]["heat"].tobytes() == SIGNALS["heat"].tobytes()
    types = {name: read_tables(path)[0]["vertex"].numbers[name].dtype.str for name in ("x", "red", "heat")}
    assert types == {"x": "<f8", "red": "|u1", "heat": "<f8"}


@pytest.mark.parametrize("suffix", [".obj", ".off"])
@pytest.mark.parametrize("colored", [False, True])
def test_text_round_trip_is_exact(tmp_path: Path, suffix: str, colored: bool) -> None:
    color = GENERATOR.uniform(size=(50, 3))
    data = {"color": color} if colored else {}
    path = tmp_path / f"mesh{suffix}"
    write_mesh(path, VERTICES, FACES, data, comments=("a note",))
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.vertices, VERTICES)
    np.testing.assert_array_equal(mesh.faces, FACES)
    assert set(mesh.vertex_data) == set(data)
    if colored:
        np.testing.assert_array_equal(mesh.vertex_data["color"], color)


def test_off_face_colors_round_trip(tmp_path: Path) -> None:
    color = GENERATOR.uniform(size=(70, 3))
    write_mesh(tmp_path / "mesh.off", VERTICES, FACES, face_data={"color": color})
    np.testing.assert_array_equal(read_mesh(tmp_path / "mesh.off").face_data["color"], color)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"path": "mesh.stl"}, r"expected the ending .ply, .obj, .off"),
        ({"vertices": VERTICES[:, :2]}, r"vertices must have shape \(V, 3\)"),
        ({"faces": FACES.astype(float)}, r"faces must be integers"),
        ({"faces": FACES + 10}, r"the mesh has 50 vertices"),
        ({"vertex_data": {"heat": np.ones(49)}}, r"'heat' must have shape \(50,\)"),
        ({"vertex_data": {"heat": np.ones((50, 2, 2))}}, r"'heat' must have shape"),
        ({"vertex_data": {"heat": np.ones(50) * 1j}}, r"real numbers"),
        ({"vertex_data": {"two words": np.ones(50)}}, r"without spaces"),
        ({"vertex_data": {"x": np.ones(50)}}, r"may not be named 'x'"),
        ({"vertex_data": {"big": np.full(50, 2**40)}}, r"32 bits"),
        ({"vertex_data": {"color": np.full((50, 3), 2.0)}}, r"0 .. 1"),
        ({"vertex_data": {"u": np.ones((50, 3)), "u_x": np.zeros(50)}}, r"'u_x' twice"),
        ({"face_data": {"vertex_indices": np.ones(70)}}, r"may not be named"),
        ({"path": "mesh.obj", "vertex_data": {"heat": np.ones(50)}}, r"OBJ cannot hold data 'heat'"),
        ({"path": "mesh.obj", "face_data": {"heat": np.ones(70)}}, r"OBJ cannot hold face data 'heat'"),
        ({"path": "mesh.off", "vertex_data": {"heat": np.ones(50)}}, r"OFF cannot hold data 'heat'"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, change: dict[str, object], expected: str
) -> None:
    arguments: dict[str, object] = {"path": "mesh.ply", "vertices": VERTICES, "faces": FACES} | change
    arguments["path"] = tmp_path / str(arguments["path"])
    with pytest.raises(ValueError, match=expected):
        write_mesh(**arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# writing whole or not at all


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "result.csv"
    path.write_bytes(b"old")

    def half(stream: object) -> None:
        stream.write(b"half of the new")  # type: ignore[attr-defined]
        assert path.read_bytes() == b"old"
        raise error

    with pytest.raises(error):
        write_atomically(path, half)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["result.csv"]


def test_permissions_are_those_of_ordinary_files(tmp_path: Path) -> None:
    ordinary, new = tmp_path / "ordinary", tmp_path / "new"
    ordinary.touch()
    write_atomically(new, lambda stream: stream.write(b"1"))
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
    new.chmod(0o640)
    write_atomically(new, lambda stream: stream.write(b"2"))
    assert stat.S_IMODE(new.stat().st_mode) == 0o640


def test_links_devices_and_missing_folders(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.touch()
    link.symlink_to(target)
    write_atomically(link, lambda stream: stream.write(b"through"))
    assert link.is_symlink()
    assert target.read_bytes() == b"through"
    write_atomically(os.devnull, lambda stream: stream.write(b"gone"))
    assert not Path(os.devnull).is_file()
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        write_atomically(tmp_path / "absent" / "file", lambda stream: None)
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        write_atomically(tmp_path, lambda stream: None)

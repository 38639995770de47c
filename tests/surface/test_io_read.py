"""Reading meshes: every format gives the file's own vertices, and every bad file one clear line."""

from __future__ import annotations

import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import trimesh

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io import MeshFile, read_mesh

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "meshes"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test meshes are not here")

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
TETRAHEDRON = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"


def read(folder: Path, content: str | bytes, name: str = "mesh.obj") -> MeshFile:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_mesh(path)


def failure(folder: Path, content: str | bytes, name: str = "mesh.obj") -> str:
    """The message of the GeometryError that reading `content` ends in: one line that names the file."""
    with pytest.raises(GeometryError) as caught:
        read(folder, content, name)
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    return message


# OBJ


@pytest.mark.parametrize(
    "faces",
    [
        "f 1 2 3",
        "f 1/7 2/8 3/9",
        "f 1//4 2//5 3//6",
        "f 1/1/1 2/2/2 3/3/3",
        "f 1// 2// 3//",
        "f 1/ 2/ 3/",
        "f -4 -3 -2",
    ],
)
def test_obj_corner_spellings_name_the_same_face(tmp_path: Path, faces: str) -> None:
    assert read(tmp_path, SQUARE + faces).faces.tolist() == [[0, 1, 2]]


def test_obj_keeps_vertices_that_other_readers_split_or_drop(tmp_path: Path) -> None:
    content = SQUARE + "v 9 9 9\nvt 0 0\nvt 1 1\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\nf 1/2/1 3/2/1 4/2/1\n"
    mesh = read(tmp_path, content)
    assert mesh.vertices.shape == (5, 3)
    assert mesh.vertices.dtype == np.float64
    assert mesh.faces.dtype == np.int64
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.notices == ()


def test_obj_negative_indices_count_back_from_their_own_line(tmp_path: Path) -> None:
    mesh = read(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 1\nf -4 -1 -3\n")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 3, 1]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_obj_line_ends_comments_and_continuations(tmp_path: Path, end: str) -> None:
    lines = ["# caf\xe9", "v 0 0 0 # origin", "v 1 0 \\", "0", "\tv 0 1 0", "o thing", "f 1 \\", "2 3"]
    mesh = read(tmp_path, end.join(lines).encode("latin-1"))
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert mesh.faces.tolist() == [[0, 1, 2]]
    assert mesh.where(0) == "face 0 (line 7)"
    assert mesh.where_vertex(2) == "vertex 2 (line 5)"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_text_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    assert len(read(tmp_path, TETRAHEDRON.encode(encoding)).faces) == 4


def test_obj_colors_in_both_ranges(tmp_path: Path) -> None:
    unit = read(tmp_path, "v 0 0 0 1 0 0\nv 1 0 0 0 0.2 0\nv 0 1 0 0 0 1\nf 1 2 3\n")
    bytes_ = read(tmp_path, "v 0 0 0 255 0 0\nv 1 0 0 0 51 0\nv 0 1 0 0 0 255\nf 1 2 3\n")
    np.testing.assert_array_equal(unit.vertex_data["color"], [[1, 0, 0], [0, 0.2, 0], [0, 0, 1]])
    np.testing.assert_array_equal(unit.vertex_data["color"], bytes_.vertex_data["color"])


def test_obj_colors_of_some_vertices_are_told(tmp_path: Path) -> None:
    mesh = read(tmp_path, "v 0 0 0 1 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert np.isnan(mesh.vertex_data["color"][1:]).all()
    assert mesh.notices == ("2 of 3 vertices have no colour; it is NaN there",)


def test_obj_unread_records_are_told(tmp_path: Path) -> None:
    assert "2 'l' records" in read(tmp_path, TETRAHEDRON + "l 1 2\nl 2 3\n").notices[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            TETRAHEDRON + "f 1 2 9\n",
            r"face 4 \(line 9\) refers to vertex 9, but there are 4 vertices .*1 to 4",
        ),
        (TETRAHEDRON + "f 0 1 2\n", r"line 9: OBJ counts vertices from 1"),
        (TETRAHEDRON + "f -5 -1 -2\n", r"line 9: .* vertex -5.* only 4 vertices"),
        (TETRAHEDRON + "f 1 2\n", r"face 4 \(line 9\) has 2"),
        (TETRAHEDRON + "f 1 b 2\n", r"line 9: expected an integer as a vertex of a face, got 'b'"),
        (TETRAHEDRON + "f 1 99999999999999999999 2\n", r"line 9: expected an integer"),
        ("v 0 zero 0\n" + TETRAHEDRON, r"line 1: expected a number in a vertex, got 'zero'"),
        ("v 0 0\n" + TETRAHEDRON, r"line 1: expected 'v x y z'.* got 2 numbers"),
        ("v 0 0 nan\nv 0 inf 0\n" + TETRAHEDRON, r"vertex 0 \(line 1\) is at \(0, 0, nan\) and 1 more"),
        (SQUARE, r"4 vertices and no faces"),
        (SQUARE + "p 1\n", r"no faces \(there are 1 'p' records\)"),
        ("# nothing\n", r"no vertices"),
        ("hello world\n", r"no vertices \(there are 1 'hello' records\)"),
        (b"v 0 0 0\n\x00\x01\x02", r"line 2 holds binary data"),
        ("", r"empty \(0 bytes\)"),
    ],
)
def test_bad_obj(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert re.search(expected, failure(tmp_path, content))


# polygons


def area(mesh: MeshFile) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_polygons_are_split_and_keep_their_signals(tmp_path: Path) -> None:
    content = (
        "OFF 6 3 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n2 0 0\n2 1 0\n3 0 1 2 1 0 0\n3 0 2 3 0 1 0\n4 1 4 5 2 0 0 1\n"
    )
    mesh = read(tmp_path, content, "mesh.off")
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]]
    assert mesh.face_polygon.tolist() == [0, 1, 2, 2]
    assert mesh.face_data["color"].argmax(axis=1).tolist() == [0, 1, 2, 2]
    assert mesh.where(3) == "face 3 (of polygon 2, line 10)"
    assert mesh.notices == ("1 polygon of 4 corners was split into 2 triangles",)


@pytest.mark.parametrize("first", range(4))
def test_a_dart_is_split_along_its_inner_diagonal(tmp_path: Path, first: int) -> None:
    # The half square less the triangle that the reflex corner cuts away: 1/2 - 1/4, whichever corner comes
    # first; the outer diagonal would give triangles that overlap, of larger total area.
    order = " ".join(str(1 + (first + step) % 4) for step in range(4))
    mesh = read(tmp_path, f"v 0 0 0\nv 1 0 0\nv 0.25 0.25 0\nv 0 1 0\nf {order}\n")
    assert area(mesh) == pytest.approx(0.25, abs=1e-15)


def test_a_polygon_covers_its_area(tmp_path: Path) -> None:
    # Regular n-gons of radius 1 have area n sin(2π/n) / 2.
    for sides in (5, 6, 9):
        angles = 2 * np.pi * np.arange(sides) / sides
        points = "".join(f"v {np.cos(angle):.17g} {np.sin(angle):.17g} 0\n" for angle in angles)
        mesh = read(tmp_path, points + "f " + " ".join(map(str, range(1, sides + 1))) + "\n")
        assert len(mesh.faces) == sides - 2
        assert area(mesh) == pytest.approx(sides * np.sin(2 * np.pi / sides) / 2, rel=1e-14)


# OFF


def test_off_with_comments_normals_and_colors(tmp_path: Path) -> None:
    vertices = "0 0 0 0 0 1 255 0 0 255\n1 0 0 0 0 1 0 255 0 255\n0 1 0 0 0 1 0 0 255 51\n"
    content = "CNOFF # kind\n# counts\n3 1 0\n\n" + vertices + "3 0 1 2\n"
    mesh = read(tmp_path, content, "mesh.off")
    np.testing.assert_array_equal(mesh.vertex_data["normal"], [[0, 0, 1]] * 3)
    np.testing.assert_array_equal(mesh.vertex_data["color"], np.eye(3))
    np.testing.assert_array_equal(mesh.vertex_data["alpha"], [1, 1, 0.2])
    assert mesh.where_vertex(0) == "vertex 0 (line 5)"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("PLY\n", "line 1: expected the word OFF, got 'PLY'"),
        ("OFF\n", "expected the numbers of vertices"),
        ("OFF\n3 x 0\n", "line 2: expected the numbers"),
        ("OFF BINARY\n3 1 0\n", "binary OFF is not read"),
        ("4OFF\n1 1 0\n", "outside 3-D space"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n", "announces 3 vertices and 1 faces.*2 lines.*truncated"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n3 0 1 2\n", "damaged"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0 5\n3 0 1 2\n", "line 5: expected 3 numbers.* got 4.*COFF"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n4 0 1 2\n", "line 6: the face announces 4 corners, but 3"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n-1 0 1 2\n", "line 6"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", r"face 0 \(line 6\) refers to vertex 3.*0 to 2"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2.5\n", "line 6: expected an integer"),
        ("# only a comment\n", "no content"),
    ],
)
def test_bad_off(tmp_path: Path, content: str, expected: str) -> None:
    assert re.search(expected, failure(tmp_path, content, "mesh.off"))


# PLY


HEAD = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
FACE = "element face 1\nproperty list uchar int vertex_indices\nend_header\n"


def ply(folder: Path, faces: list[tuple[int, ...]], kind: str, name: str = "vertex_indices") -> MeshFile:
    """Four corners of a square with a signal and colours, as a PLY file that is put together byte by byte."""
    heads = [f"ply\nformat {kind} 1.0\nelement vertex 4"]
    heads += [f"property {word}" for word in ("float x", "float y", "float z", "double heat")]
    heads += [f"property uchar {channel}" for channel in ("red", "green", "blue")]
    heads += [
        f"element face {len(faces)}",
        f"property list uchar int {name}",
        "property int label",
        "end_header\n",
    ]
    rows = [(0, 0, 0, 1, 0, 0, 0), (1, 0, 0, 2, 51, 0, 0), (1, 1, 0, 3, 102, 0, 0), (0, 1, 0, 4, 255, 0, 0)]
    lists = [(len(face), *face, 7 + index) for index, face in enumerate(faces)]
    if kind == "ascii":
        body = "".join(" ".join(map(str, row)) + "\n" for row in rows + lists).encode()
    else:
        order = "<" if kind == "binary_little_endian" else ">"
        body = b"".join(struct.pack(order + "fffdBBB", *row) for row in rows)
        body += b"".join(struct.pack(f"{order}B{len(row) - 1}i", *row) for row in lists)
    return read(folder, "\n".join(heads).encode() + body, "mesh.ply")


@pytest.mark.parametrize("name", ["vertex_indices", "vertex_index"])
@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("faces", [[(0, 1, 2), (0, 2, 3)], [(0, 1, 2, 3)], [(0, 1, 2), (0, 1, 2, 3)]])
def test_ply_of_every_kind(tmp_path: Path, faces: list[tuple[int, ...]], kind: str, name: str) -> None:
    mesh = ply(tmp_path, faces, kind, name)
    assert mesh.faces[-1].tolist() == [0, 2, 3]
    assert mesh.face_data["label"].tolist() == [7 + polygon for polygon in mesh.face_polygon]
    assert mesh.vertex_data["heat"].tolist() == [1, 2, 3, 4]
    assert mesh.vertex_data["red"].tolist() == [0, 51, 102, 255]
    assert mesh.vertex_data["color"][:, 0].tolist() == [0, 0.2, 0.4, 1]
    assert all(values.dtype.isnative for values in mesh.vertex_data.values())
    if kind == "ascii":
        line = int((tmp_path / "mesh.ply").read_text().split("\n").index("end_header")) + 2
        assert mesh.where_vertex(1) == f"vertex 1 (line {line + 1})"
        assert f"line {line + 4}" in mesh.where(0)


def test_ply_strips_turn_every_second_triangle(tmp_path: Path) -> None:
    # The strip 0 1 2 3 4 and, after -1, the strip 3 5 4 4 (odd place in the list): all triangles of a flat
    # zigzag must face the same way. The repeated vertex makes triangles that are no faces.
    header = "ply\nformat ascii 1.0\nelement vertex 6\nproperty float x\nproperty float y\nproperty float z\n"
    points = "0 0 0\n0 1 0\n1 0 0\n1 1 0\n2 0 0\n2 1 0\n"
    strips = "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
    mesh = read(tmp_path, header + strips + points + "10 0 1 2 3 4 -1 3 5 4 4\n", "mesh.ply")
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    assert len(mesh.faces) == 4
    np.testing.assert_array_equal(np.cross(b - a, c - a), [[0, 0, -1]] * 4)


def test_ply_comment_in_another_alphabet(tmp_path: Path) -> None:
    content = HEAD + "comment gemacht für Übungen\n" + FACE + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    assert read(tmp_path, content, "mesh.ply").faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("plx\n", "header cannot be read, line 1: expected the word 'ply'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "header cannot be read, line 1: expected the word 'ply'"),
        (HEAD + FACE + "0 0 0\n1 0 0\n", "truncated.*3 'vertex'.*number 2"),
        (HEAD + FACE + "0 0 0\n1 0 0\n0 1 0\n3 0 1\n", "face 0.*cannot be read"),
        (HEAD + FACE + "0 0 0\n1 0 0\n0 1 x\n3 0 1 2\n", "vertex 2, property 'z' cannot be read"),
        (HEAD + FACE + "0 0 0\n1 0 0\n0 1 nan\n3 0 1 2\n", r"vertex 2 \(line 12\) is at \(0, 1, nan\)"),
        (HEAD + FACE + "0 0 0\n1 0 0\n0 1 0\n3 0 1 3\n", r"face 0 \(line 13\) refers to vertex 3"),
        (HEAD + FACE + "0 0 0\n1 0 0\n0 1 0\n3 0 1 -1\n", r"face 0 \(line 13\) refers to vertex -1"),
        (HEAD + "end_header\n0 0 0\n1 0 0\n0 1 0\n", "3 vertices and no faces"),
        (
            HEAD + "element edge 1\nproperty int vertex1\nend_header\n0 0 0\n1 0 0\n0 1 0\n1\n",
            "1 'edge' elements",
        ),
        (HEAD.replace("float z", "float w") + FACE, "truncated|no property 'z'"),
        (HEAD.replace("vertex 3", "vertex 99999999999999") + FACE, "cannot be read|truncated"),
        (HEAD.replace("vertex 3", "vertex -3") + FACE, "cannot be read"),
        (
            HEAD + FACE.replace("vertex_indices", "corners") + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
            "no list 'vertex_indices'",
        ),
        (
            HEAD + FACE.replace("int vertex", "float vertex") + "0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
            "must hold integers",
        ),
    ],
)
def test_bad_ply(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert re.search(expected, failure(tmp_path, content, "mesh.ply"))


# formats through trimesh


@pytest.mark.parametrize("file_type", ["stl", "stl_ascii"])
def test_stl_corners_are_merged_by_exact_position(tmp_path: Path, file_type: str) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=1)
    content = sphere.export(file_type=file_type)
    mesh = read(tmp_path, content, "mesh.stl")
    assert len(mesh.vertices) == len(sphere.vertices)
    assert len(mesh.faces) == len(sphere.faces)
    ours, theirs = mesh.vertices[mesh.faces], sphere.vertices[sphere.faces]
    np.testing.assert_allclose(ours, theirs, atol=1e-7)  # STL has single precision, text of nine digits
    assert "merged to 42 vertices" in mesh.notices[0]


def test_glb_scene_moves_meshes_to_their_place(tmp_path: Path) -> None:
    box = trimesh.creation.box()
    colors = np.tile(np.array([[255, 51, 0, 255]], dtype=np.uint8), (8, 1))
    box.visual = trimesh.visual.ColorVisuals(box, vertex_colors=colors)
    scene = trimesh.Scene()
    scene.add_geometry(box, geom_name="a", node_name="a")
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirror[:3, 3] = [5, 0, 0]
    scene.add_geometry(box.copy(), geom_name="b", node_name="b", transform=mirror)
    mesh = read(tmp_path, scene.export(file_type="glb"), "mesh.glb")
    assert mesh.vertices.shape == (16, 3)
    assert mesh.faces.shape == (24, 3)
    assert mesh.vertices[:, 0].max() == pytest.approx(5.5)
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    # Two unit cubes, both with outward faces although one was mirrored: volume 2.
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 == pytest.approx(2.0)
    np.testing.assert_array_equal(mesh.vertex_data["color"], np.tile([[1, 0.2, 0]], (16, 1)))
    assert mesh.notices == ("the 2 meshes of the scene were put together as one",)


@pytest.mark.parametrize("file_type", ["stl", "stl_ascii"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.97])
def test_truncated_stl(
    tmp_path: Path, file_type: str, kept: float, capfd: pytest.CaptureFixture[str]
) -> None:
    content = trimesh.creation.icosphere(subdivisions=1).export(file_type=file_type)
    failure(tmp_path, content[: int(kept * len(content))], "mesh.stl")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["mesh.stl", "mesh.glb", "mesh.gltf"])
@pytest.mark.parametrize("content", [b"\x00\x01junk\xff" * 40, b"hello, this is no mesh at all\n" * 9])
def test_junk_in_formats_of_trimesh(tmp_path: Path, name: str, content: bytes) -> None:
    failure(tmp_path, content, name)


# damage of any kind


def samples() -> list[tuple[str, bytes]]:
    box = trimesh.creation.box()
    exports = [
        ("mesh.obj", "obj"),
        ("mesh.off", "off"),
        ("mesh.ply", "ply"),
        ("mesh.stl", "stl"),
        ("mesh.glb", "glb"),
    ]
    contents = [(name, box.export(file_type=file_type)) for name, file_type in exports]
    contents += [("mesh.ply", box.export(file_type="ply", encoding="ascii"))]
    contents += [("mesh.stl", box.export(file_type="stl_ascii"))]
    return [(name, content.encode() if isinstance(content, str) else content) for name, content in contents]


@pytest.mark.parametrize(("name", "content"), samples())
def test_damaged_files_end_in_a_mesh_or_in_a_geometry_error(
    tmp_path: Path, name: str, content: bytes
) -> None:
    generator = np.random.default_rng(4)
    letters = np.frombuffer(b"0123456789 -.\n/enaif\x00\xff", dtype=np.uint8)
    refused = 0
    for attempt in range(80):
        damaged = np.frombuffer(content, dtype=np.uint8).copy()
        if attempt % 2:
            damaged = damaged[: generator.integers(len(damaged))]
        else:
            damaged[generator.integers(len(damaged), size=4)] = generator.choice(letters, size=4)
        try:
            mesh = read(tmp_path, damaged.tobytes(), name)
        except GeometryError:
            refused += 1
        else:
            assert np.isfinite(mesh.vertices).all()
            assert ((mesh.faces >= 0) & (mesh.faces < len(mesh.vertices))).all()
    assert refused > 20


# the file system


def test_places_that_hold_no_mesh(tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path / "absent.ply", "no such file"),
        (tmp_path, "got a folder"),
        (tmp_path / "mesh.xyzzy", "got the ending '.xyzzy'"),
        (tmp_path / "mesh", "got the ending ''"),
        (tmp_path / ("a" * 300 + ".ply"), "cannot be read"),
    ):
        if path.name.startswith("mesh"):
            path.write_text("x")
        with pytest.raises(GeometryError, match=expected):
            read_mesh(path)


# the shared meshes


@needs_shared
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spot_nan.ply", r"vertex 100 is at \(nan, .* and 2 more"),
        ("tet_index_out_of_range.obj", r"face 3 \(line 8\) refers to vertex 8, but there are 4 vertices"),
        ("fox_negative_index.ply", r"face 5 refers to vertex -1, but there are 313 vertices"),
        ("notenoughindices.obj", r"face 0 \(line 9\) has 2"),
        ("points_only.obj", r"8 vertices and no faces"),
        ("wireframe_only.obj", r"8 vertices and no faces \(there are 12 'l' records\)"),
        ("comment_only.obj", r"no vertices"),
        ("header_only.ply", r"no element at all"),
        ("zero_elements.ply", r"no vertices"),
        ("zero_bytes.ply", r"empty \(0 bytes\)"),
        ("bunny_truncated.ply", r"truncated: its header announces 2478 'face' elements"),
    ],
)
def test_shared_broken_files_are_refused(name: str, expected: str) -> None:
    with pytest.raises(GeometryError, match=expected) as caught:
        read_mesh(SHARED / "broken" / name)
    assert "\n" not in str(caught.value)


def manifest_counts() -> list[tuple[str, int, int]]:
    """File, vertices and triangles of every mesh in the tables of the manifest that has triangle counts."""
    if not SHARED.is_dir():
        return []
    counts: dict[str, tuple[str, int, int]] = {}
    for line in (SHARED / "MANIFEST.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 15 and cells[1].isdigit() and re.match(r"\d+: \d+", cells[3]):
            sizes = [tuple(map(int, part.split(": "))) for part in cells[3].split(", ")]
            if min(size for size, _ in sizes) >= 3:
                counts[cells[0]] = (cells[0], int(cells[1]), sum((size - 2) * n for size, n in sizes))
    return [row for name, row in counts.items() if name != "spot_nan.ply"]


@needs_shared
@pytest.mark.parametrize(("name", "vertices", "triangles"), manifest_counts())
def test_shared_meshes_have_the_counts_of_the_manifest(name: str, vertices: int, triangles: int) -> None:
    path = SHARED / name if (SHARED / name).exists() else SHARED / "broken" / name
    mesh = read_mesh(path)
    assert (len(mesh.vertices), len(mesh.faces)) == (vertices, triangles)


@needs_shared
def test_strips_of_igea_are_its_faces() -> None:
    strips, faces = read_mesh(SHARED / "broken" / "igea_tristrips.ply"), read_mesh(SHARED / "igea.ply")
    np.testing.assert_array_equal(strips.vertices, faces.vertices)

    def canonical(triangles: np.ndarray) -> np.ndarray:
        first = triangles.argmin(axis=1)[:, None]
        turned = np.take_along_axis(triangles, (first + np.arange(3)) % 3, axis=1)
        return turned[np.lexsort(turned.T)]

    np.testing.assert_array_equal(canonical(strips.faces), canonical(faces.faces))


def test_a_large_obj_is_read_in_seconds(tmp_path: Path) -> None:
    count = 130_000
    points = np.random.default_rng(0).normal(size=(count, 3)).tolist()
    faces = np.random.default_rng(1).integers(1, count + 1, size=(2 * count, 3)).tolist()
    lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in points] + [
        f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in faces
    ]
    start = time.perf_counter()
    mesh = read(tmp_path, "\n".join(lines))
    assert time.perf_counter() - start < 15  # takes 2 s on an idle core; the margin is for busy machines
    assert mesh.vertices.tolist() == points
    assert (mesh.faces + 1).tolist() == faces

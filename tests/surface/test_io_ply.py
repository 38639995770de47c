"""The PLY reader: every layout gives the same numbers, and damage of any kind ends in one clear line."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import trimesh

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io import read_mesh, write_mesh
from manifoldconv.surface.io.ply import read_ply, read_tables

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "meshes"

FORMATS = ["ascii", "binary_little_endian", "binary_big_endian"]
# The types of PLY, each under its two names, as the module struct writes them.
OLD_NAMES = ["char", "uchar", "short", "ushort", "int", "uint", "float", "double"]
NEW_NAMES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
LETTERS = dict(zip(OLD_NAMES + NEW_NAMES, "bBhHiIfd" * 2, strict=True))
VERTEX = ("vertex", ["float x", "float y", "float z"], [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)])

Element = tuple[str, list[str], list[tuple]]


def ply(kind: str, *elements: Element, comments: tuple[str, ...] = (), end: str = "\n") -> bytes:
    """A PLY file put together from its definition: each element is its name, its properties and its rows."""
    lines = ["ply", f"format {kind} 1.0", *(f"comment {text}" for text in comments)]
    for name, properties, rows in elements:
        lines += [f"element {name} {len(rows)}", *(f"property {text}" for text in properties)]
    content = (end.join([*lines, "end_header"]) + end).encode()
    order = "<" if kind == "binary_little_endian" else ">"
    for _, properties, rows in elements:
        for row in rows:
            words, packed = [], b""
            for text, value in zip(properties, row, strict=True):
                types = text.split()
                if types[0] == "list":
                    words += [len(value), *value]
                    packed += struct.pack(f"{order}{LETTERS[types[1]]}", len(value))
                    packed += struct.pack(f"{order}{len(value)}{LETTERS[types[2]]}", *value)
                else:
                    words.append(value)
                    packed += struct.pack(f"{order}{LETTERS[types[0]]}", value)
            content += (" ".join(map(str, words)) + end).encode() if kind == "ascii" else packed
    return content


def write(folder: Path, content: bytes) -> Path:
    path = folder / "mesh.ply"
    path.write_bytes(content)
    return path


def failure(folder: Path, content: bytes) -> str:
    """The one line of the GeometryError that reading ends in."""
    with pytest.raises(GeometryError) as caught:
        read_mesh(write(folder, content))
    assert "\n" not in str(caught.value)
    assert "mesh.ply" in str(caught.value)
    return str(caught.value)


# what is in the file comes back


@pytest.mark.parametrize("kind", FORMATS)
def test_every_type_at_its_limits(tmp_path: Path, kind: str) -> None:
    integers = [name for name in LETTERS if LETTERS[name] not in "fd"]
    limits = {name: np.iinfo(np.dtype(LETTERS[name])) for name in integers}
    properties = [*(f"{name} {name}" for name in integers), "float f", "double d"]
    rows = [
        (*(int(limits[name].min) for name in integers), -0.1, 5e-324),
        (*(int(limits[name].max) for name in integers), 3e38, -1.7976931348623157e308),
    ]
    table = read_tables(write(tmp_path, ply(kind, ("thing", properties, rows))))[0]["thing"]
    for index, name in enumerate(integers):
        assert table.numbers[name].dtype == np.dtype(LETTERS[name])
        assert table.numbers[name].tolist() == [row[index] for row in rows]
    assert table.numbers["f"].tolist() == [np.float32(-0.1), np.float32(3e38)]
    assert table.numbers["d"].tolist() == [5e-324, -1.7976931348623157e308]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (3, 4, 5, 3), (0, 3, 0, 7), (0, 0, 0, 0), (7, 0, 1, 2)])
def test_lists_among_numbers(tmp_path: Path, kind: str, sizes: tuple[int, ...]) -> None:
    # Two lists a row, of different types, before, between and after single numbers of odd sizes, and another
    # element behind them: a place that is wrong by a byte anywhere changes all that follows.
    generator = np.random.default_rng(sum(sizes))
    properties = ["uchar before", "list ushort int a", "short between", "list uint double b", "char after"]
    rows = [
        (
            *(index, generator.integers(-(2**31), 2**31, size).tolist(), -index),
            *(generator.normal(size=sizes[-1 - index]).tolist(), 7),
        )
        for index, size in enumerate(sizes)
    ]
    tables, after = read_tables(
        write(tmp_path, ply(kind, ("face", properties, rows), ("tail", ["double t"], [(0.1,), (0.2,)])))
    )
    face = tables["face"]
    for name, column in (("before", 0), ("between", 2), ("after", 4)):
        assert face.numbers[name].tolist() == [row[column] for row in rows]
    for name, column in (("a", 1), ("b", 3)):
        assert face.lists[name].sizes.tolist() == [len(row[column]) for row in rows]
        assert face.lists[name].items.tolist() == [value for row in rows for value in row[column]]
    assert tables["tail"].numbers["t"].tolist() == [0.1, 0.2]
    assert after == []


@pytest.mark.parametrize("kind", FORMATS)
def test_unused_elements_are_passed_over_and_told(tmp_path: Path, kind: str) -> None:
    material = ("material", ["list uchar uchar name", "float shine"], [([65, 66], 1.5), ([67], 2.5)])
    faces = ("face", ["list uchar uint vertex_index"], [([0, 1, 2],), ([0, 2, 3],)])
    edges = ("edge", ["int vertex1", "int vertex2"], [(0, 1)])
    mesh = read_mesh(write(tmp_path, ply(kind, material, VERTEX, edges, faces)))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert mesh.notices == ("2 'material' elements were not read", "1 'edge' elements were not read")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_item_of_strips_starts_anew(tmp_path: Path, kind: str) -> None:
    # Two strips in two lists give the triangles 0 1 2 and 1 2 3, and no triangle from one to the other.
    strips = ("tristrips", ["list int int vertex_indices"], [([0, 1, 2],), ([1, 2, 3],)])
    mesh = read_mesh(write(tmp_path, ply(kind, VERTEX, strips)))
    assert mesh.faces.tolist() == [[0, 1, 2], [1, 2, 3]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", FORMATS)
def test_line_ends_of_the_header(tmp_path: Path, kind: str, end: str) -> None:
    # The first byte of the data is a line feed: it must not be taken for the end of the header's last line.
    label = ("label", ["uchar n"], [(10,), (13,)])
    faces = ("face", ["list uchar int vertex_indices"], [([0, 1, 2],)])
    path = write(tmp_path, ply(kind, label, VERTEX, faces, comments=("end_header of für",), end=end))
    tables, after = read_tables(path)
    assert tables["label"].numbers["n"].tolist() == [10, 13]
    assert tables["face"].lists["vertex_indices"].items.tolist() == [0, 1, 2]
    assert after == []
    if kind == "ascii":
        assert tables["vertex"].lines is not None
        assert tables["vertex"].lines.tolist() == [15, 16, 17, 18]


def test_blank_lines_keep_the_numbers_of_lines(tmp_path: Path) -> None:
    faces = ("face", ["list uchar int vertex_indices"], [([0, 1, 2],), ([0, 1, 9],)])
    content = ply("ascii", VERTEX, faces).replace(b"3 0 1 2\n", b"\n \t\n3 0 1 2\n\n")
    line = content.split(b"\n").index(b"3 0 1 9") + 1
    assert f"face 1 (line {line}) refers to vertex 9" in failure(tmp_path, content)


@pytest.mark.parametrize("kind", FORMATS)
def test_data_after_the_last_element_are_told(tmp_path: Path, kind: str) -> None:
    faces = ("face", ["list uchar int vertex_indices"], [([0, 1, 2],)])
    content = ply(kind, VERTEX, faces)
    assert read_mesh(write(tmp_path, content + b"\n\n")).notices == ()
    assert "after the last element" in read_mesh(write(tmp_path, content + b"3 1 2 3\n")).notices[0]


# against another reader


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_a_file_of_trimesh(tmp_path: Path, encoding: str) -> None:
    sphere = trimesh.creation.icosphere(subdivisions=2)
    sphere.visual.vertex_colors = np.random.default_rng(0).integers(
        0, 256, (len(sphere.vertices), 4), np.uint8
    )
    path = write(tmp_path, sphere.export(file_type="ply", encoding=encoding))
    ours, theirs = read_mesh(path), trimesh.load(str(path), process=False)
    np.testing.assert_array_equal(ours.faces, theirs.faces)
    # trimesh keeps text in double precision, this reader in the single precision that the header announces.
    np.testing.assert_allclose(ours.vertices, theirs.vertices, atol=0 if encoding == "binary" else 6e-8)
    np.testing.assert_array_equal(ours.vertex_data["color"], theirs.visual.vertex_colors[:, :3] / 255)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared test meshes are not here")
@pytest.mark.parametrize(
    "name",
    [
        "bunny_small.ply",
        "fixed_top.ply",
        "igea.ply",
        "broken/fox_repeated_index.ply",
        "broken/cube_seams.ply",
    ],
)
def test_shared_files_as_trimesh_reads_them(name: str) -> None:
    ours, theirs = read_mesh(SHARED / name), trimesh.load(str(SHARED / name), process=False)
    np.testing.assert_array_equal(ours.vertices, theirs.vertices)
    np.testing.assert_array_equal(ours.faces, theirs.faces)


# damage


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mixed", [False, True])
def test_truncated_at_every_length(tmp_path: Path, kind: str, mixed: bool) -> None:
    rows = [([0, 1, 2], 1.5), ([0, 1, 2, 3] if mixed else [0, 2, 3], 2.5)]
    content = ply(kind, VERTEX, ("face", ["list uchar int vertex_indices", "double heat"], rows))
    whole = len(read_mesh(write(tmp_path, content)).faces)
    # A text file is whole without its last line end, and reads as another number without its last digits.
    shortest = len(content) - (len(b".5\n") if kind == "ascii" else 0)
    for length in range(len(content)):
        if length < shortest:
            failure(tmp_path, content[:length])
        else:
            assert len(read_mesh(write(tmp_path, content[:length])).faces) == whole


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mixed", [False, True])
def test_changed_bytes_end_in_a_mesh_or_in_a_geometry_error(tmp_path: Path, kind: str, mixed: bool) -> None:
    rows = [([0, 1, 2], 7), ([0, 1, 2, 3] if mixed else [0, 2, 3], 8)]
    content = ply(kind, VERTEX, ("face", ["list char int vertex_indices", "int label"], rows))
    generator = np.random.default_rng(5)
    refused = 0
    start = time.perf_counter()
    for place in range(len(content)):
        for byte in (int(generator.integers(256)), content[place] ^ 1 << int(generator.integers(8))):
            damaged = content[:place] + bytes([byte]) + content[place + 1 :]
            try:
                mesh = read_mesh(write(tmp_path, damaged))
            except GeometryError:
                refused += 1
            else:
                assert np.isfinite(mesh.vertices).all()
                assert ((mesh.faces >= 0) & (mesh.faces < len(mesh.vertices))).all()
    assert refused > len(content) / 3  # of two trials a byte
    assert time.perf_counter() - start < 30  # takes 2 s; the margin is for busy machines


HUGE = ["1000000000000", "999999999999999999", "99999999999999999999", "1" * 6000]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("element", ["vertex 4", "face 2"])
@pytest.mark.parametrize("count", HUGE)
def test_announced_numbers_take_no_memory(tmp_path: Path, kind: str, element: str, count: str) -> None:
    faces = ("face", ["list uchar int vertex_indices"], [([0, 1, 2],), ([0, 2, 3],)])
    content = ply(kind, VERTEX, faces).replace(element.encode(), f"{element.split()[0]} {count}".encode())
    tracemalloc.start()
    message = failure(tmp_path, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "truncated" in message or "header cannot be read" in message
    assert peak < 1 << 20


@pytest.mark.parametrize("kind", FORMATS[1:])
def test_a_list_longer_than_the_file(tmp_path: Path, kind: str) -> None:
    content = ply(kind, VERTEX, ("face", ["list uint int vertex_indices"], [([0, 1, 2],)]))
    order = "<" if kind == "binary_little_endian" else ">"
    long = content.replace(struct.pack(f"{order}I", 3), struct.pack(f"{order}I", 2**32 - 1))
    assert long != content
    assert "truncated" in failure(tmp_path, long)
    signed = long.replace(b"list uint", b"list int")
    assert "face 0, property 'vertex_indices' cannot be read (a list cannot have -1 items)" in failure(
        tmp_path, signed
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("ply\n", "", "line 1: expected the word 'ply', got 'format ascii 1.0'"),
        ("ascii 1.0", "ascii 2.0", "line 2: expected 'format'"),
        ("format ascii 1.0\n", "", "line 2: expected 'format ascii 1.0' or a binary format"),
        ("format ascii 1.0", "format ascii 1.0\nformat ascii 1.0", "line 3"),
        ("float x", "float x x", "line 4: expected 'property TYPE NAME'"),
        ("float x", "real x", "line 4: expected 'property TYPE NAME'.*got 'real x'"),
        ("float y", "float x", "line 5: expected a name that was not used before, got 'x'"),
        ("element face", "element vertex", "line 7: expected a name that was not used before"),
        ("vertex 4", "vertex four", "line 3: expected.*got 'element vertex four'"),
        ("vertex 4", "vertex -4", "line 3"),
        ("list uchar int", "list float int", "line 8: expected an integer type for the length"),
        ("element vertex 4\n", "", "line 3: expected.*got 'property float x'"),
        ("property list uchar int vertex_indices\n", "", "'face' elements have no properties"),
        ("end_header", "end_of_header", "no line 'end_header'"),
        ("float x", "list uchar float x", "no property 'x'|cannot be read"),
        ("list uchar int vertex", "int vertex", "must be a list of vertices|more numbers"),
        (
            "1 1 0",
            "1 one 0",
            r", line 12: vertex 2, property 'y' cannot be read \(expected a number, got 'one'\)",
        ),
        ("1 1 0", "1 1", "line 12: vertex 2, property 'z' cannot be read .the line ends before it"),
        ("1 1 0", "1 1 0 5", "line 12: vertex 2 cannot be read .the line has more numbers"),
        ("1 1 0", "1 1_0 0", "got '1_0'"),
        ("1 1 0", "1 1-1 0", "got '1-1'"),
        ("1 1 0", "1-1 x", "got '1-1'"),
        (
            "3 0 1 2",
            "3 0 1",
            "line 14: face 0, property 'vertex_indices' cannot be read .the line ends before the",
        ),
        ("3 0 1 2", "-3 0 1 2", "expected an integer from 0 to 255, got -3"),
        ("3 0 1 2", "2.5 0 1 2", "expected an integer from 0 to 255, got 2.5"),
        ("3 0 1 2", "3 0 1.5 2", "expected an integer from -2147483648 to 2147483647, got 1.5"),
        ("3 0 1 2", "3 0 nan 2", "face 0.*expected an integer.*got nan"),
        ("3 0 2 3", "3 0 2 9e9", "line 15: face 1, property 'vertex_indices'.*got 9e.09"),
        ("3 0 2 3", "3 0 2 x", "line 15: face 1, property 'vertex_indices'.*got 'x'"),
    ],
)
def test_what_is_wrong_and_where(tmp_path: Path, old: str, new: str, expected: str) -> None:
    faces = ("face", ["list uchar int vertex_indices"], [([0, 1, 2],), ([0, 2, 3],)])
    content = ply("ascii", VERTEX, faces).decode()
    assert old in content
    with pytest.raises(GeometryError, match=expected):
        read_mesh(write(tmp_path, content.replace(old, new, 1).encode()))


# speed


@pytest.mark.parametrize("kind", ["binary", "mixed", "ascii"])
def test_a_large_file_is_read_in_under_a_second(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(1)
    vertices = generator.normal(size=(134_000, 3))
    faces = generator.integers(0, len(vertices), size=(268_000, 3))
    path = tmp_path / "mesh.ply"
    write_mesh(path, vertices, faces)
    head, _, body = path.read_bytes().partition(b"end_header\n")
    if kind == "mixed":  # one more face, of four corners
        more = struct.pack("<B4i", 4, 0, 1, 2, 3)
        path.write_bytes(head.replace(b"face 268000", b"face 268001") + b"end_header\n" + body + more)
    if kind == "ascii":
        lines = [" ".join(map(repr, row)) for row in vertices.tolist()]
        lines += [f"3 {a} {b} {c}" for a, b, c in faces.tolist()]
        text = head.replace(b"binary_little_endian", b"ascii") + b"end_header\n"
        path.write_bytes(text + "\n".join(lines).encode())
    start = time.perf_counter()
    soup = read_ply(path)
    seconds = time.perf_counter() - start
    np.testing.assert_array_equal(soup.vertices, vertices)
    np.testing.assert_array_equal(soup.corners[: faces.size], faces.reshape(-1))
    # 0.05 s, 0.2 s and 0.4 s on an idle core; the margin is for busy machines.
    assert seconds < (3 if kind == "ascii" else 1.5)

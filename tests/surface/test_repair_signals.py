"""Signals over repairs and back, and `load_mesh(path, repair=...)` on whole files."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import manifoldconv as mc
from manifoldconv.surface.io import read_mesh, write_mesh
from manifoldconv.surface.repair import RepairResult, diagnose, repair_mesh

BROKEN = Path(__file__).resolve().parents[2].parent / "shared" / "meshes" / "broken"
needs_broken = pytest.mark.skipif(not BROKEN.is_dir(), reason="the shared broken meshes are not here")

# A seam (4 doubles 0, 5 doubles 2), a vertex of no face (6), one that two fans share (3), a face of one
# vertex.
VERTICES = [
    [0, 0, 0],
    [1, 0, 0],
    [1, 1, 0],
    [0, 1, 0],
    [0, 0, 0],
    [1, 1, 0],
    [7, 7, 7],
    [0, 2, 0],
    [-1, 2, 0],
]
FACES = [[0, 1, 2], [4, 5, 3], [3, 7, 8], [1, 1, 1]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    count, faces = len(VERTICES), len(FACES)
    data = {
        "heat": np.arange(count) ** 2.0,
        "label": np.arange(count, dtype=np.int16),
        "flow": np.arange(3.0 * count).reshape(count, 3),
    }
    write_mesh(tmp_path / "mesh.ply", VERTICES, FACES, data, {"area": np.arange(faces) + 0.5})
    return tmp_path / "mesh.ply"


@pytest.fixture
def result(path: Path) -> RepairResult:
    return repair_mesh(read_mesh(path))


def test_the_example_is_mended(result: RepairResult) -> None:
    assert result.faces.tolist() == [[0, 1, 2], [0, 2, 3], [6, 4, 5]]
    assert result.vertex_map.tolist() == [0, 1, 2, 3, 0, 2, -1, 4, 5]
    assert result.face_map.tolist() == [0, 1, 2, -1]
    assert result.vertices[[3, 6]].tolist() == [[0, 1, 0], [0, 1, 0]]


def test_merged_values_are_averaged_and_split_ones_copied(result: RepairResult) -> None:
    heat = np.arange(9) ** 2.0
    assert result.push(heat).tolist() == [(0 + 16) / 2, 1, (4 + 25) / 2, 9, 49, 64, 9]
    assert result.push(np.arange(9)).tolist() == [0, 1, 2, 3, 7, 8, 3]  # labels: the first
    assert result.push(np.arange(9) > 3).tolist() == [False, False, False, False, True, True, False]
    assert result.push(np.arange(4.0), "faces").tolist() == [0, 1, 2]


def test_values_come_back(result: RepairResult) -> None:
    back = result.pull(np.array([1.0, 2, 3, 4, 5, 6, 8]))
    np.testing.assert_array_equal(back, [1, 2, 3, (4 + 8) / 2, 1, 3, np.nan, 5, 6])
    np.testing.assert_array_equal(result.pull(np.array([1.0, 2, 3]), "faces"), [1, 2, 3, np.nan])
    assert result.pull(np.array([1, 2, 3]), "faces", fill=-1).tolist() == [1, 2, 3, -1]
    with pytest.raises(ValueError, match=r"item 3 was dropped.*give fill"):
        result.pull(np.array([1, 2, 3]), "faces")


def test_there_and_back_is_the_identity_where_nothing_was_merged_or_dropped(result: RepairResult) -> None:
    signal = np.random.default_rng(0).normal(size=(9, 2, 3))
    alone = [1, 3, 7, 8]
    np.testing.assert_array_equal(result.pull(result.push(signal))[alone], signal[alone])
    # A second time changes nothing any more.
    once = result.push(signal)
    np.testing.assert_allclose(result.push(np.nan_to_num(result.pull(once))), once, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.int64, torch.bool])
def test_tensors_keep_their_type(result: RepairResult, dtype: torch.dtype) -> None:
    signal = torch.arange(9).to(dtype)
    moved = result.push(signal)
    assert moved.dtype == dtype
    np.testing.assert_array_equal(moved.numpy(), result.push(signal.numpy()))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int8, np.float32, np.float16])
def test_arrays_keep_their_type(result: RepairResult, dtype: type) -> None:
    signal = np.arange(9, dtype=dtype)
    signal.flags.writeable = False
    assert result.push(signal).dtype == dtype


def test_gradients_flow_through_both_ways(result: RepairResult) -> None:
    signal = torch.arange(9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: result.pull(result.push(values), fill=0.0), (signal,))


def test_signals_of_another_length_are_refused(result: RepairResult) -> None:
    with pytest.raises(ValueError, match=r"shape \(9, \.\.\.\); got \(7,\)"):
        result.push(np.zeros(7))
    with pytest.raises(ValueError, match=r'"vertices" or "faces"'):
        result.push(np.zeros(9), "edges")  # type: ignore[arg-type]


# load_mesh


def test_loading_carries_the_signals_of_the_file(path: Path) -> None:
    with pytest.raises(mc.GeometryError, match=r'names a vertex twice.*load it with repair="all"'):
        mc.load_mesh(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what was asked for is no warning
        surface = mc.load_mesh(path, repair="all")
    assert surface.n_vertices == 7
    assert surface.file is not None
    assert surface.file.repair is not None
    assert surface.file.vertex_data["heat"].tolist() == [8, 1, 14.5, 9, 49, 64, 9]
    assert surface.file.vertex_data["label"].tolist() == [0, 1, 2, 3, 7, 8, 3]
    assert surface.file.vertex_data["flow"].shape == (7, 3)
    assert surface.file.face_data["area"].tolist() == [0.5, 1.5, 2.5]
    assert len(surface.file.notices) == 4
    assert len(surface.file.repair.report) == 9
    response = torch.arange(7, dtype=torch.float64)
    assert surface.file.repair.pull(response)[4] == 0


def test_places_in_messages_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mesh.off"
    points = "".join(f"{x} {y} {z}\n" for x, y, z in VERTICES)
    faces = "3 1 1 1\n3 0 1 2\n3 4 5 3\n3 3 7 8\n"
    path.write_text(f"OFF\n{len(VERTICES)} 4 0\n{points}{faces}")
    # The face on line 14 refuses to be mended when only the first fault is: messages still name its line.
    with pytest.raises(mc.GeometryError, match=r"vertex 3 is pinched: face 1 \(of polygon 2, line 14\)"):
        mc.load_mesh(path, repair=["repeated_indices"])
    report = repair_mesh(read_mesh(path)).report
    assert [step.text for step in report if step.name == "pinched_vertices"] == [
        "1 pinched vertex was split, a copy at its place for each fan of faces: vertex 3 (line 6)"
    ]


def test_polygons_that_are_wanted_give_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
    with pytest.warns(UserWarning, match="1 polygon of 4 corners was split"):
        mc.load_mesh(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        surface = mc.load_mesh(path, repair="polygons")
    assert surface.file is not None
    assert surface.file.repair is not None
    assert surface.file.repair.report[0].text == "1 polygon of 4 corners was split into 2 triangles"


def test_nothing_is_repaired_by_default(path: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.ply"
    write_mesh(good, VERTICES, FACES[:2])
    surface = mc.load_mesh(good)
    assert surface.file is not None
    assert surface.file.repair is None
    assert surface.faces.tolist() == FACES[:2]
    with pytest.raises(ValueError, match="unknown repair 'weld'"):
        mc.load_mesh(path, repair="weld")


# the shared meshes

UNREADABLE = {
    "bunny_truncated.ply": "truncated",
    "comment_only.obj": "no vertices",
    "fox_negative_index.ply": "refers to vertex -1",
    "header_only.ply": "no element",
    "notenoughindices.obj": "at least 3 corners",
    "points_only.obj": "no faces",
    "spot_nan.ply": "finite coordinates",
    "tet_index_out_of_range.obj": "refers to vertex 8",
    "wireframe_only.obj": "no faces",
    "zero_bytes.ply": "empty",
    "zero_elements.ply": "no vertices",
}
# Vertices, faces, components, boundary loops and Euler characteristic after all repairs, from what each file
# is: the cow with its pinch split is a sphere, the capsule with its seam closed another, and so on.
REPAIRED = {
    "bunny_flipped.off": (1241, 2478, 1, 0, 2),
    "capsule.obj": (5002, 10000, 1, 0, 2),
    "cow.obj": (2904, 5804, 1, 0, 2),
    "cube_seams.ply": (8, 12, 1, 0, 2),
    "fan3.obj": (7, 3, 2, 2, 2),
    "fox_repeated_index.ply": (313, 620, 1, 2, 0),
    "grid_collinear.off": (146, 258, 1, 1, 1),
    "hourglass_ico.obj": (24, 40, 2, 0, 4),
    "inconsistent_2tri.off": (4, 2, 1, 1, 1),
    "moebius.obj": (280, 448, 1, 1, 0),
    "moebius_tri.off": (280, 448, 1, 1, 0),
    "negative_indices.obj": (8, 12, 1, 0, 2),
    "platonic_shelf.obj": (50, 80, 5, 0, 10),
    "spot_quads.obj": (2930, 5856, 1, 0, 2),
}


# Unusual, and there for the readers: a strip, and a band that no windings make orientable.
SOUND = {"igea_tristrips.ply", "moebius_tri.off"}


def broken() -> list[str]:
    return sorted(item.name for item in BROKEN.iterdir()) if BROKEN.is_dir() else []


def there_and_back(result: RepairResult) -> None:
    """A random signal comes back as it was from all vertices but those that were merged or dropped."""
    signal = np.random.default_rng(0).normal(size=len(result.vertex_map))
    arriving = np.bincount(result.vertex_pairs[:, 1], minlength=len(result.vertices))
    merged = np.zeros(len(signal), dtype=bool)
    merged[result.vertex_pairs[arriving[result.vertex_pairs[:, 1]] > 1, 0]] = True
    dropped = result.vertex_map < 0
    pushed = result.push(signal)
    back = result.pull(pushed)
    np.testing.assert_array_equal(back[~merged & ~dropped], signal[~merged & ~dropped])
    assert np.isnan(back[dropped]).all()
    # All that were merged have one value, which going there again does not change.
    np.testing.assert_array_equal(result.push(np.nan_to_num(back)), pushed)


@needs_broken
@pytest.mark.filterwarnings("ignore::manifoldconv.AccuracyWarning")  # a few faces of the fox are that small
@pytest.mark.parametrize("name", broken())
def test_broken_files_are_mended_and_convolve_or_say_why_not(name: str) -> None:
    if name in UNREADABLE:
        with pytest.raises(mc.GeometryError, match=UNREADABLE[name]):
            mc.load_mesh(BROKEN / name, repair="all")
        return
    surface = mc.load_mesh(BROKEN / name, repair="all")
    assert surface.file is not None
    assert surface.file.repair is not None
    if name in SOUND:
        assert all(step.count == 0 for step in surface.file.repair.report)
    mesh = surface.connectivity
    if name in REPAIRED:
        assert (
            *(surface.n_vertices, len(surface.faces), mesh.n_components),
            *(mesh.n_boundary_loops, mesh.euler_characteristic),
        ) == REPAIRED[name]
    assert abs(surface.gauss_bonnet_residual) < 1e-9
    there_and_back(surface.file.repair)
    assert not any(fault.repairable for fault in diagnose(surface.file))
    rule = mc.TangentRule.polar(0.8 * surface.mean_edge_length, 2, 8)
    # The faces have no curvature of their own, so that cubes have a kernel there too.
    pull = mc.Pullback.build(surface, surface.sites("faces"), rule, boundary="renormalise")
    kernel = mc.kernels.gaussian(surface.mean_edge_length, normalise=True)
    field = torch.ones(len(surface.faces), 1, dtype=torch.float64)
    response = mc.correlate(field, kernel, pull)
    # The mean of the constant 1 is 1; in slivers at the boundary no node of the disc may be on the surface at
    # all.
    met = response != 0
    assert met.double().mean() > 0.99
    torch.testing.assert_close(response[met], field[met], atol=1e-12, rtol=0)

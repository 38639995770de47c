"""Repairs of small meshes broken by hand: what is found, what comes out, and that it is a surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifoldconv.errors import GeometryError
from manifoldconv.surface.io import MeshFile
from manifoldconv.surface.repair import RepairResult, Repairs, diagnose, repair_mesh, repaired_file
from manifoldconv.surface.surface import MeshSurface

SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
TETRAHEDRON = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]
CORNERS = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
# Outward, two triangles a side; corner number = x + 2 y + 4 z.
CUBE = [
    *([0, 2, 3], [0, 3, 1], [4, 5, 7], [4, 7, 6], [0, 1, 5], [0, 5, 4]),
    *([2, 6, 7], [2, 7, 3], [0, 4, 6], [0, 6, 2], [1, 3, 7], [1, 7, 5]),
]
CUBE_CORNERS = [[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)]


def mesh(vertices: object, faces: object) -> MeshFile:
    """A mesh as if read from a file."""
    triangles = np.array(faces, dtype=np.int64).reshape(-1, 3)
    positions = np.array(vertices, dtype=np.float64).reshape(-1, 3)
    return MeshFile(Path("mesh.ply"), positions, triangles, {}, {}, np.arange(len(triangles)))


def faults(file: MeshFile) -> dict[str, int]:
    return {fault.name: fault.count for fault in diagnose(file) if fault.repairable}


def mended(file: MeshFile, repairs: object, expected: dict[str, int]) -> RepairResult:
    """The result of repairs, where the faults are exactly those expected and the repairs leave none."""
    assert faults(file) == expected
    before = file.vertices.copy(), file.faces.copy()
    result = repair_mesh(file, repairs)
    np.testing.assert_array_equal(file.vertices, before[0])
    np.testing.assert_array_equal(file.faces, before[1])
    assert {step.name: step.count for step in result.report if step.count}.keys() == expected.keys()
    assert faults(repaired_file(file, result)) == {}
    return result


def surface(result: RepairResult) -> MeshSurface:
    return MeshSurface(result.vertices, result.faces)


def test_a_sound_mesh_is_left_alone() -> None:
    result = mended(mesh(CUBE_CORNERS, CUBE), "all", {})
    np.testing.assert_array_equal(result.faces, CUBE)
    np.testing.assert_array_equal(result.vertices, CUBE_CORNERS)
    np.testing.assert_array_equal(result.vertex_map, np.arange(8))
    np.testing.assert_array_equal(result.face_map, np.arange(12))
    assert all(step.count == 0 for step in result.report)


# pinched vertices


def test_a_bow_tie_gets_a_second_knot() -> None:
    file = mesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [-1, 0, 0], [-1, -1, 0]], [[0, 1, 2], [0, 3, 4]])
    result = mended(file, "pinched_vertices", {"pinched_vertices": 1})
    assert result.faces.tolist() == [[0, 1, 2], [5, 3, 4]]
    assert result.vertices[5].tolist() == [0, 0, 0]
    assert result.vertex_map.tolist() == [0, 1, 2, 3, 4]
    assert result.vertex_pairs.tolist() == [[0, 0], [0, 5], [1, 1], [2, 2], [3, 3], [4, 4]]
    assert (
        result.report[0].text
        == "1 pinched vertex was split, a copy at its place for each fan of faces: vertex 0"
    )


def test_three_tetrahedra_at_one_vertex() -> None:
    vertices = [[0, 0, 0]] + [np.multiply(scale, CORNERS[i]) for scale in (1, -1, 2) for i in (1, 2, 3)]
    faces = [[0 if v == 0 else v + 3 * body for v in face] for body in range(3) for face in TETRAHEDRON]
    faces[4:8] = [face[::-1] for face in faces[4:8]]
    result = mended(mesh(vertices, faces), "pinched_vertices", {"pinched_vertices": 1})
    assert len(result.vertices) == 12
    assert surface(result).connectivity.n_components == 3
    assert surface(result).connectivity.euler_characteristic == 6


# duplicate vertices


def test_a_seam_is_closed() -> None:
    vertices = [*SQUARE, [0.0, 0, 0], [1, 1, -0.0]]
    result = mended(mesh(vertices, [[0, 1, 2], [4, 5, 3]]), "duplicate_vertices", {"duplicate_vertices": 2})
    assert result.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert result.vertex_map.tolist() == [0, 1, 2, 3, 0, 2]
    assert surface(result).connectivity.n_edges == 5


def test_a_cube_of_six_loose_squares() -> None:
    corners = np.array(CUBE_CORNERS)[np.array(CUBE).reshape(-1)]
    result = mended(mesh(corners, np.arange(36)), "duplicate_vertices", {"duplicate_vertices": 28})
    cube = surface(result)
    assert (cube.n_vertices, cube.connectivity.euler_characteristic, cube.has_boundary) == (8, 2, False)


def test_tolerance_joins_what_is_near() -> None:
    vertices = [*SQUARE, [1e-4, 0, 0], [1, 1 + 1e-4, 0]]
    file = mesh(vertices, [[0, 1, 2], [4, 5, 3]])
    assert faults(file) == {}
    assert {fault.name: fault.count for fault in diagnose(file, tolerance=2e-4)} == {"duplicate_vertices": 2}
    assert (
        repair_mesh(file, Repairs(duplicate_vertices=True, tolerance=0.5e-4)).faces.tolist()
        == file.faces.tolist()
    )
    result = repair_mesh(file, Repairs(duplicate_vertices=True, tolerance=2e-4))
    assert result.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    np.testing.assert_array_equal(result.vertices, SQUARE)


def test_cones_that_touch_at_their_tips_stay_apart() -> None:
    vertices = np.concatenate([CORNERS, np.negative(CORNERS)])
    faces = np.concatenate([TETRAHEDRON, np.array(TETRAHEDRON)[:, ::-1] + 4])
    (fault,) = diagnose(mesh(vertices, faces))
    assert (fault.name, fault.count, fault.repairable) == ("touching_vertices", 1, False)
    assert len(repair_mesh(mesh(vertices, faces)).vertices) == 8


def test_faces_that_collapse_in_a_merge_are_gone() -> None:
    # The face 1 4 2 has the doubled corner 1 = 4 and no area; it stands between the two halves of a square.
    vertices = [*SQUARE, SQUARE[1]]
    result = repair_mesh(mesh(vertices, [[0, 1, 2], [0, 2, 3], [1, 4, 2]]), "duplicate_vertices")
    assert result.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert result.face_map.tolist() == [0, 1, -1]


# faces that are none, or too many


def test_faces_that_name_a_vertex_twice() -> None:
    faces = [[0, 1, 1], [0, 1, 2], [3, 3, 3], [0, 2, 3], [2, 0, 2]]
    result = mended(mesh(SQUARE, faces), "repeated_indices", {"repeated_indices": 3})
    assert result.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    assert result.face_map.tolist() == [-1, 0, -1, 1, -1]


def test_duplicate_faces_either_way_round() -> None:
    faces = [[0, 1, 2], [0, 2, 3], [2, 0, 1], [0, 3, 2]]
    found = faults(mesh(SQUARE, faces))
    assert (found["duplicate_faces"], found["nonmanifold_edges"]) == (2, 1)
    result = repair_mesh(mesh(SQUARE, faces), "duplicate_faces")
    assert result.faces.tolist() == faces[:2]
    assert result.face_map.tolist() == [0, 1, -1, -1]


def test_a_pillow_of_two_faces_is_a_surface() -> None:
    assert mended(mesh(SQUARE[:3], [[0, 1, 2], [0, 2, 1]]), "all", {}).faces.tolist() == [
        [0, 1, 2],
        [0, 2, 1],
    ]


# faces without area

# A rhombus with the vertex 1 on its diagonal 0 2: two faces above, one below, and a flat face in between.
RHOMBUS = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [1, -1, 0], [1, 1, 0]]
CAP = [[0, 3, 2], [0, 2, 1], [0, 1, 4], [1, 2, 4]]


@pytest.mark.parametrize("below", [[0, 3, 2], [0, 2, 3]])
def test_a_cap_is_flipped_away(below: list[int]) -> None:
    file = mesh(RHOMBUS, [below, *CAP[1:]])
    expected = {"degenerate_faces": 1} | ({"winding": 1} if below == [0, 2, 3] else {})
    result = mended(file, "all", expected)
    rhombus = surface(result)
    assert rhombus.area == pytest.approx(2.0, abs=1e-15)
    assert (len(result.faces), rhombus.connectivity.euler_characteristic) == (4, 1)
    assert rhombus.connectivity.n_boundary_loops == 1
    assert rhombus.connectivity.n_edges == 8
    assert result.face_pairs.tolist() == [[0, 0], [0, 1], [2, 2], [3, 3]]
    assert result.face_map.tolist() == [0, -1, 2, 3]


def test_a_cap_is_removed_where_that_is_asked() -> None:
    # What is left is a slit along the diagonal from corner to corner: two triangles, which touch at its ends.
    result = repair_mesh(mesh(RHOMBUS, CAP), Repairs(degenerate_faces="remove"))
    assert result.faces.tolist() == [CAP[0], *CAP[2:]]
    parts = surface(
        repair_mesh(mesh(RHOMBUS, CAP), Repairs(degenerate_faces="remove", pinched_vertices=True))
    )
    assert (parts.n_vertices, parts.connectivity.n_components) == (7, 2)


def test_a_cap_at_the_boundary_is_removed() -> None:
    file = mesh(np.delete(RHOMBUS, 3, axis=0), [[0, 2, 1], [0, 1, 3], [1, 2, 3]])
    result = mended(file, "degenerate_faces", {"degenerate_faces": 1})
    assert result.faces.tolist() == [[0, 1, 3], [1, 2, 3]]


def test_caps_beside_each_other() -> None:
    # Three vertices on the diagonal of a rhombus, and three flat faces between the four above and the one
    # below.
    vertices = [[0, 0, 0], [4, 0, 0], [2, -1, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0], [2, 1, 0]]
    faces = [[0, 2, 1], [0, 1, 3], [3, 1, 4], [4, 1, 5], [0, 3, 6], [3, 4, 6], [4, 5, 6], [5, 1, 6]]
    result = mended(mesh(vertices, faces), "degenerate_faces", {"degenerate_faces": 3})
    assert len(result.faces) == 8
    assert surface(result).area == pytest.approx(4.0, abs=1e-15)
    assert surface(result).connectivity.n_boundary_loops == 1


def test_a_needle_is_contracted() -> None:
    # The inner vertices 4 and 5 of a square are 1e-12 apart, with a needle on either side of their edge.
    middle = [[0.5, 0.5, 0], [0.5, 0.5 + 1e-12, 0]]
    faces = [[0, 1, 4], [1, 5, 4], [1, 2, 5], [2, 3, 5], [3, 4, 5], [3, 0, 4]]
    result = mended(mesh([*SQUARE, *middle], faces), "degenerate_faces", {"degenerate_faces": 2})
    assert result.faces.tolist() == [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
    assert result.vertex_map.tolist() == [0, 1, 2, 3, 4, 4]
    assert result.face_map.tolist() == [0, -1, 1, 2, -1, 3]


# edges of more than two faces


def test_three_pages_keep_the_flattest_pair() -> None:
    # Pages at 0, 90 and 180 degrees round the spine 0 1; the flat pair runs along it in opposite ways.
    vertices = [[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0]]
    result = mended(
        mesh(vertices, [[0, 1, 3], [1, 0, 2], [0, 1, 4]]), "nonmanifold_edges", {"nonmanifold_edges": 1}
    )
    # The first face keeps the vertices of the file; the pair has copies.
    assert result.faces.tolist() == [[0, 1, 3], [5, 6, 2], [6, 5, 4]]
    assert result.vertex_pairs.tolist() == [[0, 0], [0, 6], [1, 1], [1, 5], [2, 2], [3, 3], [4, 4]]


def test_two_cubes_with_a_common_edge_come_apart() -> None:
    # The second cube is the first one moved by (1, 1, 0): the edge x = y = 1 is common.
    number = {tuple(corner): index for index, corner in enumerate(CUBE_CORNERS)}
    moved = [tuple(np.add(corner, [1, 1, 0])) for corner in CUBE_CORNERS]
    index = [number.setdefault(corner, len(number)) for corner in moved]
    faces = np.concatenate([CUBE, np.array(index)[CUBE]])
    result = mended(mesh(list(number), faces), "nonmanifold_edges", {"nonmanifold_edges": 1})
    two = surface(result)
    assert (len(number), two.n_vertices) == (14, 16)
    assert two.connectivity.n_components == 2
    assert not two.has_boundary
    np.testing.assert_array_equal(result.faces[:12], CUBE)


def test_a_wall_inside_a_cube_is_split_off() -> None:
    # The diagonal wall 0 3 7 4 stands on four edges of the cube, and its own diagonal is an edge inside.
    faces = [*CUBE, [0, 3, 7], [0, 7, 4]]
    vertices = CUBE_CORNERS
    assert faults(mesh(vertices, faces))["nonmanifold_edges"] == 4
    result = repair_mesh(mesh(vertices, faces), ["nonmanifold_edges", "pinched_vertices", "winding"])
    parts = surface(result).connectivity
    assert parts.n_components == 2
    assert parts.euler_characteristic == 3  # a sphere and a disc
    assert len(result.vertices) == 12


def test_what_was_split_is_not_merged_again() -> None:
    """Page 2 is turned to fit those beside it: then it is the flattest way on from page 0, which goes on in page 1."""
    vertices = [[0, 0, 0], [1, 0, 0], [0.5, -1, 0], [0.5, 0.2, 1], [0.5, 1, 0], [0, 1, 0], [1, 1, 0]]
    faces = [[0, 1, 2], [1, 0, 3], [0, 1, 4], [1, 4, 6], [4, 0, 5]]
    file = mesh(vertices, faces)
    result = repair_mesh(file, "all")
    assert {step.name: step.count for step in result.report if step.count} == {
        "nonmanifold_edges": 2,
        "winding": 1,
    }
    assert len(result.vertices) == 9
    mended = repaired_file(file, result)
    (fault,) = diagnose(mended)
    assert (fault.name, fault.count, fault.repairable, fault.refused) == (
        "touching_vertices",
        2,
        False,
        False,
    )
    assert all(step.count == 0 for step in repair_mesh(mended, "all").report)


def test_three_discs_on_one_circle_end_as_surfaces() -> None:
    turn = 2 * np.pi * np.arange(8) / 8
    circle = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    vertices = np.concatenate([circle, [[0, 0, 1], [0, 0, -1], [0, 0, 0]]])
    faces = [[k, (k + 1) % 8, tip] for tip in (8, 9, 10) for k in range(8)]
    assert faults(mesh(vertices, faces))["nonmanifold_edges"] == 8
    result = repair_mesh(mesh(vertices, faces))
    assert surface(result).connectivity.orientable
    assert surface(result).area == pytest.approx(MeshSurface(vertices, faces[:8]).area * 2 + 2 * np.sqrt(2))


# windings


def test_the_fewer_faces_are_turned() -> None:
    faces = np.array(CUBE)
    faces[[3, 7]] = faces[[3, 7]][:, ::-1]
    result = mended(mesh(CUBE_CORNERS, faces), "winding", {"winding": 2})
    turned = [
        sorted(face) for face, old in zip(result.faces.tolist(), faces.tolist(), strict=True) if face != old
    ]
    assert turned == [sorted(CUBE[3]), sorted(CUBE[7])]
    assert MeshSurface(CUBE_CORNERS, result.faces).connectivity.flip.sum() == 0


def test_of_equal_numbers_the_first_face_decides_in_each_component() -> None:
    vertices = [*SQUARE, *np.add(SQUARE, [5, 0, 0])]
    faces = [[0, 1, 2], [0, 3, 2], [4, 6, 5], [4, 6, 7]]
    result = mended(mesh(vertices, faces), "winding", {"winding": 2})
    assert result.faces.tolist() == [[0, 1, 2], [0, 2, 3], [4, 6, 5], [4, 7, 6]]


def test_a_moebius_band_is_no_fault_to_repair() -> None:
    band = [[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4], [4, 5, 1], [5, 0, 1]]
    vertices = np.random.default_rng(0).normal(size=(6, 3))
    (fault,) = diagnose(mesh(vertices, band))
    assert (fault.name, fault.count, fault.repairable, fault.refused) == ("non_orientable", 1, False, False)
    assert repair_mesh(mesh(vertices, band)).faces.tolist() == band


# vertices of no face


def test_vertices_of_no_face_are_dropped_or_kept() -> None:
    vertices = [[9, 9, 9], *SQUARE[:3], [8, 8, 8]]
    file = mesh(vertices, [[1, 2, 3]])
    result = mended(file, "unreferenced_vertices", {"unreferenced_vertices": 2})
    assert result.faces.tolist() == [[0, 1, 2]]
    assert result.vertex_map.tolist() == [-1, 0, 1, 2, -1]
    assert len(repair_mesh(file, "winding").vertices) == 5


# any mesh


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_faces_are_the_result_is_a_surface(seed: int) -> None:
    # Random faces on few vertices have all faults at once: repeated, duplicate and flat faces (the vertices
    # lie on a small grid), crowded edges, pinched vertices.
    generator = np.random.default_rng(seed)
    vertices = generator.integers(0, 3, size=(generator.integers(4, 14), 3))
    faces = generator.integers(0, len(vertices), size=(generator.integers(1, 40), 3))
    file = mesh(vertices, faces)
    result = repair_mesh(file, "all")
    if len(result.faces) == 0:
        return
    made = surface(result)
    made.holonomy_group()
    assert abs(made.gauss_bonnet_residual) < 1e-9 * len(faces)
    assert {fault.name for fault in diagnose(repaired_file(file, result))} <= {
        "duplicate_vertices",
        "touching_vertices",
        "non_orientable",
    }
    # Every vertex is where those that it stands for were: the vertices are on a grid, nothing is contracted.
    np.testing.assert_allclose(result.push(file.vertices), result.vertices, atol=1e-15)
    kept = result.face_map >= 0
    assert set(result.vertex_pairs[:, 1]) == set(range(len(result.vertices)))
    assert kept.sum() <= len(result.faces)


# options


def test_options_are_names_sets_or_a_dataclass() -> None:
    assert Repairs.of(None) == Repairs()
    assert Repairs.of("all") == Repairs.all()
    assert Repairs.of("winding") == Repairs(winding=True)
    assert Repairs.of({"duplicate-vertices", "winding"}) == Repairs(duplicate_vertices=True, winding=True)
    assert Repairs.of(Repairs(winding=True)) == Repairs(winding=True)
    assert Repairs().asked() == ()


@pytest.mark.parametrize("wanted", ["everything", ["winding", "holes"], 7, [3], ["tolerance"]])
def test_unknown_repairs_are_named(wanted: object) -> None:
    with pytest.raises(ValueError, match="repair"):
        repair_mesh(mesh(SQUARE, [[0, 1, 2]]), wanted)


@pytest.mark.parametrize(
    "options", [{"tolerance": -1.0}, {"tolerance": np.nan}, {"degenerate_faces": "melt"}]
)
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Repairs(**options)  # type: ignore[arg-type]


def test_each_fault_that_is_refused_is_refused_by_the_surface_and_only_those() -> None:
    examples = {
        "repeated_indices": (SQUARE, [[0, 1, 2], [0, 2, 2]]),
        "degenerate_faces": (RHOMBUS, CAP),
        "nonmanifold_edges": ([*SQUARE, [0, 0, 1]], [[0, 1, 2], [0, 2, 3], [0, 2, 4]]),
        "pinched_vertices": ([*SQUARE, [5, 5, 5]], [[0, 1, 2], [0, 3, 4]]),
        "winding": (SQUARE, [[0, 1, 2], [0, 3, 2]]),
        "unreferenced_vertices": (SQUARE, [[0, 1, 2]]),
        "duplicate_vertices": ([*SQUARE, SQUARE[0], SQUARE[2]], [[0, 1, 2], [4, 5, 3]]),
    }
    for name, (vertices, faces) in examples.items():
        found = {fault.name: fault for fault in diagnose(mesh(vertices, faces))}
        assert name in found
        refused = found[name].refused
        if refused:
            with pytest.raises(GeometryError):
                MeshSurface(vertices, faces)
        else:
            MeshSurface(vertices, faces)
        for word in ("exp", "transport", "holonomy"):
            assert word in found[name].consequence.lower()

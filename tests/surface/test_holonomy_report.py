"""The holonomy report: the right group for surfaces whose group is known, from loops that one can check."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import shapes
import torch

import manifoldconv as mc
from manifoldconv.kernels.dimensions import admissible_dimensions
from manifoldconv.surface.holonomy_report import holonomy_report

MESHES = Path(__file__).resolve().parents[2] / "meshes"


def octahedron() -> mc.MeshSurface:
    vertices = np.concatenate([np.eye(3), -np.eye(3)])
    faces = [(0, 1, 2), (1, 3, 2), (3, 4, 2), (4, 0, 2), (1, 0, 5), (3, 1, 5), (4, 3, 5), (0, 4, 5)]
    return mc.MeshSurface(vertices, faces)


def tetrahedron() -> mc.MeshSurface:
    corners = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
    return mc.MeshSurface(corners, [[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]])


KNOWN = {
    "cube": (lambda: mc.load_mesh(MESHES / "cube.ply"), "C(4)"),
    "fine cube": (lambda: mc.load_mesh(MESHES / "cube_fine.ply"), "C(4)"),
    "tetrahedron": (tetrahedron, "C(2)"),
    "octahedron": (octahedron, "C(3)"),
    "icosahedron": (lambda: mc.MeshSurface(*shapes.icosahedron()), "C(6)"),
    "flat cylinder": (lambda: shapes.glued(8, 3, 2.0, 1.0, False, False), "trivial"),
    "flat torus": (lambda: shapes.glued(8, 4, 2.0, 1.0, False, True), "trivial"),
    "flat Moebius band": (lambda: shapes.glued(8, 3, 2.0, 1.0, True, False), "reflection"),
    "flat Klein bottle": (lambda: shapes.glued(8, 4, 2.0, 1.0, True, True), "reflection"),
    "plate": (lambda: mc.MeshSurface(*shapes.jittered_grid(5)), "trivial"),
    "generic closed": (lambda: mc.MeshSurface(*shapes.bumpy(2)), "SO(2)"),
    "generic one-sided": (lambda: mc.MeshSurface(*shapes.moebius_band()), "O(2)"),
    "Klein bottle in space": (lambda: mc.load_mesh(MESHES / "klein.ply"), "O(2)"),
    "genus 2": (lambda: mc.load_mesh(MESHES / "genus2.ply"), "SO(2)"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_group_is_the_known_one_and_that_of_the_surface(name: str) -> None:
    make, expected = KNOWN[name]
    surface = make()
    report = holonomy_report(surface)
    assert report.group.name == expected
    # The same elements, axis of the mirror included: both are written in the frame of the first face.
    assert report.group == surface.holonomy_group()
    assert abs(report.gauss_bonnet_residual) < 1e-8
    assert report.orientable == (not report.group.reverses_orientation)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 12])
def test_a_cone_of_one_nth_of_the_full_angle(n: int) -> None:
    report = holonomy_report(shapes.wheel(2 * math.pi / n, 9))
    assert report.group.name == f"C({n})"
    (apex,) = report.of_kind("vertex")
    assert math.remainder(apex.angle - (2 * math.pi - 2 * math.pi / n), 2 * math.pi) == pytest.approx(
        0, abs=1e-12
    )
    (rim,) = report.of_kind("boundary")
    assert abs(math.remainder(abs(rim.angle) - abs(apex.angle), 2 * math.pi)) < 1e-10


@pytest.mark.parametrize("name", KNOWN)
def test_the_kinds_of_generators_follow_the_topology(name: str) -> None:
    surface = KNOWN[name][0]()
    report = holonomy_report(surface)
    (part,) = report.components
    mesh = surface.connectivity
    assert (part.vertices, part.edges, part.faces) == (surface.n_vertices, mesh.n_edges, len(mesh.faces))
    assert (part.euler_characteristic, part.genus) == (mesh.euler_characteristic, mesh.genus)
    assert len(report.of_kind("boundary")) == part.boundary_loops == mesh.n_boundary_loops
    assert len(report.of_kind("vertex")) == int((~surface.tables.open_fan).sum())
    if part.orientable:
        assert len(report.of_kind("handle")) == 2 * (part.genus or 0)
        assert report.of_kind("orientation") == []
    else:
        assert report.of_kind("orientation")
    assert all(g.reflects == (g.kind == "orientation") for g in report.generators)


def test_each_generator_can_be_checked_on_the_surface() -> None:
    surface = mc.load_mesh(MESHES / "genus2.ply")
    report = holonomy_report(surface)
    for generator in [*report.of_kind("handle"), *report.of_kind("vertex")[:5]]:
        told = surface.holonomy(generator.faces(surface), kind="faces")
        assert math.remainder(told.angle - generator.angle, 2 * math.pi) == pytest.approx(0, abs=1e-9)


def test_a_scanned_flat_plate_is_almost_trivial() -> None:
    vertices, faces = shapes.jittered_grid(12)
    # Curvatures of a bent vertex are of the order of (height / edge)²: 1e-5 here, between two of the tolerances.
    noise = np.random.default_rng(3).normal(size=len(vertices)) * 1e-4
    report = holonomy_report(mc.MeshSurface(vertices + noise[:, None] * [0, 0, 1], faces))
    assert report.group.name == "SO(2)"
    assert [(tolerance, group.name) for tolerance, group in report.generated.alternatives] == [
        (1e-3, "trivial")
    ]
    assert "Within 0.001 rad it would be trivial." in report.reasons
    assert "Exact: the topology" in str(report)
    looser = holonomy_report(mc.MeshSurface(vertices + noise[:, None] * [0, 0, 1], faces), (1e-3,))
    assert looser.group.name == "trivial"
    assert looser.generated.certainty == "within tolerance"


def test_a_group_that_few_angles_fit_by_chance_is_called_so() -> None:
    report = holonomy_report(shapes.wheel(1.3, 9))
    assert report.group.name == "SO(2)"
    assert any("by chance" in sentence for sentence in report.reasons)


def test_a_real_near_miss_is_not_called_chance() -> None:
    vertices, faces = mc.load_mesh(MESHES / "cube.ply").vertices, mc.load_mesh(MESHES / "cube.ply").faces
    moved = vertices + 1e-5 * torch.from_numpy(np.random.default_rng(1).normal(size=(8, 3)))
    report = holonomy_report(mc.MeshSurface(moved, faces))
    assert report.group.name == "SO(2)"
    assert "Within 0.001 rad it would be C(4)." in report.reasons


def test_components_each_and_together() -> None:
    cube = mc.load_mesh(MESHES / "cube.ply")
    other = octahedron()
    vertices = torch.cat([cube.vertices, other.vertices + 5])
    faces = torch.cat([cube.faces, other.faces + cube.n_vertices])
    report = holonomy_report(mc.MeshSurface(vertices, faces))
    assert [part.group.name for part in report.components] == ["C(4)", "C(3)"]
    assert report.group.name == "C(12)"
    assert report.group == mc.MeshSurface(vertices, faces).holonomy_group()


def test_turning_faces_over_changes_no_group() -> None:
    surface = mc.load_mesh(MESHES / "genus2.ply")
    chosen = np.random.default_rng(0).random(len(surface.faces)) < 0.4
    turned = mc.MeshSurface(
        surface.vertices, shapes.turned_over(surface.faces.numpy(), np.flatnonzero(chosen))
    )
    reports = [holonomy_report(surface), holonomy_report(turned)]
    assert reports[0].group == reports[1].group
    sizes = [sorted(abs(g.angle) for g in report.of_kind("vertex")) for report in reports]
    assert np.allclose(*sizes, atol=1e-11)


@pytest.mark.parametrize("tolerances", [(), (0.0,), (math.nan,), (1e-9, -1.0)])
def test_tolerances_must_be_positive(tolerances: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="tolerances must be positive angles in radians"):
        holonomy_report(tetrahedron(), tolerances)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (mc.StructureGroup.trivial(2), {"0->0": 9, "0->1": 18}),
        (mc.StructureGroup.reflection(), {"0->0": 5, "0->sign": 4}),
        (mc.StructureGroup.cyclic(4), {"0->0": 3}),
        (mc.StructureGroup.special_orthogonal(2), {"0->0": 1, "0->1": 2, "1->1": 4, "1->2": 4}),
        (mc.StructureGroup.orthogonal(2), {"0->0": 1, "0->sign": 0, "0->1": 1, "1->2": 2}),
    ],
)
def test_dimensions_of_the_tables_of_weiler_and_cesa(
    group: mc.StructureGroup, expected: dict[str, int]
) -> None:
    # Orders up to 4: 2L + 1, L + 1, 1 + 2⌊L/4⌋ between scalars; between irreps the tables of Weiler and Cesa 2019.
    table = {f"{a}->{b}": count for (a, b), count in admissible_dimensions(group).items()}
    assert {key: table[key] for key in expected} == expected

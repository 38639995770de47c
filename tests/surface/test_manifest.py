"""The shared test meshes: every exact figure of their manifest, and one clear line for each broken file."""

from __future__ import annotations

import math
import warnings

import pytest
import shapes

from manifoldconv.errors import GeometryError
from manifoldconv.surface.load import load_mesh

MANIFEST = shapes.SHARED / "MANIFEST.md"
pytestmark = pytest.mark.skipif(not MANIFEST.is_file(), reason="the shared test meshes are not here")

Row = dict[str, str]


def tables() -> list[dict[str, Row]]:
    """The tables of the manifest: from file name to a row by column name."""
    if not MANIFEST.is_file():
        return []
    found: list[dict[str, Row]] = []
    header: list[str] | None = None
    for line in MANIFEST.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            header = None
        elif header is None:
            header = cells
            found.append({})
        elif not set("".join(cells)) <= set("-: "):
            found[-1][cells[0]] = dict(zip(header, cells, strict=True))
    return found


def columns(name: str, broken: bool) -> dict[str, Row]:
    """The first (clean files) or second (broken files) table with a given column."""
    having = [table for table in tables() if table and name in next(iter(table.values()))]
    return having[int(broken)] if having else {}


CLEAN, CLEAN_SIZES = columns("Euler char.", False), columns("surface area", False)
BROKEN, BROKEN_SIZES = columns("Euler char.", True), columns("surface area", True)


def is_surface(row: Row) -> bool:
    """Whether a broken file holds a surface all the same: edge- and vertex-manifold."""
    return row["edge-manifold (bad edges)"].startswith("yes") and row[
        "vertex-manifold (bad vertices)"
    ].startswith("yes")


def check_figures(path: str, row: Row, sizes: Row) -> None:
    surface = load_mesh(shapes.SHARED / path)
    mesh = surface.connectivity
    assert surface.n_vertices == int(row["vertices"])
    if set(row["face sizes"].split(":")[0].split()) == {"3"} and "," not in row["face sizes"]:
        assert len(surface.faces) == int(row["faces"])
        # Written with six digits.
        assert surface.mean_edge_length == pytest.approx(float(sizes["mean edge"]), rel=1e-5)
    assert mesh.n_boundary_loops == int(row["boundary loops"])
    assert mesh.n_components == int(row["components (by vertex / by edge)"].split("/")[1])
    assert mesh.euler_characteristic == int(row["Euler char."])
    assert mesh.genus == (None if row["genus"] == "-" else int(row["genus"].split()[0]))
    assert mesh.orientable == (row["orientable"] == "yes")
    assert (not mesh.flip.any()) == (row["consistently oriented"] == "yes")
    assert surface.n_vertices - int(mesh.referenced.sum()) == int(row["unreferenced vertices"])
    assert surface.area == pytest.approx(float(sizes["surface area"]), rel=1e-5)
    assert math.degrees(surface.tables.angle.min()) == pytest.approx(
        float(sizes["min angle (deg)"]), rel=1e-3
    )
    extent = surface.vertices.amax(dim=0) - surface.vertices.amin(dim=0)
    assert float(extent.norm()) == pytest.approx(float(sizes["bounding-box diagonal"]), rel=1e-5)
    assert abs(surface.gauss_bonnet_residual) < 1e-8


def test_the_manifest_was_read() -> None:
    assert len(CLEAN) == len(CLEAN_SIZES) == 14
    assert len(BROKEN) >= 25
    assert set(BROKEN_SIZES) <= set(BROKEN)


@pytest.mark.parametrize("name", CLEAN)
def test_clean_meshes_have_the_figures_of_the_manifest(name: str) -> None:
    check_figures(name, CLEAN[name], CLEAN_SIZES[name])


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_load_with_their_figures_or_end_in_one_line(name: str) -> None:
    row, sizes = BROKEN[name], BROKEN_SIZES.get(name)
    degenerate = sizes is not None and sizes["degenerate faces"] not in ("", "0")
    good = sizes is not None and not degenerate and is_surface(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # polygons are split with a notice
        if good:
            check_figures(f"broken/{name}", row, sizes)
            return
        with pytest.raises(GeometryError) as caught:
            load_mesh(shapes.SHARED / "broken" / name)
    message = str(caught.value)
    assert "\n" not in message
    assert name in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fan3.obj", "has 3 faces"),
        ("hourglass_ico.obj", "is pinched"),
        ("cow.obj", "is pinched"),
        ("capsule.obj", "is degenerate"),
        ("grid_collinear.off", "is degenerate"),
        ("fox_repeated_index.ply", "twice"),
        ("spot_nan.ply", "100"),
        ("tet_index_out_of_range.obj", "8"),
        ("fox_negative_index.ply", "-1"),
    ],
)
def test_the_fault_of_a_broken_file_is_named(name: str, text: str) -> None:
    with pytest.raises(GeometryError, match=text):
        load_mesh(shapes.SHARED / "broken" / name)

"""`manifoldconv info`: exact figures, and the tables of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from manifoldconv.surface.io import write_mesh

MESHES = Path(__file__).parent.parent.parent / "meshes"
BROKEN = Path(__file__).parent.parent.parent.parent / "shared" / "meshes" / "broken"


@pytest.mark.parametrize(
    ("name", "vertices", "faces", "loops", "characteristic", "genus", "orientable"),
    [
        ("icosphere", 2562, 5120, 0, 2, 0, True),
        ("torus", 2560, 5120, 0, 0, 1, True),
        ("cube", 8, 12, 0, 2, 0, True),
        ("genus3", None, None, 0, -4, 3, True),
        ("moebius", 1560, None, 1, 0, None, False),
        ("klein", None, None, 0, 0, None, False),
        ("cone", 937, None, 1, 1, 0, True),
    ],
)
def test_figures(run, name, vertices, faces, loops, characteristic, genus, orientable) -> None:
    outcome = run("info", MESHES / f"{name}.ply", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    figures = json.loads(outcome.out)
    assert figures["vertices"] - figures["edges"] + figures["faces"] == characteristic
    assert figures["euler_characteristic"] == characteristic
    assert (figures["boundary_loops"], figures["genus"], figures["orientable"]) == (loops, genus, orientable)
    assert figures["components"] == 1
    assert abs(figures["gauss_bonnet_residual"]) < 1e-8
    assert figures["min_edge"] <= figures["mean_edge"] <= figures["max_edge"]
    if vertices is not None:
        assert figures["vertices"] == vertices
    if faces is not None:
        assert figures["faces"] == faces


def test_the_figures_of_a_square_with_properties_and_a_lonely_vertex(run, tmp_path: Path) -> None:
    path = tmp_path / "square.ply"
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [5, 5, 5]], dtype=np.float64)
    write_mesh(path, vertices, [[0, 1, 2], [0, 2, 3]], {"heat": np.ones(5)}, {"part": np.ones((2, 3))})
    figures = json.loads(run("info", path, "--json").out)
    assert (figures["vertices"], figures["edges"], figures["unreferenced_vertices"]) == (5, 5, 1)
    assert (figures["euler_characteristic"], figures["area"]) == (1, pytest.approx(1))
    assert figures["mean_edge"] == pytest.approx((4 + 2**0.5) / 5)
    assert figures["vertex_properties"] == {"heat": 1}
    assert figures["face_properties"]["part"] == 3
    assert len(figures["notes"]) == 1
    outcome = run("info", path)
    assert "heat" in outcome.out
    assert outcome.err.splitlines() == [f"note: {figures['notes'][0]}"]


def test_the_table_has_no_escape_codes_when_piped(run) -> None:
    outcome = run("info", MESHES / "moebius.ply")
    assert "\x1b" not in outcome.out
    assert "not orientable" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 110


@pytest.mark.skipif(not BROKEN.is_dir(), reason="the collection of broken meshes is not there")
def test_every_broken_file_is_loaded_or_refused_in_one_line(run) -> None:
    for path in sorted(BROKEN.iterdir()):
        outcome = run("info", path, "--json")
        if outcome.status == 0:
            assert json.loads(outcome.out)["vertices"] > 0
            assert outcome.err == ""
        else:
            assert str(path) in outcome.complaint

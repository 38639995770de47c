"""`manifoldconv holonomy`: the report, its JSON, its picture, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

MESHES = Path(__file__).parent.parent.parent / "meshes"


@pytest.mark.parametrize(
    ("name", "group", "kinds"),
    [
        ("cube", "C(4)", {"vertex": 8}),
        ("cone", "C(4)", {"vertex": 793, "boundary": 1}),
        ("torus", "SO(2)", {"vertex": 2560, "handle": 2}),
        ("moebius", "O(2)", {"vertex": 1320, "boundary": 1, "orientation": 1}),
    ],
)
def test_json(run, name: str, group: str, kinds: dict[str, int]) -> None:
    outcome = run("holonomy", MESHES / f"{name}.ply", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    figures = json.loads(outcome.out)
    assert figures["group"] == group
    assert figures["orientable"] == (name != "moebius")
    found = [generator["kind"] for generator in figures["generators"]]
    assert {kind: found.count(kind) for kind in set(found)} == kinds
    assert all({"kind", "angle", "reflects"} <= set(generator) for generator in figures["generators"])
    assert figures["admissible"]["0->0"] == (3 if group == "C(4)" else 1)
    assert figures["band_limit"] == 4


def test_json_of_the_largest_angles_alone(run) -> None:
    figures = json.loads(run("holonomy", MESHES / "torus.ply", "--json", "--generators", 3).out)
    whole = json.loads(run("holonomy", MESHES / "torus.ply", "--json").out)
    assert whole["generator_counts"] == figures["generator_counts"]
    assert figures["generator_counts"] == {"vertex": 2560, "handle": 2, "orientation": 0, "boundary": 0}
    told = [generator for generator in figures["generators"] if generator["kind"] == "vertex"]
    assert len(figures["generators"]) == 3 + 2
    largest = sorted(abs(g["angle"]) for g in whole["generators"] if g["kind"] == "vertex")[:-4:-1]
    assert [abs(generator["angle"]) for generator in told] == largest
    refused = run("holonomy", MESHES / "cube.ply", "--json", "--generators", -1)
    assert refused.status == 2


def test_the_report_tells_topology_loops_group_and_kernels(run) -> None:
    outcome = run("holonomy", MESHES / "cube.ply")
    assert (outcome.status, outcome.err) == (0, "")
    for words in ("8 - 18 + 12 = 2", "8 x 90°", "C(4): rotations by multiples of 90°", "Exact: the topology"):
        assert words in outcome.out
    assert "\x1b" not in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 110


def test_another_tolerance_decides(run) -> None:
    figures = json.loads(run("holonomy", MESHES / "moebius.ply", "--json", "--tolerance", "1e-1").out)
    assert figures["tolerance"] == 0.1
    assert figures["group"] != "O(2)"


def test_a_picture(run, tmp_path: Path) -> None:
    picture = tmp_path / "cube.png"
    assert run("holonomy", MESHES / "cube.ply", "--picture", picture).status == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("tolerance", ["0", "-1", "nan", "4"])
def test_a_tolerance_that_is_no_small_angle_is_refused(run, tolerance: str) -> None:
    outcome = run("holonomy", MESHES / "cube.ply", "--tolerance", tolerance)
    assert outcome.status == 2
    assert "--tolerance must be an angle between 0 and pi" in outcome.complaint


def test_a_picture_of_no_known_kind_is_refused_before_the_work(run, tmp_path: Path) -> None:
    outcome = run("holonomy", MESHES / "cube.ply", "--picture", tmp_path / "cube.docx")
    assert outcome.status == 2
    assert "--picture" in outcome.complaint

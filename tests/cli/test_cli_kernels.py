"""`manifoldconv kernels`: dimensions as in the literature, pictures, and refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from manifoldconv.cli.drawn import drawn
from manifoldconv.groups import StructureGroup
from manifoldconv.kernels import KernelSpace


@pytest.mark.parametrize(
    ("group", "source", "to", "limit", "dimension"),
    [
        ("trivial", "1x0", "1x0", 3, 7),
        ("reflection", "1x0", "1x0", 3, 4),
        ("C(4)", "1x0", "1x0", 8, 5),
        ("SO(2)", "1x0", "1x0", 5, 1),
        ("SO(2)", "1x0", "1x1", 5, 2),
        ("SO(2)", "1x1", "1x2", 5, 4),
        ("O(2)", "1x0", "1xsign", 5, 0),
        ("o2", "1x1", "1x2", 5, 2),
        ("D(4)", "1x0", "1x0", 4, 2),
    ],
)
def test_dimensions(run, group: str, source: str, to: str, limit: int, dimension: int) -> None:
    arguments = (
        "--group",
        group,
        "--from",
        source,
        "--to",
        to,
        "--band-limit",
        limit,
        "--radial",
        3,
        "--json",
    )
    outcome = run("kernels", *arguments)
    assert (outcome.status, outcome.err) == (0, "")
    figures = json.loads(outcome.out)
    assert figures["dimension_for_each_radial_function"] == dimension
    assert figures["dimension"] == 3 * dimension
    assert sum(figures["by_angular_order"].values()) == dimension


def test_the_table(run) -> None:
    outcome = run("kernels", "--group", "SO(2)", "--from", "1x0", "--to", "1x1")
    assert (outcome.status, outcome.err) == (0, "")
    assert "2 for each radial function: 2 of order 1" in outcome.out


@pytest.mark.parametrize(("source", "to"), [("1x0", "1x0"), ("1x0", "1x1"), ("1x1", "1x1")])
def test_pictures(run, tmp_path: Path, source: str, to: str) -> None:
    picture = tmp_path / "basis.png"
    arguments = ("--group", "SO(2)", "--from", source, "--to", to, "--picture", picture)
    assert run("kernels", *arguments).status == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("name", ["SO(3)", "C(0)", "C(4", "Q(8)", "", "D(-1)"])
def test_an_unknown_group_is_refused_with_the_known_ones(run, name: str) -> None:
    outcome = run("kernels", "--group", name)
    assert outcome.status == 2
    assert 'there are "trivial", "reflection", "SO(2)"' in outcome.complaint


def test_an_unknown_field_type_is_refused(run) -> None:
    outcome = run("kernels", "--group", "SO(2)", "--from", "1xspinor")
    assert outcome.status == 2
    assert "spinor" in outcome.complaint


def test_nothing_to_draw_is_said(run, tmp_path: Path) -> None:
    picture = tmp_path / "basis.png"
    outcome = run("kernels", "--group", "O(2)", "--from", "0", "--to", "sign", "--picture", picture)
    assert outcome.status == 2
    assert "admits no kernel from 1x0 to 1xsign" in outcome.complaint
    assert not picture.exists()


def test_the_basis_is_drawn_in_the_terminal(run) -> None:
    """Under SO(2) one kernel from scalars to vectors points outward and one goes round."""
    out = run("kernels", "--group", "SO(2)", "--from", "1x0", "--to", "1x1").out
    rows = [line for line in out.splitlines() if any(arrow in line for arrow in "→←↑↓")]
    assert len(rows) == 11
    middle = rows[5].replace(" ", "")
    assert middle == "←" * 10 + "→" * 10 + "↑" * 10 + "↓" * 10
    assert rows[0].split() == ["↑", "→"]
    assert rows[-1].split() == ["↓", "←"]
    assert "arrows: the kernel at each place of the tangent disc" in out


def test_scalar_kernels_are_drawn_in_shades_with_their_sign(run) -> None:
    out = run("kernels", "--group", "C(2)", "--radial", 3).out
    assert "the first 8 of 9" in out
    rows = [line for line in out.splitlines() if line.strip() and set(line) <= set("·+#-=% ")]
    assert len(rows) == 2 * 11
    assert {"#", "%"} <= set("".join(rows))
    odd = run("kernels", "--group", "reflection", "--from", "1x0", "--to", "1xsign", "--band-limit", 1).out
    rows = [line for line in odd.splitlines() if line.strip() and set(line) <= set("·+#-=% ")]
    mirrored = [row.translate(str.maketrans("·+#-=%", "-=%·+#")) for row in rows]
    assert rows[::-1] == mirrored  # the function v_2 on the disc


def test_matrices_of_discs_are_left_to_the_picture(run) -> None:
    out = run("kernels", "--group", "SO(2)", "--from", "1x1", "--to", "1x1").out
    assert not set("→←↑↓#%") & set(out)


def test_where_there_is_ascii_alone_other_characters_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    space = KernelSpace("1x0", "1x1", StructureGroup.special_orthogonal(2))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert "".join(drawn(space)).isascii()
    assert any(">" in line for line in drawn(space))

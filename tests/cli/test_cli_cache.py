"""`manifoldconv cache`: what it lists, what it removes, and what it refuses."""

import json
from pathlib import Path

import pytest

import manifoldconv as mc
from manifoldconv.cli.cache import age_in_words, read_size, size_in_words

CUBE = Path(__file__).parent.parent.parent / "meshes" / "cube.ply"


@pytest.fixture
def folder(tmp_path):
    surface, cache = mc.load_mesh(CUBE), mc.Cache(tmp_path / "cache")
    for n in (8, 12):
        cache.pullback(surface, surface.sites("faces"), mc.TangentRule.polar(0.2, 1, n))
    return tmp_path / "cache"


def test_the_listing(run, folder) -> None:
    outcome = run("cache", "--folder", folder, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    listed = json.loads(outcome.out)
    assert {file["name"] for file in listed["files"]} == {path.name for path in folder.iterdir()}
    assert listed["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert listed["removed"] == []
    table = run("cache", "--folder", folder).out
    assert "MeshSurface(8 vertices" in table
    assert "together  2 files" in table


def test_removing(run, folder, monkeypatch) -> None:
    monkeypatch.setenv("MANIFOLDCONV_CACHE", str(folder))
    (folder / "mine.txt").write_text("x")
    sizes = sorted(path.stat().st_size for path in folder.glob("*.safetensors"))
    trimmed = json.loads(run("cache", "--limit", f"{sizes[1]}", "--json").out)
    assert len(trimmed["removed"]) == len(trimmed["files"]) == 1
    cleared = json.loads(run("cache", "--clear", "--json").out)
    assert (len(cleared["removed"]), cleared["files"], cleared["bytes"]) == (1, [], 0)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_damaged_files_are_listed_as_such(run, folder) -> None:
    next(folder.iterdir()).write_text("no")
    kinds = [file["kind"] for file in json.loads(run("cache", "--folder", folder, "--json").out)["files"]]
    assert sorted(kinds) == ["damaged", "pullback"]


def test_refusals(run, folder, tmp_path) -> None:
    for size in ("much", "5XB", "-1", "nan", ""):
        assert "--limit must be a size such as 5GB" in run("cache", "--limit", size).complaint
    (tmp_path / "file").write_text("x")
    assert "is no folder" in run("cache", "--folder", tmp_path / "file").complaint
    assert len(list(folder.iterdir())) == 2


def test_sizes_and_ages_in_words() -> None:
    assert [read_size(text) for text in ("0", "12", "5GB", "1.5 mb", "2kb", "3B")] == [
        *(0, 12, 5_000_000_000, 1_500_000, 2000, 3)
    ]
    assert [size_in_words(size) for size in (0, 999, 1000, 999_999, 12_345_678_901)] == [
        *("0 B", "999 B", "1 KB", "1 MB", "12.35 GB")
    ]
    assert [age_in_words(age) for age in (-1, 59, 60, 7200, 200_000)] == [
        "0 s",
        "59 s",
        "1 min",
        "2 h",
        "2 d",
    ]

"""The code of the README, of the guides and of the course runs as it stands, from the repository's root."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

import manifoldconv as mc

ROOT = Path(__file__).parent.parent
COURSE = sorted((ROOT / "docs" / "course").glob("*.md"))
DOCUMENTS = [ROOT / "README.md", *sorted({*(ROOT / "docs").rglob("*.md")} - {*COURSE})]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_python_in_a_document_runs(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meshes").symlink_to(ROOT / "meshes")
    monkeypatch.chdir(tmp_path)  # what it writes is not written into the repository
    names: dict[str, object] = {}
    for code in BLOCK.findall(document.read_text(encoding="utf-8")):
        program = compile(code, str(document), "exec")
        if "# HolonomyError" in code:
            with pytest.raises(mc.HolonomyError):
                exec(program, names)
        else:
            exec(program, names)


@pytest.mark.parametrize("page", COURSE, ids=lambda path: path.stem)
def test_what_the_course_says_that_its_code_prints_is_so(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meshes").symlink_to(ROOT / "meshes")
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    assert hook("outputs").renewed(text, page.name) == text, (
        "python docs/_hooks/outputs.py renews the outputs"
    )


def test_an_output_that_is_no_longer_true_is_found() -> None:
    renewed = hook("outputs").renewed
    page = '```python\nprint({})\n```\n\n```text title="output"\n{}\n```\n'
    assert renewed(page.format("1 + 1", "2")) == page.format("1 + 1", "2")
    assert renewed(page.format("1 + 1", "3")) == page.format("1 + 1", "2")
    # Rounding differs from machine to machine; what is no rounding does not.
    assert renewed(page.format("'4e-16'", "3e-15")) == page.format("'4e-16'", "3e-15")
    assert renewed(page.format("'4e-06'", "3e-15")) == page.format("'4e-06'", "4e-06")


def test_the_commands_of_the_first_five_minutes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from manifoldconv.cli import main

    (tmp_path / "meshes").symlink_to(ROOT / "meshes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("manifoldconv.plot.picture.SUBPIXELS", 1)
    text = (ROOT / "docs" / "start.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^manifoldconv (.*)$", text, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        if command != "demo":  # tests/cli runs it
            assert main(shlex.split(command)) == 0, command


@pytest.mark.parametrize(
    ("text", "suffix", "loads"),
    [
        ('<img src="https://a.example/b.png">', ".html", True),
        ('<script defer src="//a.example/b.js"></script>', ".html", True),
        ('<link rel="stylesheet" href="https://a.example/b.css">', ".html", True),
        ("a { background: url(https://a.example/b.png) }", ".css", True),
        ('<a href="https://a.example">a link to follow</a><img src="b.png">', ".html", False),
        ('<link rel="canonical" href="https://a.example">', ".html", False),
        ("a { background: url(data:image/png;base64,AA) }", ".css", False),
    ],
)
def test_the_site_may_load_nothing_from_elsewhere(text: str, suffix: str, loads: bool) -> None:
    assert bool(hook("no_network").loaded_from_elsewhere(text, suffix)) == loads


@pytest.mark.parametrize(
    ("link", "leads_somewhere"),
    [
        ("other.html#there", True),
        ("#here", True),
        ("folder/", True),
        ("https://a.example/page", True),
        ("other.html#nowhere", False),
        ("#nowhere", False),
        ("nothing.html", False),
        ("http://a.example", False),
        ("https://a example", False),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str, leads_somewhere: bool, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("<p>")
    (tmp_path / "other.html").write_text('<h1 id="there">')
    (tmp_path / "page.html").write_text(f'<h1 id="here"><a href="{link}">')
    assert (hook("links").broken(tmp_path) == []) is leads_somewhere


def hook(name: str) -> ModuleType:
    """A module of docs/_hooks."""
    if name in ("no_network", "links"):
        pytest.importorskip("mkdocs", reason="the documentation is built with mkdocs")
    spec = importlib.util.spec_from_file_location(f"hook_{name}", ROOT / "docs" / "_hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs_anywhere_and_agrees_with_itself(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("manifoldconv.plot.picture.SUBPIXELS", 1)
    # tests/plot draws all figures; here those that take no surface.
    figures = ["--scale", "0.15", "--only", "kernel-on-a-disc", "translation-square", "rotation-square"]
    monkeypatch.setattr(sys, "argv", [str(example), *(figures if example.stem == "figures" else [])])
    runpy.run_path(str(example), run_name="__main__")  # it raises SystemExit where its numbers are wrong
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_the_files_that_a_document_points_to_exist(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (ROOT / target).exists()]
    assert missing == []

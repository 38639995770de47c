"""The Python of the README and of the guides runs as it stands, from the repository's root."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import manifoldconv as mc

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
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


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_runs_anywhere_and_agrees_with_itself(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("manifoldconv.plot.picture.SUBPIXELS", 1)
    runpy.run_path(str(example), run_name="__main__")  # it raises SystemExit where its numbers are wrong
    assert capsys.readouterr().out


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda path: path.name
)
def test_the_files_that_a_document_points_to_exist(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (ROOT / target).exists()]
    assert missing == []

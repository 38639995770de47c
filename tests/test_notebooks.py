"""The notebooks for a class run from their first cell to their last, and hold no output."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbformat, nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient", reason="notebooks need nbformat, nbclient and ipykernel")
pytest.importorskip("ipykernel", reason="notebooks need nbformat, nbclient and ipykernel")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_there_is_one_for_each_subject() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["learning", "meshes", "moebius", "se2", "sphere"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "strip the output: a class sees its own"
    # A cell that raises, as one does whose numbers are wrong, stops the run with its traceback.
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any(output.output_type == "stream" and output.name == "stdout" for output in printed)

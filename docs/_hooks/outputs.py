"""The output that a page shows under its code is what the code prints.

A piece of Python with a block ```text title="output" below it has its output there. `python docs/_hooks/outputs.py`
runs the pages of the course and renews these blocks; a test runs them and fails where one is no longer true. Numbers
that are rounding (written as 3e-16, say) may differ from machine to machine.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import textwrap
from pathlib import Path

ROUNDING = re.compile(r"\b\de(?:-1[1-9]|-[2-9]\d|\+00)\b")
PAGES = Path(__file__).parent.parent / "course"
BLOCK = re.compile(
    r"^(?P<indent> *)```python\n(?P<code>.*?)^(?P=indent)```\n"
    r'(?:\n(?P=indent)```text title="output"\n(?P<output>.*?)^(?P=indent)```\n)?',
    re.DOTALL | re.MULTILINE,
)


def renewed(page: str, name: str = "page") -> str:
    """The page with the output of its code, run block after block in one namespace."""
    names: dict[str, object] = {"__name__": "__page__"}

    def run(match: re.Match[str]) -> str:
        printed, indent = io.StringIO(), match["indent"]
        with contextlib.redirect_stdout(printed):
            exec(compile(textwrap.dedent(match["code"]), name, "exec"), names)
        code, now = f"{indent}```python\n{match['code']}{indent}```\n", printed.getvalue().rstrip() + "\n"
        if not now.strip():
            return code
        before, now = match["output"] or "", textwrap.indent(now, indent)
        kept = before if ROUNDING.sub("~", before) == ROUNDING.sub("~", now) else now
        return f'{code}\n{indent}```text title="output"\n{kept}{indent}```\n'

    return BLOCK.sub(run, page)


if __name__ == "__main__":
    for page in [Path(name) for name in sys.argv[1:]] or sorted(PAGES.glob("*.md")):
        page.write_text(renewed(page.read_text(encoding="utf-8"), page.name), encoding="utf-8")

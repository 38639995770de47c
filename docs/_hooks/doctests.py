"""Doctests that stand bare in a docstring are shown as code (Markdown would take `>>>` for a quotation)."""

from __future__ import annotations

import re
from typing import Any

import griffe

# A run of lines from the first prompt to the next empty line.
_DOCTEST = re.compile(r"^(?P<indent> *)>>> .*(?:\n(?! *$).*)*", re.MULTILINE)


class DoctestFences(griffe.Extension):
    """Puts a code fence round each doctest before the docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _DOCTEST.sub(
                r"\g<indent>```pycon\n\g<0>\n\g<indent>```", obj.docstring.value
            )

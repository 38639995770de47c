"""Formulas become MathML when the site is built: no script, no fonts to load, readable without a network."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

# What pymdownx.arithmatex (generic: true) leaves behind for $...$ and $$...$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replace each marked piece of LaTeX in a page's HTML."""
    content = _INLINE.sub(lambda m: convert(html.unescape(m[1])), content)
    return _BLOCK.sub(
        lambda m: f'<div class="formula">{convert(html.unescape(m[1]).strip(), display="block")}</div>',
        content,
    )

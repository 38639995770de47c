"""The built site needs no network: the build fails where a page would load something from another place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

# What a browser loads by itself; links that a reader may follow are no part of it. "//" is a host without a scheme.
_IN_PAGES = re.compile(
    r"""<(?:img|script|iframe|source|video|audio|embed|object)\b[^>]*\b(?:src|srcset|data)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon|modulepreload|dns-prefetch))"""
    r"""[^>]*\bhref=["']?((?:https?:)?//[^"'\s>]+)""",
    re.IGNORECASE,
)
_IN_STYLES = re.compile(r"""(?:url\(|@import\s+)\s*["']?((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


def loaded_from_elsewhere(text: str, suffix: str) -> list[str]:
    """The addresses that a page (".html") or a style sheet (".css") would load from another place."""
    found = _IN_STYLES.findall(text)
    if suffix == ".html":
        found += ["".join(match) for match in _IN_PAGES.findall(text)]
    return found


def on_post_build(config: Any, **_: Any) -> None:
    """Read every page and style sheet that was built."""
    site = Path(config["site_dir"])
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        found = loaded_from_elsewhere(path.read_text(encoding="utf-8"), path.suffix)
        if found:
            raise PluginError(
                f"{path.relative_to(site)} loads {found[0]}; the site must work without a network"
            )

"""Every link of the built site leads somewhere: the build fails where a page or an anchor is missing.

mkdocs itself checks the links of Markdown; here are those of HTML, of docstrings and of what plugins write, too. A link
to another site is only checked for its form, since the build has no network.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mkdocs.exceptions import PluginError

_ABROAD = re.compile(r"https://(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s\"<>]*)?")


class _Page(HTMLParser):
    """What can be linked to in a page, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value or "")
            elif name in ("href", "src", "data") and value:
                self.links.append(value)


def broken(site: Path) -> list[str]:
    """One line for each link of the pages under a folder that leads nowhere."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links begin at the root of wherever the site will be
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                good = bool(_ABROAD.fullmatch(link))
            elif parts.scheme:
                good = parts.scheme in ("mailto", "data")
            else:
                target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                target = target / "index.html" if target.is_dir() else target
                good = target.exists() and (
                    not parts.fragment or target not in pages or parts.fragment in pages[target].anchors
                )
            if not good:
                found.append(f"{path.relative_to(site.resolve())} links to {link}, which is not there")
    return found


def on_post_build(config: Any, **_: Any) -> None:
    """Read every page that was built."""
    found = broken(Path(config["site_dir"]))
    if found:
        raise PluginError("\n".join(found))

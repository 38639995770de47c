"""Where the browser is, and how it is started."""

from __future__ import annotations

import os
import shutil

# The browser's own background work would only knock at closed doors; WebGL needs no graphics card.
FLAGS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Where the browser is: as MANIFOLDCONV_CHROMIUM says, or Debian's."""
    named = os.environ.get("MANIFOLDCONV_CHROMIUM")
    return named or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )

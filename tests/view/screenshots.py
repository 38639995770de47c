"""The guide's picture of the viewer, from a real page: python tests/view/screenshots.py (needs Chromium).

With --all those to look at besides: dark, and at phone width.
"""

from __future__ import annotations

import sys
from pathlib import Path

from browser import FLAGS, chromium
from playwright.sync_api import sync_playwright

import manifoldconv as mc
from manifoldconv.view.display import Display
from manifoldconv.view.model import Workbench, choose, start, topological_loop
from manifoldconv.view.server import Server

IMAGES = Path(__file__).parent.parent.parent / "docs" / "images"
SIZES = {"viewer": (1280, 900, False), "viewer-dark": (1280, 900, True), "viewer-phone": (390, 844, False)}


def main() -> None:
    """A Möbius band with the loop round it and the kernel that it flips."""
    bench = Workbench(mc.load_mesh("meshes/moebius.ply"), "moebius.ply")
    state = choose(bench, topological_loop(bench, start(bench), 0), kernel="derivative-across")
    server = Server(bench, Display.of(bench.surface, "z"), state, say=lambda text: None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        for name, (width, height, dark) in list(SIZES.items())[: None if "--all" in sys.argv else 1]:
            server.dark = dark
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(server.url)
            page.get_by_text("comes back").first.wait_for(timeout=90_000)
            page.get_by_text("there is no response").wait_for(timeout=90_000)
            page.wait_for_timeout(3000)  # until it is drawn
            close = page.locator(
                ".mantine-Notification-closeButton"
            )  # that this machine has no graphics card
            if close.count():
                close.first.click()
            page.wait_for_timeout(1500)
            page.screenshot(path=IMAGES / f"{name}.png")
            page.close()
        browser.close()
    server.stop()


if __name__ == "__main__":
    main()

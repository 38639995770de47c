"""The viewer in a real browser: clicks, drags, keys, a loop and a refusal, each by what the page then says."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 90_000  # milliseconds; machines that run tests are busy
# What viser 1.1's page itself says whenever a drag on an object begins; the drag works all the same.
OF_VISER = "Unable to preventDefault inside passive event listener invocation."
MIDDLE = (270, 290)  # where the surface is, in a window of 760 x 600, with the controls to its right


class Visit:
    """One page in the browser, and what its console said."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        self.sees("Holonomy group")
        self.sees("computed in")

    def _heard(self, said: Any) -> None:
        if said.type == "error" and said.text != OF_VISER:
            self.complaints.append(said.text)

    @property
    def text(self) -> str:
        """All that is to be read."""
        return self.page.locator("body").inner_text()

    def sees(self, pattern: str) -> str:
        """Wait until the page says it, and return what it says then."""
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            if re.search(pattern, self.text):
                return self.text
            self.page.wait_for_timeout(100)
        raise AssertionError(f"the page does not say {pattern!r} but:\n{self.text}")

    def choose(self, label: str, value: str) -> None:
        """From a list."""
        self.page.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=value, exact=True).click()

    def press(self, button: str) -> None:
        """A button of the controls."""
        self.page.get_by_role("button", name=button, exact=True).click()

    def drag(self, places: list[tuple[float, float]]) -> None:
        """With the left button down, slowly enough to be followed."""
        mouse = self.page.mouse
        mouse.move(*places[0])
        mouse.down()
        for place in places[1:]:
            mouse.move(*place)
            self.page.wait_for_timeout(60)
        mouse.up()


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Any, viewers: dict[str, Any]) -> Iterator[Open]:
    """Open a surface's page; at the end nothing may have been complained of."""
    opened: list[Visit] = []

    def open_page(name: str, width: int = 760, height: int = 600) -> Visit:
        # Drawn without a graphics card, which takes time for every pixel: fewer of them.
        page = browser.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=0.5, accept_downloads=True
        )
        opened.append(Visit(page, viewers[name].url))
        return opened[-1]

    yield open_page
    for one in opened:
        one.page.close()
        assert one.complaints == []


def test_a_click_picks_a_point_and_shows_its_disc(visit: Open) -> None:
    page = visit("sphere")
    before = re.search(r"Point in face (\d+)", page.text)
    assert before
    page.page.mouse.click(MIDDLE[0] + 40, MIDDLE[1] - 45)
    page.sees(rf"Point in face (?!{before[1]};)\d+; disc of radius 0\.\d+ \(4 mean edges\)")
    page.page.mouse.click(20, 570)  # beside the surface: nothing is picked
    assert "Not done" not in page.text


def test_a_drag_carries_the_kernel_and_another_closes_a_loop(visit: Open) -> None:
    page = visit("sphere")
    page.choose("A drag on it", "carry the kernel")
    page.drag([(MIDDLE[0] - 40 + 10 * i, MIDDLE[1]) for i in range(8)])
    page.sees(r"Path of length 0\.\d+ in \d+ straight pieces?: the kernel and the orange vector were carried")
    page.choose("A drag on it", "draw a loop")
    turn = [i * 2 * math.pi / 14 for i in range(14)]
    page.drag([(MIDDLE[0] + 75 * math.cos(a), MIDDLE[1] + 75 * math.sin(a)) for a in turn])
    said = page.sees(r"comes back turned by")
    angle = re.search(r"turned by (-?[\d.]+)°", said)
    enclosed = re.search(r"Curvature enclosed: (-?[\d.]+)° on its (left|right).*: the same\.", said)
    assert angle
    assert enclosed
    sign = 1 if enclosed[2] == "left" else -1
    assert float(angle[1]) == pytest.approx(sign * float(enclosed[1]), abs=0.01)  # four digits are shown
    assert float(enclosed[1]) > 3  # degrees: the area of the loop on the unit sphere


def test_the_moebius_band_flips_the_odd_kernel_and_says_why_it_is_refused(visit: Open) -> None:
    page = visit("band")
    assert "Holonomy group reflection" in page.text
    page.choose("Kernel", "derivative-across")
    said = page.sees("Refused")
    assert re.search(r"under the reflection .* it changes by 2 times", said)
    assert "there is no response" in page.sees("there is no response")
    page.press("Topology")
    said = page.sees("Loop of length")
    assert "The vector comes back reflected" in said
    assert "derivative-across comes back flipped, by 200%" in said
    assert "That is why it is refused" in said
    page.choose("Field types", "scalars → signed scalars")
    page.sees(r"Admitted\. derivative-across")
    page.sees(r"Size of the response .* computed in")
    page.choose("Kernel", "gaussian")  # even: now that is the one that changes its sign
    page.sees(r"Refused\. gaussian")


def test_choices_update_the_response(visit: Open) -> None:
    page = visit("sphere")
    for label, value, said in (
        ("Kernel", "laplacian-of-gaussian", r"Admitted\. laplacian-of-gaussian"),
        ("Signal", "noise:1", r"Response to noise:1: .* computed in \d+ ms"),
        ("Radius", "3 mean edges", r"disc of radius 0\.\d+ \(3 mean edges\)"),
        ("Field types", "scalars → vectors", r"Length of the response \(a vector at each point\) to noise:1"),
        ("Colours", "signal", r"Signal noise:1: "),
    ):
        page.choose(label, value)
        page.sees(said)


def test_it_can_be_used_by_the_keyboard_alone(visit: Open) -> None:
    page = visit("sphere")
    press = page.page.keyboard.press
    press("n")
    page.sees("Path of length .* in 1 straight piece:")
    for _ in range(3):
        for _ in range(6):
            press("j")
        press("n")
    press("c")
    page.sees("comes back turned by")
    press("r")
    page.sees("Path: none yet")
    press("k")
    page.sees(r"Admitted\. laplacian-of-gaussian")
    press("o")
    page.sees("Loop of length")
    press("c")  # closed already
    page.sees("Not done: this loop is closed")
    seen = set()
    for _ in range(30):  # every list and every button can be reached
        press("Tab")
        seen.add(
            page.page.evaluate(
                "(document.activeElement.value || document.activeElement.innerText || '').trim()"
            )
        )
    assert {"noise:1", "z"} & seen
    assert {"Forward", "Close", "Topology", "Restart"} <= seen


def test_it_is_readable_at_phone_width(visit: Open) -> None:
    page = visit("sphere", width=390, height=844)
    page.page.wait_for_timeout(500)
    wide = page.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
    for label in ("Signal", "Kernel"):
        box = page.page.get_by_role("combobox", name=label).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["height"] >= 20


def test_a_screenshot_is_saved_on_request(visit: Open, tmp_path: Path) -> None:
    page = visit("sphere")
    with page.page.expect_download() as download:
        page.press("Picture")
    path = tmp_path / "picture.png"
    download.value.save_as(path)
    assert download.value.suggested_filename == "manifoldconv.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 5_000
    page.sees("Saved as manifoldconv.png")


def test_a_browser_that_goes_leaves_the_viewer_as_it_was(visit: Open, viewers: dict[str, Any]) -> None:
    said: list[str] = []
    server = viewers["sphere"]
    server.say = said.append
    first = visit("sphere")
    first.choose("Radius", "2 mean edges")  # and goes before that is done
    first.page.close()
    end = time.monotonic() + PATIENCE / 1000
    while server.pages and time.monotonic() < end:
        time.sleep(0.05)
    assert server.pages == {}
    assert said
    assert "browser has gone" in said[-1]
    assert "4 mean edges" in visit("sphere").text  # a new page begins anew

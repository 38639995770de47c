"""The live figures of the course in a real browser: what they say after a click, a drag, a key; no console errors.

The figures are shown on the markup of the pages themselves, with their own scripts and style, and no network.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent / "docs"
SCRIPTS = ("common", "smoothing", "sphere", "moebius")
FIGURE = re.compile(r'<figure data-figure="(\w+)".*?</figure>', re.DOTALL)


def figures_of(page: str) -> dict[str, str]:
    """The markup of the live figures of a page of the course, by name."""
    text = (DOCS / "course" / page).read_text(encoding="utf-8")
    return {match[1]: match[0].replace(" markdown>", ">") for match in FIGURE.finditer(text)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    named = os.environ.get("MANIFOLDCONV_CHROMIUM")
    chromium = named or shutil.which("chromium") or shutil.which("chromium-browser")
    with playwright.sync_playwright() as driver:
        try:
            opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium to test in: {str(error).splitlines()[0]}; apt-get install chromium")
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Shows one figure on a page of its own; at the end, that the console stayed empty and nothing was fetched."""
    trouble: list[str] = []
    pages = []

    def open_page(page: str, name: str, width: int = 800) -> Any:
        parts = [
            f'<script src="{(DOCS / "assets" / "course" / f"{s}.js").as_uri()}"></script>' for s in SCRIPTS
        ]
        style = f'<link rel="stylesheet" href="{(DOCS / "assets" / "extra.css").as_uri()}">'
        html = (
            f"<!doctype html><meta charset=utf-8>{style}<body>{figures_of(page)[name]}{''.join(parts)}</body>"
        )
        (tmp_path / "page.html").write_text(html, encoding="utf-8")
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.on(
            "request", lambda request: trouble.append(request.url) if request.url.startswith("http") else None
        )
        tab.goto((tmp_path / "page.html").as_uri())
        tab.wait_for_selector("figure[data-ready]")
        pages.append(tab)
        return tab

    yield open_page
    for tab in pages:
        tab.close()
    assert trouble == []


def words(tab: Any) -> str:
    return str(tab.locator("output").inner_text())


def number(text: str, pattern: str) -> float:
    match = re.search(pattern, text)
    assert match is not None, text
    return float(match[1].replace("\N{MINUS SIGN}", "-"))


def slide(tab: Any, name: str, value: float) -> None:
    tab.get_by_label(name).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )


def test_every_live_figure_says_what_it_shows_without_scripts() -> None:
    pages = {"1-correlation.md": ["smoothing"], "5-manifolds.md": ["sphere", "moebius"]}
    for page, names in pages.items():
        found = figures_of(page)
        assert list(found) == names
        assert all('class="fallback"' in markup for markup in found.values())


def test_smoothing_takes_noise_away_and_then_the_signal_and_commutes(show: Any) -> None:
    tab = show("1-correlation.md", "smoothing")
    distance = {}
    for sigma in (0, 5, 24):
        slide(tab, "width σ of the kernel", sigma)
        distance[sigma] = number(words(tab), r"without noise (\d+\.\d+)")
    assert distance[5] < distance[0]  # noise goes
    assert distance[5] < distance[24]  # then the signal
    slide(tab, "shift a of the signal", 57)
    assert "Moved by a = 57: k ⋆ (T f) and T (k ⋆ f) differ by 0." in words(tab)


@pytest.mark.parametrize(
    ("name", "degrees"),
    # 2π (1 - cos r) of circles of radius 0.35 and 0.8, and an eighth of 4π; polygons of 180 corners miss by 0.1 %.
    [("eighth of the sphere", 90.0), ("small circle", 21.84), ("large circle", 109.2)],
)
def test_a_vector_comes_back_turned_by_the_area(show: Any, name: str, degrees: float) -> None:
    tab = show("5-manifolds.md", "sphere")
    tab.get_by_role("button", name=name).click()
    text = words(tab)
    turned = number(text, r"turned by ([\N{MINUS SIGN}\d.]+)°")
    assert abs(turned) == pytest.approx(degrees, rel=2e-3)
    assert turned == number(text, r"as an angle ([\N{MINUS SIGN}\d.]+)°")
    assert "differ by 0 " in text or number(text, r"differ by (\de-\d+)") < 1e-9


def test_a_loop_dragged_by_hand_turns_the_vector_by_its_area(show: Any) -> None:
    tab = show("5-manifolds.md", "sphere")
    box = tab.locator("canvas").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    size = 0.46 * box["height"]
    corners = [(0.0, 0.1), (0.3, -0.4), (-0.4, -0.5), (-0.5, 0.0)]
    tab.mouse.move(middle[0] + size * corners[0][0], middle[1] + size * corners[0][1])
    tab.mouse.down()
    for x, y in corners[1:]:
        tab.mouse.move(middle[0] + size * x, middle[1] + size * y, steps=12)
    tab.mouse.up()
    assert "steps so far" in words(tab)
    tab.get_by_role("button", name="go straight home").click()
    text = words(tab)
    turned, area = (
        number(text, rf"{start} ([\N{{MINUS SIGN}}\d.]+)°") for start in ("turned by", "as an angle")
    )
    assert abs(turned) > 3
    assert turned == area


def test_the_sphere_is_usable_by_keyboard(show: Any) -> None:
    tab = show("5-manifolds.md", "sphere")
    tab.locator("canvas").focus()
    for key in ["ArrowRight"] * 8 + ["ArrowDown"] * 8 + ["ArrowLeft"] * 8 + ["Enter"]:
        tab.keyboard.press(key)
    assert "came back turned by" in words(tab)
    tab.keyboard.press("Escape")
    assert "Drag the orange point" in words(tab)


def test_an_odd_kernel_comes_back_reflected_and_is_refused(show: Any) -> None:
    tab = show("5-manifolds.md", "moebius")
    tab.get_by_role("button", name="once round").click()
    assert "differs by 200 % of its largest value" in words(tab)
    assert "Refused" in words(tab)
    for name in ("odd along the strip", "isotropic"):
        tab.get_by_label("kernel", exact=True).select_option(name)
        assert "difference 0 %. Admitted." in words(tab)
    slide(tab, "laps round the strip", 2)
    assert "After two laps every kernel is back as it was" in words(tab)


def test_the_strip_paints_the_kernel_that_is_carried(show: Any) -> None:
    tab = show("5-manifolds.md", "moebius")

    def colours() -> list[int]:
        """How many pixels at the orange dot's neighbourhood are red, how many blue."""
        return list(
            tab.evaluate(
                """() => { const c = document.querySelector("canvas");
                const d = c.getContext("2d").getImageData(0, 0, 0.7 * c.width, c.height).data;
                let red = 0, blue = 0;
                for (let i = 0; i < d.length; i += 4) {
                  if (d[i] > d[i + 2] + 80 && d[i + 1] < 110) red++;
                  if (d[i + 2] > d[i] + 60) blue++;
                }
                return [red, blue]; }"""
            )
        )

    assert min(colours()) > 30  # both lobes of the odd kernel
    tab.get_by_label("kernel", exact=True).select_option("isotropic")
    red, blue = colours()
    assert red > 30
    assert blue == 0


@pytest.mark.parametrize(
    ("page", "name"),
    [("1-correlation.md", "smoothing"), ("5-manifolds.md", "sphere"), ("5-manifolds.md", "moebius")],
)
def test_figures_fit_on_a_phone(show: Any, page: str, name: str) -> None:
    tab = show(page, name, width=360)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.locator("canvas").bounding_box()["width"] > 240

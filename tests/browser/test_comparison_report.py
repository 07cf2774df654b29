"""The comparison report as a browser shows it: on a phone and a desktop, in light and dark, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.comparison.example_comparison import crowded_comparison, example_comparison
from wgan.comparison.report import comparison_html

COLOURS = """
() => {
  const style = getComputedStyle(document.documentElement);
  const names = ["page", "card", "text", "faint", "first", "second", "good", "bad"];
  return Object.fromEntries(names.map(name => [name, style.getPropertyValue("--" + name).trim()]));
}
"""


OVERLAPS = """
() => [...document.querySelectorAll("svg")].flatMap(figure => {
  const texts = [...figure.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
  return texts.flatMap(([one, a], index) => texts.slice(index + 1)
    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
    .map(([other]) => `${figure.getAttribute("aria-label").slice(0, 30)}: ${one} on ${other}`));
})
"""
"""Every pair of labels in a figure whose boxes meet, as the browser draws them in its own font."""
OUTSIDE = """
() => [...document.querySelectorAll("svg")].flatMap(figure => {
  const whole = figure.getBoundingClientRect();
  return [...figure.querySelectorAll("text")].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < whole.left - 1 || box.right > whole.right + 1;
  }).map(text => text.textContent);
})
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(comparison_html(example_comparison()), encoding="utf-8")
    return path


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_nothing_is_wider_than_the_window(chromium_page: Any, report: Path) -> None:
    chromium_page.goto(report.as_uri())
    for width in (360, 768, 940, 1440):
        chromium_page.set_viewport_size({"width": width, "height": 900})
        assert chromium_page.evaluate("document.documentElement.scrollWidth") <= width
        stacked = chromium_page.locator("thead").first.bounding_box()["width"] < 10
        assert stacked == (width < 928)  # in a narrow window each metric is a separate card


@pytest.mark.parametrize("metrics", [3, 9])
def test_no_label_of_a_figure_overlaps_another_or_is_outside(chromium_page: Any, tmp_path: Path, metrics: int) -> None:
    path = tmp_path / "crowded.html"
    path.write_text(comparison_html(crowded_comparison(metrics)), encoding="utf-8")
    chromium_page.goto(path.as_uri())
    for width in (390, 1280):
        chromium_page.set_viewport_size({"width": width, "height": 800})
        assert chromium_page.locator("#intervals ~ .figures figure").count() == metrics
        assert chromium_page.evaluate(OVERLAPS) == []
        assert chromium_page.evaluate(OUTSIDE) == []
        assert chromium_page.evaluate("document.documentElement.scrollWidth") <= width


def test_both_sample_grids_come_first_and_side_by_side(chromium_page: Any, report: Path) -> None:
    chromium_page.goto(report.as_uri())
    for width in (390, 1280):
        chromium_page.set_viewport_size({"width": width, "height": 800})
        boxes = [chromium_page.locator("img.grid").nth(index).bounding_box() for index in (0, 1)]
        assert all(box["y"] + box["height"] < 800 for box in boxes)
        assert boxes[0]["y"] == boxes[1]["y"]
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        verdict = chromium_page.locator(".verdict h2").bounding_box()
        assert max(box["y"] + box["height"] for box in boxes) < verdict["y"] < 800


def test_text_stands_out_from_its_background(chromium_page: Any, report: Path) -> None:
    chromium_page.goto(report.as_uri())
    for scheme in ("light", "dark"):
        chromium_page.emulate_media(color_scheme=scheme)
        colours = chromium_page.evaluate(COLOURS)
        assert (luminance(colours["card"]) > 0.5) == (scheme == "light")
        for name in ("text", "faint", "first", "second", "good", "bad"):
            for background in ("card", "page"):
                assert contrast(colours[name], colours[background]) >= 4.5, (scheme, name)  # WCAG 2.2, 1.4.3


def test_figures_take_the_colours_of_the_page(chromium_page: Any, report: Path) -> None:
    drawn = []
    chromium_page.goto(report.as_uri())
    for scheme in ("light", "dark"):
        chromium_page.emulate_media(color_scheme=scheme)
        drawn.append(chromium_page.locator("svg text").first.evaluate("element => getComputedStyle(element).fill"))
    assert drawn[0] != drawn[1]


def test_every_picture_loads_without_a_request(chromium_page: Any, report: Path) -> None:
    requests: list[str] = []
    messages: list[str] = []
    chromium_page.on("request", lambda request: requests.append(request.url))
    chromium_page.on("console", lambda message: messages.append(message.text))
    chromium_page.goto(report.as_uri())
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
    assert messages == []
    assert chromium_page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")

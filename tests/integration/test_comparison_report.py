"""The comparison as one HTML page: self-contained, complete, and readable without colour, script or sight."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from tests.unit.comparison.example_comparison import example_comparison
from tests.unit.evaluation.example_measurements import unlabelled
from wgan.comparison.record import Comparison
from wgan.comparison.report import comparison_html
from wgan.config_promotion import PromotionConfig
from wgan.records import Measurement


class Page(HTMLParser):
    """Elements as (tag, attributes), and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return example_comparison()


@pytest.fixture(scope="module")
def html(comparison: Comparison) -> str:
    return comparison_html(comparison)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_makes_no_request_and_runs_no_script(html: str, page: Page) -> None:
    assert not page.all("script")
    assert not page.all("link")
    addresses = [
        value for _, attributes in page.elements for name in ("src", "href") if (value := attributes.get(name))
    ]
    assert all(address.startswith("data:image/png;base64,") for address in addresses if not address.startswith("#"))
    assert not re.search(r"@import|url\((?!#)", html)


def test_samples_verdict_with_rules_and_metrics_follow_the_title_in_this_order(
    comparison: Comparison, page: Page
) -> None:
    shown = [tag for tag, _ in page.elements if tag in ("h1", "img", "ul", "table", "svg")]
    assert shown[:5] == ["h1", "img", "img", "ul", "table"]
    assert [str(image["alt"])[:28] for image in page.all("img")[:2]] == [
        "64 images that version 3 gen",
        "64 images that version 4 gen",
    ]
    assert "version 4 would not be promoted" in page.text
    for rule in comparison.decision.rules:
        assert f"{'Passed' if rule.passed else 'Failed'}. {rule.reason}" in page.text


def test_a_rule_has_passed_or_failed_and_nothing_else(page: Page) -> None:
    assert not re.search(r"\brefused\b|\bholds?\b", page.text, re.IGNORECASE)


def test_the_figures_of_judged_metrics_show_what_the_gate_allows(comparison: Comparison, page: Page) -> None:
    promotion = PromotionConfig(fid_margin=0.5, modes_margin=0)
    config = comparison.second.config.model_copy(update={"promotion": promotion})
    judged = replace(
        comparison,
        first=replace(comparison.first, curves={}, class_counts=None),
        second=replace(comparison.second, curves={}, class_counts=None, config=config),
    )
    html = comparison_html(judged)
    drawn = {
        str(svg["aria-label"]).partition(":")[0].split()[0]: str(svg["aria-label"]).rpartition(", ")[2]
        for svg in Page(html).all("svg")
        if "difference" in str(svg["aria-label"])
    }
    assert {name: words for name, words in drawn.items() if words.startswith("passes")} == {
        "Fréchet": "passes below −0.5",
        "Recall": "passes from −0.05 up",
        "Coverage": "passes from −0.05 up",
        "Modes": "passes from 0 up",
    }
    assert html.count("passes below −0.5</text>") == 1


def test_every_metric_has_both_sides_their_difference_and_the_bounds_with_intervals(page: Page) -> None:
    row = re.sub(r"\s+", " ", page.text[page.text.index("Recall ↑") : page.text.index("Density ↑")])
    # Champion 0.746, challenger 0.644, real images 0.8, untrained 0 (tests/unit/comparison/example_comparison.py).
    assert re.search(r"0\.746 \[.*0\.644 \[.*−0\.102 \[−.*0\.8 \[.*0 \[0, 0\].*failed", row)


def test_pictures_have_alternative_text(page: Page) -> None:
    assert all(image["alt"] for image in page.all("img"))
    figures = page.all("svg")
    assert figures
    assert all(figure["role"] == "img" and figure["aria-label"] for figure in figures)
    assert any("version 4 11.52 [" in str(figure["aria-label"]) for figure in figures)
    assert page.all("html")[0]["lang"] == "en"
    assert all(header.get("scope") for header in page.all("th"))


def test_both_grids_and_the_nearest_training_images_are_shown(page: Page) -> None:
    words = [str(image["alt"]) for image in page.all("img")]
    assert sum("64 images that version" in text for text in words) == 2
    assert sum(text.startswith("Image") for text in words) == 12
    assert sum(text.startswith("Training image at distance") for text in words) == 36


def test_lineage_and_only_the_settings_that_differ_are_listed(page: Page) -> None:
    settings = page.text[page.text.index("Differences in the configuration") :]
    assert re.search(r"networks\.width\s*4\s*8", settings)
    assert re.search(r"training\.lr\s*5e-05\s*0\.0001", settings)
    assert "training.n_critic" not in settings
    assert "s3://wgan/checkpoints/" in page.text


def with_few_figures(comparison: Comparison) -> Comparison:
    """The same comparison with one metric and without curves: figures take most of a page's time."""
    evaluation = comparison.evaluation
    assert evaluation.champion is not None

    def fid_only(side: Measurement) -> Measurement:
        return side.model_copy(update={"metrics": {"fid": side.metrics["fid"]}})

    update = {
        "challenger": fid_only(evaluation.challenger),
        "champion": fid_only(evaluation.champion),
        "bounds": None,
    }
    return replace(
        comparison,
        first=replace(comparison.first, curves={}),
        second=replace(comparison.second, curves={}),
        evaluation=evaluation.model_copy(update=update),
    )


def test_text_from_outside_is_escaped(comparison: Comparison) -> None:
    html = comparison_html(replace(with_few_figures(comparison), model_name="<b>&</b>"))
    assert "<b>&</b>" not in html
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in html


def test_parts_without_classes_or_history_are_omitted(comparison: Comparison) -> None:
    evaluation = comparison.evaluation
    assert evaluation.champion is not None
    bare = replace(
        comparison,
        first=replace(comparison.first, class_counts=None, curves={}, nearest=None),
        second=replace(comparison.second, class_counts=None, curves={}, nearest=None),
        evaluation=evaluation.model_copy(
            update={
                "challenger": unlabelled(evaluation.challenger),
                "champion": unlabelled(evaluation.champion),
                "bounds": None,
            }
        ),
        class_names=(),
        data_shares=None,
    )
    text = Page(comparison_html(bare)).text
    for absent in ("Classes", "Modes captured", "Nearest training images", "Untrained"):
        assert absent not in text
    assert "MLflow has no metric history of either run." in text


def test_with_many_classes_those_farthest_from_the_data_are_drawn(comparison: Comparison) -> None:
    counts = np.full(1000, 10)
    counts[777] = 500
    few = with_few_figures(comparison)
    many = replace(
        few,
        first=replace(few.first, class_counts=np.full(1000, 10)),
        second=replace(few.second, class_counts=counts),
        class_names=tuple(f"{mode:03d}" for mode in range(1000)),
        data_shares=np.full(1000, 0.001),
    )
    page = Page(comparison_html(many))
    assert "Of 1000 classes, those in which a version is farthest from the data." in page.text
    assert any("version 4 is farthest from the data in 777" in str(svg["aria-label"]) for svg in page.all("svg"))


def test_the_same_comparison_gives_the_same_page(comparison: Comparison, html: str) -> None:
    assert comparison_html(comparison) == html

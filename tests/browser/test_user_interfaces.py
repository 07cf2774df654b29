"""What a user sees in the browser after a retraining: MLflow's run and model pages, Prefect's flow run page."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.command_line import json_of, quick
from wgan.settings import Settings
from wgan.stack.pages import page_address

pytestmark = pytest.mark.slow
PATIENCE = 30_000
"""Milliseconds a page may take to show what it should."""
SEEN_PIXELS = 100
"""Rows of a picture that must be seen without scrolling, neither the page nor the card."""
IN_VIEW = """
image => {
  let {top, bottom} = image.getBoundingClientRect();
  for (let box = image.parentElement; box; box = box.parentElement) {
    if (getComputedStyle(box).overflowY === "visible") continue;
    const frame = box.getBoundingClientRect();
    top = Math.max(top, frame.top);
    bottom = Math.min(bottom, frame.bottom);
  }
  return Math.min(bottom, innerHeight) - top;
}
"""


@pytest.fixture(scope="module")
def outcome(stack: Settings) -> Any:
    steps = ("training.generator_steps=40", "training.log_every=2", "training.sample_every=10")
    return json_of(stack, "retrain", *quick("browsed", *steps))


def visible(page: Any, text: str) -> Any:
    """The first of the visible elements with the text: both UIs keep hidden ones of other tabs."""
    return page.get_by_text(text).locator("visible=true").first


def see(page: Any, text: str) -> None:
    visible(page, text).wait_for(timeout=PATIENCE)


@pytest.fixture
def picture(page_pictures: Path, request: pytest.FixtureRequest) -> Path:
    return page_pictures / f"{request.node.name}.png"


@pytest.fixture(scope="session")
def page_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Screenshots stay in pytest's temporary folder, to be looked at after a failure."""
    return tmp_path_factory.mktemp("screenshots")


def test_mlflow_shows_the_runs_parameters_and_data_set(chromium_page: Any, outcome: Any, picture: Path) -> None:
    page = chromium_page
    page.goto(outcome["mlflow_page"].replace("/model-metrics?", "?"))
    see(page, "n_critic")
    see(page, "clip_value")
    see(page, "browsed · v1 · promoted · seed 0")
    see(page, "browsed (")
    page.screenshot(path=picture, full_page=True)


def test_the_printed_link_shows_the_samples_without_scrolling(chromium_page: Any, outcome: Any, picture: Path) -> None:
    page = chromium_page
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(outcome["mlflow_page"])
    see(page, "browsed · v1 · promoted · seed 0")
    pictures = page.locator("img[src*='samples']")
    for title in ("samples/steps", "samples/trained"):
        see(page, title)
    pictures.nth(1).wait_for(timeout=PATIENCE)
    page.screenshot(path=picture)
    for index in (0, 1):
        assert pictures.nth(index).evaluate(IN_VIEW) > SEEN_PIXELS


def test_mlflow_opens_with_the_model_registry_and_describes_the_experiment(
    chromium_page: Any, outcome: Any, picture: Path
) -> None:
    page = chromium_page
    page.goto(outcome["mlflow_page"].partition("/runs/")[0] + "?workflowType=machine_learning")
    see(page, "Retrainings of Wasserstein-GAN generators")
    see(page, "Model registry")
    page.screenshot(path=picture)


def test_mlflow_opens_the_experiment_with_the_columns_that_matter(
    chromium_page: Any, outcome: Any, stack: Settings, picture: Path
) -> None:
    page = chromium_page
    page.set_viewport_size({"width": 2400, "height": 900})
    page.goto(page_address("mlflow", stack))
    for column in ("Duration", "User", "wgan.version", "evaluation_fid", "evaluation_recall", "wgan.data_digest"):
        see(page, column)
    for value in ("browsed · v1 · promoted · seed 0", "generator-browsed v1", getpass.getuser()):
        see(page, value)
    page.screenshot(path=picture)


def test_mlflow_shows_the_curves_and_the_image_series(chromium_page: Any, outcome: Any, picture: Path) -> None:
    page = chromium_page
    page.goto(outcome["mlflow_page"])
    search = page.get_by_placeholder("Search metric charts")
    search.fill("wasserstein_estimate")
    page.get_by_text("wasserstein_estimate", exact=True).first.wait_for(timeout=PATIENCE)
    page.screenshot(path=picture, full_page=True)
    search.fill("samples")
    page.locator("img[src*='get-artifact'], img[src^='blob:']").first.wait_for(timeout=PATIENCE)
    page.screenshot(path=picture.with_suffix(".samples.png"), full_page=True)


def test_mlflow_shows_the_registered_model_with_its_alias(
    chromium_page: Any, outcome: Any, stack: Settings, picture: Path
) -> None:
    page = chromium_page
    page.goto(f"{stack.mlflow_tracking_uri}/#/models/generator-browsed")
    see(page, "generator-browsed")
    see(page, "champion")
    page.screenshot(path=picture, full_page=True)


def test_prefect_shows_the_flow_run_with_its_tasks(chromium_page: Any, outcome: Any, picture: Path) -> None:
    page = chromium_page
    page.goto(outcome["prefect_page"])
    see(page, "Completed")
    for task in ("prepare data", "train generator", "evaluate generator", "register generator"):
        see(page, task)
    page.screenshot(path=picture, full_page=True)


def test_prefect_shows_progress_and_the_report(chromium_page: Any, outcome: Any, picture: Path) -> None:
    page = chromium_page
    page.goto(outcome["prefect_page"])
    page.set_viewport_size({"width": 1400, "height": 1800})  # the list draws only what fits the window
    page.locator("#artifacts").click()
    for key in ("training", "retrain-report", "sample-grid"):
        see(page, key)
    page.screenshot(path=picture, full_page=True)
    visible(page, "retrain-report").click()
    see(page, "Fréchet distance")
    see(page, "Gate: promote.")
    page.screenshot(path=picture.with_suffix(".report.png"), full_page=True)

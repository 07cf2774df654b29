"""Serving's front page in a real browser: every model, what is on the way, retrainings, schedules, and links."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.serving_process import Serving, client_of, register, serving
from wgan.model_version.way import WAY_TAG, way_text
from wgan.records import LedgerEntry, ReleasePlan
from wgan.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.slow(minutes=4)

MODEL, OTHER = "generator-front", "generator-front-other"
PHONE = {"width": 390, "height": 844}
KEY = "key-of-the-front-page"


@pytest.fixture(scope="module")
def retraining(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A promoted version with its schedule, a second one that waits for approval, and a champion of another model."""
    outcome = json_of(stack, "retrain", *quick("front"))
    json_of(stack, "schedule", "add", *quick("front"), "--cron", "0 3 * * 1", "--timezone", "Europe/Berlin")
    folder = tmp_path_factory.mktemp("export")
    waiting = register(stack, folder, "front", 5).version
    entry = LedgerEntry(
        id="a", model_name=MODEL, action="passed", time=datetime.now(UTC), from_version=1, to_version=waiting,
        reason="All rules passed.", plan=ReleasePlan(approval=True),
    )  # fmt: skip
    client = client_of(stack)
    client.set_model_version_tag(MODEL, str(waiting), WAY_TAG, way_text(entry))
    client.set_registered_model_alias(MODEL, "challenger", str(waiting))
    client.set_registered_model_alias(OTHER, "champion", str(register(stack, folder, "front-other", 6).version))
    return outcome


@pytest.fixture(scope="module")
def server(stack: Settings, retraining: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(stack, (MODEL, OTHER), tmp_path_factory.mktemp("serving")) as process:
        process.wait_ready()
        yield process


def opened(page: Page, server: Serving) -> Locator:
    """The article of the model, with its pictures; an error in the page's scripts fails the test."""
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.goto(str(server.client.base_url))
    article = page.locator(f"[data-model='{MODEL}']")
    article.locator(".pictures img[src^='data:']").nth(7).wait_for()
    page.get_by_text("As of ").wait_for()  # MLflow and Prefect have been asked
    assert mistakes == []
    return article


def test_every_model_has_its_champions_pictures_and_says_since_when(server: Serving, chromium_page: Page) -> None:
    article = opened(chromium_page, server)
    assert "Version 1, champion since " in article.inner_text()
    sources = article.locator(".pictures img").evaluate_all("images => images.map(image => image.src)")
    assert len(set(sources)) == 8
    assert article.locator("img").first.get_attribute("alt") == f"Sample of seed 1, {MODEL} version 1"
    other = chromium_page.locator(f"[data-model='{OTHER}']")
    other.locator(".pictures img[src^='data:']").nth(7).wait_for()
    assert "None that Prefect knows." in other.inner_text()
    article.get_by_role("link", name=MODEL, exact=True).click()
    chromium_page.get_by_text("version 1 · seeds 1 to 16").wait_for()
    assert chromium_page.url.endswith(f"/playground?model={MODEL}")


def test_what_is_on_the_way_says_what_it_waits_for(server: Serving, chromium_page: Page, stack: Settings) -> None:
    article = opened(chromium_page, server)
    assert f"Waits for approval: `wgan approve {MODEL} 2`" in article.inner_text()
    page = stack.mlflow_link(f"/models/{MODEL}/versions/2")
    assert article.get_by_role("link", name="version 2").get_attribute("href") == page


def test_the_last_retraining_has_its_outcome_and_leads_to_the_very_run(
    server: Serving, chromium_page: Page, stack: Settings, retraining: Any
) -> None:
    article = opened(chromium_page, server)
    link = article.get_by_role("link", name="generator-front seed 0")
    assert link.get_attribute("href") == f"{stack.prefect_page}/runs/flow-run/{retraining['promotion']['flow_run_id']}"
    line = article.locator("ol li").first.inner_text()
    assert line.startswith("Completed")
    assert retraining["promotion"]["reason"] in line
    article.get_by_role("link", name="Its run").click()
    chromium_page.get_by_text("front · v1 · promoted · seed 0").first.wait_for(timeout=60_000)


def test_a_schedule_says_when_it_is_due_and_leads_to_its_page(
    server: Serving, chromium_page: Page, stack: Settings
) -> None:
    article = opened(chromium_page, server)
    assert "0 3 * * 1 Europe/Berlin · " in article.inner_text()
    href = article.get_by_role("link", name="front", exact=True).get_attribute("href")
    assert href is not None
    assert href.startswith(f"{stack.prefect_page}/deployments/deployment/")


def test_a_phone_scrolls_in_one_direction(server: Serving, chromium_page: Page) -> None:
    chromium_page.set_viewport_size(PHONE)
    opened(chromium_page, server)
    assert chromium_page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_prefect_server_that_is_down_is_said_and_the_pictures_stay(
    stack: Settings, retraining: Any, chromium_page: Page, tmp_path: Path
) -> None:
    with serving(stack, MODEL, tmp_path, WGAN_PREFECT_API_URL="http://127.0.0.1:9/api") as process:
        process.wait_ready()
        article = opened(chromium_page, process)
        chromium_page.get_by_text("Prefect: the server at http://127.0.0.1:9/api does not answer").wait_for()
        article.get_by_text("Version 1, champion since ").wait_for()


def test_with_keys_the_page_asks_for_one(stack: Settings, retraining: Any, chromium_page: Page, tmp_path: Path) -> None:
    hashed = hashlib.sha256(KEY.encode()).hexdigest()
    with serving(stack, MODEL, tmp_path, WGAN_SERVE_API_KEYS=hashed) as process:
        process.wait_ready()
        assert process.client.get("/v1/overview").status_code == 401
        chromium_page.goto(str(process.client.base_url))
        chromium_page.get_by_label("This server requires an API key.").fill(KEY)
        assert not chromium_page.locator(".model").count()
        chromium_page.get_by_role("button", name="Use it").click()
        chromium_page.locator(".pictures img[src^='data:']").nth(7).wait_for()


def test_the_answer_is_the_same_for_programs(server: Serving) -> None:
    overview = server.client.get("/v1/overview").json()
    first = overview["models"][0]
    assert (first["name"], first["version"], first["on_its_way"][0]["stage"]) == (MODEL, 1, "approval")
    assert json.dumps(overview["problems"]) == "[]"

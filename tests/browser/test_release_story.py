"""A version's way as a person sees it: approved on Prefect's page, a share in the playground, a slow one taken back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.command_line import json_of, quick
from tests.integration.released_versions import asking, released, slow_export, steps, story
from tests.integration.serving_process import Serving, register_exported, serving
from tests.integration.stack_commands import wait_for
from tests.integration.untrained_versions import digits_config, register_untrained
from tests.integration.worker_process import PATIENCE, ask, flow_run, wait_for_end, worker
from tests.unit.registry.examples import example_decision
from wgan.config_promotion import CanaryConfig
from wgan.prefect_server.client import PrefectServer
from wgan.prefect_server.work_pool import ensure_work_pool
from wgan.records import ReleasePlan
from wgan.registry.promotion import promote
from wgan.settings import Settings, load_settings
from wgan.stack.prefect_login import prefect_link
from wgan.storage import Storage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow(minutes=4)
POOL = "release story"
PATIENCE_MS = 1000 * PATIENCE
RULES = (
    "promotion.fid_margin=0",
    "promotion.recall_margin=1",
    "promotion.coverage_margin=1",
    "promotion.modes_margin=10",
    "promotion.approval=required",
    # The latency is not to decide: other tests run beside this one.
    "promotion.canary={percent: 50, minutes: 0.5, longest_minutes: 30, min_requests: 20, latency_factor: 100}",
    "promotion.watch_minutes=0.05",
)
"""Any training is better than the random champion; it is to be approved, tried, and watched."""


@dataclass
class Scene:
    """A champion that was never trained, and its serving process, which a worker watches."""

    settings: Settings
    storage: Storage
    serving: Serving
    name: str

    @property
    def model(self) -> str:
        return f"generator-{self.name}"

    def run_of(self, version: int) -> Any:
        """The version's run of the flow `release`."""
        wanted = {"name": {"like_": f"{self.model} version {version}"}}
        (found,) = ask(
            self.settings, "flow_runs/filter", flow_runs=wanted, flows={"name": {"any_": ["release"]}}
        )  # fmt: skip
        return found


@pytest.fixture
def scene(stack: Settings, storage: Storage, tmp_path: Path) -> Iterator[Scene]:
    storage.ensure_bucket()
    name = f"story-{uuid.uuid4().hex[:8]}"
    first = register_untrained(digits_config(name), 1, stack, storage, contrast=20)
    promote(first, example_decision(True), stack, storage, expected_champion=None)
    with PrefectServer(stack) as server:
        ensure_work_pool(server, POOL)
    with serving(stack, first.model_name, tmp_path) as process:
        process.wait_ready()
        url = str(process.client.base_url)
        with worker(stack, tmp_path, WGAN_WORK_POOL=POOL, WGAN_SERVING_URLS=url):
            yield Scene(stack, storage, process, name)


def test_a_version_is_approved_in_the_browser_and_tried_and_a_slow_one_is_taken_back(
    scene: Scene, chromium_page: Page, tmp_path: Path
) -> None:
    outcome = json_of(scene.settings, "retrain", *quick(scene.name, *RULES), WGAN_WORK_POOL=POOL)
    assert outcome["promotion"]["action"] == "passed", outcome["promotion"]["reason"]
    run = scene.run_of(2)
    wait_for(lambda: flow_run(scene.settings, run["id"])["state_name"] == "Suspended", PATIENCE)
    browser = chromium_page.context.browser
    assert browser is not None
    playground = browser.new_page()
    for page in (chromium_page, playground):
        page.set_default_timeout(100_000)  # beside other tests
    playground.goto(f"{str(scene.serving.client.base_url).rstrip('/')}/playground")
    playground.get_by_text("version 1 · seeds 1 to 16").wait_for()
    before = pictures(playground)
    with asking(scene.serving, scene.model):
        approve(scene, chromium_page, run["id"], tmp_path)
        sees_the_share_move(playground, before)
        assert wait_for_end(scene.settings, run["id"])["state_name"] == "Completed"
        playground.get_by_text("Version 2 is live; these pictures are version 1's.").wait_for()

        slow = register_exported(scene.settings, slow_export(tmp_path / "slow"), scene.name)
        strict = CanaryConfig(
            percent=40, minutes=0.4, longest_minutes=30, min_requests=40, latency_factor=1.2, quantile=0.5
        )
        taken_back = released(slow, ReleasePlan(canary=strict), POOL, scene.settings, scene.storage)
        assert wait_for_end(scene.settings, taken_back)["state_name"] == "Refused"
    playground.get_by_role("button", name="Draw").click()
    playground.get_by_text("version 2 · seeds 1 to 16").wait_for()
    assert steps(scene.model, scene.settings, scene.storage) == [
        ("promoted", 1), ("passed", 2), ("approved", 2), ("canary", 2), ("promoted", 2), ("kept", 2),
        ("passed", 3), ("canary", 3), ("refused", 3),
    ]  # fmt: skip
    told = story(scene.model, scene.settings, scene.storage)
    assert (told[2].actor, told[2].reason) == ("ada", "both grids look right")
    assert "The canary was good. 0 of" in told[4].reason
    assert "slower than the 1.2 times that are allowed" in told[8].reason
    (served,) = scene.serving.client.get("/v1/models").json()["models"]
    assert (served["version"], served["canary_percent"]) == (2, 0)


def approve(scene: Scene, page: Page, run_id: str, folder: Path) -> None:
    """Look at the decision and both grids on the run's page, and submit its form."""
    page.set_viewport_size({"width": 1400, "height": 1200})
    page.goto(prefect_link(load_settings(home=scene.settings.home), f"/runs/flow-run/{run_id}"))
    page.get_by_text("Suspended").first.wait_for()
    page.get_by_role("button", name="Resume").click()
    form = page.get_by_role("dialog")
    form.get_by_text("passed the gate; the champion is version 1.").wait_for()
    grids = form.locator("img")
    for index in (0, 1):
        grids.nth(index).wait_for()
        assert grids.nth(index).evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    decision = form.locator(".p-select-button__control")
    decision.focus()
    page.keyboard.press("ArrowDown")  # opens the list at its first choice
    page.get_by_role("option", name="approve").wait_for()
    page.keyboard.press("Enter")
    decision.filter(has_text="approve").wait_for()
    for label, text in (("Name", "ada"), ("Reason", "both grids look right")):
        form.locator(".schema-form-property").filter(has_text=label).locator("textarea").fill(text)
    page.screenshot(path=folder / "form.png")
    form.get_by_role("button", name="Submit").click()
    form.wait_for(state="hidden")
    wait_for(lambda: flow_run(scene.settings, run_id)["state_name"] != "Suspended", PATIENCE)


def pictures(page: Page) -> list[str]:
    return page.locator("#samples img").evaluate_all("images => images.map(image => image.src)")


def sees_the_share_move(page: Page, before: list[str]) -> None:
    """In the canary some samples are the challenger's, and say so; the others stay as they were."""
    page.bring_to_front()
    page.get_by_text("version 2 drew").wait_for()
    assert "version 2, draws 50 % of the requests" in page.locator("#facts").inner_text()
    versions = page.locator("#samples .cell").evaluate_all("cells => cells.map(cell => cell.dataset.version)")
    drawn = pictures(page)
    assert set(versions) == {"v1", "v2"}
    assert page.locator("#samples-version").inner_text().startswith(f"version 1; version 2 drew {versions.count('v2')}")
    assert [one == two for one, two in zip(drawn, before, strict=True)] == [one == "v1" for one in versions]

"""The playground in a real browser: what it draws, what it says of it, and what happens when a promotion lands."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.serving_process import Serving, client_of, register, serving
from tests.integration.stack_commands import wait_for
from wgan.settings import Settings
from wgan.storage import open_storage

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLES = "#samples img"


@pytest.fixture(scope="module")
def model(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three versions; the tests set the aliases."""
    open_storage(stack).ensure_bucket()
    name = f"playground-{uuid.uuid4().hex[:8]}"
    versions = [register(stack, tmp_path_factory.mktemp("export"), name, seed) for seed in (1, 2, 3)]
    return versions[0].model_name


def name_version(settings: Settings, model: str, alias: str, version: int) -> None:
    client_of(settings).set_registered_model_alias(model, alias, str(version))


@pytest.fixture(scope="module")
def running(stack: Settings, model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    name_version(stack, model, "champion", 1)
    name_version(stack, model, "challenger", 2)
    with serving(stack, model, tmp_path_factory.mktemp("serving")) as process:
        process.wait_ready()
        yield process


@pytest.fixture
def server(running: Serving, stack: Settings, model: str) -> Serving:
    """Version 1 served, version 2 as challenger."""
    name_version(stack, model, "champion", 1)
    running.wait_for_version(1)
    wait_for(lambda: running.client.get("/v1/model").json()["challenger"] == 2, 20)
    return running


@pytest.fixture
def page(server: Serving, chromium_page: Page) -> Page:
    """The playground with its first samples; an error in its scripts fails the test."""
    mistakes: list[str] = []
    chromium_page.on("pageerror", lambda error: mistakes.append(str(error)))
    chromium_page.on("console", lambda message: mistakes.append(message.text) if message.type == "error" else None)
    chromium_page.goto(str(server.client.base_url))
    chromium_page.locator(SAMPLES).nth(15).wait_for()
    assert mistakes == []
    return chromium_page


def sources(page: Page, selector: str = SAMPLES) -> list[str]:
    return page.locator(selector).evaluate_all("images => images.map(image => image.src)")


def test_the_samples_say_which_version_and_seeds_made_them(page: Page, model: str) -> None:
    assert page.locator("h1").inner_text() == model
    assert page.locator("#samples-version").inner_text() == "version 1 · seeds 1 to 16"
    assert page.locator(SAMPLES).first.get_attribute("alt") == f"Sample of seed 1, {model} version 1"
    assert len(set(sources(page))) == 16


def test_a_seed_gives_the_same_pictures_again_and_shuffle_gives_others(page: Page) -> None:
    first = sources(page)
    page.get_by_role("button", name="Shuffle").click()
    page.wait_for_function("first => document.querySelector('#samples img').src !== first", arg=first[0])
    assert set(sources(page)).isdisjoint(first)
    page.get_by_label("Seed").fill("1")
    page.get_by_role("button", name="Draw").click()
    page.get_by_text("seeds 1 to 16").wait_for()
    assert sources(page) == first


def test_two_chosen_pictures_are_the_ends_of_a_walk(page: Page) -> None:
    cells = page.locator("#samples .cell")
    cells.nth(2).click()
    cells.nth(9).click()
    picture = page.locator("#walk-picture")
    picture.wait_for()
    shown = sources(page)
    slider = page.get_by_label("Position")
    ends = []
    for position in ("0", "23"):
        slider.fill(position)
        ends.append(picture.get_attribute("src"))
    assert ends == [shown[2], shown[9]]
    assert slider.get_attribute("aria-valuetext") == "100 percent of the way"
    slider.fill("12")
    assert picture.get_attribute("src") not in shown
    page.get_by_role("button", name="Close").click()
    assert not picture.is_visible()
    assert page.locator(".cell[aria-pressed=true]").count() == 0


def test_the_grid_is_reached_by_tab_once_and_walked_with_arrow_keys(page: Page) -> None:
    cells = page.locator("#samples .cell")
    cells.first.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert cells.nth(5).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#samples')") is None


def test_the_challenger_is_shown_beside_the_champion_on_the_same_seeds(page: Page) -> None:
    page.get_by_label("Compare with the challenger").check()
    page.get_by_text("version 2 · the same seeds").wait_for()
    assert len(sources(page, "#challenger img")) == 16
    assert set(sources(page, "#challenger img")).isdisjoint(sources(page))


def test_a_promotion_is_announced_and_its_version_offered(page: Page, stack: Settings, model: str) -> None:
    before = sources(page)
    name_version(stack, model, "champion", 3)
    page.get_by_text("Version 3 is live; these pictures are version 1's.").wait_for(timeout=20_000)
    assert sources(page) == before
    page.get_by_role("button", name="Show it").click()
    page.get_by_text("version 3 · seeds 1 to 16").wait_for()
    assert set(sources(page)).isdisjoint(before)
    assert not page.locator("#news").is_visible()


def test_the_pictures_can_be_downloaded_as_they_are_seen(page: Page, tmp_path: Path, model: str) -> None:
    from PIL import Image

    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == f"{model}-v1-seed-1.png"
    download.value.save_as(tmp_path / "grid.png")
    size = page.locator(SAMPLES).first.evaluate("image => image.naturalWidth")
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (4 * size, 4 * size)


def test_a_server_that_is_gone_is_said_and_the_pictures_stay(page: Page) -> None:
    page.route("**/readyz", lambda route: route.abort())
    page.get_by_text("The server does not answer.").wait_for(timeout=20_000)
    assert page.locator(SAMPLES).count() == 16


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_on_narrow_and_wide_screens(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_label("Compare with the challenger").check()
    page.get_by_text("version 2 · the same seeds").wait_for()
    page.locator("#samples .cell").nth(1).click()
    page.locator("#samples .cell").nth(6).click()
    page.locator("#walk-picture").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width

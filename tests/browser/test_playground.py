"""The playground in a real browser: what it draws, what it says about it, and what happens after a promotion."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.serving_process import Serving, client_of, register, serving
from tests.integration.stack_commands import wait_for
from wgan.config_promotion import CanaryConfig
from wgan.model_version.way import WAY_TAG, way_text
from wgan.records import LedgerEntry, ReleasePlan
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


@pytest.fixture(scope="module")
def other(stack: Settings, model: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Another model, with a champion and no challenger."""
    version = register(stack, tmp_path_factory.mktemp("export"), f"other-{uuid.uuid4().hex[:8]}", 4)
    name_version(stack, version.model_name, "champion", 1)
    return version.model_name


def name_version(settings: Settings, model: str, alias: str, version: int) -> None:
    client_of(settings).set_registered_model_alias(model, alias, str(version))


@pytest.fixture(scope="module")
def running(stack: Settings, model: str, other: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    name_version(stack, model, "champion", 1)
    name_version(stack, model, "challenger", 2)
    with serving(stack, (model, other), tmp_path_factory.mktemp("serving")) as process:
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
    chromium_page.goto(f"{str(server.client.base_url).rstrip('/')}/playground")
    chromium_page.locator(SAMPLES).nth(15).wait_for()
    assert mistakes == []
    return chromium_page


def sources(page: Page, selector: str = SAMPLES) -> list[str]:
    return page.locator(selector).evaluate_all("images => images.map(image => image.src)")


def test_the_samples_name_their_version_and_seeds(page: Page, model: str) -> None:
    assert page.locator("h1").inner_text() == model
    assert page.locator("#samples-version").inner_text() == "version 1 · seeds 1 to 16"
    assert page.locator(SAMPLES).first.get_attribute("alt") == f"Sample of seed 1, {model} version 1"
    assert len(set(sources(page))) == 16


def test_a_seed_repeats_its_pictures_and_shuffle_changes_them(page: Page) -> None:
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


def test_a_walk_is_shown_from_the_start_between_the_first_sample_and_the_last(page: Page) -> None:
    page.locator("#walk-picture").wait_for()
    marked = page.locator("#samples .cell[aria-pressed=true]").evaluate_all("cells => cells.map(cell => cell.title)")
    assert marked == ["seed 1", "seed 16"]


def test_the_walk_plays_until_it_is_paused(page: Page) -> None:
    slider = page.get_by_label("Position")
    slider.wait_for()
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => document.querySelector('#walk-position').value > 3")
    page.get_by_role("button", name="Pause", exact=True).click()
    stopped = slider.input_value()
    share = page.locator("#walk-caption").inner_text()
    assert share.endswith(f"{round(100 * int(stopped) / 23)} %")
    assert page.get_by_role("button", name="Play", exact=True).is_visible()
    slider.fill("0")
    assert page.locator("#walk-caption").inner_text().endswith("· 0 %")


def test_champion_and_challenger_walk_side_by_side_through_the_same_latents(page: Page, server: Serving) -> None:
    page.locator("#walk-challenger-picture").wait_for()
    assert page.locator("#walk-caption").inner_text() == "champion, version 1 · 0 %"
    assert page.locator("#walk-challenger-caption").inner_text() == "challenger, version 2 · 0 %"
    asked = {"Accept": "application/json", "X-WGAN-Alias": "challenger"}
    frames = server.client.get("/v1/interpolate?from=1&to=16&frames=24", headers=asked).json()["images"]
    page.get_by_label("Position").fill("9")
    assert page.locator("#walk-challenger-picture").get_attribute("src") == f"data:image/png;base64,{frames[9]}"


def test_another_model_can_be_chosen_and_stays_chosen(page: Page, model: str, other: str) -> None:
    choice = page.get_by_label("Model", exact=True)
    assert choice.locator("option").all_inner_texts() == [model, other]
    before = sources(page)
    choice.select_option(other)
    page.locator("h1", has_text=other).wait_for()
    assert page.locator(SAMPLES).first.get_attribute("alt") == f"Sample of seed 1, {other} version 1"
    assert set(sources(page)).isdisjoint(before)
    page.locator("#walk-picture").wait_for()
    assert not page.locator("#walk-challenger").is_visible()
    assert not page.get_by_label("Compare with the challenger").is_visible()
    page.reload()
    page.locator("h1", has_text=other).wait_for()
    assert choice.input_value() == other


def test_one_button_is_the_primary_one(page: Page) -> None:
    accent = page.evaluate("getComputedStyle(document.querySelector('button.primary')).backgroundColor")
    colours = page.locator("button:visible:not(.cell)").evaluate_all(
        "buttons => buttons.map(button => [button.textContent, getComputedStyle(button).backgroundColor])"
    )
    assert [text for text, colour in colours if colour == accent] == ["Draw"]


@pytest.mark.parametrize("width", [1280, 1920])
def test_controls_samples_and_walk_share_the_width_of_a_wide_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("#walk-picture").wait_for()
    boxes = [page.locator(part).bounding_box() for part in ("#controls", "#samples", ".walk")]
    (controls, samples, walk) = [box for box in boxes if box]
    assert controls["x"] + controls["width"] <= samples["x"]
    assert samples["x"] + samples["width"] <= walk["x"]
    assert sum(box["width"] for box in (controls, samples, walk)) > 0.85 * width


def test_the_grid_is_one_tab_stop_and_arrow_keys_move_inside_it(page: Page) -> None:
    cells = page.locator("#samples .cell")
    cells.first.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    assert cells.nth(5).get_attribute("aria-pressed") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#samples')") is None


def test_challenger_and_champion_are_shown_on_the_same_seeds(page: Page) -> None:
    page.get_by_label("Compare with the challenger").check()
    page.get_by_text("version 2 · the same seeds").wait_for()
    assert len(sources(page, "#challenger img")) == 16
    assert set(sources(page, "#challenger img")).isdisjoint(sources(page))


def set_share(settings: Settings, model: str, percent: float | None) -> None:
    """Put version 2 into a canary of that share; None ends it."""
    plan = ReleasePlan(canary=CanaryConfig(percent=percent)) if percent else None
    entry = LedgerEntry(
        id="a", model_name=model, action="canary" if plan else "withdrawn", time=datetime.now(UTC), from_version=1,
        to_version=2, reason="A share first.", plan=plan,
    )  # fmt: skip
    client_of(settings).set_model_version_tag(model, "2", WAY_TAG, way_text(entry))


def drawn_by(page: Page) -> list[str]:
    """What each sample says about who drew it."""
    return page.locator("#samples .cell").evaluate_all("cells => cells.map(cell => cell.dataset.version ?? '')")


def test_in_a_canary_each_sample_says_which_version_drew_it_and_the_share_moves(
    page: Page, server: Serving, stack: Settings, model: str
) -> None:
    before = sources(page)
    set_share(stack, model, 50)
    line = page.locator("#samples-version")
    page.get_by_text("version 2 drew").wait_for(timeout=20_000)
    asked = [server.client.post("/v1/images", json={"count": 1, "seed": seed}) for seed in range(1, 17)]
    versions = [f"v{answer.headers['X-WGAN-Version']}" for answer in asked]
    assert drawn_by(page) == versions
    share = versions.count("v2")
    assert 0 < share < 16
    assert line.inner_text() == f"version 1; version 2 drew {share} of 16 · seeds 1 to 16"
    assert [one == two for one, two in zip(sources(page), before, strict=True)] == [one == "v1" for one in versions]
    assert "version 2, draws 50 % of the requests" in page.locator("#facts").inner_text()
    image = page.locator(SAMPLES).nth(versions.index("v2"))
    assert str(image.get_attribute("alt")).endswith(f"{model} version 2")

    set_share(stack, model, 100)
    page.get_by_text("version 2 drew 16 of 16").wait_for(timeout=20_000)
    page.get_by_label("Compare with the challenger").check()
    page.get_by_text("version 2 · the same seeds").wait_for()
    assert sources(page) == before  # beside the challenger's, the champion's alone
    page.get_by_label("Compare with the challenger").uncheck()
    page.get_by_text("version 2 drew 16 of 16").wait_for()
    set_share(stack, model, None)
    page.get_by_text("version 1 · seeds 1 to 16").wait_for(timeout=20_000)
    assert sources(page) == before
    assert drawn_by(page) == [""] * 16


def test_a_promotion_is_announced_and_its_version_offered(page: Page, stack: Settings, model: str) -> None:
    before = sources(page)
    name_version(stack, model, "champion", 3)
    page.get_by_text("Version 3 is live; these pictures are version 1's.").wait_for(timeout=20_000)
    assert sources(page) == before
    page.get_by_role("button", name="Show it").click()
    page.get_by_text("version 3 · seeds 1 to 16").wait_for()
    assert set(sources(page)).isdisjoint(before)
    assert not page.locator("#news").is_visible()


def test_the_pictures_can_be_downloaded_as_shown(page: Page, tmp_path: Path, model: str) -> None:
    from PIL import Image

    size = page.locator(SAMPLES).first.evaluate("image => image.naturalWidth")
    pictures = {}
    for scale in (1, 4):
        page.get_by_label("Size of the download").select_option(str(scale))
        with page.expect_download() as download:
            page.get_by_role("button", name="Download", exact=True).click()
        assert download.value.suggested_filename == f"{model}-v1-seed-1.png"
        download.value.save_as(tmp_path / f"{scale}.png")
        pictures[scale] = Image.open(tmp_path / f"{scale}.png")
    assert pictures[1].size == (4 * size, 4 * size)
    enlarged = pictures[1].resize(pictures[4].size, Image.Resampling.NEAREST)
    assert pictures[4].size == (16 * size, 16 * size)
    assert pictures[4].tobytes() == enlarged.tobytes()


def test_the_animation_can_be_downloaded_enlarged(page: Page, tmp_path: Path) -> None:
    from PIL import Image

    page.locator("#walk-picture").wait_for()
    size = page.locator("#walk-picture").evaluate("image => image.naturalWidth")
    page.get_by_label("Size of the animation").select_option("2")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the animation").click()
    assert download.value.suggested_filename == "walk-1-16.webp"
    download.value.save_as(tmp_path / "walk.webp")
    with Image.open(tmp_path / "walk.webp") as film:
        assert (film.size, film.n_frames) == ((2 * size, 2 * size), 24)  # type: ignore[attr-defined]


def test_a_server_that_is_gone_is_reported_and_the_pictures_stay(page: Page) -> None:
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


@pytest.mark.parametrize("width", [390, 1280])
def test_the_api_page_shows_every_request_once_and_its_form_with_a_models_name(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("link", name="API").click()
    requests = page.locator("article")
    requests.first.wait_for()
    paths = requests.locator("h2 code").all_inner_texts()
    assert [path for path in paths if path.startswith("/v1/")] == [
        "/v1/images", "/v1/decode", "/v1/interpolate", "/v1/model", "/v1/models", "/v1/models/{model}",
        "/v1/overview",
    ]  # fmt: skip
    images = page.locator("#post-v1-images")
    assert images.locator(".twin code").inner_text() == "/v1/models/{model}/images"
    assert "integer from 1 to 16; default 1" in images.inner_text()
    assert images.locator("pre").inner_text().startswith("curl -sS http://127.0.0.1:")
    assert page.evaluate("document.documentElement.scrollWidth") <= width

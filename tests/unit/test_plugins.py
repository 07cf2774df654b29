"""Code named by import path: only what the operator allows, and each mistake is one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wgan.config import RetrainConfig
from wgan.config_reading import parse_config
from wgan.errors import UsageError
from wgan.plugins import load_plugin, plugin_code, plugin_paths, require_plugins
from wgan.settings import Settings

FIELD = "training.objective"
OWN_SOURCE = {"source": "own_code.pictures:squares", "name": "squares"}


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `own_code` that can be imported and is allowed."""
    package = tmp_path / "own_code"
    package.mkdir()
    (package / "__init__.py").write_text("from os import system\n\nlimit = 3\n\n\nclass Hinge:\n    pass\n")
    (package / "broken.py").write_text("raise RuntimeError('no such device')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("WGAN_PLUGINS", "another, own_code")
    yield package
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_code"]:
        del sys.modules[name]


def test_an_allowed_class_is_found(own_code: Path) -> None:
    assert load_plugin(FIELD, "own_code:Hinge").__name__ == "Hinge"


def test_nothing_is_imported_without_the_operators_permission(own_code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WGAN_PLUGINS")
    with pytest.raises(UsageError, match=r"objective=own_code:Hinge: this machine does not import own_code; .*none\)"):
        load_plugin(FIELD, "own_code:Hinge")
    assert "own_code" not in sys.modules


def test_a_module_whose_name_only_begins_like_an_allowed_one_is_not_imported(own_code: Path) -> None:
    with pytest.raises(UsageError, match="does not import own_codes"):
        load_plugin(FIELD, "own_codes:Hinge")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("own_code:system", "system is not a class or function that own_code defines"),
        ("own_code:limit", "limit is not a class or function"),
        ("own_code:Hing", "own_code has no Hing"),
        ("own_code.absent:Hinge", "there is no module own_code.absent; install it"),
        ("own_code.broken:Hinge", "importing own_code.broken failed with RuntimeError: no such device"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_field(own_code: Path, path: str, reason: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load_plugin(FIELD, path)
    assert str(refusal.value).startswith(f"{FIELD}={path}: ")
    assert reason in str(refusal.value)


def test_the_code_is_recorded_by_its_source_and_changes_with_any_file_of_its_package(own_code: Path) -> None:
    before = plugin_code(FIELD, "own_code:Hinge")
    assert before.distribution is None
    (own_code / "broken.py").write_text("pass\n")
    assert plugin_code(FIELD, "own_code:Hinge").sha256 != before.sha256


def test_code_of_an_installed_distribution_is_recorded_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_PLUGINS", "packaging")
    code = plugin_code(FIELD, "packaging.version:Version")
    assert code.distribution == "packaging"
    assert code.version


def test_every_import_path_of_a_configuration_is_found_with_its_field() -> None:
    config = parse_config(
        {
            "data": OWN_SOURCE,
            "networks": {"generator": "own_code:Painter", "critic": "own_code:Judge"},
            "training": {"objective": "own_code:Hinge"},
        }
    )
    assert plugin_paths(config) == {
        "own_code.pictures:squares": "data.source",
        "own_code:Painter": "networks.generator",
        "own_code:Judge": "networks.critic",
        "own_code:Hinge": "training.objective",
    }


def test_a_configuration_without_import_paths_needs_no_permission() -> None:
    assert require_plugins(RetrainConfig()) == ()


@pytest.mark.parametrize(
    "value", ["hinge", "own_code:", ":Hinge", "own code:Hinge", "own_code:Hinge()", "../own:Hinge"]
)
def test_text_that_is_neither_a_name_nor_an_import_path_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"training\.objective='.*' is not allowed: input should be 'wgan', "):
        parse_config({"training": {"objective": value}})


def test_a_custom_source_needs_a_name_and_may_have_a_location() -> None:
    with pytest.raises(UsageError, match=r"data\.name is needed"):
        parse_config({"data": {"source": OWN_SOURCE["source"]}})
    assert parse_config({"data": OWN_SOURCE | {"location": "anywhere"}}).data.location == "anywhere"


def test_the_setting_is_one_of_the_documented_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WGAN_PLUGINS", "own_code")
    assert Settings(_env_file=None).plugins == "own_code"

"""`wgan compare` on real servers: two registered versions measured and reported."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from tests.integration.untrained_versions import digits_config, register_untrained
from wgan.commands.compare import compare
from wgan.errors import UsageError
from wgan.registry.promotion import promote
from wgan.settings import Settings
from wgan.storage import Storage
from wgan.tracking.client import tracking_client

pytestmark = pytest.mark.usefixtures("stack_home")


@pytest.fixture(scope="module")
def model(stack: Settings, storage: Storage) -> str:
    """Version 1, the champion; 2, on newer data; 3, of images of another size."""
    storage.ensure_bucket()
    name = f"digits-{uuid.uuid4().hex[:8]}"
    first = register_untrained(digits_config(name, max_images=300), 1, stack, storage)
    register_untrained(digits_config(name, max_images=400), 2, stack, storage)
    register_untrained(digits_config(name, max_images=300, image_size=64), 3, stack, storage)
    promote(first, None, stack, storage, force=True, reason="somebody must be first", expected_champion=None)
    return first.model_name


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "reports" / "report.html"


def test_two_versions_are_judged_on_the_newer_data_as_one_json_object(
    model: str, report: Path, capsys: pytest.CaptureFixture[str], stack: Settings
) -> None:
    before = tracking_client(stack).get_registered_model(model).aliases
    compare(model, "champion", "2", output=report, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["champion"], found["challenger"], found["report"]) == (1, 2, str(report))
    decision = found["decision"]
    newest = tracking_client(stack).get_model_version(model, "2").tags["data_digest"]
    assert {decision[side]["protocol"]["data_digest"] for side in ("challenger", "champion")} == {newest}
    assert decision["champion_judged_on"] == tracking_client(stack).get_model_version(model, "1").tags["data_digest"]
    fid = found["differences"]["fid"]
    assert fid["mean"] == pytest.approx(
        decision["challenger"]["metrics"]["fid"]["mean"] - decision["champion"]["metrics"]["fid"]["mean"]
    )
    assert found["bounds"]["untrained"]["metrics"]["fid"]["mean"] > 0
    assert tracking_client(stack).get_registered_model(model).aliases == before


def test_people_see_a_table_the_gates_rules_and_the_path_of_the_report(
    model: str, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(model, "1", "2", output=report)
    shown = capsys.readouterr().out
    for part in ("version 1", "version 2", "Recall", "As a challenger of version 1, version 2 would", str(report)):
        assert part in shown
    html = report.read_text()
    for part in (f"{model}:", "Nearest training images", "Wasserstein estimate, running median", "data.max_images"):
        assert part in html


def test_without_an_output_the_report_is_in_the_home_folder(model: str, stack_home: Path) -> None:
    compare(model, "2", "1", protocol="quick", as_json=True)
    assert (stack_home / "comparisons" / f"{model}-v2-v1.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ("1", r"version 1 of .* cannot be compared with itself: name two versions\."),
        ("champion", "cannot be compared with itself"),
        ("9", r"has no version 9: there are 1, 2, 3\."),
        ("best", r"no version or alias 'best': give a number, or an alias; there are champion \(version 1\)\."),
        (
            "3",
            r"makes images of 32×32 pixels in 1 channel\(s\) in version 1 and of 64×64 .*: only versions of one shape",
        ),
    ],
)
def test_an_impossible_comparison_is_one_sentence(model: str, report: Path, second: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        compare(model, "1", second, output=report)


def test_a_report_that_cannot_be_written_is_reported_before_anything_is_measured(model: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"the report .*file/report.html cannot be written"):
        compare(model, "1", "2", output=tmp_path / "file" / "report.html")

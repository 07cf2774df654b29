"""The report: every claim with its criterion, table and figures, in one HTML file and as markdown."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from wgan.errors import WganError
from wgan.study.drawing import draw_chart, picture
from wgan.study.records import Chart, Claim, ClaimResult, Panel, Series, StudyOutcome, Table
from wgan.study.report import HTML, MARKDOWN, RESULTS, write_report

LINE = Series(label="each step", x=(1.0, 2.0), y=(1.0, 0.1), low=(0.5, 0.05), high=(2.0, 0.2))
PANELS = (
    Panel(title="curve", kind="line", series=(LINE,), y_scale="log", markers=True),
    Panel(title="bars", kind="bars", series=(LINE.model_copy(update={"x": (0.0, 1.0)}),), ticks=("a", "b")),
    Panel(title="cloud", kind="points", series=(LINE, LINE), limits=(0, 3, 0, 3)),
    Panel(title="grid", kind="picture", png=picture(Image.new("RGB", (8, 8), "red"))),
)


def outcome(holds: bool = True) -> StudyOutcome:
    claim = Claim(number=3, title="Slopes <vanish>", source="Section 3", statement="They do.", criterion="Below 1 %.")
    result = ClaimResult(
        claim=claim,
        protocol="Two Gaussians.",
        table=Table(columns=("a|b", "c"), rows=(("1", "2 & 3"),)),
        finding="It came out.",
        holds=holds,
        charts=(Chart(name="claim-3-slopes", caption="Flat.", panels=PANELS, columns=4),),
        variants=(),
        seconds=1.0,
        cpu_seconds=2.0,
    )
    return StudyOutcome(
        size="tiny", seed=0, flow_run_id="flow", mlflow_run_id="run", digits="digits, 1,797", results=(result,)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of a claim that holds."""
    folder = tmp_path_factory.mktemp("study")
    write_report(outcome(), folder)
    return folder


def test_a_chart_is_a_png_of_all_its_panels() -> None:
    wide, narrow = (
        Image.open(io.BytesIO(draw_chart(Chart(name="x", caption="", panels=PANELS, columns=columns))))
        for columns in (4, 1)
    )
    assert wide.width > wide.height
    assert narrow.height > narrow.width


def test_the_html_is_self_contained(folder: Path) -> None:
    html = (folder / HTML).read_text()
    sources = re.findall(r'src="([^"]+)"', html)
    assert len(sources) == 1
    Image.open(io.BytesIO(base64.b64decode(sources[0].removeprefix("data:image/png;base64,")))).verify()
    assert "http://" not in html
    assert "https://" not in html


@pytest.mark.parametrize(("holds", "words"), [(True, "holds"), (False, "does not hold here")])
def test_both_reports_state_claim_protocol_and_finding(holds: bool, words: str, tmp_path: Path) -> None:
    write_report(outcome(holds), tmp_path)
    html, markdown = (tmp_path / HTML).read_text(), (tmp_path / MARKDOWN).read_text()
    for text in ("They do.", "Section 3", "Below 1 %.", "Two Gaussians.", "It came out.", words):
        assert text in html
        assert text in markdown
    assert "Slopes &lt;vanish&gt;" in html
    assert "| a\\|b | c |" in markdown
    figure = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", markdown)
    assert [(tmp_path / path).is_file() for path in figure] == [True]


def test_the_results_can_be_read_back(folder: Path) -> None:
    assert StudyOutcome.model_validate_json((folder / RESULTS).read_text()) == outcome()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WganError, match="the report cannot be written to"):
        write_report(outcome(), tmp_path / "file")

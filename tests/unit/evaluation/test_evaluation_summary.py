"""The evaluation as markdown: both sides, paired differences, rules with their marks."""

from __future__ import annotations

from tests.unit.evaluation.example_measurements import PROTOCOL, measured
from wgan.config_promotion import PromotionConfig
from wgan.evaluation.gate import decide
from wgan.metric_text.summary import evaluation_markdown


def row(markdown: str, title: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if line.startswith(f"| {title}"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_gives_both_sides_and_their_paired_difference_with_intervals() -> None:
    markdown = evaluation_markdown(measured(), measured(fid=[6.0, 6.1, 5.9, 6.2, 5.8]), None)
    assert row(markdown, "Fréchet") == [
        "Fréchet distance ↓",
        "5 [4.804, 5.196]",
        "6 [5.804, 6.196]",
        "-1 [-1, -1]",
    ]


def test_a_first_model_has_no_champion_columns() -> None:
    assert len(row(evaluation_markdown(measured(), None, None), "Recall")) == 2


def test_numbers_of_different_protocols_show_no_difference() -> None:
    other = measured(PROTOCOL.model_copy(update={"sample_count": 99}))
    assert row(evaluation_markdown(measured(), other, None), "Recall")[-1] == "not comparable"


def test_every_rule_is_listed_with_its_mark() -> None:
    decision = decide(measured(modes=[7.0] * 5), measured(fid=[9.0, 9.2, 8.9, 9.1, 9.0]), PromotionConfig())
    markdown = evaluation_markdown(measured(), measured(), decision)
    assert "do not promote" in markdown
    assert "- ✓ FID 5 against 9.04: better by 4.04" in markdown
    assert "- ✗ Modes 7 against 10: down by 3" in markdown


def test_a_warm_start_and_the_chosen_checkpoint_are_told_below_the_rules() -> None:
    remark = "Training started from both networks of models:/generator-digits/3."
    decision = decide(measured(), None, PromotionConfig()).model_copy(update={"remarks": (remark,)})
    assert evaluation_markdown(measured(), None, decision).endswith(f"\n\n{remark}")


def test_the_protocol_is_shown_beside_the_numbers() -> None:
    markdown = evaluation_markdown(measured(), None, None)
    assert "95% interval] over 5 seeds of 1,024" in markdown
    assert "held-out accuracy 98.3%" in markdown
    assert "cannot be compared with distances in Inception features" in markdown

"""The notebook of the examples runs as it is, and so do the lines of the training page."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

pytestmark = pytest.mark.slow(minutes=1)
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def test_the_notebook_runs_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")
    names: dict[str, object] = {}
    for cell in json.loads((EXAMPLES / "algorithm_1.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    samples = names["samples"]
    assert isinstance(samples, np.ndarray)
    assert samples.shape == (16, 1, 32, 32)


def test_the_lines_of_the_training_page_train_on_an_array(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("pixels.npy", np.random.default_rng(0).integers(256, size=(64, 32, 32, 3), dtype=np.uint8))
    lines = (ROOT / "docs" / "training.md").read_text().partition("```python\n")[2].partition("```")[0]
    assert len(lines.splitlines()) <= 10
    exec(lines.replace('"generator_steps": 200', '"generator_steps": 1, "n_critic": 1'), {})
    assert capsys.readouterr().out.startswith("step 1: wasserstein_median ")
    assert list((tmp_path / "training").glob("*.pt"))

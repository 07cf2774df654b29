"""Every example runs: the notebook unchanged, the four modules together in one retraining."""

from __future__ import annotations

import json
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from mlflow import MlflowClient

from tests.integration.command_line import json_of, quick
from tests.integration.stack_commands import run
from wgan.settings import Settings

pytestmark = pytest.mark.slow(minutes=1)
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MODULES = sorted(file.stem for file in EXAMPLES.glob("*.py"))
OWN_CODE = (
    "data.source=shapes_source:shapes",
    "networks.generator=perceptron_networks:PerceptronGenerator",
    "networks.critic=perceptron_networks:PerceptronCritic",
    "training.objective=hinge_objective:HingeObjective",
    'evaluation.metrics=["sharpness_metric:sharpness"]',
)
PATH = os.pathsep.join([str(ROOT), str(EXAMPLES)])


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


@pytest.mark.slow(minutes=1)
def test_the_modules_work_in_the_whole_pipeline_and_are_recorded(stack: Settings) -> None:
    outcome = json_of(stack, "retrain", *quick("own-code", *OWN_CODE), WGAN_PLUGINS=",".join(MODULES), PYTHONPATH=PATH)
    evaluation = outcome["version"]["evaluation"]
    training = evaluation["training"]
    assert {code["path"].partition(":")[0] for code in training["plugins"]} == set(MODULES)
    assert "sharpness" in evaluation["challenger"]["metrics"]
    tags = MlflowClient(stack.mlflow_tracking_uri).get_run(training["mlflow_run_id"]).data.tags
    assert all(code["sha256"] in tags["wgan.plugins"] for code in training["plugins"])


def test_a_module_that_the_operator_does_not_allow_ends_the_run_in_one_sentence(stack: Settings) -> None:
    refused = run(stack, "retrain", *quick("not-allowed", OWN_CODE[3]), code=2, PYTHONPATH=PATH)
    assert "training.objective=hinge_objective:HingeObjective: this machine does not import" in refused.stderr
    assert "Traceback" not in refused.stderr

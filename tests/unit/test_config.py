"""What a run is: presets load, mistakes are refused in one sentence."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wgan.config import DataConfig, RetrainConfig, config_digest, flat_parameters
from wgan.config_reading import example_config, load_config, preset_names
from wgan.errors import UsageError


def refusal(*assignments: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_config("digits", assignments=assignments)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_all_presets_exist_and_are_valid() -> None:
    assert preset_names() == [
        "celeba64",
        "cifar10",
        "digits",
        "fashion-mnist",
        "lsun-bedroom",
        "mnist",
        "photos32",
        "photos64",
        "stacked-mnist",
    ]
    for name in preset_names():
        assert isinstance(example_config(name), RetrainConfig)


@pytest.mark.parametrize("name", ["photos32", "photos64"])
def test_a_preset_for_custom_images_says_what_it_needs(name: str) -> None:
    with pytest.raises(UsageError, match=r"data\.location is needed for data\.source=folder"):
        load_config(name)
    with pytest.raises(UsageError, match=r"data\.name is needed for data\.source=folder"):
        load_config(name, assignments=["data.location=/data/faces"])
    config = load_config(name, assignments=["data.location=/data/faces", "data.name=faces"])
    assert config.model_name == "generator-faces"
    assert config.evaluation.extractor == "imagenet-lite"


@pytest.mark.parametrize("name", ["celeba64", "lsun-bedroom"])
def test_the_64_by_64_presets_have_the_papers_hyperparameters(name: str) -> None:
    """Arjovsky, Chintala and Bottou (2017), Algorithm 1: alpha 5e-5, c 0.01, m 64, n_critic 5."""
    training = load_config(name).training
    assert (training.lr, training.clip_value, training.batch_size, training.n_critic) == (5e-5, 0.01, 64, 5)
    assert training.optimizer == "rmsprop"
    assert load_config(name).networks.latent_dim == 100


def test_an_unknown_preset_is_refused_with_the_existing_ones() -> None:
    with pytest.raises(UsageError, match=r"no preset 'digitz'; choose one of celeba64, .*stacked-mnist\."):
        load_config("digitz")


def test_an_unknown_field_is_refused_with_the_existing_ones() -> None:
    message = refusal("training.learning_rate=1")
    assert "training.learning_rate" in message
    assert "lr" in message
    assert "n_critic" in message


def test_an_unknown_section_is_refused_with_the_existing_ones() -> None:
    assert "data, networks, training, evaluation, promotion" in refusal("optimiser.lr=1")


@pytest.mark.parametrize(
    ("assignment", "name", "allowed"),
    [
        ("training.lr=-1", "training.lr=-1", "greater than 0"),
        ("training.lr=fast", "training.lr='fast'", "valid number"),
        ("training.clip_value=.nan", "training.clip_value=nan", "finite"),
        ("data.image_size=48", "data.image_size=48", "32, 64, 128 or 256"),
        ("training.objective=lsgan", "training.objective='lsgan'", "'wgan', 'wgan-gp' or 'gan'"),
        ("networks.width=2", "networks.width=2", "greater than or equal to 4"),
        ("training.ema_decay=1", "training.ema_decay=1", "less than 1"),
        ("training.lr_schedule=cosine", "training.lr_schedule='cosine'", "'constant' or 'linear'"),
        ("training.start_from=latest", "training.start_from='latest'", "none, champion or the number of a version"),
        ("training.start_from=0", "training.start_from='0'", "none, champion or the number of a version"),
        ("training.patience=3", "training.patience", "needs training.evaluate_every"),
    ],
)
def test_an_impossible_value_is_refused_with_name_value_and_what_is_allowed(
    assignment: str, name: str, allowed: str
) -> None:
    message = refusal(assignment)
    assert name in message
    assert allowed in message


@pytest.mark.parametrize("text", ["training.lr", "lr=1", "training.=1", "=", ""])
def test_an_assignment_of_the_wrong_form_is_refused_with_an_example(text: str) -> None:
    assert "training.lr=1e-4" in refusal(text)


def test_assignments_override_the_file_and_the_file_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("training: {lr: 1.0e-3, n_critic: 3}\n")
    config = load_config("digits", file, ["training.n_critic=2"])
    assert (config.training.lr, config.training.n_critic) == (1e-3, 2)
    assert config.networks == load_config("digits").networks


def test_scientific_notation_without_a_point_is_a_number() -> None:
    """YAML 1.1 reads 1e-4 as text."""
    assert load_config("digits", assignments=["training.lr=1e-4"]).training.lr == 1e-4


@pytest.mark.parametrize(
    ("assignment", "field", "value"),
    [
        ("data.location=/x/batch #2", "location", "/x/batch #2"),
        ("data.location=", "location", None),
        ("data.location= a: b", "location", " a: b"),
        ("data.name=2024", "name", "2024"),
        ("data.name=007", "name", "007"),
        ("data.name=on", "name", "on"),
        ("data.name=2024-01-15", "name", "2024-01-15"),
        ("data.name=null", "name", "null"),
        ("data.max_images=", "max_images", None),
        ("data.max_images=null", "max_images", None),
        ("data.max_images=0100", "max_images", 100),
        ("data.image_size=64", "image_size", 64),
    ],
)
def test_an_assignment_is_read_by_the_type_of_its_field(
    assignment: str, field: str, value: object, tmp_path: Path
) -> None:
    base = ["data.source=folder", "data.name=faces", "data.location=/x"]
    kept = [text for text in base if not text.startswith(f"data.{field}=")]
    if field == "location" and value is None:
        kept = []
    assert getattr(load_config("digits", assignments=[*kept, assignment]).data, field) == value


def test_numbers_are_decimal_in_assignments_and_files(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("training: {seed: 010, lr: 1e-3, adam_betas: [0, 0.9]}\ndata: {name: 2024-01-15}\n")
    config = load_config("digits", file)
    assert (config.training.seed, config.training.lr, config.data.name) == (10, 1e-3, "2024-01-15")
    assigned = load_config("digits", assignments=["training.seed=010", "training.adam_betas=0.1, 0.9"]).training
    assert (assigned.seed, assigned.adam_betas) == (10, (0.1, 0.9))
    for text in ("training.seed=1:30", "training.seed=0x10", "training.lr=yes", "training.n_critic=2.5"):
        assert text.partition("=")[0] in refusal(text)


def test_a_value_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("training:\n  lr: 1e-3\n  seed: 1\n  lr: 1e-4\n")
    with pytest.raises(UsageError, match=r"run\.yaml is not YAML: 'lr' is given twice in .*line 4"):
        load_config(file=file)
    file.write_text("training: {lr: 1e-3}\ndata: {}\ntraining: {}\n")
    with pytest.raises(UsageError, match="'training' is given twice"):
        load_config(file=file)
    assert refusal("training.lr=1", "training.lr=2") == "--set gives training.lr twice: '1' and '2'."


@pytest.mark.timeout(20)
def test_an_endless_or_special_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (Path("/dev/zero"), tmp_path / "pipe.yaml", tmp_path):
        with pytest.raises(UsageError, match="is not a file"):
            load_config(file=path)
    (tmp_path / "large.yaml").write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(UsageError, match="more than 1,048,576 bytes"):
        load_config(file=tmp_path / "large.yaml")


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_file_gives_a_configuration_or_one_sentence(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.yaml")
        file.write_bytes(content)
        with contextlib.suppress(UsageError):
            load_config(file=file)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml: No such file"):
        load_config(file=tmp_path / "absent.yaml")


def test_a_file_that_is_not_yaml_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("training: {lr: [\n")
    with pytest.raises(UsageError) as caught:
        load_config(file=file)
    assert "is not YAML" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_holds_a_list_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("- 1\n")
    with pytest.raises(UsageError, match="must hold sections"):
        load_config(file=file)


@pytest.mark.parametrize("source", ["folder", "archive", "s3", "parquet", "webdataset", "lsun"])
def test_a_located_source_needs_a_location(source: str) -> None:
    assert "data.location is needed" in refusal(f"data.source={source}")


def test_a_named_source_takes_no_location() -> None:
    assert "data.location is only used with" in refusal("data.location=/tmp/images")


def test_custom_images_need_a_name_for_the_model() -> None:
    assert "data.name is needed" in refusal("data.source=folder", "data.location=/tmp/images")


def test_the_model_is_named_after_the_data_set() -> None:
    assert load_config("digits").model_name == "generator-digits"
    assert load_config("lsun-bedroom").model_name == "generator-lsun-bedroom"
    own = RetrainConfig(data=DataConfig(source="folder", location="images", name="faces"))
    assert own.model_name == "generator-faces"


def test_the_digest_changes_with_any_field_and_only_then() -> None:
    base = load_config("digits")
    assert config_digest(base) == config_digest(load_config("digits"))
    changed = load_config("digits", assignments=["training.seed=1"])
    assert config_digest(changed) != config_digest(base)


def test_flat_parameters_name_every_field_with_its_section() -> None:
    flat = flat_parameters(load_config("digits"))
    assert flat["training.lr"] == "0.0005"
    assert flat["data.location"] == ""
    assert flat["data.rules.warn.blank"] == "0.01"

    def leaves(value: object) -> int:
        return sum(map(leaves, value.values())) if isinstance(value, dict) else 1

    assert len(flat) == leaves(load_config("digits").model_dump())


@pytest.mark.parametrize("text", ['["a_b:c", "d:e"]', "[a_b:c, d:e]", "a_b:c,d:e", " a_b:c , d:e "])
def test_a_list_may_be_written_as_json_as_yaml_or_with_commas(text: str) -> None:
    assert load_config(assignments=[f"evaluation.metrics={text}"]).evaluation.metrics == ("a_b:c", "d:e")


def test_a_section_within_a_section_is_given_as_yaml() -> None:
    canary = load_config(assignments=["promotion.canary={percent: 5, minutes: 2}"]).promotion.canary
    assert canary is not None
    assert (canary.percent, canary.minutes, canary.undecided) == (5.0, 2.0, "refuse")
    assert load_config(assignments=["promotion.canary=none"]).promotion.canary is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{percnt: 5}", r"there is no setting promotion\.canary\.percnt; promotion\.canary has percent, minutes"),
        ("{percent: 0}", r"promotion\.canary\.percent=0 is not allowed: input should be greater than 0"),
        ("{minutes: 90, longest_minutes: 60}", r"promotion\.canary\.longest_minutes=60 is not allowed: it must be at"),
        ("ten percent", r"promotion\.canary='ten percent' is not allowed"),
        ("{percent: 5", r"promotion\.canary='{percent: 5' is not allowed"),
    ],
)
def test_a_wrong_section_within_a_section_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load_config(assignments=[f"promotion.canary={text}"])


def test_an_empty_list_is_empty() -> None:
    assert load_config(assignments=["evaluation.metrics="]).evaluation.metrics == ()

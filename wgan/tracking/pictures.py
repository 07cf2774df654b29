"""Pictures of a run's image series, under a name that stays, so that sending one again replaces it.

`MlflowClient.log_image` draws a new name at every call: repeated after an answer that was lost, it leaves two pictures
of one step. The names here are of the form that it makes, `images/<key>+step+<step>+timestamp+<ms>+<uuid>`, which
MLflow's page reads back. A key `section/name` has `~` for its slash there, and its section stands above the curves.
"""

from __future__ import annotations

import re
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.tracking.multimedia import compress_image_size
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_IMAGES
from PIL import Image

FOLDER = "images"
NAME = re.compile(
    r"(?P<stem>(?P<key>.+)\+step\+(?P<step>\d+)\+timestamp\+\d+\+[^+]+?)(?P<end>\.png|\+compressed\.webp)"
)


@dataclass(frozen=True)
class Picture:
    """One picture of a series, and what its two files are called."""

    stem: str
    image: Image.Image


def new_stem(key: str, step: int) -> str:
    """A name for the picture of a step, as MLflow makes it."""
    return f"{key.replace('/', '~')}+step+{step}+timestamp+{int(time.time() * 1000)}+{uuid.uuid4()}"


def logged_stems(client: MlflowClient, run_id: str) -> tuple[set[tuple[str, int]], dict[tuple[str, int], str]]:
    """Key and step of the pictures that are there whole, and the names of those of which one file is missing."""
    stems: dict[tuple[str, int], str] = {}
    whole: set[tuple[str, int]] = set()
    for entry in client.list_artifacts(run_id, FOLDER):
        if found := NAME.fullmatch(Path(entry.path).name):
            place = (found["key"].replace("~", "/"), int(found["step"]))
            stems[place] = found["stem"]
            if found["end"] != ".png":  # the second file of the two
                whole.add(place)
    return whole, {place: stem for place, stem in stems.items() if place not in whole}


def send_picture(client: MlflowClient, run_id: str, picture: Picture) -> None:
    """Upload the picture and its small copy; the second is written last and means that both are there."""
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder, f"{picture.stem}.png")
        small = Path(folder, f"{picture.stem}+compressed.webp")
        picture.image.save(full)
        compress_image_size(picture.image).save(small)
        for path in (full, small):
            client.log_artifact(run_id, str(path), FOLDER)
    client.set_tag(run_id, MLFLOW_LOGGED_IMAGES, True)

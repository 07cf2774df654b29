"""Pictures of a run's image series, under stable names, so that resending one replaces it.

`MlflowClient.log_image` makes a new name at every call: a retry after a lost response leaves two pictures of one step.
The names here have the same form, `images/<key>+step+<step>+timestamp+<ms>+<uuid>`, which MLflow's page parses. In a
key `section/name`, `~` replaces the slash, and the section is shown above the curves.
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
    """One picture of a series, and the names of its two files."""

    stem: str
    image: Image.Image


def new_stem(key: str, step: int) -> str:
    """A name for the picture of a step, as MLflow makes it."""
    return f"{key.replace('/', '~')}+step+{step}+timestamp+{int(time.time() * 1000)}+{uuid.uuid4()}"


def logged_stems(client: MlflowClient, run_id: str) -> tuple[set[tuple[str, int]], dict[tuple[str, int], str]]:
    """Key and step of the complete pictures, and the names of those with a missing file."""
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
    """Upload the picture and its thumbnail, which is written last and means that both exist."""
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder, f"{picture.stem}.png")
        small = Path(folder, f"{picture.stem}+compressed.webp")
        picture.image.save(full)
        compress_image_size(picture.image).save(small)
        for path in (full, small):
            client.log_artifact(run_id, str(path), FOLDER)
    client.set_tag(run_id, MLFLOW_LOGGED_IMAGES, True)

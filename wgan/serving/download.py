"""Download the files of a version, within size limits."""

from __future__ import annotations

from pathlib import Path

import httpx

from wgan.mlflow_files import FileAbsent, FileTooLarge, fetch_file
from wgan.mlflow_server import connection_options
from wgan.model_version.record import EXTRA_FOLDER, ONNX_FILE, RECORD_FILE
from wgan.serving.faults import VersionFault
from wgan.settings import Settings

GRAPH_FILE = "generator.onnx"
"""The graph's local file name."""
SMALL_FILES = (RECORD_FILE, "config.json", "sample.npy")


def download(base: str, folder: Path, settings: Settings) -> None:
    """Fetch `record.json`, `config.json`, `sample.npy` and `generator.onnx` from below the URI `base` into the folder.

    Raises `VersionFault` if a file is missing or too large, `WganError` if it cannot be fetched or written.
    """
    allowed = settings.serve_model_bytes
    try:
        with httpx.Client(**connection_options(settings)) as client:
            for file in SMALL_FILES:
                allowed -= fetch_file(client, f"{base}/{EXTRA_FOLDER}/{file}", folder / file, allowed, settings)
            fetch_file(client, f"{base}/{ONNX_FILE}", folder / GRAPH_FILE, allowed, settings)
    except (FileAbsent, FileTooLarge) as error:
        raise VersionFault(str(error)) from None

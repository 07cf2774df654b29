"""The pipeline's side of a roll-out: waits until a serving process serves a version, and verifies its images."""

from __future__ import annotations

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx
import numpy as np
from numpy.typing import NDArray

from wgan.arrays import NotAnArray, load_array
from wgan.errors import UsageError, WganError
from wgan.pixels import to_bytes
from wgan.records import LedgerEntry, ServingCheck
from wgan.registry.versions import fetch_version
from wgan.scratch import scratch_folder
from wgan.settings import Settings
from wgan.telemetry import trace_headers

Outcome = Literal["confirmed", "refused", "unconfirmed", "not served"]
POLL_SECONDS = 0.2
REQUEST_SECONDS = 30.0
REFUSALS = 2
"""Consecutive failed loads, by the version's own fault, after which it is refused: one may be a damaged download."""
GREY_LEVELS = 1
"""Largest difference from the recorded sample: both are rounded, so a borderline value may go either way."""


class _NotServed(Exception):
    """The process was started for other models or another alias, and will never serve this one."""


def serving_urls(settings: Settings) -> list[str]:
    """The configured serving processes. Raises `UsageError` for invalid URLs."""
    urls = [url.strip().rstrip("/") for url in settings.serving_urls.split(",") if url.strip()]
    for url in urls:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
            raise UsageError(
                f"WGAN_SERVING_URLS: {url!r} is not an address: give http(s)://host:port, comma-separated."
            )
    return urls


def confirm_promotion(promotion: LedgerEntry, settings: Settings) -> tuple[ServingCheck, ...]:
    """Check every configured serving process concurrently; the results come in the order of the settings.

    Raises `UsageError` for an invalid URL, `WganError` if the version's sample cannot be fetched.
    """
    urls = serving_urls(settings)
    if not urls:
        return ()
    with scratch_folder("serving") as name:
        folder = Path(name)
        fetch_version(promotion.model_name, promotion.to_version, settings, folder)
        sample, seed = _recorded_sample(folder, promotion)
    ask = partial(confirm_version, promotion=promotion, sample=sample, seed=seed, settings=settings)
    with ThreadPoolExecutor(len(urls)) as pool:
        return tuple(pool.map(ask, urls))


def _recorded_sample(folder: Path, promotion: LedgerEntry) -> tuple[NDArray[np.float32], int]:
    """The recorded sample of a fetched version, and its seed."""
    try:
        sample = load_array(folder / "sample.npy")
        seed = json.loads((folder / "config.json").read_bytes())["sample_seed"]
        if sample.dtype != np.float32 or sample.ndim != 4 or not isinstance(seed, int):
            raise ValueError("not float32 images and their seed")
    except (ValueError, KeyError, TypeError, RecursionError, WganError) as error:
        raise WganError(
            f"the recorded sample of {promotion.model_name} version {promotion.to_version} is damaged "
            f"({' '.join(str(error).split())[:200]}): register the version anew."
        ) from None
    return sample, seed


def confirm_version(
    url: str, promotion: LedgerEntry, sample: NDArray[np.float32], seed: int, settings: Settings
) -> ServingCheck:
    """Wait, at most `serving_wait_seconds`, until the process at `url` serves the promoted version; compare its sample.

    `sample` float32 (N, C, H, W) in [-1, 1] is the sample the version was registered with, drawn from `seed`. The
    outcome is `refused` if the version itself is at fault (its digest, its graph, its recorded sample or its images),
    `unconfirmed` if the process is at fault (its disk, its cache), does not answer or has not followed in time, and
    `not served`, immediately, if it was started for other models. The last two say nothing about the version.
    """
    started = time.monotonic()
    headers = {"X-WGAN-Alias": "champion", **trace_headers()}
    if settings.serving_api_key:
        headers["Authorization"] = f"Bearer {settings.serving_api_key.get_secret_value()}"
    outcome: Outcome
    difference: int | None = None
    with httpx.Client(base_url=url, headers=headers, timeout=REQUEST_SECONDS, trust_env=False) as client:
        while True:
            try:
                outcome, reason = _followed(client, promotion)
                if outcome == "confirmed":
                    outcome, reason, difference = _drawn(client, promotion, sample, seed)
            except _NotServed as error:
                return ServingCheck(url=url, outcome="not served", reason=str(error), seconds=0.0)
            except httpx.HTTPError as error:
                cause = " ".join(str(error).split()) or type(error).__name__
                outcome, reason = "unconfirmed", f"it does not answer ({cause})"
            waited = time.monotonic() - started
            if outcome != "unconfirmed" or waited >= settings.serving_wait_seconds:
                return ServingCheck(
                    url=url, outcome=outcome, reason=reason, seconds=round(waited, 2), grey_level_difference=difference
                )
            time.sleep(POLL_SECONDS)


def _followed(client: httpx.Client, promotion: LedgerEntry) -> tuple[Outcome, str]:
    """What the process reports about the model's champion."""
    answer = client.get(_model_path(promotion))
    state = _json(answer) or {}
    aliases = state.get("aliases")
    if not isinstance(aliases, dict):
        return _why_not_served(client, promotion, state)
    champion = aliases.get("champion")
    if not isinstance(champion, dict):
        raise _NotServed(
            f"it follows the alias {state.get('alias')}, not champion: start one without `--alias` "
            "(`wgan serve`), or take it out of WGAN_SERVING_URLS"
        )
    serving, stale = champion.get("serving"), champion.get("stale")
    if serving == promotion.to_version:
        return "confirmed", "it draws the version"
    if champion.get("wanted") == promotion.to_version:
        faults = champion.get("version_faults")
        if isinstance(faults, int) and faults >= REFUSALS:
            return "refused", f"it could not take the version into service: {stale}"
        if champion.get("fault") == "process":
            return "unconfirmed", f"it has a local fault and still draws version {serving}: {stale}"
    return "unconfirmed", f"it still draws version {serving}: {stale or 'it has not polled the registry yet'}"


def _model_path(promotion: LedgerEntry) -> str:
    return f"/v1/models/{quote(promotion.model_name, safe='')}"


def _why_not_served(client: httpx.Client, promotion: LedgerEntry, refusal: dict[str, Any]) -> tuple[Outcome, str]:
    """Why the process does not serve the model. Raises `_NotServed` if it was started for others."""
    code, message = _error(refusal)
    if code == "api-key":
        return "unconfirmed", "it asks for an API key: set WGAN_SERVING_API_KEY to one that it accepts"
    if code != "unknown-model":
        return "unconfirmed", f"it is not a serving process of this pipeline{f' ({message})' if message else ''}"
    name = promotion.model_name
    served = _json(client.get("/v1/models")) or {}
    if served.get("every") is True:
        return "unconfirmed", f"it has not added {name}: {served.get('reason') or 'it has not polled the registry yet'}"
    raise _NotServed(
        f"it was started for other models: name {name} too (`wgan serve`, WGAN_SERVE_MODELS), or none for every model "
        "with a champion"
    )


def _drawn(
    client: httpx.Client, promotion: LedgerEntry, sample: NDArray[np.float32], seed: int
) -> tuple[Outcome, str, int | None]:
    """Generate the recorded sample there and compare."""
    answer = client.post(
        f"{_model_path(promotion)}/images",
        json={"count": len(sample), "seed": seed},
        headers={"Accept": "application/x-npy"},
    )
    if answer.status_code != httpx.codes.OK:
        _, message = _error(_json(answer) or {})
        return "unconfirmed", f"it did not draw the recorded sample: {message or f'status {answer.status_code}'}", None
    if answer.headers.get("X-WGAN-Version") != str(promotion.to_version):
        return "unconfirmed", f"it drew with version {answer.headers.get('X-WGAN-Version')}", None
    try:
        images = load_array(io.BytesIO(answer.content))
    except NotAnArray:
        return "unconfirmed", "its answer is not an array of images", None
    if images.dtype != np.uint8:
        return "unconfirmed", f"its answer is an array of {images.dtype}", None
    expected = to_bytes(sample)
    if images.shape != expected.shape:
        return "refused", f"it draws images {images.shape}, the recorded sample is {expected.shape}", None
    difference = int(np.abs(images.astype(np.int16) - expected.astype(np.int16)).max())
    if difference > GREY_LEVELS:
        return "refused", f"its images differ from the recorded sample by {difference} of 255 grey levels", difference
    return "confirmed", f"it draws the recorded sample, to {difference} of 255 grey levels", difference


def _error(body: dict[str, Any]) -> tuple[str, str]:
    """Code and sentence of an error response; empty if it has none."""
    error = body.get("error")
    found = error if isinstance(error, dict) else {}
    return str(found.get("code") or ""), " ".join(str(found.get("message") or "").split())[:200]


def _json(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None

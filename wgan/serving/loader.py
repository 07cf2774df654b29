"""Loads a version: a separate process downloads and verifies it, within limits; then it is opened here."""

from __future__ import annotations

import asyncio
import logging
import signal

from pydantic import ValidationError

from wgan.errors import WganError
from wgan.serving import load_process
from wgan.serving.child_process import start
from wgan.serving.faults import VersionFault
from wgan.serving.load_process import VERIFYING, Report
from wgan.serving.loading import Verified, VersionFiles, open_verified, read_verified
from wgan.serving.model_cache import ModelCache
from wgan.serving.models import LoadedModel
from wgan.serving.registry import RegistryClient, RegistryVersion
from wgan.settings import Settings

CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
"""Exit signals that a graph can cause; the kernel's SIGKILL, for lack of memory, is not its fault."""

log = logging.getLogger("wgan.serving")


class Loader:
    """Loads versions of one model, queueing with other models. Cancelling a load kills its process at once."""

    def __init__(
        self, registry: RegistryClient, cache: ModelCache, settings: Settings, loads: asyncio.Semaphore
    ) -> None:
        self.registry = registry
        self.cache = cache
        self.settings = settings
        self.loads = loads

    async def load(self, version: RegistryVersion, duty: float) -> LoadedModel:
        """The version, from the cache if it is there and intact, else from the registry.

        Raises `VersionFault` if no process could serve it, `WganError` if this one cannot at the moment.
        """
        files = self.cache.files(version)
        if await asyncio.to_thread(files.folder.is_dir):
            try:
                return await self.load_cached(version, duty)
            except WganError as error:  # damaged on this disk: use the registry's copy
                log.warning("a version in the cache is not used", extra={"fields": {"reason": str(error)}})
        base = await self.registry.files(version)
        with self.cache.staging() as temporary:
            staged = VersionFiles(version, temporary / "files")
            staged.folder.mkdir()
            verified = await self._verify(staged, base, duty)
            files = await asyncio.to_thread(self.cache.install, version, staged.folder, verified)
        return await asyncio.to_thread(open_verified, files, verified, self.settings)

    async def load_cached(self, version: RegistryVersion, duty: float) -> LoadedModel:
        """The version from the cache, verified unless already done. Raises `WganError`."""
        files = self.cache.files(version)
        verified = await asyncio.to_thread(read_verified, files.folder, self.settings)
        if verified is None:
            verified = await self._verify(files, None, duty)
            await asyncio.to_thread(self.cache.note_verified, files, verified)
        return await asyncio.to_thread(open_verified, files, verified, self.settings)

    async def _verify(self, files: VersionFiles, base: str | None, duty: float) -> Verified:
        """Run the load process in turn, and return its result."""
        async with self.loads:
            return await self._verify_now(files, base, duty)

    async def _verify_now(self, files: VersionFiles, base: str | None, duty: float) -> Verified:
        order = load_process.order(files, base, duty, self.settings)
        process = await start(load_process.__name__, errors=asyncio.subprocess.PIPE)
        limit = self.settings.serve_load_seconds
        try:
            async with asyncio.timeout(limit):
                out, errors = await process.communicate(order.encode())
        except TimeoutError:
            raise WganError(f"the version was not downloaded and verified within {limit:g} s.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        return _outcome(process.returncode or 0, out.decode(errors="replace"), errors, self.settings)


def _outcome(code: int, out: str, errors: bytes, settings: Settings) -> Verified:
    """The result of the load process. Raises `VersionFault` or `WganError`."""
    *_, last = out.split("\n")[:-1] or [""]
    began_to_verify = VERIFYING in out.splitlines()
    if code == -signal.SIGXCPU:
        raise VersionFault(
            f"the model takes more than {settings.serve_verify_seconds:g} s of processor time to draw its sample."
        )
    if began_to_verify and -code in CRASHES:
        raise VersionFault(f"the model ends the process that runs it ({signal.Signals(-code).name}).")
    try:
        report = Report.model_validate_json(last)
    except ValidationError:
        lines = errors.decode(errors="replace").strip().splitlines()
        log.error("the load process ended", extra={"fields": {"code": code, "stderr": "\n".join(lines[-20:])}})
        raise WganError(f"the process that verifies a version ended with {code} and no message.") from None
    if report.verified is not None:
        return report.verified
    raise (VersionFault if report.fault == "version" else WganError)(report.reason)

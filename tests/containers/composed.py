"""`infra/compose.yaml` brought up with podman-compose, with stand-ins for the public images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from tests.containers.engine import CHECKOUT, run

FOLDER = Path(__file__).parent


MODEL = "generator-tiny"


@dataclass
class Composed:
    """A project with its own name and ports."""

    project: str
    env_file: Path
    variables: dict[str, str]
    secrets: dict[str, str] = field(repr=False)

    def url(self, service: str) -> str:
        """Address of a published service."""
        return f"http://127.0.0.1:{self.variables[f'{service.upper()}_PORT']}"

    def container(self, service: str) -> str:
        """Name of a service's container."""
        return f"{self.project}_{service}_1"

    def compose(self, *arguments: str, check: bool = True, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run podman-compose on the project."""
        command = [*podman_compose(), "--env-file", str(self.env_file), "-p", self.project]
        files = ["-f", str(CHECKOUT / "infra/compose.yaml"), "-f", str(FOLDER / "stand-ins.yaml")]
        done = subprocess.run(
            [*command, *files, *arguments],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}\n{self.states()}"
        return done

    def inside(self, service: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container."""
        return run("podman", "exec", self.container(service), *command, check=check)

    def states(self) -> str:
        """What each container is doing, and the end of the logs of those that run."""
        lines = [run("podman", "ps", "--all", "--format", "{{.Names}} {{.Status}}").stdout]
        for name in self._containers():
            done = run("podman", "logs", "--tail", "5", name, check=False)
            lines.append(f"== {name}\n{done.stdout[-600:]}{done.stderr[-600:]}")
        return "\n".join(lines)

    def remove(self) -> None:
        """Remove containers, those first that need the others, networks and volumes."""
        for _ in range(4):
            for name in reversed(self._containers()):
                run("podman", "rm", "--force", "--volumes", "--time", "0", name, check=False)
        for kind in ("volume", "network"):
            names = run("podman", kind, "ls", "--format", "{{.Name}}").stdout.split()
            for name in names:
                if name.startswith(f"{self.project}_"):
                    run("podman", kind, "rm", "--force", name, check=False)

    def _containers(self) -> list[str]:
        listing = run("podman", "ps", "--all", "--sort", "created", "--format", "{{.Names}}").stdout
        return [name for name in listing.split() if name.startswith(f"{self.project}_")]


def podman_compose() -> list[str]:
    """The command: on the path, or beside this Python."""
    found = shutil.which("podman-compose") or shutil.which("podman-compose", path=str(Path(sys.executable).parent))
    return [found] if found else []


def new_project(
    project: str, env_file: Path, services_image: str, serving_image: str, ports: list[int], model: str
) -> Composed:
    """A project that is not up yet."""
    names = ("S3_PORT", "PREFECT_PORT", "MLFLOW_PORT", "SERVE_PORT")
    variables = {
        **{name: str(port) for name, port in zip(names, ports, strict=True)},
        "SERVICES_IMAGE": services_image,
        "SERVING_IMAGE": serving_image,
        "SERVE_MODELS": model,
        "WEED": str(Path(sys.executable).with_name("weed")),
        "RAY": str(FOLDER / "ray"),
        "HOST_SITE_PACKAGES": sysconfig.get_paths()["purelib"],
    }
    secrets = {name: value or "" for name, value in dotenv_values(env_file).items()}
    return Composed(project, env_file, variables, secrets)

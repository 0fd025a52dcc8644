"""Images, chart, buckets and database on the node, as in a user's installation."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import yaml
from kubernetes.client import ApiException

from tests.e2e.argo import Argo
from tests.e2e.node import KIT, ROOT, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.node import Node

__all__ = ["BUCKETS", "DATABASE", "NAMESPACE", "Installation", "build_images"]

NAMESPACE = "telecine"
DATABASE = "telecine"
BUCKETS = ("game-data", "game-data-manifest", "screenalytics", "viewership", "trakt", "telecine-artifacts")
# Contents of the images.
_SOURCES = ("images", "jobs", "shared", "requirements", "pyproject.toml", "README.md", "LICENSE")
CHART = ROOT / "charts" / "telecine"
_CONSOLE_PASSWORD = "console-secret"


def build_images(node: Node) -> str:
    """Build and push both images unless the registry has them, and return their tag: a hash of their contents."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z", *_SOURCES],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.split("\0"))):
        if (ROOT / name).is_file():
            digest.update(name.encode() + b"\0" + (ROOT / name).read_bytes() + b"\0")
    tag = f"e2e-{digest.hexdigest()[:12]}"
    for name, more in (("jobs", []), ("ray", ["--target", "cpu"])):
        if tag not in node.tags(f"telecine-{name}"):
            subprocess.run(
                [
                    str(KIT / "build-image.sh"), f"telecine-{name}:{tag}", f"images/{name}/Dockerfile", ".", *more,
                    "--build-arg", f"VERSION={tag}", "--build-arg", "REVISION=e2e",
                ],
                cwd=ROOT, check=True, timeout=1800, env=os.environ,
            )  # fmt: skip
    return tag


class Installation:
    """A release of the chart in its namespace."""

    def __init__(self, node: Node, tag: str, folder: Path, overrides: dict[str, Any]) -> None:
        self.node = node
        self.tag = tag
        self.argo = Argo(node, NAMESPACE)
        self.namespace = NAMESPACE
        # Start time, and the controller's metrics before the first run.
        self.first_page: tuple[float, str] = (0.0, "")
        self._file = folder / "values.yaml"
        self._values: dict[str, Any] = {
            "images": {name: {"tag": tag} for name in ("jobs", "ray", "rayGpu")},
            "database": {"url": self.database_url},
            "console": {"databaseUrl": self.console_url},
            "viewership": dict(zip(("accessKeyId", "secretAccessKey"), node.upload_keys(), strict=True)),
        }
        self.set(overrides)

    @property
    def database_url(self) -> str:
        return f"{self.node.database_url}/{DATABASE}"

    @property
    def console_url(self) -> str:
        """Return the URL with the console's role, which `clean` creates as docs/console.md says."""
        return f"postgresql://telecine_console:{_CONSOLE_PASSWORD}@{self.node.ip}:5432/{DATABASE}"

    def set(self, overrides: dict[str, Any]) -> None:
        """Change values for the next install or upgrade."""
        _merge(self._values, overrides)
        self._file.write_text(yaml.safe_dump(self._values))

    def clean(self) -> None:
        """Remove what an earlier session left behind."""
        core = self.node.core
        self.node.take_gpus()
        try:
            # Finalizers of RayJobs need the operator, and deleting the namespace waits for them.
            self.node.kubectl("-n", NAMESPACE, "delete", "workflows,cronworkflows,rayjobs", "--all", "--wait=false")
            core.delete_namespace(NAMESPACE)
        except (ApiException, AssertionError):
            pass
        wait_for(lambda: not self._namespace_is_there(), 180, f"namespace {NAMESPACE} is gone")
        for bucket in BUCKETS:
            self.node.empty_bucket(bucket)
        self.node.make_upload_user("viewership")
        self.node.rows("postgres", f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        self.node.rows("postgres", f"CREATE DATABASE {DATABASE}")
        # Before the first migration, which grants its rights.
        if not self.node.rows("postgres", "SELECT rolname FROM pg_roles WHERE rolname = 'telecine_console'"):
            self.node.rows("postgres", "CREATE ROLE telecine_console")
        self.node.rows("postgres", f"ALTER ROLE telecine_console LOGIN PASSWORD '{_CONSOLE_PASSWORD}'")

    def _namespace_is_there(self) -> bool:
        try:
            self.node.core.read_namespace(NAMESPACE)
        except ApiException as error:
            return error.status != 404
        return True

    def install(self) -> str:
        """Run `helm upgrade --install` as documented."""
        said = self.node.helm(
            "upgrade", "--install", "telecine", str(CHART), "--namespace", NAMESPACE, "--create-namespace",
            "--values", str(CHART / "values-node.yaml"), "--values", str(self._file), "--wait", "--timeout", "5m",
        )  # fmt: skip
        # Argo sees the CronWorkflows before their templates, and retries only after 20 minutes (docs/operations.md).
        self.node.kubectl(
            "-n", NAMESPACE, "annotate", "cronworkflows", "--all", "--overwrite", f"telecine/checked={time.time():.0f}"
        )
        return said

    def answers(self) -> bool:
        """Check that every service a test talks to responds."""
        path = f"/api/v1/workflows/{NAMESPACE}?listOptions.limit=1"
        return self.node.answers() and self.argo.raw("GET", path)[0] == 200

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.node.rows(DATABASE, statement, *values)


def _merge(into: dict[str, Any], given: dict[str, Any]) -> None:
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value

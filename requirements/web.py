"""Write the files of web.lock to a folder: `python requirements/web.py FOLDER`, with the registry in NPM_REGISTRY.

Standard library only, because make and the Dockerfile run it before anything is installed. A tarball is read only if
its SHA-512 matches web.lock; only the listed members are extracted, under the names in web.lock. Up-to-date files are
not rewritten. Exit codes: 2 usage, 65 wrong content, 75 network, 78 no usable registry.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import sys
import tarfile
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

LOCK = Path(__file__).with_name("web.lock")
# htmx.org 4.0.1 is 383 kB; a much larger response is not a package we use.
MOST_BYTES = 20_000_000
TIMEOUT_S = 30
PAUSE_S = 2.0
HTTP_NOT_FOUND = 404
HTTP_SERVER_ERROR = 500


def fail(status: int, message: str) -> NoReturn:
    """Print a message and exit."""
    sys.stderr.write(f"requirements/web.py: {message}\n")
    sys.exit(status)


def url_of(registry: str, name: str, version: str) -> str:
    """Return the URL of a package's tarball, by the convention of npm registries."""
    return f"{registry.rstrip('/')}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"


def download(url: str) -> bytes:
    """Download a tarball; retry once if the network fails."""
    for attempt in (1, 2):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - main() checks the scheme
                body: bytes = answer.read(MOST_BYTES + 1)
                # A bounded read returns partial data if the connection breaks.
                if answer.length and len(body) <= MOST_BYTES:
                    raise http.client.IncompleteRead(body, answer.length)
                break
        except (OSError, http.client.HTTPException) as error:
            status = HTTP_SERVER_ERROR
            if isinstance(error, urllib.error.HTTPError):
                status = error.code
                error.close()
            if HTTP_NOT_FOUND <= status < HTTP_SERVER_ERROR:
                fail(78, f"{url} answers {status}; expected the tarball. Set NPM_REGISTRY to a registry that has it")
            if attempt == 2:  # noqa: PLR2004
                fail(75, f"{url} cannot be read: {error}; expected the tarball. Try again, or set NPM_REGISTRY")
            time.sleep(PAUSE_S)
    if len(body) > MOST_BYTES:
        fail(65, f"{url} is longer than {MOST_BYTES:,} bytes; expected an npm tarball. Check NPM_REGISTRY")
    return body


def is_written(folder: Path, files: list[dict[str, str]]) -> bool:
    """Return whether a package's files exist with the locked content."""
    paths = [(folder / entry["file"], entry["sha256"]) for entry in files]
    return all(path.is_file() and _sha256(path.read_bytes()) == sha256 for path, sha256 in paths)


def unpack(body: bytes, package: dict[str, Any]) -> dict[str, bytes]:
    """Return the content of a package's files, after verifying the tarball's hash."""
    name = f"{package['name']} {package['version']}"
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(body).digest()).decode()
    if integrity != package["integrity"]:
        fail(65, f"the tarball of {name} has {integrity}; expected {package['integrity']}. Check NPM_REGISTRY")
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        for entry in package["files"]:
            try:
                member = tar.extractfile(entry["member"])
            except KeyError:
                member = None
            content = b"" if member is None else member.read()
            if member is None or _sha256(content) != entry["sha256"]:
                found_there = "is missing" if member is None else f"has the SHA-256 {_sha256(content)}"
                fail(65, f"{entry['member']} of {name} {found_there}; expected {entry['sha256']}. Correct web.lock")
            found[entry["file"]] = content
    return found


def write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def main(arguments: list[str]) -> None:
    """Write all missing files of a lock to the folder."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        fail(2, "expected one argument, the folder: python requirements/web.py jobs/console/static/vendor")
    folder, registry = Path(arguments[0]), os.environ.get("NPM_REGISTRY", "")
    missing = [each for each in _packages() if not is_written(folder, each["files"])]
    if missing and not registry.startswith(("https://", "http://")):
        fail(78, f"NPM_REGISTRY is {registry!r}; expected the http(s) address of an npm registry. `make` sets it")
    for package in missing:
        contents = unpack(download(url_of(registry, package["name"], package["version"])), package)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            write(folder / name, content)
            sys.stdout.write(f"wrote {folder / name} ({package['name']} {package['version']})\n")


def _packages() -> list[dict[str, Any]]:
    packages: list[dict[str, Any]] = tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]
    for name in (entry["file"] for package in packages for entry in package["files"]):
        if Path(name).name != name:
            fail(65, f"'{name}' in requirements/web.lock is not a file name; expected one without a folder")
    return packages


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])

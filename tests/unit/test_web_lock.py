"""requirements/web.py against a registry on loopback: what it takes, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from requirements import web

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = b"void 0;\n"
Answer = tuple[int, dict[str, str], bytes]


def tarball(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {"../../evil.js": b"evil", **members}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


BODY = tarball(**{"package/a.js": SCRIPT})


class Registry:
    """A registry with one answer; it may answer differently the first time."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [(200, {}, BODY)]
        self.asked: list[str] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                status, headers, body = registry.answers[min(len(registry.asked), len(registry.answers)) - 1]
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/npm"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    made = Registry()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("NPM_REGISTRY", f"{made.url}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(web, "PAUSE_S", 0.0)
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def lock(monkeypatch: pytest.MonkeyPatch, folder: Path, *, body: bytes = BODY, **changed: str) -> None:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(body).digest()).decode()
    entry = {"member": "package/a.js", "file": "a.js", "sha256": hashlib.sha256(SCRIPT).hexdigest(), **changed}
    lines = ["[[package]]", 'name = "@of/a"', 'version = "1.2.3"', f"integrity = {json.dumps(integrity)}"]
    lines += ["[[package.files]]", *(f"{name} = {json.dumps(value)}" for name, value in entry.items())]
    path = folder / "web.lock"
    path.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(web, "LOCK", path)


def refused(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        web.main(list(arguments) or [str(folder / "vendor")])
    assert not (folder / "vendor" / "a.js").exists()
    assert isinstance(caught.value.code, int)
    return caught.value.code, capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lock(monkeypatch, tmp_path)
    return tmp_path


def test_the_named_members_are_written_once(registry: Registry, folder: Path):
    web.main([str(folder / "vendor")])
    web.main([str(folder / "vendor")])
    assert registry.asked == ["/npm/@of/a/-/a-1.2.3.tgz"]
    assert {path.name: path.read_bytes() for path in (folder / "vendor").iterdir()} == {"a.js": SCRIPT}
    assert not list(folder.rglob("evil.js"))


def test_a_changed_file_is_written_again_without_asking_twice(registry: Registry, folder: Path):
    web.main([str(folder / "vendor")])
    (folder / "vendor" / "a.js").write_bytes(b"changed")
    web.main([str(folder / "vendor")])
    assert (folder / "vendor" / "a.js").read_bytes() == SCRIPT
    assert len(registry.asked) == 2


def test_another_tarball_is_refused_before_it_is_unpacked(
    registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    registry.answers = [(200, {}, tarball(**{"package/a.js": b"other"}))]
    monkeypatch.setattr(web.tarfile, "open", lambda *_, **__: pytest.fail("it was opened"))
    status, said = refused(capsys, folder)
    assert status == 65
    assert "expected sha512-" in said


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"member": "package/b.js"}, "package/b.js of @of/a 1.2.3 is missing"),
        ({"sha256": "0" * 64}, "has the SHA-256"),
        ({"file": "../a.js"}, "is not a file name"),
    ],
)
def test_a_lock_that_the_tarball_does_not_fit_is_refused(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    said: str,
):
    lock(monkeypatch, folder, **changed)
    status, text = refused(capsys, folder)
    assert status == 65
    assert said in text
    assert not (folder / "a.js").exists()


def test_a_truncated_answer_is_asked_for_again(registry: Registry, folder: Path):
    cut: Answer = (200, {"Content-Length": str(len(BODY))}, BODY[:40])
    registry.answers = [cut, (200, {}, BODY)]
    web.main([str(folder / "vendor")])
    assert (folder / "vendor" / "a.js").read_bytes() == SCRIPT


@pytest.mark.parametrize(("status", "expected"), [(404, (78, 1)), (500, (75, 2))])
def test_an_error_of_the_registry_says_what_to_do(
    registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str], status: int, expected: tuple[int, int]
):
    registry.answers = [(status, {}, b"")]
    code, said = refused(capsys, folder)
    assert (code, len(registry.asked)) == expected
    assert "expected the tarball" in said
    assert "NPM_REGISTRY" in said


def test_a_redirect_leads_to_the_locked_content_or_nowhere(
    registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str]
):
    registry.answers = [(302, {"Location": "/elsewhere"}, b""), (200, {}, tarball())]
    assert refused(capsys, folder)[0] == 65
    registry.answers = [(302, {"Location": f"file://{folder}/web.lock"}, b"")]
    assert refused(capsys, folder)[0] in (75, 78)
    registry.asked.clear()
    registry.answers = [(302, {"Location": "/elsewhere"}, b""), (200, {}, BODY)]
    web.main([str(folder / "vendor")])
    assert registry.asked[-1] == "/elsewhere"


def test_more_bytes_than_a_package_has_are_refused(
    registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(web, "MOST_BYTES", len(BODY) - 1)
    assert refused(capsys, folder)[0] == 65


@pytest.mark.parametrize("registry_url", ["", "file:///tmp", "registry"])
def test_a_registry_that_is_none_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, registry_url: str
):
    monkeypatch.setenv("NPM_REGISTRY", registry_url)
    status, said = refused(capsys, folder)
    assert status == 78
    assert "NPM_REGISTRY" in said


@pytest.mark.parametrize("arguments", [("--help",), ("a", "b")])
def test_a_call_without_one_folder_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
):
    assert refused(capsys, folder, *arguments)[0] == 2

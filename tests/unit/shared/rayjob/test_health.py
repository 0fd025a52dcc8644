"""The `ray health-check` of the images, which KubeRay's init container runs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from shared.rayjob.health import main, serves

SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))


@contextmanager
def server(answer, *, after_s=0.0):
    """Serve one connection: read the preface and send an answer, in two parts."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        if not after_s:
            listening.listen()

        def serve():
            time.sleep(after_s)
            listening.listen()
            listening.settimeout(5)
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(100).startswith(b"PRI * HTTP/2.0\r\n")
                connection.sendall(answer[:4])
                time.sleep(0.05)
                connection.sendall(answer[4:])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            thread.join()


def test_a_grpc_server_answers():
    with server(SETTINGS) as port:
        assert serves("127.0.0.1", port)


def test_rays_own_server_answers_although_it_asks_calls_for_a_token(tmp_path):
    found = find_spec("ray")
    assert found is not None
    assert found.origin is not None
    program = Path(found.origin).parent / "core" / "src" / "ray" / "gcs" / "gcs_server"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    flags = {"gcs_server_port": port, "log_dir": tmp_path, "node-ip-address": "127.0.0.1", "session-name": "s"}
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "x" * 64}
    with (tmp_path / "out").open("wb") as out:
        server = subprocess.Popen(
            [str(program), *(f"--{name}={value}" for name, value in flags.items())],
            stdout=out,
            stderr=out,
            env=environment,
        )
        try:
            assert main(["health-check", "--address", f"127.0.0.1:{port}"], wait_s=20) == 0
            assert server.poll() is None
        finally:
            server.kill()
            server.wait()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", SETTINGS[:5]])
def test_another_server_does_not(answer):
    with server(answer) as port:
        assert not serves("127.0.0.1", port)


def test_one_attempt_waits_for_the_head():
    with server(SETTINGS, after_s=0.5) as port:
        assert main(["health-check", "--address", f"127.0.0.1:{port}"], wait_s=10) == 0


def test_without_a_head_it_fails_and_kuberay_asks_again():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        assert main(["health-check", "--address", address], wait_s=0.3) == 1


class _Replaced(Exception):
    pass


@pytest.mark.parametrize(
    ("argv", "tls"),
    [
        (["start", "--head"], ""),
        (["health-check"], ""),
        (["health-check", "--address", "x"], ""),
        (["health-check", "--address", "x:6379", "--component", "serve"], ""),
        (["health-check", "--address", "x:6379"], "1"),
        ([], ""),
    ],
)
def test_all_else_is_left_to_ray(argv, tls, monkeypatch):
    def execv(path, words):
        assert (path, words) == (f"{os.path.dirname(sys.executable)}/ray", [path, *argv])  # noqa: PTH120
        raise _Replaced

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setenv("RAY_USE_TLS", tls)
    with pytest.raises(_Replaced):
        main(argv)


def test_it_imports_next_to_nothing():
    """At 0.2 CPU, each CPU second takes five."""
    code = "import sys, shared.rayjob.health; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"ray", "pydantic", "typer", "boto3"}.isdisjoint(done.stdout.split())

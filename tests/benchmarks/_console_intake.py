"""Uploads to the console: speed, and the memory that they add, into a folder and into an S3 server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import httpx
import psutil

from tests.benchmarks._table import print_table, progress

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measure_uploads"]

_ADDED_MB: Final = 100
_ANSWER_S: Final = 2.0
_PIECE: Final = 1 << 20
_BOUNDARY: Final = "boundary"
_HEAD: Final = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.csv"\r\n\r\n'.encode()
_END: Final = f"\r\n--{_BOUNDARY}--\r\n".encode()
# An S3 server that accepts uploads and keeps nothing: one that keeps a gigabyte measures its own memory and disk.
_SINK: Final = """
import http.server, re

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.answer(b"", ETag='"' + "0" * 32 + '"')

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = "Initiate" if self.path.endswith("uploads") else "Complete"
        self.answer(
            f"<{kind}MultipartUploadResult><Bucket>viewership</Bucket><Key>k</Key><UploadId>u</UploadId>"
            f'<ETag>"{"0" * 32}-1"</ETag></{kind}MultipartUploadResult>'.encode()
        )

    def do_DELETE(self):
        self.answer(b"", 204)

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), "Content-Type": "application/xml", **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def measure_uploads(url: str, *, quick: bool = False) -> None:
    """Upload a file of 1 GB (50 MB if quick) twice to each kind of store, and print seconds and memory.

    Args:
        url: the database.
        quick: use a small file.
    """
    size = (50 if quick else 1_000) * 1_000_000
    found = []
    with TemporaryDirectory(prefix="telecine-bench-") as folder:
        progress("upload to a folder")
        found.append(("folder", *_upload(url, {}, str(Path(folder) / "viewership"), size)))
    with _s3() as (variables, bucket):
        progress("upload to S3")
        found.append(("S3", *_upload(url, variables, bucket, size)))
    print_table(
        f"uploads of {size / 1e6:,.0f} MB",
        ["store", "MB/s", "answer s", f"below {_ANSWER_S:g} s", "same bytes s", "added MB", f"below {_ADDED_MB} MB"],
        [
            [
                store,
                f"{size / 1e6 / seconds:.0f}",
                f"{answer:.2f}",
                "yes" if max(answer, again) < _ANSWER_S else "NO",
                f"{again:.2f}",
                f"{added:.0f}",
                "yes" if added < _ADDED_MB else "NO",
            ]
            for store, seconds, answer, again, added in found
        ],
    )


@contextmanager
def _s3() -> Iterator[tuple[dict[str, str], str]]:
    with subprocess.Popen([sys.executable, "-c", _SINK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        variables = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{int(process.stdout.readline())}",
        }
        try:
            yield variables, "s3://viewership"
        finally:
            process.kill()


def _upload(url: str, variables: dict[str, str], bucket: str, size: int) -> tuple[float, float, float, float]:
    """Return the seconds of an upload, those of its answer and of that to the same bytes, and the megabytes added."""
    command = [sys.executable, "-c", "from jobs.cli import main; main()", "console", "--port", "0"]
    command += ["--viewership-bucket", bucket, "--log-level", "WARNING", "--max-upload-mb", str(size // 1_000_000)]
    environment = {**os.environ, **variables, "TELECINE_DATABASE_URL": url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            with httpx.Client(base_url=found[0], timeout=120) as client:
                # The small one loads what every upload needs: modules, connections, threads.
                _send(client, _PIECE * 20, b"w" + bucket[:2].encode())
                watched = psutil.Process(process.pid)
                before = most = watched.memory_info().rss
                ended = threading.Event()

                def watch() -> None:
                    nonlocal most
                    while not ended.wait(0.02):
                        most = max(most, watched.memory_info().rss)

                thread = threading.Thread(target=watch)
                thread.start()
                began = time.perf_counter()
                answer = _send(client, size, bucket[:2].encode())
                seconds = time.perf_counter() - began
                again = _send(client, size, bucket[:2].encode())
                ended.set()
                thread.join()
        finally:
            process.terminate()
    return seconds, answer, again, (most - before) / 1e6


def _send(client: httpx.Client, size: int, mark: bytes) -> float:
    """Upload a file that is the same for a mark and size; return the seconds from its last byte to the answer."""
    sent = 0.0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield _HEAD + mark
        piece = b"x" * _PIECE
        left = size - len(mark)
        while left > 0:
            yield piece[:left]
            left -= len(piece[:left])
        sent = time.perf_counter()
        yield _END

    headers = {
        "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        "Content-Length": str(len(_HEAD) + size + len(_END)),
        "Sec-Fetch-Site": "same-origin",
    }
    response = client.post("/uploads/new", content=body(), headers=headers)
    assert response.status_code == 303, response.text
    return time.perf_counter() - sent

"""Connections on which no request arrives do not keep others out."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import uvicorn

from jobs.console.steps import serve

if TYPE_CHECKING:
    import pytest

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def slow(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0.6)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def closes_after(port: int, *parts: bytes) -> tuple[float, bytes]:
    """Send parts every 0.1 s; return the seconds until the server closes, and its answer."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.ensure_future(reader.read())
    for part in parts:
        if answer.done():
            break
        writer.write(part)
        await asyncio.sleep(0.1)
    body = await asyncio.wait_for(answer, 20)
    writer.close()
    return time.monotonic() - began, body


async def serving() -> list[tuple[float, bytes]]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        config = uvicorn.Config(slow, http=serve._Connection, log_config=None, lifespan="off", timeout_keep_alive=1)
        server = serve._Server(config)
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        port = listener.getsockname()[1]
        found = await asyncio.gather(
            closes_after(port),
            closes_after(port, HEAD),
            closes_after(port, HEAD, *[b"X: y\r\n"] * 100),
            closes_after(port, HEAD + b"\r\n"),
            closes_after(port, HEAD, b"\r\n", *[b""] * 8, HEAD, *[b"X: y\r\n"] * 100),
        )
        server.should_exit = True
        await task
    return found


def test_a_head_that_does_not_arrive_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "HEAD_S", 0.3)
    nothing, half, dripping, whole, second = asyncio.run(serving())
    for seconds, answer in (nothing, half, dripping):
        assert 0.25 < seconds < 5
        assert answer == b""
    # An answer may take longer than the head of its request; so may the pause before the next one.
    assert whole[1].startswith(b"HTTP/1.1 200")
    assert whole[0] > 1.3
    assert second[1].count(b"HTTP/1.1 200") == 1
    assert second[0] < 5


def test_answers_do_not_wait_for_acknowledgements():
    """asyncio turns off Nagle's algorithm only for sockets that name their protocol."""

    async def delayed() -> int:
        accepted: asyncio.Queue[int] = asyncio.Queue()

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()
            await writer.wait_closed()

        with closing(serve.listen("127.0.0.1", 0)) as listener:
            async with await asyncio.start_server(note, sock=listener):
                _, writer = await asyncio.open_connection(*listener.getsockname())
                found = await accepted.get()
                writer.close()
                await writer.wait_closed()
        return found

    assert asyncio.run(delayed()) != 0

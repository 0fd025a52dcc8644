"""Decoding in a process that may be killed: a hostile video costs its own TAR, and nothing else.

Starting Python, numpy and FFmpeg takes a quarter of a second of CPU, so one process serves a worker for many items. It
has no store, no credentials in use, no torch and no Ray; it asks the worker for byte ranges and gives back arrays.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any, Final, Literal, Self

from jobs.gamedata.errors import CODES, item_error
from jobs.gamedata.frames.statistics import measure
from jobs.gamedata.model import Session
from jobs.gamedata.session._child_protocol import Channel, unpack
from shared.errors import TransientError

if TYPE_CHECKING:
    from types import TracebackType

    from jobs.gamedata.model import SamplingSpec
    from jobs.gamedata.ranges.source import RangeSource

__all__ = ["DecodeChild"]

_START_S: Final = 60.0
_ITEMS: Final = 200
# Of one request; whatever a child asks for, the worker does not hold more than this for it.
_MAX_REQUEST: Final = 1024**3
_INHERITED: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_", "LD_", "PYTHON", "VIRTUAL_ENV", "COVERAGE_")


def _asked(document: dict[str, Any]) -> list[tuple[int, int]]:
    asked = [(int(offset), int(length)) for offset, length in document["ranges"]]
    if sum(length for _, length in asked) > _MAX_REQUEST or min(map(min, asked), default=0) < 0:
        raise ValueError("a request larger than any honest one")
    return asked


class _DiedWhileIdle(TransientError):
    """The process ended before it asked for the first byte of an item."""


class DecodeChild:
    """One decoder process, started when it is needed and replaced after a failure.

    Keep it to one thread, one that lives as long as it: the kernel ends the process with the thread that started it.

    Args:
        memory_mb: address space of the process; more is ``decode_memory``. Python and FFmpeg take about 300 MB of it.
        timeout_s: wall clock of an item, without the time that the source takes; more is ``decode_timeout``.
        max_pixels: larger frames are ``pixels_exceeded``.
        device: ``cuda`` measures statistics in the worker, with torch.
        items: the process is replaced after so many items, so that no leak grows.
    """

    def __init__(
        self,
        *,
        memory_mb: int = 1536,
        timeout_s: float = 30.0,
        max_pixels: int = 8192 * 4320,
        device: Literal["cpu", "cuda"] = "cpu",
        items: int = _ITEMS,
    ) -> None:
        self._memory_mb = memory_mb
        self._timeout_s = timeout_s
        self._max_pixels = max_pixels
        self._device: Literal["cpu", "cuda"] = device
        self._items = items
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._errors: IO[bytes] | None = None
        self._served = 0

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process else None

    def __call__(self, source: RangeSource, spec: SamplingSpec) -> Session:
        """As :meth:`extract`."""
        return self.extract(source, spec)

    def extract(self, source: RangeSource, spec: SamplingSpec) -> Session:
        """Read one TAR; as :func:`~jobs.gamedata.session.decode.extract_session`.

        Args:
            source: the TAR's bytes; read in this process.
            spec: which frames, and how they are kept.

        Raises:
            ItemError: with one of :data:`~jobs.gamedata.errors.CODES`, also ``decode_timeout``, ``decode_memory`` and
                ``decode_crashed``.
            TransientError: when no process can be started.
        """
        done = False
        try:
            try:
                session = self._serve(self._ready(), source, spec)
            except _DiedWhileIdle:
                # It asked for no byte of this item: something killed it while it was idle.
                self._kill()
                session = self._serve(self._ready(), source, spec)
            done = True
        finally:
            # Whatever interrupted it, the process is in the midst of something: it is not used again.
            self._served += 1
            if not done or self._served >= self._items:
                self._kill()
        return session if isinstance(session, Session) else self._raise(session)

    def _serve(self, channel: Channel, source: RangeSource, spec: SamplingSpec) -> Session | dict[str, Any]:
        until = time.monotonic() + self._timeout_s
        heard = False
        try:
            channel.send(
                {
                    "kind": "extract",
                    "size": source.size,
                    "spec": asdict(spec),
                    "max_pixels": self._max_pixels,
                    "measure": self._device == "cpu",
                },
                until=until,
            )
            while True:
                document, buffers = channel.receive(until=until)
                heard = True
                if document["kind"] == "read":
                    begun = time.monotonic()
                    bodies = self._read(source, _asked(document))
                    until += time.monotonic() - begun
                    channel.send({"kind": "data"}, bodies, until=until)
                elif document["kind"] == "session":
                    return self._session(document, buffers)
                else:
                    return document
        except TimeoutError:
            raise item_error(
                "decode_timeout",
                f"decoding took longer than {self._timeout_s:g} s (--item-timeout-s)",
                timeout_s=self._timeout_s,
            ) from None
        except (EOFError, OSError) as error:
            if not heard:
                raise _DiedWhileIdle(str(self._crash())) from error
            raise self._crash() from error
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise item_error("decode_crashed", f"the decoder process talks nonsense: {error!r}") from error

    @staticmethod
    def _read(source: RangeSource, asked: list[tuple[int, int]]) -> list[bytes]:
        try:
            return source.read_many(asked)
        except (TimeoutError, OSError, ValueError, EOFError) as error:
            # Not the child's: keep it apart from what the socket raises.
            raise TransientError(f"the source cannot be read: {error!r}; run again") from error

    def _session(self, document: dict[str, Any], buffers: list[bytearray]) -> Session:
        session = unpack(document["value"], buffers)
        if not isinstance(session, Session):
            raise TypeError(f"a session was due, {type(session).__name__} came")
        if self._device != "cpu":
            known = session.statistics
            luma = unpack(document["luma"], buffers)
            session.statistics = measure(luma, known.signature, known.time_s, known.corrupt, device=self._device)
        return session

    def _raise(self, document: dict[str, Any]) -> Session:
        code = document.get("code")
        if document.get("kind") != "error" or code not in CODES:
            self._kill()
            raise item_error("decode_crashed", f"the decoder process talks nonsense: {str(document)[:200]}")
        message = str(document.get("message", ""))
        if code == "decode_memory":
            self._kill()  # it may hold what it did not get to free
            message = f"decoding needs more than {self._memory_mb} MB (--item-memory-mb)"
        data = document.get("data")
        raise item_error(code, message, **(data if isinstance(data, dict) else {}))

    def _crash(self) -> Exception:
        """Say how the process died."""
        process, told = self._process, ""
        if process is None:
            return item_error("decode_crashed", "the decoder process is gone")
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        if self._errors is not None:
            self._errors.seek(0)
            told = self._errors.read()[-2000:].decode(errors="replace").strip()
        status = process.returncode
        if status is not None and status < 0:
            if -status == signal.SIGALRM:
                return item_error("decode_timeout", f"decoding took longer than {self._timeout_s:g} s")
            how = f"died of {signal.Signals(-status).name}"
        else:
            how = f"ended with {status}"
        lines = told.splitlines()
        return item_error(
            "decode_crashed", f"the decoder process {how}" + (f": {lines[-1]}" if lines else ""), stderr=told
        )

    def _ready(self) -> Channel:
        if self._process is not None and self._process.poll() is not None:
            self._kill()
        if self._channel is None:
            self._start()
        assert self._channel is not None
        return self._channel

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        environment = {
            # No keys and no database address for a process that hostile input may take over.
            **{name: value for name, value in os.environ.items() if name.startswith(_INHERITED)},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            # Each thread of a BLAS pool reserves address space, of which the process has little; nothing here uses it.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        arguments = [str(theirs.fileno()), str(self._memory_mb), str(self._timeout_s), str(os.getpid())]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", "jobs.gamedata.session.child_main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,  # Ctrl-C is the worker's to handle
            )
        self._channel = Channel(ours)
        self._served = 0
        try:
            self._channel.receive(until=time.monotonic() + _START_S)
        except (EOFError, OSError, ValueError) as error:
            crash = self._crash()
            self._kill()
            raise TransientError(
                f"no decoder process could be started ({crash}); with --item-memory-mb {self._memory_mb} it has "
                f"{self._memory_mb} MB of address space, and needs at least 600"
            ) from error
        except BaseException:
            self._kill()
            raise

    def _kill(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._errors is not None:
            self._errors.close()
        self._channel = self._process = self._errors = None

    def close(self) -> None:
        """End the process; a second time does nothing."""
        self._kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):
            self.close()

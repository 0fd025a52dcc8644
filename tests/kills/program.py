"""Run steps in processes forked from a preloaded one: a start takes 20 ms instead of 4 s.

    python -m tests.kills.program

reads one JSON document per line (``argv``, ``socket``, and the fields of :class:`Options`), forks a process in its own
process group for each, and writes its pid. The step is the real one, from its flags to its exit code: real stores, real
ledger, real report. Only gamedata's decoder is a fake, and its workers are forked instead of started by Ray.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import create_engine

from jobs.gamedata.commands import STEPS
from jobs.gamedata.parts import compaction
from jobs.gamedata.steps import extract, manifest, publish, run
from jobs.screenalytics.commands import STEPS as SCREENALYTICS
from jobs.viewership.commands import STEPS as VIEWERSHIP
from shared.database.connection import dispose
from shared.database.session import transaction
from shared.ledger import run as ledger
from shared.report import Report, page
from shared.settings import StepSettings
from shared.step.contract import Step
from shared.step.execute import execute, execute_tool
from shared.storage.file import FileStore
from tests.fakes.pool import ForkPool, InlinePool
from tests.fakes.sessions import extract_fake
from tests.kills import clock
from tests.kills.clock import Clock
from tests.kills.gates import Announcer, Disk, InlineExecutor, install, watch_copies, watch_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from jobs.gamedata.settings import ExtractSettings, RunSettings
    from shared.ledger import StageRun

__all__ = ["Options", "main"]

_NEEDED = (
    *("torch", "jobs.gamedata.manifest.table", "jobs.gamedata.manifest.gather", "jobs.gamedata.checks.run"),
    *("jobs.gamedata.manifest.report", "jobs.gamedata.settings", "jobs.gamedata.steps.verify"),
    *("jobs.gamedata.session.child", "jobs.gamedata.checks.frames", "jobs.gamedata.checks.menu_references"),
    *(f"jobs.gamedata.checks.built_in.{name}" for name in ("empty", "inputs", "menu", "timestamps", "vision")),
    *("shared.ledger.run", "shared.settings.command", "shared.storage.file"),
    *("jobs.screenalytics.steps.ingest", "jobs.screenalytics.steps.replay", "jobs.screenalytics.settings"),
    *(
        "jobs.screenalytics.steps.verify",
        "jobs.screenalytics.steps._view",
        "rich.table",
        "rich.text",
        "shared.report.outputs",
    ),
    # pyarrow imports pandas with the first Python value that it converts: 0.3 s of processor time in each child.
    *("_strptime", "av", "pandas", "pyarrow.pandas_compat", "rich.console", "typer.rich_utils"),
    *("alembic.command", "alembic.config", "alembic.op"),
    *("jobs.viewership.steps._view", "rapidfuzz.distance", "rapidfuzz.process", "uuid_utils"),
    *("jobs.viewership.steps.run", "jobs.viewership.steps.retract", "jobs.viewership.settings.uploads"),
    *("jobs.viewership.steps.review", "jobs.viewership.steps.reprocess", "jobs.viewership.settings.review"),
)


@dataclass
class Options:
    """Options of a forked step.

    Attributes:
        log: file for standard output and error.
        cwd: working directory; empty for the parent's.
        free: do not announce operations.
        warm: with ``free``, run in a process that has run others before: 0.05 s of processor time instead of 0.2 s. It
            is for the run after a kill, which is undisturbed; nothing can be killed in it.
        reads: also announce listings and files read.
        workers: number of worker processes to fork; 0 to work in the step's own process.
        inline: run the work of screenalytics' threads at once and in order.
        decoded: file that receives one line per TAR read.
        fail: first bytes of a TAR -> error code to raise.
        pause_s: duration of reading one TAR.
        many: number of small parts above which parts are merged.
        at: time at which ``datetime.now`` is frozen.
        shift_s: seconds the clock is ahead.
        jump_s: seconds by which the clock is moved after ``jump_after`` TARs.
        jump_after: number of TARs read before the jump.
        open_s: timeout for opening the ledger.
        server: folder whose embedded server is announced while it is created.
        full: text in the paths of files on a full disk.
        room: space on that disk in bytes.
    """

    log: str
    cwd: str = ""
    free: bool = False
    warm: bool = False
    reads: bool = False
    workers: int = 0
    inline: bool = False
    decoded: str = os.devnull
    fail: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    many: int = 64
    at: str | None = None
    shift_s: float = 0.0
    jump_s: float = 0.0
    jump_after: int = 0
    open_s: float = 15.0
    server: str = ""
    full: str = ""
    room: int = 0


_options = Options(os.devnull)
_clock = Clock()


def _read(body: bytes) -> None:
    """Log the read of a TAR as one line in one write, so that lines of several processes do not mix."""
    with Path(_options.decoded).open("ab", buffering=0) as file:
        file.write(body.split()[-1] + b"\n")
        if _options.jump_s and file.tell() and _lines(_options.decoded) == _options.jump_after:
            _clock.shift += _options.jump_s
    time.sleep(_options.pause_s)


def _lines(path: str) -> int:
    return len(Path(path).read_bytes().splitlines())


def _extract(settings: ExtractSettings, stage_run: StageRun) -> Report:
    fail = {beginning.encode(): code for beginning, code in _options.fail.items()}
    reader = extract_fake(fail=fail, hook=_read)
    pool: Callable[..., Any] = InlinePool
    if _options.workers:
        pool = functools.partial(ForkPool, forks=_options.workers)
    return extract.run_with(settings, stage_run, make_extract=lambda _: lambda _device: reader, make_pool=pool)


def _both(settings: RunSettings, stage_run: StageRun) -> Report:
    from shared.ledger import open_run

    named = settings.model_copy(update={"run_id": stage_run.run_id})
    with open_run(named, "gamedata") as ledger:
        return run.run_stages(
            named, ledger, stage_run.progress, extract=_extract, manifest=manifest.run, publish=publish.run
        )


def _compact(argv: list[str]) -> int:
    """Merge all parts of a folder."""
    compaction.compact(FileStore(argv[0]), many=0)
    return 0


def _sql(argv: list[str]) -> int:
    """Run one statement in a transaction of its own, as the console does."""
    with transaction(StepSettings()) as session:
        session.rows(argv[0])
    return 0


def _steps() -> dict[str, Callable[[list[str]], int]]:
    """Return the runnable steps: the product's, two of them with the fake decoder."""
    known = {step.name: step for step in STEPS}
    ours = {"extract": _extract, "run": _both}
    steps: dict[str, Callable[[list[str]], int]] = {"compact": _compact}
    for name, step in known.items():
        place = step.run if name not in ours else f"{__name__}:{ours[name].__name__}"
        ours_too = Step(step.pipeline, name, step.help, step.settings, place, stage=step.stage)
        steps[name] = functools.partial(execute, ours_too)
    steps["sql"] = _sql
    for other in (*SCREENALYTICS, *VIEWERSHIP):
        if isinstance(other, Step):
            steps[f"{other.pipeline} {other.name}"] = functools.partial(execute, other)
        else:
            steps[f"{other.group} {other.name}"] = functools.partial(execute_tool, other)
    return steps


@functools.cache
def _pools() -> list[tuple[ModuleType, str, type]]:
    """Return the modules of screenalytics that work in threads, each with the name of its executor and the class."""
    found = [module for name, module in list(sys.modules.items()) if name.startswith("jobs.screenalytics.")]
    names = ("ThreadPoolExecutor", "Threads")
    return [(module, pool, getattr(module, pool)) for module in found for pool in names if hasattr(module, pool)]


def _load() -> None:
    """Import all modules that steps import lazily.

    Each child copies the memory that it writes to, a reference count too. So no collection of garbage looks at what
    exists now, and nothing goes through all 4,000 modules later: that wrote to 9 MB, in 10 ms of processor time.
    """
    gc.disable()
    for name in _NEEDED:
        import_module(name)
    create_engine("postgresql+psycopg://nobody@/none")  # loads the dialect without connecting
    page.render(Report())
    _pools()
    clock.dated()
    gc.freeze()
    gc.enable()


def _streams() -> None:
    """Write standard output and error to the step's log, and read nothing."""
    log = os.open(_options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor, targets in ((os.open(os.devnull, os.O_RDONLY), (0,)), (log, (1, 2))):
        for target in targets:
            os.dup2(descriptor, target)
        os.close(descriptor)


def _prepare() -> None:
    """Apply the options that a step of either process may have."""
    global _clock  # noqa: PLW0603 - one step at a time
    os.chdir(_options.cwd or ".")
    for module, pool, plain in _pools():
        setattr(module, pool, InlineExecutor if _options.inline else plain)
    _clock = Clock(_options.shift_s, _options.at)
    _clock.install()
    ledger.OPEN_S = _options.open_s  # type: ignore[misc]
    extract.compact = functools.partial(compaction.compact, many=_options.many)  # type: ignore[assignment]


def _child(document: dict[str, Any]) -> None:
    global _options  # noqa: PLW0603 - one step a process
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    argv, path, env = document.pop("argv"), document.pop("socket"), document.pop("env")
    os.environ.update(env)
    _options = Options(**document)
    _streams()
    announce = Announcer(path, free=_options.free)
    install(announce, Disk(_options.full, _options.room), reads=_options.reads)
    watch_copies(announce)
    if _options.server:
        watch_server(announce, _options.server)
    _prepare()
    code = 70
    try:
        code = _steps()[argv[0]](argv[1:])
        announce("end")
    finally:
        announce.end(code)
        sys.stdout.flush()
        os._exit(code)


def _serve(lines: BinaryIO) -> None:
    """Run steps one after the other; see ``warm`` of :class:`Options`."""
    global _options  # noqa: PLW0603 - one step at a time
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Without the calls of fsync, as in the others.
    install(lambda *_: None, Disk(), reads=False)
    environment, steps = dict(os.environ), _steps()
    for line in iter(lines.readline, b""):
        document = json.loads(line)
        argv, path, env = document.pop("argv"), document.pop("socket"), document.pop("env")
        os.environ.clear()
        os.environ.update(environment | env)
        _options = Options(**document)
        _streams()
        _prepare()
        code = 70
        try:
            code = steps[argv[0]](argv[1:])
        except Exception:  # noqa: BLE001 - the test shows it
            traceback.print_exc()
        sys.stdout.flush()
        # A database that is in use cannot be dropped, and the connections of a process end with it.
        dispose()
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(path)
            end.sendall(json.dumps({"code": code}).encode())
            end.recv(1)
    os._exit(0)


class _Warm:
    """The process that runs one step after the other, forked when it is needed first."""

    def __init__(self) -> None:
        self._pid = 0

    def run(self, line: bytes) -> int:
        """Hand on a step, and return the pid."""
        if not self._pid:
            here, there = socket.socketpair()
            self._pid = os.fork()
            if not self._pid:
                here.close()
                _serve(there.makefile("rb"))
            there.close()
            self._end = here
        self._end.sendall(line)
        return self._pid


def main() -> None:
    """Fork a child for each line of standard input."""
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    warm = _Warm()
    for line in iter(sys.stdin.buffer.readline, b""):
        document = json.loads(line)
        if document["warm"]:
            pid = warm.run(line)
        else:
            pid = os.fork()
            if not pid:
                _child(document)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # Steps refer to their functions as tests.kills.program:…, which must be this module, not a second copy.
    sys.modules["tests.kills.program"] = sys.modules["__main__"]
    main()

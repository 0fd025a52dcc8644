"""Run commands of telecine in processes forked from this one, which has imported what they import.

    python -m tests.preloaded.server SOCKET

The command is the real one, from its arguments to its exit code, with the client's streams, folder and environment.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from importlib import import_module
from typing import NoReturn

from sqlalchemy import create_engine

from jobs import cli
from shared.report import Report, page
from shared.step.contract import Step

# Each takes 0.01 to 1 s of processor time in a command that imports it.
_NEEDED = (
    *("torch", "pandas", "pyarrow.parquet", "pyarrow.pandas_compat", "_strptime", "av"),
    *("rich.console", "rich.table", "typer._adapters", "typer.rich_utils"),
    *("alembic.autogenerate", "alembic.command", "encodings.utf_8_sig", "importlib.resources.readers"),
    *("rapidfuzz.distance", "rapidfuzz.process", "uuid_utils"),
)


def _load() -> None:
    for name in _NEEDED:
        import_module(name)
    for group in (*cli.PIPELINES, *cli.TOOLS):
        for command in cli.commands(group):
            work = (command.run, command.view) if isinstance(command, Step) else (command.call,)
            for place in filter(None, (command.settings, *work)):
                import_module(place.partition(":")[0])
    # Loads the dialect without connecting.
    create_engine("postgresql+psycopg://nobody@/none")
    page.render(Report())
    # Otherwise a collection writes to the pages of all objects, which are then copied.
    gc.collect()
    gc.freeze()


def _command(end: socket.socket) -> NoReturn:
    """Take a command from a client, run it, and tell the exit code."""
    first, descriptors, _, _ = socket.recv_fds(end, 1, 3)
    document = json.loads(first + end.makefile("rb").readline())
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(document["env"])
    os.chdir(document["cwd"])
    sys.argv[:] = ["telecine", *document["argv"]]
    code = 70
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        code = 1
    finally:
        # As at the end of an interpreter.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        end.sendall(b"%d\n" % code)
        os._exit(code)


def main(path: str) -> None:
    """Fork a child for each client, until standard input ends."""
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        end, _ = listener.accept()
        if not os.fork():
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _command(end)
        end.close()


if __name__ == "__main__":
    main(sys.argv[1])

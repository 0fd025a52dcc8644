"""The program of ``tests.warm_dbt``, in dbt's own environment: parse the project once, and fork for each build.

It has a socket in the folder that it is given. A connection brings a line, a build, and takes a line, the exit status.
The program ends with its standard input.
"""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.task import runnable


def main(folder: Path) -> None:
    """Answer until the input ends."""
    # Looking for garbage among the nodes of the project takes a build 0.5 s.
    gc.disable()
    manifest = None
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    listener.listen()
    print("listening", flush=True)
    while True:
        ready, _, _ = select.select([0, listener], [], [])
        if listener not in ready:
            return
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            asked = json.loads(stream.readline())
            manifest = manifest or _parse(folder, asked["arguments"], asked["variables"])
            pid = os.fork()
            if not pid:
                status = 2
                try:
                    status = _build(manifest, **asked)
                finally:
                    os._exit(status)
            stream.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")


def _parse(folder: Path, arguments: list[str], variables: dict[str, str]) -> Any:
    # dbt opens the file. A fork, which has none of its threads, opens another one; all have the name that models name.
    file = folder / Path(variables["TELECINE_DBT_FILE"]).name
    os.environ.clear()
    os.environ.update(variables | {"HOME": str(folder), "TMPDIR": str(folder), "TELECINE_DBT_FILE": str(file)})
    # Without the variables: a model looks at them when it is built.
    options = arguments[1 : arguments.index("--vars")]
    for name in ("--target-path", "--log-path"):
        options[options.index(name) + 1] = str(folder)
    found = dbtRunner().invoke(["parse", "--quiet", *options])
    if not found.success:
        raise SystemExit(f"dbt did not parse the project: {found.exception}")
    return found.result


def _build(manifest: Any, arguments: list[str], variables: dict[str, str], folder: str, output: str) -> int:
    os.environ.clear()
    os.environ.update(variables)
    tempfile.tempdir = None
    os.chdir(folder)
    sink = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    if "--exclude-resource-type" in arguments:
        # Only the results of tests are read with it.
        runnable.write_manifest = lambda *_: None
    found = dbtRunner(manifest=manifest).invoke(arguments)
    sys.stdout.flush()
    # What a process that ends as usual does.
    DuckDBConnectionManager.env().conn.execute("CHECKPOINT")
    return 0 if found.success else 1 if found.exception is None else 2


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""dbt for tests of what it builds: imported once, and the project parsed once, for all builds of a session.

    from tests.warm_dbt import warm_dbt  # a fixture

    pytestmark = pytest.mark.usefixtures("warm_dbt")

A run of dbt takes 10 s of processor time: 2 s to import, 4 s to parse, 2.3 s for the models, 1.7 s for their tests.
Builds of which a test compares only the tables leave out the tests of the models: ``forked_dbt().only_models``.

How dbt is started and ended is tested in tests/unit/trakt/modelling/test_process.py, and
tests/integration/test_trakt_models.py compares what is built this way with a build by the command itself.
"""

from __future__ import annotations

import atexit
import json
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.trakt.modelling import build
from jobs.trakt.modelling.process import run_dbt
from tests.dbt_environment import DBT_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["ForkedDbt", "forked_dbt", "warm_dbt"]

_PROGRAM = Path(__file__).with_name("dbt_forks.py")


class ForkedDbt:
    """Takes the place of :func:`run_dbt`, also in another process; not for another Python: it is there for a reason."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options

    @property
    def only_models(self) -> ForkedDbt:
        """The same without the tests of the models."""
        return self.only()

    def only(self, *models: str) -> ForkedDbt:
        """The same without the tests of the models, and with some models, or all."""
        return ForkedDbt(self._folder, "--exclude-resource-type", "test", *(("--select", *models) if models else ()))

    def __call__(self, python: Path, arguments: Sequence[str], **given: Any) -> int:
        return self._ask(arguments, **given) if python == DBT_PYTHON else run_dbt(python, arguments, **given)

    def _ask(
        self, arguments: Sequence[str], *, variables: Mapping[str, str], folder: Path, output: Path, timeout_s: float
    ) -> int:
        asked = {
            "arguments": [*arguments, *self._options],
            "variables": {**variables},
            "folder": str(folder),
            "output": str(output),
        }
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(self._folder / "socket"))
            with connection.makefile("rw") as stream:
                stream.write(json.dumps(asked) + "\n")
                stream.flush()
                answer = stream.readline()
        assert answer, "the process that forks dbt has ended"
        return int(answer)


@cache
def forked_dbt() -> ForkedDbt:
    """Start the process that forks, which ends with this one."""
    folder = tempfile.mkdtemp(prefix="telecine-dbt-")
    # A fork leaves locks behind, which would be a warning.
    command = [str(DBT_PYTHON), "-B", "-W", "ignore", str(_PROGRAM), folder]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(process.communicate)
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    return ForkedDbt(Path(folder))


@pytest.fixture(scope="module")
def warm_dbt() -> Iterator[None]:
    """Let builds be forks of one process."""
    with pytest.MonkeyPatch.context() as patch:
        # Only a build starts the process.
        patch.setattr(build, "run_dbt", _run)
        yield


def _run(*args: Any, **given: Any) -> int:
    return forked_dbt()(*args, **given)

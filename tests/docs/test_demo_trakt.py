"""`make demo-trakt`: the kill and the resume against a replayer, the order of commands, and the quadrants it prints.

The whole demo takes half a minute; tests/integration/test_trakt_run.py covers the models in between.
"""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import os
import socket
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from docs import demo_trakt as demo
from jobs.trakt.commands import STEPS
from jobs.trakt.settings import PublishSettings
from jobs.trakt.steps import publish
from tests.cli import ROOT
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_gold import build, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres_server import Database


@pytest.fixture
def environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ["PYTHONPATH"] = str(ROOT)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_an_ingest_is_killed_and_the_next_one_reads_the_rest(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_TITLES", 3)
    monkeypatch.setattr(demo, "_KILLED_AFTER", 12)
    with demo._replayer() as url:
        lines = demo._titles(url)
        assert len(lines) == 3
        watch_list = tmp_path / "titles.txt"
        watch_list.write_text("\n".join(lines))
        demo._set_environment(tmp_path, url)
        os.environ["TELECINE_DATABASE_URL"] = database.url
        demo._kill_ingest(url, "--watch-list", str(watch_list))
        before = demo._get(f"{url}/_replayer/status")["requests"]
        assert before >= 12
        assert database.rows("SELECT count(*) FROM trakt.loads WHERE committed_at IS NOT NULL") == [(0,)]
        assert database.rows("SELECT true FROM trakt.pages WHERE status = 'good' LIMIT 1")

        demo._run("ingest", "--watch-list", str(watch_list))
        assert database.rows("SELECT count(*) FROM trakt.titles") == [(3,)]
        assert database.rows(
            "SELECT count(DISTINCT trakt_id) FROM trakt.sweeps WHERE complete AND kind IS NOT NULL"
        ) == [(3,)]
        # The pages of the killed run are committed as a load of its own.
        assert database.rows(
            "SELECT count(DISTINCT run_id), count(*) FILTER (WHERE committed_at IS NULL) FROM trakt.loads"
        ) == [(2, 0)]
        with pytest.raises(SystemExit, match="telecine trakt nonsense ended with 2"):
            demo._run("nonsense")
        address = urlsplit(url)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address.hostname, address.port), timeout=5)


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
def test_quadrants_are_printed_with_their_reasons(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = rows()
    for row in content["trakt_quadrants_daily"][:4]:
        row.update(quadrant="borderline", reason="NEAR_MEDIAN", breadth=12345.0, p_breadth_high=0.619)
    build(tmp_path, content)
    settings = PublishSettings(database_url=database.url, bucket=f"file://{tmp_path}")
    publish.run(settings, MemoryStageRun(run_id="run-1", pipeline="trakt", stage="publish"))  # type: ignore[arg-type]
    capsys.readouterr()
    os.environ["TELECINE_DATABASE_URL"] = database.url
    demo._show_quadrants()
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert printed[0] == list(demo._COLUMNS)
    assert [line[:2] for line in printed[1:]] == [["Title", "2"], ["Title", "3"], ["Title", "1"]]
    assert printed[3] == ["Title", "1", "borderline", "NEAR_MEDIAN", "12345", "0.62", "0.50", "0.50"]


@pytest.mark.usefixtures("environment")
def test_all_commands_flags_and_variables_exist_and_foreign_ones_are_unset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[str, ...]] = []

    @contextmanager
    def replayer() -> Iterator[str]:
        yield "http://127.0.0.1:1"

    def record(*arguments: str) -> None:
        ran.append(arguments)

    def killed(_: str, *arguments: str) -> None:
        ran.append(("ingest", *arguments))

    calls: list[Any] = []
    monkeypatch.setattr(demo, "_replayer", replayer)
    monkeypatch.setattr(demo, "_titles", lambda _: ["movie:id:1"])
    monkeypatch.setattr(demo, "_get", lambda *_, **values: calls.append(values))
    monkeypatch.setattr(demo, "_kill_ingest", killed)
    monkeypatch.setattr(demo, "_run", record)
    monkeypatch.setattr(demo, "_show_quadrants", lambda: calls.append("quadrants"))
    kept = {"TELECINE_TRAKT_DBT_PYTHON": "/opt/dbt/bin/python", "TELECINE_LOG_LEVEL": "ERROR"}
    foreign = ("TELECINE_DATABASE_URL", "TELECINE_NOTIFY_WEBHOOK_URL", "TRAKT_CLIENT_ID")
    os.environ.update({**kept, **dict.fromkeys(foreign, "x")})
    folder = tmp_path / "demo"
    (folder / "old").mkdir(parents=True)
    demo.main(folder)

    assert not (folder / "old").exists()
    assert [each[0] for each in ran] == ["ingest", "ingest", "model", "publish", "run", "verify", "slo"]
    assert {each[0] for each in ran} <= {step.name for step in STEPS}
    assert calls == [{"method": "POST"}, "quadrants"]
    configuration = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for flag in {word for each in ran for word in each if word.startswith("--")}:
        assert f"`{flag}`" in configuration, flag
    assert [name for name in foreign if name in os.environ] == []
    assert {name: os.environ[name] for name in kept} == kept
    named = {name for name in os.environ if name.startswith(("TELECINE_", "TRAKT_", "SOURCE_"))}
    # Not for users: measures as if it were another time.
    for name in named - {"TELECINE_TRAKT_NOW"}:
        assert f"`{name}`" in configuration, name
    said = capsys.readouterr().out
    assert f"{folder}/service-levels/report.html" in said
    assert f'psql "$({Path(sys.executable).parent}/telecine db url --state-dir {folder}/state)"' in said

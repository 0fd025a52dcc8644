"""The pages of matching on real runs: sums equal the files', exports equal the page, and the original's queries."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import io
import re
from decimal import Decimal
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from jobs.console.app import create
from jobs.console.pages.viewership.match_grids import GRIDS
from jobs.console.tables.viewership.match_sums import FATES, PARTS
from jobs.console.tables.viewership.source_queries import CHECKS
from jobs.viewership.report import rates as report_rates
from jobs.viewership.settings.catalog import CatalogImportSettings
from jobs.viewership.settings.sample import SampleSettings
from jobs.viewership.settings.uploads import RunSettings
from jobs.viewership.steps import run, sample
from jobs.viewership.steps.catalog import run_import
from tests.console_app import BROWSER, Answer, ask, settings
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import _database, empty_database, postgres  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)>' ; DROP TABLE x; --.csv"
FILES = ("philo-2025-07.csv", "canonical-2025-07.csv", "youtube-2025-07.csv")


def stage(name: str) -> Any:
    return MemoryStageRun(run_id="run-1", pipeline="viewership", stage=name)


@pytest.fixture(scope="module")
def database(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder = tmp_path_factory.mktemp("viewership")
    with _database(postgres, "telecine") as made:
        given = {"database_url": made.url, "state_dir": str(folder / "state")}
        sample.run(SampleSettings(output=f"file://{folder}/files", episodes=8, **given), stage("sample"))
        run_import(CatalogImportSettings(file=str(folder / "files" / "catalogue"), **given), stage("catalog"))
        files = [str(folder / "files" / "uploads" / name) for name in FILES]
        hostile = folder / HOSTILE.replace("/", "")
        hostile.write_bytes((folder / "files" / "uploads" / FILES[0]).read_bytes().replace(b"2025", b"2024"))
        report = run.run(
            RunSettings(files=(*files, str(hostile)), bucket=f"file://{folder}/bucket", max_rejected=1.0, **given),
            stage("upload"),
        )
        assert report.counts["upload.stored"] == len(FILES) + 1, report
        yield made


@pytest.fixture(scope="module")
def app(database: Database) -> ASGIApp:
    return create(settings(database_url=database.url))


def see(app: ASGIApp, path: str) -> Answer:
    answer = ask(app, path, headers=BROWSER)
    assert answer.status == 200, answer.text
    return answer


def table(app: ASGIApp, name: str, **query: Any) -> list[dict[str, Any]]:
    answer = see(app, f"/matching/{name}.json?{urlencode(query)}")
    assert answer.json()["next"] is None
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def sums(rows: list[dict[str, Any]]) -> tuple[int, Decimal]:
    # Floats of the exports are the decimals' shortest form.
    return sum(row["rows"] for row in rows), sum((Decimal(str(row["hours"])) for row in rows), Decimal())


def files(database: Database, where: str = "true") -> tuple[int, Decimal]:
    [(units, hours)] = database.rows(
        "SELECT sum(units)::bigint, COALESCE(sum(hours), 0) FROM viewership.uploads"
        f" WHERE status IN ('matched', 'loaded', 'partial') AND {where}"
    )
    return units, hours


@pytest.mark.parametrize("name", ["weeks", "platforms", "buckets", "uploads"])
def test_every_table_adds_up_to_the_files(app, database, name):
    assert sums(table(app, name)) == files(database)
    assert files(database)[0] > 100
    assert sums(table(app, name, platform="philo")) == files(database, "platform = 'philo'")
    assert sums(table(app, name, upload=2)) == files(database, "upload_id = 2")


def test_every_row_of_an_export_adds_up_over_its_fates(app):
    fates = [part.name for part in FATES]
    for name in ("weeks", "platforms", "uploads"):
        rows = table(app, name)
        for row in rows:
            assert sum(row[fate] for fate in fates) == row["rows"]
            hours = sum((Decimal(str(row[f"{fate}_hours"])) for fate in fates), Decimal())
            assert hours == Decimal(str(row["hours"]))
    assert {fate for fate in fates if any(row[fate] for row in rows)} >= {"final", "review", "rejected"}


def test_the_page_states_the_sums_of_the_files(app, database):
    units, hours = files(database)
    said = re.search(r'id="reconciled">(.*?)</p>', see(app, "/matching").text, re.DOTALL)
    assert said is not None
    plain = re.sub(r"<[^>]+>", "", said[1])
    assert f"{units:,} rows and {hours.normalize():,f} hours in 4 uploads" in plain


def test_the_match_rates_are_those_of_the_reports(app, database):
    [(final, open_, hours, open_hours)] = database.rows(
        "SELECT sum(units) FILTER (WHERE fate = 'final'), sum(units) FILTER (WHERE fate IN ('review', 'unmatched')),"
        " sum(hours) FILTER (WHERE fate = 'final'), sum(hours) FILTER (WHERE fate IN ('review', 'unmatched'))"
        " FROM viewership.reconciliation WHERE platform = 'canonical'"
    )
    [row] = table(app, "platforms", platform="canonical")
    assert open_ > 0
    assert row["match_rate"] == pytest.approx(float(final / (final + open_)))
    assert row["match_rate_hours"] == pytest.approx(float(hours / (hours + open_hours)))


def test_parts_and_colours_are_those_of_the_reports():
    assert tuple(PARTS) == report_rates.BUCKET_PARTS


def test_days_select_the_weeks_that_contain_them(app, database):
    weeks = table(app, "weeks")
    assert weeks[-1]["week"] == "no date"
    second = weeks[1]["week"]
    # A Wednesday: its week begins on Monday.
    [(day,)] = database.rows("SELECT (%s::date + 2)::text", second)
    assert table(app, "weeks", **{"from": day, "to": day}) == [weeks[1]]
    assert 'id="reconciled"' not in see(app, f"/matching?from={day}&to={day}").text


@pytest.mark.parametrize("name", GRIDS)
def test_an_export_as_csv_has_the_rows_of_the_export_as_json(app, name):
    answer = see(app, f"/matching/{name}.csv")
    assert answer.header("content-disposition") == f'attachment; filename="matching-{name}.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    expected = table(app, name)
    assert len(rows) == len(expected) > 0
    for row, other in zip(rows, expected, strict=True):
        assert list(row) == list(other)
        numbers = {key: value for key, value in other.items() if isinstance(value, int | float)}
        assert {key: float(row[key]) for key in numbers} == pytest.approx(numbers)


def test_titles_are_those_with_most_hours_and_lead_into_review(app, database):
    titles = table(app, "titles")
    expected = database.rows(
        "SELECT encode(review_digest, 'hex'), hours FROM viewership.review_queue"
        " ORDER BY hours DESC, review_digest DESC LIMIT 20"
    )
    assert [(row["key"], Decimal(str(row["hours"]))) for row in titles] == expected
    page = unescape(see(app, "/matching").text)
    assert all(f"/review?platform={row['platform']}" in page for row in titles)


def test_phases_are_counted_once_an_upload(app, database):
    phases = table(app, "phases", platform="philo")
    assert {"upload", "normalize", "match", "load", "match FULL_DATA"} <= {row["phase"] for row in phases}
    assert {row["uploads"] for row in phases if not row["phase"].startswith("match ")} == {2}
    assert all(0 <= row["median_s"] <= row["p95_s"] <= row["max_s"] for row in phases)
    slowest = table(app, "slowest")
    [(upload, total)] = database.rows(
        "SELECT upload_id, sum(execution_ms)::float / 1000 FROM viewership.error_log"
        " WHERE procedure_name NOT LIKE 'match %' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    )
    assert (slowest[0]["upload_id"], slowest[0]["total_s"]) == (upload, total)


def test_failed_uploads_are_counted_among_all(app, database):
    database.rows(
        "INSERT INTO viewership.uploads (sha256, object_key, filename, size_bytes, status, pipeline_run_id)"
        " VALUES (repeat('9', 64), 'k', 'bad.csv', 1, 'refused', 'run-1')"
    )
    rows = {row["platform"]: row for row in table(app, "recent")}
    assert (rows["unknown"]["failed"], rows["unknown"]["failure_rate"]) == (1, 1)
    assert (rows["philo"]["uploads"], rows["philo"]["loaded"], rows["philo"]["failed"]) == (2, 2, 0)
    assert "100 %" in see(app, "/matching").text


def test_text_from_files_is_never_markup(app):
    for path in ("/matching", "/matching?upload=4", "/matching/checks?days=90"):
        text = see(app, path).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("colour=red", "'colour' is not a parameter"),
        ("upload=x", "upload='x' is not valid"),
        ("upload=0", "upload='0' is not valid"),
        ("sort=rate", "expected one of newest"),
        ("from=2025-07-02&to=2025-07-01", "expected a later day"),
        ("after=x", "after='x' is not valid"),
        ("platform=a%00b", "platform="),
    ],
)
def test_a_bad_parameter_is_named_with_the_valid_values(app, query, said):
    answer = ask(app, f"/matching?{query}", headers=BROWSER)
    assert answer.status == 400
    assert said in unescape(answer.text)


def test_an_unknown_table_names_the_known_ones(app):
    for path, known in (("/matching/years.json", GRIDS), ("/matching/checks/years.csv", CHECKS)):
        answer = ask(app, path)
        assert answer.status == 404
        assert ", ".join(known) in answer.json()["error"]["message"]


def test_filters_without_rows_say_so(app):
    assert "No rows match these filters" in see(app, "/matching?platform=nowhere").text
    assert "No loaded file" in see(app, "/matching/checks?platform=nowhere").text


def results(text: str) -> dict[str, tuple[str, str]]:
    """Return result and sentence of each query of the page."""
    found = re.findall(r'id="(\w+)">\s*<h2>.*?<span class="pill \w+">(\w+)</span></h2>\s*<p>(.*?)</p>', text, re.DOTALL)
    return {name: (result, " ".join(unescape(sentence).split())) for name, result, sentence in found}


def test_the_queries_of_the_original_pass_and_show_their_sql(app, database):
    text = see(app, "/matching/checks").text
    found = results(text)
    assert list(found) == list(CHECKS)
    assert {result for result, _ in found.values()} == {"pass"}
    [(records, final, logged)] = database.rows(
        "SELECT sum(record_count), sum(matched_in_final_table), sum(unmatched_in_logs) FROM viewership.source_formula"
    )
    assert found["formula"][1] == f"{records} records: {final} in the final table plus {logged} logged."
    assert found["rates"][1].startswith(f"{final} of ")
    assert found["unmatched"][1].startswith(f"{logged} record")
    assert "4 files with" in found["recent"][1]
    # The SQL runs as it is shown.
    for sql in re.findall(r"<pre><code>(.*?)</code></pre>", text, re.DOTALL):
        assert database.rows(unescape(sql).replace("%", "%%"))
    rows = table(app, "checks/unmatched")
    assert len(rows) == logged
    assert {"id", "title", "viewership_id", "filename", "platform", "notes", "created_at"} == set(rows[0])


def test_a_lost_final_row_fails_two_queries(app, database):
    with database.connect() as connection:
        connection.execute(
            "CREATE TABLE kept AS WITH gone AS (DELETE FROM viewership.episode_details WHERE (viewership_id, label) IN"
            " (SELECT viewership_id, label FROM viewership.episode_details WHERE upload_id = 1 LIMIT 1) RETURNING *)"
            " SELECT * FROM gone"
        )
    try:
        found = results(see(app, "/matching/checks?upload=1").text)
        assert {name: result for name, (result, _) in found.items()} == {
            "recent": "pass", "rates": "pass", "unmatched": "fail", "formula": "fail",
        }  # fmt: skip
    finally:
        database.rows("INSERT INTO viewership.episode_details SELECT * FROM kept")
        database.rows("DROP TABLE kept")


def test_large_files_are_left_to_psql(app, monkeypatch):
    monkeypatch.setattr("jobs.console.tables.viewership.source_queries.MOST_ROWS", 1)
    text = " ".join(see(app, "/matching/checks").text.split())
    assert "No loaded file from the last 7 days has 20,000 rows or fewer; run the queries in psql" in text


def test_a_lost_row_is_reported(database, app):
    with database.connect() as connection:
        connection.execute("UPDATE viewership.uploads SET units = units + 1 WHERE upload_id = 1")
    try:
        text = " ".join(see(app, "/matching").text.split())
        assert "The fates of 1 upload do" in text.replace("does", "do")
        assert 'id="reconciled"' not in text
    finally:
        database.rows("UPDATE viewership.uploads SET units = units - 1 WHERE upload_id = 1")


def test_without_uploads_the_page_names_the_command(postgres):
    with _database(postgres, "telecine") as empty:
        other = create(settings(database_url=empty.url))
        assert "telecine viewership run FILE" in unescape(see(other, "/matching").text)
        assert "No loaded file" in see(other, "/matching/checks").text


def test_without_tables_the_page_is_not_installed(empty_database):
    assert ask(create(settings(database_url=empty_database.url)), "/matching", headers=BROWSER).status == 404

"""The queries and the formula of the original system, over the views that stand for its tables."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from jobs.viewership.phases.normalize import normalize
from jobs.viewership.phases.retract import retract
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_store import ROWS, catalogued, report, store  # noqa: F401

if TYPE_CHECKING:
    from tests.viewership_store import Store

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

# The original's queries, word for word. Snowflake's database and schema, and DATEADD, are replaced below.
QUERIES = """
-- Check recent uploads
SELECT filename, COUNT(*) as records, MIN(created_at), MAX(created_at)
FROM NOSEY_PROD.PUBLIC.platform_viewership
WHERE created_at >= DATEADD(day, -7, CURRENT_TIMESTAMP())
GROUP BY filename;

-- Check match rates
SELECT
    filename,
    SUM(CASE WHEN content_provider IS NOT NULL THEN 1 ELSE 0 END) as matched,
    SUM(CASE WHEN content_provider IS NULL THEN 1 ELSE 0 END) as unmatched
FROM NOSEY_PROD.PUBLIC.platform_viewership
GROUP BY filename;

-- Check unmatched records
SELECT *
FROM METADATA_MASTER.PUBLIC.record_reprocessing_batch_logs
WHERE created_at >= DATEADD(day, -7, CURRENT_TIMESTAMP())
ORDER BY created_at DESC;
"""


def asked(store: Store) -> list[list[tuple[Any, ...]]]:
    """Run the three queries, and return their rows without times."""
    text = re.sub(r"\b(NOSEY_PROD|METADATA_MASTER)\.PUBLIC\.", "", QUERIES)
    text = re.sub(r"DATEADD\((\w+), (-\d+), CURRENT_TIMESTAMP\(\)\)", r"(CURRENT_TIMESTAMP + interval '\2 \1')", text)
    assert "DATEADD" not in text
    found = []
    with store.database.connect() as connection:
        connection.execute("SET search_path = viewership_source")
        for query in text.split(";")[:3]:
            cursor = connection.execute(query.encode())
            names = [column.name for column in cursor.description or ()]
            kept = [place for place, name in enumerate(names) if name not in ("min", "max", "created_at")]
            found.append([tuple(row[place] for place in kept) for row in cursor.fetchall()])
    return found


def formula(store: Store) -> list[tuple[Any, ...]]:
    return store.database.rows(
        "SELECT upload_id, label, record_count, matched_in_final_table, unmatched_in_logs, difference"
        " FROM viewership.source_formula ORDER BY upload_id"
    )


def test_the_queries_run_word_for_word(store):
    store.stored()
    recent, rates, logs = asked(store)
    assert recent == [("report.csv", 7)]
    # Rows of the catalogue's episode without a content provider count as matched, too.
    assert rates == [("report.csv", 3, 4)]
    assert sorted((row[1], row[5]) for row in logs) == [
        ("The Last Orchard of Umbria", "unmatched: NO_CANDIDATE"),
        ("Unknown", "review: PLACEHOLDER"),
        ("Where the Wolves Sleep", "held: NO_DEAL"),
        ("Where the Wolves Sleep", "held: NO_HOURS"),
    ]
    assert {(row[0], row[3], row[4]) for row in logs} == {(row[2], "report.csv", "canonical") for row in logs}


def test_the_log_has_the_seven_columns_of_the_original(store):
    columns = store.database.rows(
        "SELECT table_schema, string_agg(column_name, ', ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_name = 'record_reprocessing_batch_logs' GROUP BY 1 ORDER BY 1"
    )
    expected = "id, title, viewership_id, filename, platform, notes, created_at"
    assert columns == [("viewership", expected), ("viewership_source", expected)]


def test_a_matched_row_counts_without_a_content_provider(store):
    # The second series of the catalogue names none.
    line = "2025-07-01,Acme,Harbour TV,US,The Outpost,1,1,Where the Wolves Sleep,OF-0101,2,"
    store.stored([line])
    assert store.database.rows("SELECT content_provider FROM viewership.episode_details") == [(None,)]
    assert asked(store)[1] == [("report.csv", 1, 0)]


def test_only_loaded_rows_are_processed(store):
    taken = store.take(report(*ROWS))
    phases = "SELECT phase, processed, count(*) FROM viewership_source.platform_viewership GROUP BY 1, 2 ORDER BY 1, 2"
    assert store.database.rows(phases) == [("0", None, 7)]
    normalize(store.database.settings(), taken.upload_id, "run-1", by="test")
    assert store.database.rows(phases) == [("1", None, 7)]
    # The original's check is about uploads that are loaded.
    assert formula(store) == []
    from jobs.viewership.phases.load import load
    from jobs.viewership.phases.match import match

    match(store.database.settings(), taken.upload_id, "run-1", by="test")
    load(store.database.settings(), taken.upload_id, "run-1", by="test")
    assert store.database.rows(phases) == [("1", None, 4), ("2", True, 3)]


def test_the_formula_holds_for_all_fates(store):
    store.stored()
    # 7 records: 3 final, and 4 in the log; the reject is on neither side.
    assert formula(store) == [(1, "Both", 7, 3, 4, 0)]


def test_a_row_with_hours_and_revenue_counts_once(store):
    line = "2025-07-0{day},Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,{hours},{revenue}"
    rows = (
        line.format(day=1, hours=2, revenue=3),
        line.format(day=2, hours=2, revenue=""),
        line.format(day=3, hours="", revenue=-1),
        line.format(day=4, hours="", revenue=""),
    )
    store.stored(rows)
    details = "SELECT label, count(*) FROM viewership.episode_details GROUP BY 1 ORDER BY 1"
    assert store.database.rows(details) == [("Revenue", 2), ("Viewership", 2)]
    assert formula(store) == [(1, "Both", 4, 3, 1, 0)]
    assert asked(store)[:2] == [[("report.csv", 4)], [("report.csv", 3, 1)]]
    # The row with both is one row of the original's table, with the columns of either label.
    rows = store.database.rows(
        "SELECT ref_id, asset_series, phase FROM viewership_source.platform_viewership ORDER BY id"
    )
    assert rows == [("HL-0101", "Harbour Lights", "2")] * 3 + [(None, None, "1")]


ONE_LABEL = {
    "Viewership": ("youtube", "video_id,title,hours_watched", "2,3.5,"),
    "Revenue": ("youtube-revenue", "video_id,title,revenue,date", "2,-0.25,"),
}


@pytest.mark.parametrize("label", ONE_LABEL)
def test_the_formula_holds_for_reports_of_one_label(store, label):
    store.catalogue({"d.csv": "platform,deal_parent,internal_channel,internal_territory\nyoutube,5,Tube,US\n"})
    name, header, values = ONE_LABEL[label]
    titles = ("The Silent Lighthouse", "Homecoming at Midnight", "Unknown")
    # The last one has no value, and is held.
    last = ",2025-07-01" if header.endswith("date") else ""
    rows = [f",{title},{value}{last}" for title, value in zip(titles, values.split(","), strict=True)]
    rows.append(f",Where the Wolves Sleep,{last}")
    taken = store.take(report(*rows, header=header), "tube.csv", format=name, period="2025-07-01")
    assert taken.outcome == "stored", taken
    store.load(taken.upload_id)
    assert store.database.rows("SELECT DISTINCT label FROM viewership.episode_details") == [(label,)]
    [(_, stored_label, count, final, logs, difference)] = formula(store)
    assert (stored_label, count, final, logs, difference) == (label, 4, 2, 2, 0)
    assert asked(store)[1] == [("tube.csv", 2, 2)]


def test_totals_of_channels_and_filtered_rows_are_on_neither_side(store):
    # Without a column for content, every row is a total of its channel.
    header = "Date,Partner,Channel,Territory,Hours"
    taken = store.take(report("2025-07-01,Acme,Harbour TV,US,5", "Total,,,,5", header=header), "totals.csv")
    assert taken.outcome == "stored", taken
    store.load(taken.upload_id)
    fates = store.database.rows("SELECT fate, units FROM viewership.reconciliation ORDER BY 1")
    assert fates == [("filtered", 1), ("topline", 1)]
    assert formula(store) == [(1, "Both", 0, 0, 0, 0)]


def test_uploads_that_were_taken_back_leave_the_views(store):
    store.stored()
    later = "2025-08-01,Acme,Harbour TV,US,Harbour Lights,1,1,The Silent Lighthouse,HL-0101,5,"
    store.stored([later], "later.csv")
    retract(store.database.settings(), 1, by="ann", reason="wrong month", run_id="run-2")
    assert asked(store) == [[("later.csv", 1)], [("later.csv", 1, 0)], []]
    assert [row[0] for row in formula(store)] == [2]


def test_a_lost_row_makes_a_difference(store):
    store.stored()
    store.database.rows("DELETE FROM viewership.episode_details WHERE viewership_id = 1")
    assert formula(store) == [(1, "Both", 7, 2, 4, 1)]


def test_the_views_of_the_original_are_read_only(store):
    store.stored()
    for view in ("platform_viewership", "record_reprocessing_batch_logs"):
        with pytest.raises(psycopg.errors.Error, match=r"cannot (delete from|update) view"):
            store.database.rows(f"DELETE FROM viewership_source.{view}")

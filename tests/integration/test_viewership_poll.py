"""One poll, from an event or a new file to final rows; each question asked once, each file taken once."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.sinks import WebhookSink, webhook_sink
from tests.postgres_server import postgres  # noqa: F401
from tests.rolled_back import database  # noqa: F401
from tests.viewership_arrivals import Uploads
from tests.viewership_place import viewership  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.viewership_place import ViewershipPlace

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

HEADER = "Series,Season,Episode,Title,Date,Hours\n"
JULY = f"{HEADER}Calm River,1,1,The Storm,2025-07-01,1.5\nCalm River,1,2,The Calm,2025-07-02,2\n"
# Of these dates, no order is certain.
OPEN = f"{HEADER}Calm River,1,1,The Storm,07/01/2025,1.5\nCalm River,1,2,The Calm,07/02/2025,2\n"


@pytest.fixture
def uploads(viewership: ViewershipPlace) -> Uploads:
    viewership.catalogue()
    return Uploads(viewership.database, Path(viewership.bucket.removeprefix("file://")))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebhookSink]:
    with webhook_sink() as sink:
        monkeypatch.setenv("TELECINE_NOTIFY_WEBHOOK_URL", sink.url)
        yield sink


def counts(report: Any) -> dict[str, int]:
    return {name.removeprefix("upload."): count for name, count in report.counts.items() if count}


def test_an_event_and_a_new_file_become_final_rows_in_one_poll(viewership, uploads, hook):
    uploads.write("uploads/july.csv", JULY.encode())
    august = JULY.replace("2025-07", "2025-08").encode()
    uploads.write("deliveries/august.csv", august)
    event_id = uploads.announce({"key": "deliveries/august.csv", "sha256": hashlib.sha256(august).hexdigest()})
    report = viewership.run()
    assert (report.exit_code, counts(report)["stored"]) == (0, 2)
    assert viewership.final() == (4, Decimal(7))
    assert uploads.event(event_id) == (True, 0, None)
    before = viewership.everything()
    for _ in range(2):
        again = viewership.run()
        assert (again.status, again.exit_code, again.items) == ("skipped", 0, 0)
    assert viewership.everything() == before
    assert [row[1:] for row in uploads.rows("uri, status, upload_id IS NOT NULL")] == [("taken", True)] * 2
    assert viewership.is_due()
    assert hook.got == []


@pytest.mark.parametrize(
    ("arrival", "looked"),
    [
        ("both", "no new file below {bucket}/in/, no event in viewership.outbox_events"),
        ("poll", "no new file below {bucket}/in/"),
        ("events", "no event in viewership.outbox_events"),
    ],
)
def test_an_empty_poll_says_where_it_looked(viewership, uploads, arrival, looked):
    Path(viewership.bucket.removeprefix("file://")).mkdir(exist_ok=True)
    for step in ("run", "upload"):
        report = getattr(viewership, step)(prefix="in/", arrival=arrival)
        assert report.headline == (
            f"nothing has arrived: {looked.format(bucket=viewership.bucket)}; to upload another file, run "
            f"`telecine viewership {step} FILE`"
        )


def test_a_question_is_asked_once_and_an_event_answers_it(viewership, uploads, hook):
    uploads.write("uploads/open.csv", OPEN.encode())
    first = viewership.run()
    assert (first.exit_code, viewership.final()[0]) == (0, 0)
    assert uploads.rows("status, code") == [("waiting", "NEEDS_CHOICE")]
    for _ in range(2):
        assert viewership.run().items == 0
    (document,) = hook.got
    assert document["errors"][0]["item"].endswith("/uploads/open.csv")
    assert "--date-order" in document["errors"][0]["message"]
    uploads.announce({"key": "uploads/open.csv", "choices": {"date_order": "mdy"}})
    assert viewership.run().exit_code == 0
    assert viewership.rows("SELECT date::text FROM viewership.episode_details ORDER BY 1") == [
        ("2025-07-01",),
        ("2025-07-02",),
    ]
    assert uploads.rows("status, code") == [("taken", None)]
    assert len(hook.got) == 1


def test_days_that_are_stored_wait_for_an_answer_which_a_user_gives(viewership, uploads, hook):
    uploads.write("uploads/july.csv", JULY.encode())
    viewership.run()
    path = uploads.write("uploads/restated.csv", JULY.replace(",1.5\n", ",1.75\n").encode())
    assert viewership.run().exit_code == 0
    assert uploads.rows("status, code") == [("taken", None), ("waiting", "OVERLAP")]
    assert [document["code"] for document in hook.got] == ["OVERLAP"]
    assert viewership.final() == (2, Decimal("3.5"))
    assert viewership.run(str(path), on_overlap="replace").exit_code == 0
    assert viewership.final() == (2, Decimal("3.75"))
    assert uploads.rows("status, code") == [("taken", None), ("taken", None)]
    assert viewership.run().items == 0
    assert len(hook.got) == 1


def test_an_event_replaces_stored_rows_only_if_the_operator_lets_it(viewership, uploads, caplog):
    uploads.write("uploads/july.csv", JULY.encode())
    viewership.run()
    uploads.write("uploads/restated.csv", JULY.replace(",1.5\n", ",1.75\n").encode())
    event_id = uploads.announce({"key": "uploads/restated.csv", "on_overlap": "replace"})
    viewership.run()
    assert uploads.event(event_id) == (True, 0, None)
    assert viewership.final() == (2, Decimal("3.5"))
    assert uploads.rows("status, code")[1] == ("waiting", "OVERLAP")
    assert "its on_overlap is ignored; pass --event-overlap follow" in caplog.text
    uploads.announce({"key": "uploads/restated.csv", "on_overlap": "replace"})
    viewership.run(event_overlap="follow")
    assert viewership.final() == (2, Decimal("3.75"))


def test_a_bad_file_a_bad_event_and_other_bytes_stop_nothing(viewership, uploads):
    uploads.write("uploads/a-picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(100))
    uploads.write("uploads/changed.csv", JULY.replace("2025-07", "2025-09").encode())
    uploads.write("uploads/july.csv", JULY.encode())
    other = uploads.announce({"key": "uploads/changed.csv", "sha256": "ab" * 32})
    bad = uploads.announce({"key": "../july.csv"})
    for attempt in (1, 2):
        report = viewership.run(max_attempts=2)
        assert report.exit_code == 65
        assert uploads.event(other)[1:2] == uploads.event(bad)[1:2] == (attempt,)
        assert set(report.rejects) == {"SHA256_MISMATCH", "KEY_ESCAPE", *(["FORMAT"] if attempt == 1 else [])}
    assert viewership.run(max_attempts=2).items == 0
    assert [row[1:] for row in uploads.rows("uri, status, code")] == [
        ("refused", "FORMAT"),
        ("failed", "SHA256_MISMATCH"),
        ("taken", None),
    ]
    assert viewership.final() == (2, Decimal("3.5"))


def test_a_retracted_upload_does_not_return_by_itself(viewership, uploads):
    uploads.write("uploads/july.csv", JULY.encode())
    viewership.run()
    viewership.retract(1)
    assert viewership.final()[0] == 0
    assert viewership.run().items == 0
    assert viewership.final()[0] == 0

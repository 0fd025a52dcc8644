"""An ingest with a token of TMDb: metadata of swept titles are stored, and whatever fails there fails nothing else."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import gzip
import json
import logging
from typing import Any

import pytest
from deltalake import DeltaTable

from jobs.trakt.errors import TMDB_CODES
from jobs.trakt.replayer import site
from jobs.trakt.replayer.tmdb import metadata_answer
from jobs.trakt.settings import VerifySettings
from jobs.trakt.steps import verify
from tests.fakes.ledger import MemoryStageRun
from tests.postgres_server import database, postgres  # noqa: F401
from tests.trakt_ingest import trakt  # noqa: F401

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

TOKEN = "a-read-access-token-of-the-tests"


def stored(place: Any) -> list[dict[str, Any]]:
    """Return the metadata in bronze, oldest first."""
    columns = ["resource_kind", "title_kind", "title_id_trakt", "payload", "observed_at", "source_system"]
    table = DeltaTable(str(place.folder / "bucket" / "bronze" / "trakt")).to_pyarrow_table(columns=columns)
    return sorted(
        (row for row in table.to_pylist() if row["resource_kind"] == "tmdb"), key=lambda row: row["observed_at"]
    )


def asked(place: Any) -> int:
    return sum(number for target, number in place.asked().items() if target.startswith("/3/"))


def swept_again(place: Any, watch_list: str, **values: Any) -> Any:
    place.rows("UPDATE trakt.titles SET next_sweep_at = now()")
    return place.ingest(watch_list=watch_list, tmdb_token=TOKEN, **values)


def test_metadata_is_read_with_each_sweep_and_stored_when_it_has_changed(trakt, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    with trakt("calm") as place:
        watch_list = place.watch_list(1, 3)
        report = place.ingest(watch_list=watch_list, tmdb_token=TOKEN)
        assert (report.status, report.counts["tmdb_read"], report.counts["tmdb_requests"]) == ("success", 2, 2)
        first = stored(place)
        assert {(row["title_kind"], row["title_id_trakt"]) for row in first} == {
            (each["kind"], each["trakt"]) for each in (place.titles()[1], place.titles()[3])
        }
        # They are neither in the page ledger nor in the counts of Trakt.
        pages = place.rows("SELECT count(*), count(DISTINCT resource) FROM trakt.pages")[0]
        assert pages == (report.counts["requests"], 4)
        assert sum(place.asked().values()) == report.counts["requests"] + 2
        objects = list((place.folder / "bucket" / "pages").rglob("tmdb/*/answer.json.gz"))
        assert len(objects) == 2
        kept = b"".join(gzip.decompress(path.read_bytes()) for path in objects)
        assert TOKEN not in f"{kept.decode()} {report.model_dump_json()} {report.sections} {caplog.text}"

        # A day on which no title is swept asks nothing; a sweep on the same day finds nothing new.
        place.rows("UPDATE trakt.titles SET next_sweep_at = now() + interval '1 day'")
        assert place.ingest(watch_list=watch_list, tmdb_token=TOKEN).counts["tmdb_requests"] == 0
        assert swept_again(place, watch_list).counts["tmdb_read"] == 2
        assert stored(place) == first
        place.tomorrow()
        swept_again(place, watch_list)
        changed = stored(place)
        assert (len(changed), changed[:2]) == (4, first)
        assert {json.loads(row["payload"])["popularity"] for row in changed[2:]} != {
            json.loads(row["payload"])["popularity"] for row in first
        }

        # TMDb does not have the title: noted, and not repeated before the next sweep.
        monkeypatch.setattr(site, "metadata_answer", lambda *given: metadata_answer(*given[:3], ["movie", "5"]))
        report = swept_again(place, watch_list)
        assert (report.status, report.counts["tmdb_missing"], len(stored(place))) == ("success", 2, 4)
        _verify_covers_the_page_objects(place, objects[0])


def _verify_covers_the_page_objects(place: Any, path: Any) -> None:
    values = place.values(user_salt="a salt of the tests")
    settings = VerifySettings(**{name: values[name] for name in values if name in VerifySettings.model_fields})

    def findings() -> set[str]:
        stage = MemoryStageRun("verify", "trakt", "verify")
        return set(verify.run(settings, stage).rejects) - {"SILVER_ABSENT"}  # type: ignore[arg-type]

    body = path.read_bytes()
    assert findings() == set()
    path.write_bytes(body[:-9])
    assert "PAGE_DAMAGED" in findings()
    path.unlink()
    assert "ROW_EXTRA" in findings()


@pytest.mark.parametrize(
    ("values", "code"),
    [({"tmdb_token": "wrong"}, "TMDB_UNAUTHORIZED"), ({"tmdb_base_url": "http://127.0.0.1:1/3"}, "TMDB_UNAVAILABLE")],
)
def test_a_failure_of_tmdb_is_a_warning_and_nothing_else(trakt, values, code, caplog):
    with trakt("calm") as place:
        values = {"tmdb_token": TOKEN, "max_retries": 0, **values}
        report = place.ingest(watch_list=place.watch_list(1, 3, 5, 7), **values)
        assert (report.status, report.exit_code, report.counts["failed"]) == ("success", 0, 0)
        assert (report.counts["tmdb_failed"], report.failures, report.rejects) == (4, [], {})
        assert f"warning: 4 titles without metadata ({code}): {TMDB_CODES[code]}" in report.headline
        assert report.sections[-1].rows == [[code, 4, TMDB_CODES[code]]]
        assert asked(place) == (code == "TMDB_UNAUTHORIZED")
        assert stored(place) == []
        assert f"No more requests to TMDb in this run: {TMDB_CODES[code]} ({code})." in caplog.text

"""The review commands: what they show before and after, names of keys, bulk decisions, JSON contracts, and exports."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import io
import json
import shlex
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from python_calamine import CalamineWorkbook

from jobs.cli import run
from jobs.viewership.catalog.cells import restored
from jobs.viewership.review.documents import review_schemas
from jobs.viewership.review.names import names_of
from shared.database.session import transaction
from tests.postgres_server import made_database, postgres  # noqa: F401
from tests.rolled_back import scratch
from tests.viewership_rows import DETAILS, catalogue, reconciled, row, upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.postgres_server import Database

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

STORM = "The Longest Storm of All"
HARVEST = "The Quiet Harvst Moon"


@pytest.fixture(scope="module")
def scene(postgres: str) -> Iterator[Database]:
    """A catalogue, and an upload with a matched key and some that wait."""
    with made_database(postgres) as made:
        catalogue(made)
        upload(
            made,
            [
                row("The Long Storm", "2", series="Harbour Lights"),
                row(STORM, "5.25", series="Harbour Lights", season="1", episode="9", content_id="X-77"),
                row(HARVEST, "9", series="Harbour Lights"),
                row("Nothing Alike At All", "7", series="The Outpost"),
                row("Elsewhere", "1", series="Unheard Of"),
            ],
        )
        yield made


@pytest.fixture
def database(request: pytest.FixtureRequest, scene: Database) -> Iterator[Database]:
    with scratch(request, scene) as made:
        yield made


@pytest.fixture
def telecine(database: Database, monkeypatch: Any, tmp_path: Path, capsys: Any) -> Callable[..., tuple[int, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELECINE_DATABASE_URL", database.url)

    def call(*words: str) -> tuple[int, str]:
        code = run(["viewership", "review", *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return call


def pasted(call: Callable[..., tuple[int, str]], command: str) -> tuple[int, str]:
    words = shlex.split(command)
    assert words[:3] == ["telecine", "viewership", "review"]
    return call(*words[3:])


def document(call: Callable[..., tuple[int, str]], *words: str, schema: str) -> Any:
    code, out = call(*words, "--json")
    assert code == 0, out
    found = json.loads(out)
    Draft202012Validator(review_schemas()[schema]()).validate(found)
    return found


def queue(call: Callable[..., tuple[int, str]], *words: str) -> Any:
    return document(call, "list", *words, schema="review-list-1.0")


def named(call: Callable[..., tuple[int, str]], title: str) -> str:
    return str(next(key["key"] for key in queue(call)["keys"] if key["title"] == title))


def final(database: Database) -> Any:
    return database.rows(f"SELECT {DETAILS} FROM viewership.episode_details ORDER BY 1, 2")


def test_the_queue_lists_keys_by_hours(telecine):
    found = queue(telecine)
    assert [(key["title"], key["hours"]) for key in found["keys"]] == [
        (HARVEST, "9"),
        ("Nothing Alike At All", "7"),
        (STORM, "5.25"),
        ("Elsewhere", "1"),
    ]
    assert found["total"] == {"keys": 4, "rows": 4, "hours": "22.25", "revenue": "0"}
    assert [key["title"] for key in queue(telecine, "--series", "HARBOUR  lights", "--limit", "1")["keys"]] == [HARVEST]
    assert queue(telecine, "--series", "Harbour Lights", "--limit", "1")["total"]["keys"] == 2
    assert queue(telecine, "--platform", "philo")["keys"] == []
    by_status = {
        status: {key["key"] for key in queue(telecine, "--status", status)["keys"]}
        for status in ("review", "unmatched", "all")
    }
    assert by_status["review"] | by_status["unmatched"] == by_status["all"]
    assert by_status["review"]
    assert not by_status["review"] & by_status["unmatched"]
    code, out = telecine("list")
    assert code == 0
    assert out.splitlines()[0].split()[:3] == ["key", "platform", "series"]
    assert "4 keys with 4 rows, 22.25 hours, revenue 0.00" in out
    assert telecine("list", "--platform", "philo") == (0, "no keys wait\n")
    assert telecine("list", "--platform", "Canonical")[0] == 0
    assert telecine("list", "--series", "Harbor Lights") == (
        0,
        "no key of series 'Harbor Lights' waits; did you mean 'Harbour Lights'?\n",
    )
    assert telecine("list", "--series", "zzz") == (0, "no key of series 'zzz' waits\n")


def test_a_name_is_unique_and_any_unique_beginning_is_accepted(telecine, database):
    name = named(telecine, STORM)
    assert len(name) == 8
    for text in (name, name.upper(), name + queue(telecine)["keys"][2]["digest"][8:]):
        assert document(telecine, "show", text, schema="review-key-1.0")["title"] == STORM
    digest = bytes.fromhex(queue(telecine)["keys"][2]["digest"])
    twin = digest[:5] + bytes([digest[5] ^ 1]) + digest[6:]
    database.rows("UPDATE viewership.keys SET review_digest = %s WHERE content_name = 'Elsewhere'", twin)
    with transaction(database.settings()) as session:
        names = names_of(session, [digest, twin])
    assert names == {digest: digest.hex()[:12], twin: twin.hex()[:12]}
    code, out = telecine("show", name)
    assert code == 2
    assert "is ambiguous" in out
    assert names[digest] in out
    assert names[twin] in out
    assert telecine("show", names[twin])[0] == 0
    for text in ("no-hex", "", "0" * 33):
        code, out = telecine("show", text)
        assert (code, "hexadecimal" in out) == (2, True), out
    unknown = bytes([digest[0], digest[1] ^ 255]).hex()
    code, out = telecine("accept", unknown, "--episode", "HL-0101")
    assert code == 2
    assert "does not exist" in out
    assert "the nearest are" in out


def test_show_explains_a_key_and_prints_commands_that_work(telecine, database):
    name = named(telecine, HARVEST)
    found = document(telecine, "show", name, schema="review-key-1.0")
    best = found["candidates"][0]
    assert best["episode"]["ref_id"] == "HL-0102"
    fields = {each["field"]: each["result"] for each in best["differences"]}
    assert fields == {
        "title": "different",
        "series": "equal",
        "season": "missing",
        "episode": "missing",
        "id": "missing",
    }
    assert found["reasons"]
    assert found["examples"][0]["hours"] == "9"
    assert [each["rows"] for each in found["found_in"]] == [1]
    code, out = telecine("show", name)
    assert code == 0
    for text in ("Candidate 1: HL-0102 Harbour Lights: The Quiet Harvest", "Rows", "Uploads", "Next"):
        assert text in out
    code, out = pasted(telecine, found["commands"][0])
    assert code == 0
    assert "nothing was changed" in out
    code, out = pasted(telecine, out.strip().splitlines()[-1].strip())
    assert code == 0, out
    assert "decision 1 by" in out
    shown = document(telecine, "show", name, schema="review-key-1.0")
    assert [each["decision"] for each in shown["decisions"]] == [1]
    assert (shown["status"], shown["rows"], len(shown["matches"])) == ("matched", 0, 1)
    assert "Earlier matches" in telecine("show", name)[1]
    reconciled(database)


def test_without_yes_nothing_changes_and_the_printed_command_does_it(telecine, database):
    name = named(telecine, STORM)
    before = final(database)
    words = ("accept", name, "--episode", "HL-0101", "--by", "Ann O'Neil; rm -rf", "--reason", "it's $(that) one")
    made = document(telecine, *words, schema="review-decision-1.0")
    assert made["done"] is False
    assert made["scope"] == {
        "rows": 1,
        "hours": "5.25",
        "revenue": "0",
        "uploads": 1,
        "held": 0,
        "loads": 1,
        "removes": 0,
    }
    assert final(database) == before
    assert database.rows("SELECT count(*) FROM viewership.decisions") == [(0,)]
    code, out = pasted(telecine, made["command"])
    assert code == 0, out
    assert "final table: 1 row added, 0 removed" in out
    assert database.rows("SELECT decided_by, note, action FROM viewership.decisions") == [
        ("Ann O'Neil; rm -rf", "it's $(that) one", "accept")
    ]
    reconciled(database)
    code, again = pasted(telecine, made["command"])
    assert code == 65
    assert "changed since they were shown" in again
    code, out = telecine("undo", "1")
    assert code == 0
    assert "0 rows would be added, 1 removed" in " ".join(out.replace("final table:", "").split())
    assert len(final(database)) == len(before) + 1
    code, out = pasted(telecine, out.strip().splitlines()[-1].strip())
    assert code == 0, out
    assert final(database) == before
    code, out = telecine("undo", "1", "--yes")
    assert code == 65
    assert "was undone by" in out
    assert "expected a decision that still applies" in out
    assert telecine("undo", "77", "--yes")[0] == 2
    reconciled(database)


def test_a_series_at_once_takes_only_safe_candidates(telecine, database):
    words = ("accept", "--series", "Harbour Lights", "--min-score", "85", "--min-margin", "5")
    made = document(telecine, *words, schema="review-decision-1.0")
    assert [(each["title"], each["episode"]["ref_id"]) for each in made["keys"]] == [
        (f"Harbour Lights: {HARVEST}", "HL-0102")
    ] or made["skipped"]
    everything = document(
        telecine,
        "accept",
        "--series",
        "Harbour Lights",
        "--min-score",
        "0",
        "--min-margin",
        "0",
        schema="review-decision-1.0",
    )
    strict = document(
        telecine, "accept", "--series", "Harbour Lights", "--min-score", "100", schema="review-decision-1.0"
    )
    assert len(everything["keys"]) > len(strict["keys"]) == 0
    assert all("below 100" in each["why"] or "no candidate" in each["why"] for each in strict["skipped"])
    code, out = pasted(telecine, everything["command"])
    assert code == 0, out
    wanted = {(each["key"], each["episode"]["id"]) for each in everything["keys"]}
    decided = database.rows(
        "SELECT encode(k.review_digest, 'hex'), m.episode_id FROM viewership.matches m"
        " JOIN viewership.keys k USING (key_id) WHERE m.decision_id IS NOT NULL"
    )
    assert {(digest[:8], number) for digest, number in decided} == wanted
    numbers = [str(row[0]) for row in database.rows("SELECT decision_id FROM viewership.decisions")]
    assert telecine("undo", *numbers, "--yes")[0] == 0
    assert database.rows("SELECT count(*) FROM viewership.matches WHERE decision_id IS NOT NULL") == [(0,)]
    reconciled(database)


def test_a_series_is_rejected_as_a_whole_and_no_other(telecine, database):
    made = document(
        telecine, "reject", "--series", "Harbour Lights", "--reason", "trailers", "--yes", schema="review-decision-1.0"
    )
    assert (len(made["keys"]), made["decisions"]) == (2, [1])
    assert {key["title"] for key in queue(telecine)["keys"]} == {"Nothing Alike At All", "Elsewhere"}
    assert pasted(telecine, made["command"])[0] == 0
    assert len(queue(telecine)["keys"]) == 4
    reconciled(database)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("accept",), "no key was passed"),
        (("accept", "KEY"), "no episode was passed"),
        (("accept", "KEY", "--episode", "HL-0101", "--candidate", "1"), "both set"),
        (("accept", "KEY", "--series", "X", "--candidate", "1"), "keys are combined with --series"),
        (("accept", "--series", "Harbour Lights", "--episode", "HL-0101"), "--series is combined with"),
        (("accept", "--series", "Nobody"), "no key of this series waits; expected"),
        (("accept", "--series", "Harbor Lights"), "no key of this series waits; did you mean 'Harbour Lights'?"),
        (("list", "--platform", "youtub"), "platform 'youtub' has no uploads; did you mean 'youtube'?"),
        (("export", "keys.csv", "--platform", "youtub"), "platform 'youtub' has no uploads; did you mean 'youtube'?"),
        (("accept", "KEY", "--episode", "ZZZZZZZ"), "has no episode 'ZZZZZZZ'; expected"),
        (("accept", "KEY", "--episode", "hl0101"), "or id:N; did you mean 'HL-0101'?"),
        (("undo", "7"), "decision 7 does not exist; expected a decision first; see"),
        (("accept", "KEY", "--episode", "id:999"), "expected id:N"),
        (("alias", "KEY", "--candidate", "99"), "has no candidate"),
        (("reject", "KEY"), "--reason is required"),
        (("undo", "--yes"), "no decision was passed"),
        (("undo", "0"), "greater than 0"),
    ],
)
def test_wrong_words_are_usage_errors(telecine, database, words, said):
    name = named(telecine, HARVEST)
    code, out = telecine(*(name if word == "KEY" else word for word in words))
    assert code == 2, out
    assert said in " ".join(out.split())
    assert "Traceback" not in out
    assert database.rows("SELECT count(*) FROM viewership.decisions") == [(0,)]


def test_an_episode_is_named_by_ref_id_or_number(telecine, database):
    name = named(telecine, HARVEST)
    number = database.rows("SELECT id FROM catalog.episodes WHERE ref_id = 'HL-0103'")[0][0]
    for text in ("hl-0103", f"id:{number}", str(number)):
        made = document(telecine, "accept", name, "--episode", text, schema="review-decision-1.0")
        assert made["keys"][0]["episode"]["ref_id"] == "HL-0103"
    database.rows(f"UPDATE catalog.episodes SET ref_id = '{number}', ref_key = '{number}' WHERE ref_id = 'OF-0101'")
    code, out = telecine("accept", name, "--episode", str(number))
    assert code == 2
    assert f"id:{number}" in out


HOSTILE = ("=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "x;=1", "http://example.com", "'=quoted", "007")


def test_an_export_of_a_series_that_waits_nowhere_names_near_ones(telecine):
    for name, meant in (("Harbor Lights", "; did you mean 'Harbour Lights'?"), ("Nobody", "")):
        code, out = telecine("export", "queue.csv", "--series", name)
        assert (code, out.strip()) == (0, f"queue.csv: 0 keys; no key of series '{name}' waits{meant}")
    assert len(Path("queue.csv").read_text().splitlines()) == 1
    assert telecine("export", "queue.csv", "--series", "Harbour Lights")[1].strip() == "queue.csv: 2 keys"


def test_an_export_runs_nothing_and_keeps_numbers(database, telecine, tmp_path):
    upload(
        database,
        [row(f"Q{place}", "1", series=text, content_id=text, revenue="-3.5") for place, text in enumerate(HOSTILE)],
        label="Both",
    )
    code, out = telecine("export", "queue.csv")
    assert code == 0, out
    text = Path("queue.csv").read_bytes().decode()
    lines = {line["title"]: line for line in csv.DictReader(io.StringIO(text, newline=""))}
    assert len(lines) == 4 + len(HOSTILE)
    for place, original in enumerate(HOSTILE):
        line = lines[f"Q{place}"]
        assert (line["hours"], line["revenue"]) == ("1", "-3.5")
        cell = line["content_id"]
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\0"))
        assert restored(cell) == original or cell == f"'{original}"
    code, out = telecine("export", str(tmp_path / "new" / "queue.xlsx"), "--json")
    assert code == 0, out
    assert json.loads(out)["keys"] == 4 + len(HOSTILE)
    file = tmp_path / "new" / "queue.xlsx"
    head, *body = CalamineWorkbook.from_path(file).get_sheet_by_index(0).to_python()
    cells = {line[head.index("title")]: dict(zip(head, line, strict=True)) for line in body}
    for place, original in enumerate(HOSTILE):
        cell = cells[f"Q{place}"]["content_id"]
        assert isinstance(cell, str)
        assert cell.replace("_x000D_", "\r").replace("\r\n", "\n").strip() == original.strip()
        assert (cells[f"Q{place}"]["hours"], cells[f"Q{place}"]["revenue"]) == (1.0, -3.5)
    with zipfile.ZipFile(file) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert 'quotePrefix="1"' in archive.read("xl/styles.xml").decode()
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert sheet.count(' s="2" t="s"') + sheet.count(' s="1" t="s"') >= len(HOSTILE)
    code, out = telecine("export", "queue.txt")
    assert code == 2
    assert ".csv or .xlsx" in out


def test_text_from_a_file_is_data_on_a_terminal(database, telecine):
    upload(database, [row("\x1b[31mred\u202e", "100", series="A\x07B\nC")])
    code, out = telecine("list")
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    key = queue(telecine)["keys"][0]["key"]
    code, out = telecine("show", key)
    assert code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_many_keys_have_their_names_and_sums(database, telecine):
    upload(database, [row(f"Wholly Unknown {number} Title", "0.5", series="Unheard Of") for number in range(300)])
    found = queue(telecine, "--limit", "1000")
    assert found["total"]["keys"] == len(found["keys"]) == 304
    assert len({key["key"] for key in found["keys"]}) == 304
    assert found["total"]["hours"] == "172.25"
    assert "20 of 304 keys" in telecine("list")[1]
    reconciled(database)


def test_the_same_decision_again_records_nothing(telecine, database):
    name = named(telecine, STORM)
    words = ("accept", name, "--episode", "HL-0101", "--yes")
    assert telecine(*words)[0] == 0
    code, out = telecine(*words)
    assert code == 0
    assert "already accepted (decision 1)" in out
    assert "nothing to decide" in out
    assert database.rows("SELECT count(*) FROM viewership.decisions") == [(1,)]
    made = document(telecine, *words, schema="review-decision-1.0")
    assert (made["done"], made["decisions"], made["skipped"][0]["key"]) == (False, [], name)
    # Another episode, and an alias, say something else.
    assert telecine("accept", name, "--episode", "HL-0102", "--yes")[0] == 0
    assert telecine("alias", name, "--episode", "HL-0102", "--yes")[0] == 0
    assert "already accepted with an alias (decision 3)" in telecine("alias", name, "--episode", "HL-0102", "--yes")[1]
    # A later upload with the key waits, so that accepting it again is a change.
    assert telecine("undo", "3", "2", "--yes")[0] == 0
    upload(database, [row(STORM, "3", series="Harbour Lights", season="1", episode="9", content_id="X-77")])
    assert "1 row added" in telecine(*words)[1]
    rejected = named(telecine, "Elsewhere")
    assert telecine("reject", rejected, "--reason", "a trailer", "--yes")[0] == 0
    assert "already rejected (decision" in telecine("reject", rejected, "--reason", "a trailer", "--yes")[1]
    reconciled(database)


def test_an_undo_names_keys_and_episode_and_the_decision_that_keeps_them(telecine, database):
    name = named(telecine, STORM)
    for ref_id in ("HL-0101", "HL-0102"):
        assert telecine("accept", name, "--episode", ref_id, "--yes")[0] == 0
    before = final(database)
    code, out = telecine("undo", "1")
    assert code == 0
    assert "1 key keeps decision 2" in out
    assert "HL-0101" in out
    assert name in out
    assert f"Harbour Lights: {STORM}"[:40] in out
    assert "keeps decision" not in telecine("undo", "2")[1]
    assert "keeps decision" not in telecine("undo", "1", "2")[1]
    undone = document(telecine, "undo", "1", "--yes", schema="review-undo-1.0")
    assert [(key["decision"], key["key"], key["kept_by"]) for key in undone["keys"]] == [(1, name, 2)]
    assert undone["decisions"][0]["ref_id"] == "HL-0101"
    assert final(database) == before
    reconciled(database)

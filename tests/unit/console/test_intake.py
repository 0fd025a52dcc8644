"""Names, choices and questions of received files; the beginning of a large one; and the limits of its process."""

from __future__ import annotations

import html
import os
import time
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.console.errors import BadQuery, Refused
from jobs.console.intake import choices, reading
from jobs.console.intake.child import Limits, run
from jobs.console.intake.form import UploadForm
from jobs.console.intake.library import Library
from jobs.console.intake.names import file_name
from jobs.console.intake.questions import open_questions
from jobs.viewership.model import FIELDS
from jobs.viewership.settings.formats import FormatsCheckSettings
from jobs.viewership.settings.uploads import RunSettings
from jobs.viewership.uploads.formats.binding import parse_pairs
from shared.settings.base import encoded, encoded_form
from shared.settings.command import parse

KNOWN = Library(("orbit-tv",), {"canonical-1": "Canonical", "roku-1": "Roku"}, ("date", "hours", "content_name"))


def column(letter, field, shown=None, **values):
    known = {"name": f"name {letter}", "column": letter, "field": field, "shown": shown or field, "unit": None}
    return {**known, "is_metric": False, **values}


def question(code, flags=("--map",), columns=("name A",), letters=("Column A",)):
    message = f"{code}?; pass {flags[0]}"
    return {"code": code, "message": message, "columns": columns, "flags": flags, "options": [], "letters": letters}


def read(*questions, problem=None, preview=True, used=None):
    return {
        "proposal": {"questions": list(questions)},
        "preview": {"format": "roku-1"} if preview else None,
        "problem": problem,
        "used": used or {},
    }


def codes(found):
    return [each.code for each in found]


@pytest.mark.parametrize(
    "name", ["a\tb.csv", "a\nb.csv", "a\u200bb.csv", "\u2067a.csv", " ", "a\u2028b", "\ufeffa.csv"]
)
def test_a_name_with_characters_that_are_not_seen_is_refused(name):
    with pytest.raises(Refused) as refused:
        file_name(name.encode())
    assert (refused.value.status, refused.value.code) == (400, "bad_name")
    assert refused.value.message.isprintable()


def test_a_form_is_parsed_however_its_bytes_are_split():
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n1\r\n--\r\n--b2\r\n--b--\r\n'
    for size in (1, 2, 3, 7, 50, len(body)):
        form = UploadForm("multipart/form-data; boundary=b")
        pieces = [piece for at in range(0, len(body), size) for piece in form.feed(body[at : at + size])]
        assert (b"".join(pieces), form.finish()) == (b"1\r\n--\r\n--b2", "a.csv")


@pytest.mark.parametrize("kind", ["", "text/csv", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 300])
def test_other_bodies_are_no_forms(kind):
    with pytest.raises(Refused) as refused:
        UploadForm(kind)
    assert refused.value.code == "bad_form"


def test_only_changed_columns_are_choices():
    columns = [column("A", "date"), column("B", "hours"), column("C", None), column("D", None)]
    form = {"map-A": "date", "map-B": "", "map-C": "hours", "map-D": "", "sheet": " Data "}
    assert choices.chosen(form, {}, columns, KNOWN) == {"sheet": "Data", "map": {"hours": "Column C"}}


def test_an_earlier_choice_stays_while_its_column_is_not_changed():
    columns = [column("A", "date"), column("B", None, "hours")]
    before = {"map": {"hours": "Column B", "episode": "Column ZZ"}}
    form = {"map-A": "date", "map-B": "hours"}
    assert choices.chosen(form, before, columns, KNOWN) == before
    assert choices.chosen({**form, "map-B": ""}, before, columns, KNOWN) == {
        "map": {"episode": "Column ZZ", "hours": "(none)"}
    }


def test_a_changed_column_is_no_longer_read_as_before():
    columns = [{**column("A", "date"), "also_shown": ["month"]}, column("B", "hours"), column("C", None)]
    form = {"map-A": "", "map-B": "", "map-C": "hours"}
    chosen = choices.chosen(form, {}, columns, KNOWN)
    assert chosen == {"map": {"date": "(none)", "month": "(none)", "hours": "Column C"}}
    # The next form shows both as not read, and changes nothing.
    columns = [column("A", None), column("B", None), column("C", "hours")]
    assert choices.chosen({"map-A": "", "map-B": "", "map-C": "hours"}, chosen, columns, KNOWN) == chosen
    assert choices.chosen({"map-A": "date", "map-B": "", "map-C": "hours"}, chosen, columns, KNOWN) == {
        "map": {"date": "Column A", "month": "(none)", "hours": "Column C"}
    }


@given(st.dictionaries(st.sampled_from(list(FIELDS)), st.text('aB,\\= "').map(str.strip).filter(bool)))
def test_a_mapping_reaches_the_reader_as_it_was_chosen(mapping):
    flags = choices.flags({"map": mapping}, infer=False)
    assert parse_pairs(parse(FormatsCheckSettings, "", "", [*flags, "file"]).map) == mapping
    text = choices.parameters({"map": mapping}).get("map", "")
    with patch.dict(os.environ, {"TELECINE_VIEWERSHIP_MAP_BASE64": encoded(encoded_form(text))}):
        assert parse_pairs(RunSettings().map) == mapping


def test_columns_that_are_not_listed_are_chosen_by_name_or_letters():
    columns = [column(f"C{number}", None) for number in range(250)]
    columns[240] = column("C240", "hours")
    assert [each["column"] for each in choices.listed(columns)][199:] == ["C199", "C240"]
    columns[220]["name"] = "Watched, all"
    for named in ("watched, ALL", "c220", "Column C220"):
        form = {"map-C240": "hours", "column-further": named, "map-further": "date"}
        assert choices.chosen(form, {}, columns, KNOWN) == {"map": {"date": "Column C220"}}
    with pytest.raises(BadQuery, match="'Nothing' is not a column of the file"):
        choices.chosen({"map-C240": "hours", "column-further": "Nothing"}, {}, columns, KNOWN)


def test_two_columns_cannot_become_one_field():
    columns = [column("A", None), column("B", None)]
    with pytest.raises(BadQuery) as bad:
        choices.chosen({"map-A": "hours", "map-B": "hours"}, {}, columns, KNOWN)
    assert "several columns are hours: Column A and Column B" in str(bad.value)


@pytest.mark.parametrize("value", ["x" * 101, "a\x00b", "a\nb"])
def test_a_text_of_a_form_is_short_and_printed(value):
    with pytest.raises(BadQuery):
        choices.chosen({"sheet": value}, {}, [], KNOWN)


def test_a_text_that_begins_with_dashes_stays_the_value_of_its_flag():
    assert choices.flags({"sheet": "--output=/etc/x"}, infer=True) == ["--sheet=--output=/etc/x"]


def test_a_unit_that_no_choice_can_name_is_not_proposed():
    proposal = {
        "format": None,
        "questions": [],
        "columns": [column("A", "hours", unit="seconds"), column("B", "date"), column("C", "hours", unit="hours")],
    }
    found = choices.suggested(proposal, {"sheet": "x"})
    assert found == {"sheet": "x", "format": "canonical-1", "map": {"date": "Column B", "hours": "Column C"}}
    assert choices.suggested({**proposal, "format": {"name": "roku-1"}}, {}) == {}
    assert choices.suggested({**proposal, "questions": [question("FORMAT")]}, {}) == {}


def test_a_question_of_the_reader_comes_first_and_once():
    problem = {
        "code": "NEEDS_CHOICE",
        "message": "DATE_ORDER?; pass --period or --date-order dmy",
        "data": {"flags": ["--period", "--date-order"], "answers": [["--period", None], ["--date-order", "dmy"]]},
        "is_question": True,
    }
    found = open_questions(read(question("DATE_ORDER", ["--date-order"]), problem=problem, preview=False), {})
    assert [(each.message, each.target, each.options, each.key) for each in found] == [
        ("DATE_ORDER?", "date-order", ("dmy",), "")
    ]


def test_what_the_reader_settled_is_not_asked():
    order = question("DATE_ORDER", ["--date-order"])
    assert codes(open_questions(read(order), {})) == []
    assert codes(open_questions(read(order, preview=False), {})) == ["DATE_ORDER"]


def test_a_question_about_columns_is_answered_by_a_mapping_a_format_or_a_dismissal():
    asked = read(question("FIELD"))
    (found,) = open_questions(asked, {})
    assert (found.code, found.target) == ("FIELD", "columns")
    assert open_questions(asked, {"dismissed": [found.key]}) == []
    assert open_questions(read(question("FIELD"), used={"map": {"territory": "Column A"}}), {}) == []
    assert open_questions(read(question("FIELD"), used={"format": "roku-1"}), {}) == []
    period = question("PERIOD", ["--period"], ())
    assert codes(open_questions(read(period, used={"format": "roku-1"}), {})) == ["PERIOD"]


def test_a_report_of_any_platform_needs_one():
    general = {**read(), "preview": {"format": "canonical-1"}}
    assert codes(open_questions(general, {})) == ["PLATFORM"]
    assert open_questions({**general, "used": {"platform": "orbit-tv"}}, {}) == []


def test_a_beginning_ends_after_a_whole_record(tmp_path):
    path = tmp_path / "file"
    for body, kept in (
        (b"a,b\n1,2\n3,", b"a,b\n1,2\n"),
        (b'a,b\n1,"x\ny\nz', b"a,b\n"),
        (b'a,b\n1,"x\ny"\n3,"', b'a,b\n1,"x\ny"\n'),
        (b"one line", b"one line"),
    ):
        path.write_bytes(body)
        reading._end_at_record(path)
        assert path.read_bytes() == kept


def test_a_process_over_its_time_is_killed_as_a_whole(tmp_path):
    began = time.monotonic()
    outcome = run(["viewership", "formats", "list", "--json"], tmp_path, Limits(wall_s=0.05))
    assert outcome.problem is not None
    assert (outcome.problem.code, outcome.document) == ("TIME", None)
    assert time.monotonic() - began < 5


def test_a_process_over_its_memory_is_a_problem_with_a_code(tmp_path):
    outcome = run(["viewership", "formats", "list", "--json"], tmp_path, Limits(memory_mb=60))
    assert outcome.problem is not None
    assert outcome.problem.code in ("MEMORY", "CRASHED")


def test_a_process_gets_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("TELECINE_DATABASE_URL", "postgresql://u:secret@h/d")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    from shared.child.process import scrubbed_environment

    assert "secret" not in html.escape(str(scrubbed_environment()))

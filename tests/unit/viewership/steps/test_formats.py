from __future__ import annotations

import json
import shlex

import pytest
from jsonschema import Draft202012Validator

from jobs.cli import run
from jobs.viewership.errors import NeedsChoice, Refused
from jobs.viewership.settings.formats import (
    FormatsCheckSettings,
    FormatsInferSettings,
    FormatsListSettings,
    FormatsShowSettings,
)
from jobs.viewership.steps.formats import infer_file, list_formats, show_format
from jobs.viewership.steps.formats_check import check
from jobs.viewership.uploads.formats.library import shipped_formats
from jobs.viewership.uploads.formats.schema import format_schema
from jobs.viewership.uploads.infer.proposal import proposal_schema
from jobs.viewership.uploads.preview import preview_schema
from shared import secrets
from shared.errors import EXIT_DATA, EXIT_OK, EXIT_USAGE, UsageError
from shared.scrub import scrub

_ACME = """\
platform: acme
version: 1
title: A report
evidence: real
note: Ours.
label: Viewership
columns:
  - {field: hours, from: [Stunden], required: true}
  - {field: content_name, from: [Titel]}
"""
_REPORT = """\
Lantern,,,,
Date,Title,Hours,Revenue,Notes
2025-07-01,The Storm,10.25,$1.50,x
2025-07-02,The Calm,4.5,$2,x
2025-07-03,The Tide,12h?,$3,
,Total,14.75,$6.50,
"""


@pytest.fixture
def report(tmp_path):
    file = tmp_path / "report.csv"
    file.write_text(_REPORT)
    return str(file)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats/acme-1.yaml").write_text(_ACME)
    return str(tmp_path / "formats")


def _check(file, **kwargs):
    return json.loads(check(FormatsCheckSettings(file=file, json_=True, **kwargs)))


def test_all_formats_are_listed(folder):
    lines = list_formats(FormatsListSettings(formats_dir=folder)).splitlines()
    assert len(lines) == len(shipped_formats()) + 2
    assert lines[1].split() == ["acme-1", "Viewership", "content", "real", "folder", "A", "report"]
    assert lines[2].split()[4] == "telecine"


def test_the_list_as_json_has_valid_formats(folder):
    formats = json.loads(list_formats(FormatsListSettings(formats_dir=folder, json_=True)))["formats"]
    assert {found["platform"] for found in formats} >= {"acme", "roku", "wurl"}
    validator = Draft202012Validator(format_schema())
    for found in formats:
        validator.validate(found)


def test_a_format_is_shown():
    text = show_format(FormatsShowSettings(format="wurl"))
    assert text.startswith("wurl-1: WURL, hours by day, episode and partner\n")
    assert "territory                   partner | partner_name" in text
    assert "part 1 of a split at '-'" in text
    assert "required" in text
    assert "not read    completions_95, cc_inventory" in text


def test_a_wide_format_is_shown():
    text = show_format(FormatsShowSettings(format="roku-1"))
    assert "Streaming Hours Sum       one column per date" in text
    assert "date order dmy" in text


def test_a_format_as_json_is_valid_by_its_schema():
    document = json.loads(show_format(FormatsShowSettings(format="roku", json_=True)))
    assert document["wide"]["metrics"][1] == {"field": "hours", "from": ["Streaming Hours Sum"]}
    schema = format_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)


def test_a_proposal_is_told(report):
    text = infer_file(FormatsInferSettings(file=report))
    assert text.splitlines()[0] == "report.csv: utf-8, comma; 4 rows below the header"
    assert "header     line 2, confidence" in text
    assert "format     canonical-1" in text
    assert "D  Revenue  revenue       1.00   format canonical-1 reads it as revenue" in text


def test_a_proposal_asks_with_flags(tmp_path):
    file = tmp_path / "upload.csv"
    file.write_text("Title,Hours,Hours,Date\nA,10,600,2025-07-01\n")
    text = infer_file(FormatsInferSettings(file=str(file)))
    assert "1. 2 columns are named 'Hours'; which one holds the field?\n   --map: Hours (1), Hours (2)" in text


def test_a_proposal_as_json_is_valid_by_its_schema(report):
    document = json.loads(infer_file(FormatsInferSettings(file=report, json_=True)))
    Draft202012Validator(proposal_schema()).validate(document)
    assert document["file"] == "report.csv"


def test_a_preview_adds_up(report):
    shown = _check(report)
    Draft202012Validator(preview_schema()).validate(shown)
    totals = {sums["fate"]: (sums["units"], sums["hours"], sums["revenue"]) for sums in shown["totals"]}
    assert totals == {
        "matching": (2, "14.75", "3.5"),
        "rejected": (1, "0", "3"),
        "filtered": (1, "0", "0"),
        "file": (4, "14.75", "6.5"),
    }
    assert (shown["format"], shown["header_line"], shown["unread"]) == ("canonical-1", 2, ["Notes"])
    assert (shown["first_date"], shown["last_date"]) == ("2025-07-01", "2025-07-03")
    [reject] = shown["rejects"]
    assert (reject["line"], reject["column"], reject["code"], reject["raw"]) == (5, "Hours", "DURATION", "12h?")


def test_a_preview_is_told(report):
    text = check(FormatsCheckSettings(file=report))
    assert text.startswith("report.csv: format canonical-1, header in line 2, 2025-07-01 to 2025-07-03\n")
    assert "not read: Notes" in text
    assert "5     Hours   DURATION  12h?" in text


def test_a_column_is_chosen_by_name_or_letters(report):
    shown = _check(report, map=("content_name_2=Column E", "hours=Hours"))
    assert {"content_name_2": "Notes", "hours": "Hours"}.items() <= {
        f["field"]: f["column"] for f in shown["fields"]
    }.items()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"map": ("hours=Hours", "hours=Notes")}, "--map names the field 'hours' twice"),
        ({"period": "July"}, "--period: 'July' is not a period"),
        ({"format": "rokku"}, "'rokku' is not a format; did you mean 'roku'?"),
    ],
)
def test_a_wrong_flag_is_named(report, kwargs, message):
    with pytest.raises(UsageError) as error:
        check(FormatsCheckSettings(file=report, **kwargs))
    assert message in str(error.value)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    (tmp_path / "july.csv").touch()
    with pytest.raises(UsageError, match=rf"does not exist; .*; did you mean '{tmp_path}/july.csv'\?"):
        check(FormatsCheckSettings(file=str(tmp_path / "juli.csv")))
    with pytest.raises(UsageError, match=rf"is a folder; .*; run `telecine viewership formats check {tmp_path}/july"):
        check(FormatsCheckSettings(file=str(tmp_path)))
    with pytest.raises(UsageError, match=r"s3://a-bucket/july\.csv' cannot be read: it is not a path on this machine"):
        check(FormatsCheckSettings(file="s3://a-bucket/july.csv"))


def test_formats_that_fit_as_well_are_asked_about(tmp_path):
    file = tmp_path / "upload.csv"
    file.write_text("Series Name,Episode Name,Sessions,Net Revenue\nA,B,12,$3\n")
    with pytest.raises(NeedsChoice, match=r"expected one of pluto-1, canonical-1; pass --format"):
        check(FormatsCheckSettings(file=str(file)))
    assert _check(str(file), format="pluto", period="2025-07")["format"] == "pluto-1"


def test_a_file_that_no_format_fits_is_asked_about(tmp_path):
    file = tmp_path / "upload.csv"
    file.write_text("View Date,Show Name,Ep #,Hrs\n2025-07-01,A,1,2\n")
    with pytest.raises(NeedsChoice, match="no format fits the file"):
        check(FormatsCheckSettings(file=str(file)))


def test_a_header_without_rows_is_refused(tmp_path):
    file = tmp_path / "upload.csv"
    file.write_text("Title,Hours,Date\n")
    with pytest.raises(Refused) as error:
        check(FormatsCheckSettings(file=str(file)))
    assert error.value.code == "EMPTY"


def test_a_valid_format_file_is_confirmed(folder):
    text = check(FormatsCheckSettings(file=f"{folder}/acme-1.yaml"))
    assert text == f"{folder}/acme-1.yaml: format acme-1 is valid; it reads 2 fields"


def test_a_wrong_format_file_ends_with_65(folder, tmp_path):
    file = tmp_path / "formats/acme-1.yaml"
    file.write_text(_ACME.replace("columns", "colums"))
    text, code = check(FormatsCheckSettings(file=str(file)))
    assert code == EXIT_DATA
    assert "line 7: unknown key 'colums'; did you mean 'columns'?" in text
    file.rename(file.with_stem("acme-2"))
    file.with_stem("acme-2").write_text(_ACME)
    assert check(FormatsCheckSettings(file=str(file.with_stem("acme-2"))))[1] == EXIT_DATA


def test_the_users_own_format_reads_an_upload(folder, tmp_path):
    file = tmp_path / "upload.csv"
    file.write_text("Titel,Stunden\nA,1.5\nB,2.25\n")
    shown = _check(str(file), formats_dir=folder, format="acme", period="2025-07")
    assert shown["totals"][-1]["hours"] == "3.75"


def test_controls_in_a_file_do_not_reach_the_terminal(tmp_path):
    file = tmp_path / "upload.csv"
    file.write_text("Date,Title,Hours,\x1b[2JNotes\u202e\n2025-07-01,A,1,x\n2025-07-02,B,\x1b[31mred,x\n")
    texts = [check(FormatsCheckSettings(file=str(file))), infer_file(FormatsInferSettings(file=str(file)))]
    for text in texts:
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert r"\x1b[2JNotes" in text
    assert "\x1b" not in infer_file(FormatsInferSettings(file=str(file), json_=True))


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["formats"], EXIT_USAGE),
        (["formats", "--help"], EXIT_OK),
        (["formats", "list", "--json"], EXIT_OK),
        (["formats", "show"], EXIT_USAGE),
        (["formats", "show", "roku"], EXIT_OK),
        (["formats", "chek"], EXIT_USAGE),
        (["formats", "check", "x.csv", "--map", "hours"], EXIT_USAGE),
    ],
)
def test_the_command_line(argv, code, capsys):
    assert run(["viewership", *argv]) == code
    capsys.readouterr()


def test_a_question_ends_with_65(tmp_path, capsys):
    file = tmp_path / "upload.csv"
    file.write_text("Title,Hours,Hours,Date\nA,10,600,2025-07-01\n")
    assert run(["viewership", "formats", "check", str(file)]) == EXIT_DATA
    assert "--map 'hours=Hours (1)'" in capsys.readouterr().err


def test_a_column_of_money_that_is_not_read_is_noted(tmp_path):
    file = tmp_path / "report.csv"
    file.write_text("Date,Title,Hours,Revenue (USD)\n2025-07-13,A,1.5,3.25\n2025-07-14,B,2.5,4.25\n")
    shown = _check(str(file))
    [note] = [note for note in shown["notes"] if note["code"] == "UNREAD_MEASURE"]
    assert "--map 'revenue=Revenue (USD)'" in note["message"]
    mapped = _check(str(file), map=("revenue=Revenue (USD)",))
    assert "UNREAD_MEASURE" not in {note["code"] for note in mapped["notes"]}
    assert [sums["revenue"] for sums in mapped["totals"] if sums["fate"] == "file"] == ["7.5"]


def test_a_flag_that_names_a_column_stays_one_argument_of_a_shell(tmp_path):
    file = tmp_path / "report.csv"
    name = "Revenue '; echo x '"
    file.write_text(f"Date,Title,Hours,{name}\n2025-07-13,A,1.5,3.25\n2025-07-14,B,2.5,4.25\n")
    [note] = [note for note in _check(str(file))["notes"] if note["code"] == "UNREAD_MEASURE"]
    assert shlex.split(note["message"].partition("pass ")[2]) == ["--map", f"revenue={name}"]
    file.write_text(f"Date,Title,Hours,Revenue {'x' * 80}\n2025-07-13,A,1.5,3.25\n2025-07-14,B,2.5,4.25\n")
    [note] = [note for note in _check(str(file))["notes"] if note["code"] == "UNREAD_MEASURE"]
    assert note["message"].endswith("--map 'revenue=Column D'")


def test_money_is_rounded_only_if_asked_for(tmp_path, capsys):
    file = tmp_path / "report.csv"
    file.write_text("Date,Title,Revenue\n2025-07-13,A,0.12345678905\n2025-07-14,B,1\n")
    assert [reject["code"] for reject in _check(str(file))["rejects"]] == ["TOO_PRECISE"]
    assert run(["viewership", "formats", "check", str(file), "--round-money", "--json"]) == EXIT_OK
    shown = json.loads(capsys.readouterr().out)
    assert shown["rejects"] == []
    assert shown["totals"][-1]["revenue"] == "1.123456789"
    assert "ROUNDED" in {note["code"] for note in shown["notes"]}


def test_minutes_next_to_hours_need_no_warning(tmp_path):
    file = tmp_path / "report.csv"
    file.write_text("Date,Title,Hours,Mins watched\n2025-07-13,A,1.5,90\n2025-07-14,B,2.5,150\n")
    shown = _check(str(file))
    assert shown["unread"] == ["Mins watched"]
    assert "UNREAD_MEASURE" not in {note["code"] for note in shown["notes"]}


def test_raw_texts_and_samples_are_cut_after_secrets_are_hidden(tmp_path, monkeypatch):
    secret = "".join(map(str, range(100)))
    file = tmp_path / "upload.csv"
    lines = [f"{secret},,", "Date,Title,Hours", f"2025-07-01,{secret},1", *(f"2025-07-0{day},A,2" for day in (2, 3, 4))]
    file.write_text("\n".join([*lines, f"2025-07-05,B,{secret}h?", ""]))
    outputs = [
        lambda: check(FormatsCheckSettings(file=str(file), map=("hours=Hours", "content_name=Title"))),
        lambda: check(FormatsCheckSettings(file=str(file), map=("hours=Hours", "content_name=Title"), json_=True)),
        lambda: infer_file(FormatsInferSettings(file=str(file))),
        lambda: infer_file(FormatsInferSettings(file=str(file), json_=True)),
    ]
    assert all(secret[:20] in output() for output in (outputs[0], outputs[3]))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    secrets.declare(("AWS_SECRET_ACCESS_KEY",))  # the environment is read again only after seconds
    for output in outputs:
        assert secret[:20] not in scrub(output())

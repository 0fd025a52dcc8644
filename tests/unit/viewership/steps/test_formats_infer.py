"""`formats infer`: the format that it writes, and the command that it names."""

from __future__ import annotations

import json
import re
import shlex

import pytest
import yaml

from jobs.cli import run
from jobs.viewership.catalog.files import read as read_catalogue
from jobs.viewership.errors import NeedsChoice, answers_to_all
from jobs.viewership.settings.formats import FormatsCheckSettings, FormatsInferSettings
from jobs.viewership.steps.formats import infer_file
from jobs.viewership.steps.formats_check import check
from jobs.viewership.uploads.formats.library import load_format_file
from shared.errors import EXIT_DATA, EXIT_OK, UsageError

_OPEN = """\
View Date,Show,Ep #,"Hrs, all",Watch Time,Watch Time,Region Name
2025-07-01,A,1,2,10,11,US
2025-07-02,B,2,3,12,13,US
"""
_PLAIN = "View Date,Show,Ep #,Hrs,Notes\n2025-07-01,A,1,2,x\n2025-07-02,B,2,3,y\n"


def _file(tmp_path, text, name="upload.csv"):
    file = tmp_path / name
    file.write_text(text)
    return str(file)


def _command(text):
    """Return the words of the command that a proposal names last."""
    words = shlex.split(text.splitlines()[-1])
    assert words[:2] == ["telecine", "viewership"]
    return words[1:]


def _fields(text):
    return {(one["field"], one["column"]) for one in json.loads(text)["fields"]}


def _proposed(file, **kwargs):
    document = json.loads(infer_file(FormatsInferSettings(file=file, json_=True, **kwargs)))
    return {(one["field"], one["name"]) for one in document["columns"] if one["field"]}


@pytest.mark.parametrize(
    ("text", "mapping"),
    [
        (_PLAIN, ()),
        (_OPEN, ("hours=Column D",)),
        (_OPEN, ("hours=Watch Time (1)",)),
        (_OPEN, ("minutes=watch time (2)", "hours=Column D")),
        ("Day of view,Series,Episode Title,Hrs\n2025-07-01,A,B,1\n2025-07-02,A,C,1\n", ()),
        # Canonical reads `content title` before `Episode Title`.
        ("Date,Content Title,Episode Title,Hrs\n2025-07-01,A,B,1\n", ("content_name=Episode Title", "series=Column B")),
        (f"Date,Show,{'h' * 150} Hours\n2025-07-01,A,1\n2025-07-02,B,2\n", ()),
        ("Date,Show,-Hrs '; echo x '\n2025-07-01,A,1\n2025-07-02,B,2\n", ()),
        ("Show,Ep #,2025-07-01,2025-07-02\nA,1,2,3\nB,2,3,4\n", ("hours=(dates)",)),
        # Letters would be one date's column.
        ('Show,"2025-07-01 Hours, all","2025-07-02 Hours, all"\nA,1,2\nB,3,4\n', ("hours=Hours, all",)),
        ('Show,"2025-07-01 a\\, = b","2025-07-02 a\\, = b"\nA,1,2\nB,3,4\n', ("hours=a\\, = b",)),
        # Canonical reads `Ep #` by its name.
        (_PLAIN, ("episode=(none)",)),
    ],
)
def test_the_next_command_reads_the_file_as_proposed(tmp_path, capsys, text, mapping):
    file = _file(tmp_path, text)
    command = _command(infer_file(FormatsInferSettings(file=file, map=mapping)))
    assert run([*command, "--json"]) == EXIT_OK
    found = _fields(capsys.readouterr().out)
    expected = _proposed(file, map=mapping)
    assert {field for field, _ in expected} >= {"hours", "series"}
    # A preview names the date columns of a wide file by their metric.
    assert {field for field, _ in found} >= {field for field, _ in expected}
    if "(dates)" not in str(mapping):
        assert found >= {(field, name) for field, name in expected}


@pytest.mark.parametrize(
    ("text", "mapping", "fields"),
    [
        (_PLAIN, (), {("date", "View Date"), ("series", "Show"), ("episode", "Ep #"), ("hours", "Hrs")}),
        (_OPEN, ("hours=Watch Time (1)",), {("hours", "Watch Time"), ("territory", "Region Name")}),
        (_OPEN, ("hours=Column D",), {("hours", "Hrs, all"), ("series", "Show")}),
    ],
)
def test_a_proposal_becomes_a_format_that_reads_the_file(tmp_path, capsys, text, mapping, fields):
    file, output = _file(tmp_path, text), tmp_path / "formats" / "lantern-2.yaml"
    told = infer_file(FormatsInferSettings(file=file, map=mapping, output=str(output)))
    assert f"Written: {output}\n" in told
    found = load_format_file(output)
    assert (found.full_name, found.evidence, found.label, found.level) == ("lantern-2", "real", "Viewership", "content")
    assert yaml.safe_load(output.read_text())["columns"]
    command = _command(told)
    assert command[:3] == ["viewership", "formats", "check"]
    assert command[-4:] == ["--formats-dir", str(output.parent), "--format", "lantern-2"]
    assert run([*command, "--json"]) == EXIT_OK
    assert _fields(capsys.readouterr().out) >= fields
    # The folder's format now identifies the file by itself.
    shown = json.loads(check(FormatsCheckSettings(file=file, formats_dir=str(output.parent), json_=True)))
    assert shown["format"] == "lantern-2"


def test_units_that_no_flag_can_name_lead_to_a_format(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "Date,Show,Duration Minutes,Hrs\n2025-07-01,A,120,2\n2025-07-02,B,240,4\n"
    file = _file(tmp_path, text, name="report.csv")
    command = _command(infer_file(FormatsInferSettings(file=file)))
    assert command == ["viewership", "formats", "infer", file, "--output", "report-1.yaml"]
    assert run(command) == EXIT_OK
    command = _command(capsys.readouterr().out)
    assert run([*command, "--json"]) == EXIT_OK
    rules = {rule.field: rule for rule in load_format_file(tmp_path / "report-1.yaml").columns}
    assert rules["duration"].unit == "minutes"


def test_totals_of_channels_and_revenue_become_a_format(tmp_path):
    file = _file(
        tmp_path, "View Date,Channel Name,Total Minutes,Gross Revenue\n2025-07-01,A,10,$3\n2025-07-02,A,12,$4\n"
    )
    infer_file(FormatsInferSettings(file=file, output=str(tmp_path / "lantern-1.yaml")))
    found = load_format_file(tmp_path / "lantern-1.yaml")
    assert (found.level, found.label) == ("channel", "Both")


def test_date_columns_become_a_wide_format(tmp_path):
    file = _file(tmp_path, "Show,Ep #,2025-07-01,2025-07-02\nA,1,2,3\nB,2,3,4\n")
    infer_file(FormatsInferSettings(file=file, map=("hours=(dates)",), output=str(tmp_path / "lantern-1.yaml")))
    found = load_format_file(tmp_path / "lantern-1.yaml")
    assert [(metric.field, metric.sources) for metric in found.wide.metrics] == [("hours", ())]
    shown = json.loads(check(FormatsCheckSettings(file=file, formats_dir=str(tmp_path), format="lantern", json_=True)))
    assert shown["totals"][-1]["hours"] == "12"


def test_a_format_that_fits_is_copied_with_its_steps_and_conventions(tmp_path):
    text = "Partner,Date,Series,Title,Hours of viewing,Sessions\nA - US,2025-07-01,S,T,1,2\n"
    file = _file(tmp_path, text)
    document = json.loads(infer_file(FormatsInferSettings(file=file, json_=True)))
    name = document["format"]["name"]
    infer_file(FormatsInferSettings(file=file, output=str(tmp_path / "mine-1.yaml")))
    from jobs.viewership.uploads.formats.library import shipped_formats

    copied, original = load_format_file(tmp_path / "mine-1.yaml"), shipped_formats()[name]
    changed = {"platform", "variant", "version", "note"}
    assert copied.model_dump(exclude=changed) == original.model_dump(exclude=changed)


def test_what_the_user_chose_is_part_of_the_format(tmp_path):
    file = _file(tmp_path, "x,y\n" + _PLAIN)
    output = tmp_path / "lantern-1.yaml"
    infer_file(FormatsInferSettings(file=file, header_line=2, encoding="cp1252", output=str(output)))
    found = load_format_file(output)
    assert (found.header.line, found.header.rows, found.conventions.encoding) == (2, 1, "cp1252")


def test_a_proposal_without_hours_writes_nothing(tmp_path, capsys):
    file, output = _file(tmp_path, _OPEN), tmp_path / "lantern-1.yaml"
    with pytest.raises(NeedsChoice, match="3 columns may hold hours") as error:
        infer_file(FormatsInferSettings(file=file, output=str(output)))
    assert error.value.data["flags"] == ["--map"]
    assert not output.exists()
    assert run(["viewership", "formats", "infer", file, "--output", str(output)]) == EXIT_DATA
    capsys.readouterr()


@pytest.mark.parametrize("name", ["canonical-1.yaml", "other-1.yaml"])
def test_a_format_or_file_that_exists_is_not_replaced(tmp_path, name):
    file = _file(tmp_path, _PLAIN)
    infer_file(FormatsInferSettings(file=file, output=str(tmp_path / "other-1.yaml")))
    before = (tmp_path / "other-1.yaml").read_bytes()
    with pytest.raises(UsageError, match="exists; expected"):
        infer_file(FormatsInferSettings(file=file, output=str(tmp_path / name)))
    assert (tmp_path / "other-1.yaml").read_bytes() == before
    assert not (tmp_path / "canonical-1.yaml").exists()


@pytest.mark.parametrize(
    "name", ["lantern.yaml", "Lantern-1.yaml", "lantern-0.yaml", "lantern-1.yml", "lantern-1.yaml/"]
)
def test_the_name_of_the_output_is_that_of_a_format(tmp_path, name):
    with pytest.raises(ValueError, match=re.escape("expected NAME-VERSION.yaml")):
        FormatsInferSettings(file="x.csv", output=f"{tmp_path}/{name}")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--output: .*cannot be written"):
        infer_file(FormatsInferSettings(file=_file(tmp_path, _PLAIN), output=str(tmp_path / "file" / "x-1.yaml")))


def test_the_questions_of_several_formats_are_asked_at_once(tmp_path):
    file = _file(tmp_path, "Series Name,Episode Name,Sessions,Net Revenue,Net Revenue\nA,B,12,$3,$4\n")
    with pytest.raises(NeedsChoice) as error:
        check(FormatsCheckSettings(file=file))
    message = str(error.value)
    assert "expected one of pluto-1, canonical-1; pass --format" in message
    assert message.count("2 columns are named 'Net Revenue'") == 1
    assert error.value.data["flags"] == ["--format", "--map"]
    answers = error.value.answers
    assert [answer[:2] for answer in answers] == [
        ["--format", name] for name in ("pluto-1", "canonical-1") for _ in "12"
    ]
    for answer in answers:
        assert check(FormatsCheckSettings(file=file, format=str(answer[1]), map=(str(answer[3]),), period="2025-07"))


def test_several_questions_have_all_combinations_of_answers_or_flags_to_fill_in():
    two, five = [["--a", "1"], ["--a", "2"]], [["--b", str(number)] for number in range(5)]
    assert answers_to_all([two, [], [["--c", "3"]]]) == [["--a", "1", "--c", "3"], ["--a", "2", "--c", "3"]]
    assert len(answers_to_all([two, five])) == 10
    assert answers_to_all([two, five, two]) == [["--a", None, "--b", None]]
    assert answers_to_all([]) == []


def test_two_pairs_of_equal_columns_are_asked_about_at_once(tmp_path):
    file = _file(tmp_path, "Date,Title,Title,Hours,Hours\n2025-07-01,A,B,1,2\n")
    with pytest.raises(NeedsChoice) as error:
        check(FormatsCheckSettings(file=file, format="canonical"))
    assert "named 'Title'" in str(error.value)
    assert "named 'Hours'" in str(error.value)


def test_the_command_has_a_place_for_the_period(tmp_path):
    file = _file(tmp_path, "Show,Ep #,Hrs\nA,1,2\nB,2,3\n")
    words = _command(infer_file(FormatsInferSettings(file=file)))
    assert words[-2:] == ["--period", "PERIOD"]
    assert run([*words[:-1], "2025-07"]) == EXIT_OK
    written = infer_file(FormatsInferSettings(file=file, output=str(tmp_path / "lantern-1.yaml")))
    assert _command(written)[-2:] == ["--period", "PERIOD"]
    assert "--period" not in _command(infer_file(FormatsInferSettings(file=_file(tmp_path, _PLAIN, "dated.csv"))))


def test_a_written_format_tells_how_its_platform_gets_a_deal(tmp_path):
    file = _file(tmp_path, _PLAIN)
    lines = infer_file(FormatsInferSettings(file=file, output=str(tmp_path / "lantern-tv-1.yaml"))).splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("Rows of platform lantern-tv are held"))
    deals = "\n".join(line.strip() for line in lines[at + 1 : at + 3]) + "\n"
    read_ = read_catalogue([("deals.csv", deals.encode())])
    assert not read_.bad
    assert [(row.kind, row.values["platform"], row.values["deal_parent"]) for row in read_.rows] == [
        ("deals", "lantern-tv", "DEAL")
    ]
    assert "held until" not in infer_file(FormatsInferSettings(file=file))


@pytest.mark.parametrize(
    ("header", "mapping", "asked"),
    [
        ("Country", (), ["territory=Country"]),
        ("Country", ("territory=Country",), []),
        ("Country", ("country=Country",), []),
        ("Region", (), []),
        ("Notes", (), []),
    ],
)
def test_a_country_may_be_the_territory(tmp_path, header, mapping, asked):
    file = _file(tmp_path, f"View Date,Show,Ep #,Hrs,{header}\n2025-07-01,A,1,2,US\n2025-07-02,B,2,3,CA\n")
    document = json.loads(infer_file(FormatsInferSettings(file=file, json_=True, map=mapping)))
    found = [one["options"] for one in document["questions"] if "territory" in one["message"]]
    assert found == ([asked] if asked else [])
    fields = {one["name"]: one["field"] for one in document["columns"]}
    wanted = {"Country": mapping[0].partition("=")[0] if mapping else "country", "Region": "territory", "Notes": None}
    assert fields[header] == wanted[header]

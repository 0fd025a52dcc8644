from __future__ import annotations

import pytest

from jobs.viewership.uploads.formats.document import FormatInvalid, parse_format
from shared.errors import EXIT_CONFIGURATION

_HEAD = "platform: acme\nversion: 1\ntitle: A report\nevidence: assumed\nnote: Nobody knows.\nlabel: Both\n"
_GOOD = _HEAD + "columns:\n  - {field: hours, from: [Hours]}\n  - {field: series, from: [Show]}\n"


def _problem(text):
    with pytest.raises(FormatInvalid) as error:
        parse_format(text, source="acme-1.yaml")
    assert error.value.exit_code == EXIT_CONFIGURATION
    assert error.value.code == "format_invalid"
    return str(error.value)


def test_a_format_is_read():
    found = parse_format(_GOOD, source="acme-1.yaml")
    assert (found.name, found.full_name) == ("acme", "acme-1")
    assert [(rule.field, rule.sources) for rule in found.columns] == [("hours", ("Hours",)), ("series", ("Show",))]


def test_a_variant_is_part_of_the_name():
    assert parse_format(_GOOD + "variant: linear\n", source="x").full_name == "acme-linear-1"


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("colums: []\n", "line 10: unknown key 'colums'; did you mean 'columns'?"),
        ("zzz: 1\n", "line 10: unknown key 'zzz'; expected one of platform, variant, version"),
        ("conventions: {decimal_mark: ';'}\n", "line 10: decimal_mark ';' is not valid; expected one of ., ,"),
        ("conventions: {date_ordr: dmy}\n", "line 10: unknown key 'date_ordr'; did you mean 'date_order'?"),
        ("conventions:\n  encoding: utf8\n", "line 11: encoding 'utf8' is not valid; expected one of utf-8"),
        (
            "level: chanel\n",
            "line 10: level 'chanel' is not valid; expected one of content, channel; did you mean 'channel'?",
        ),
        ("ignore: Notes\n", "line 10: ignore 'Notes' is not valid; expected a list"),
        ("constants: {teritory: US}\n", "did you mean 'territory'?"),
        ("constants: {territory: NO}\n", "line 10: territory 'NO' is not text; expected text, in quotes"),
        ("constants: {hours: '1'}\n", "the field 'hours' is set twice"),
        ("header: {line: 0}\n", "line 10: line '0' is not valid; expected a number of at least 1"),
        ("variant: Has Spaces\n", "line 10: variant 'Has Spaces' is not valid; expected text that matches"),
        (
            "filters:\n  - {field: revenue, when: equals, reason: Zero}\n",
            "line 11: filters is not valid; expected `values`",
        ),
        ("wide:\n  metrics:\n    - {field: series, from: [A]}\n", "the field 'series' is not a metric"),
        ("wide:\n  metrics: [{field: views}, {field: minutes, from: [M]}]\n", "has to be the only one"),
        ("platform: other\n", "line 10: the key 'platform' is set twice; the first is in line 1"),
        ("note: &a x\n", "anchors and aliases are not allowed"),
        ("ignore: [!!python/name:os.system x]\n", "tags are not allowed"),
        ("partner: [\n", "not YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_line(added, message):
    assert message in _problem(_GOOD + added)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{field: hour, from: [a]}", "did you mean 'hours'?"),
        ("{field: hours, from: [a], unt: minutes}", "unknown key 'unt'; did you mean 'unit'?"),
        ("{field: hours, from: [a], unit: days}", "unit 'days' is not valid; expected one of hours, minutes, seconds"),
        ("{field: minutes, from: [a], unit: hours}", "unit hours does not fit the field 'minutes'"),
        ("{field: season, from: [a], unit: hours}", "expected no unit"),
        ("{field: duration, from: [a]}", "the field 'duration' needs a unit"),
        ("{field: hours, from: []}", "the field 'hours' has no column"),
        ("{field: hours, from: a}", "from 'a' is not valid; expected a list"),
        ("{field: hours, from: [a], required: perhaps}", "expected true or false"),
        ("{field: season, from: [a], steps: [{}]}", "expected exactly one of split, extract"),
        ("{field: season, from: [a], steps: [{split: {separator: a, index: 1}, remove_prefix: b}]}", "exactly one"),
        ("{field: season, from: [a], steps: [{extract: {pattern: '('}}]}", "unclosed group"),
        ("{field: season, from: [a], steps: [{extract: {pattern: '(?=a)b'}}]}", "look-around"),
        ("{field: season, from: [a], steps: [{extract: {pattern: 'b'}}]}", "expected a pattern with a group 1"),
        ("{field: season, from: [a], steps: [{values: {NO: Norway}}]}", "put keys such as no, on and 12 in quotes"),
    ],
)
def test_a_wrong_rule_is_named_with_its_line(rule, message):
    problem = _problem(f"{_GOOD}  - {rule}\n")
    assert message in problem
    assert problem.startswith("acme-1.yaml: line 10: ")


def test_every_problem_is_listed_in_order():
    lines = _problem("platform: acme\nversion: x\nlabel: Nothing\ncolumns: [{field: hours, from: [a]}]\n").splitlines()
    assert [line.split(": ")[1] for line in lines] == ["line 1", "line 1", "line 1", "line 2", "line 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("just text", "line 1: expected keys"),
        ("[" * 50, "nested deeper"),
        ("a: " + "x" * 300_000, "expected at most 262144"),
        ("a: \x00", "not YAML"),
        ("? [a, b]\n: 1\n", "expected text as a key"),
    ],
)
def test_a_file_that_is_no_document_is_refused(text, message):
    assert message in _problem(text)


def test_a_format_reads_content_and_a_measure():
    assert "reads neither hours, minutes nor revenue" in _problem(_HEAD + "columns: [{field: series, from: [a]}]\n")
    assert "reads no content" in _problem(_HEAD + "columns: [{field: hours, from: [a]}]\n")
    assert parse_format(_HEAD + "level: channel\ncolumns: [{field: hours, from: [a]}]\n", source="x").level == "channel"


def test_a_field_is_set_once():
    assert "the field 'hours' is set twice" in _problem(_GOOD + "  - {field: hours, from: [Other]}\n")


@pytest.mark.parametrize("pattern", [r"(\p{L}+)", "(?<name>x)", "((?i)a)", r"(x\z)", "(([[:alpha:]]))"])
def test_a_pattern_is_one_of_polars_and_not_of_python(pattern):
    step = f"    steps: [{{extract: {{pattern: '{pattern}'}}}}]\n"
    text = _HEAD + "columns:\n  - field: series\n    from: [Show]\n" + step + "  - {field: hours, from: [Hours]}\n"
    assert parse_format(text, source="x").columns[0].steps[0].extract.pattern == pattern
    message = "expected a pattern with a group 3, or `group: 0` for the whole match"
    assert message in _problem(text.replace("'}}]", "', group: 3}}]"))


@pytest.mark.parametrize("value", ['"\\UFFFFFFFF"', ":".join(["1"] * 400) + ".5"])
def test_a_number_too_large_for_python_is_refused(value):
    assert "too large to convert" in _problem(f"partner: {value}\n")


def test_a_value_is_cut_after_secrets_are_hidden(monkeypatch):
    secret = "".join(map(str, range(60)))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    message = _problem(_GOOD + f"level: {secret}\n")
    assert secret[:20] not in message
    assert "level '***' is not valid" in message

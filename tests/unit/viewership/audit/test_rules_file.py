"""A rules file: closed, strict, and every problem with its line."""

from __future__ import annotations

import os

import pytest

from jobs.viewership.audit.rules_file import RulesInvalid, parse_rules, read_rules
from jobs.viewership.matching.model import RULES, MatchRules
from shared.errors import UsageError


def test_numbers_replace_those_of_the_base():
    assert parse_rules("name: mine\ncut: 90\nmargin: 8.5\n", source="f") == MatchRules("mine", cut=90, margin=8.5)
    assert parse_rules("name: mine\nbase: exact-1\ncommon: 3\n", source="f") == MatchRules(
        "mine", common=3, similar=False
    )
    assert parse_rules("name: mine\nsimilar: false\n", source="f") == MatchRules("mine", similar=False)


PROBLEMS = {
    "": "line 1: the file is empty; expected keys such as name and cut",
    "- a": "line 1: expected keys such as name and cut",
    "cut: 90": "line 1: the key 'name' is missing",
    "name: mine\ncutt: 90": "line 2: unknown key 'cutt'; did you mean 'cut'?",
    "name: mine\nzzz: 90": "line 2: unknown key 'zzz'; expected one of name, base, cut, margin, proposed, truncated, "
    "lost, series_cut, candidates, common, similar",
    "name: mine\n\ncut: 101": "line 3: cut '101' is not valid; expected a number of at most 100",
    "name: mine\ncut: -1": "line 2: cut '-1' is not valid; expected a number of at least 0",
    "name: mine\ncut: high": "line 2: cut 'high' is not valid; expected a whole number",
    "name: mine\ncut: .nan": "line 2: cut '.nan' is not valid; expected a number",
    "name: mine\ntruncated: 2.5": "line 2: truncated '2.5' is not valid; expected a whole number",
    "name: mine\ncandidates: 0": "line 2: candidates '0' is not valid; expected a number of at least 1",
    "name: mine\nsimilar: 1": "line 2: similar '1' is not valid; expected true or false",
    "name: Mine Own": "line 1: name 'Mine Own' is not valid; expected text that matches",
    "name: standard-1": "the name standard-1 is used by shipped rules; expected another name",
    "name: mine\nbase: standard": "the base is unknown; expected standard-1 or exact-1; did you mean 'standard-1'?",
    "name: mine\ncut: 50": "proposed 55 is above cut 50; expected at most the cut",
    "name: mine\nname: yours": "line 2: the key 'name' is set twice; the first is in line 1",
    "name: &x mine": "anchors and aliases are not allowed",
    "name: !!python/object:os.system mine": "tags are not allowed",
    "name: [": "not YAML",
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_a_problem_is_named_with_its_line(text):
    with pytest.raises(RulesInvalid) as caught:
        parse_rules(text, source="f")
    assert PROBLEMS[text] in str(caught.value)


def test_several_problems_have_a_line_each():
    with pytest.raises(RulesInvalid) as caught:
        parse_rules("name: mine\ncut: 101\nmargin: -1\n", source="f")
    assert str(caught.value).splitlines() == [
        "f: line 2: cut '101' is not valid; expected a number of at most 100",
        "f: line 3: margin '-1' is not valid; expected a number of at least 0",
    ]


def test_a_file_that_is_no_text_or_absent_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"name: \xff")
    with pytest.raises(RulesInvalid, match="not UTF-8 at byte 6"):
        read_rules(str(tmp_path / "a.yaml"))
    with pytest.raises(UsageError, match="cannot be read: no such file or directory"):
        read_rules(str(tmp_path / "b.yaml"))
    with pytest.raises(UsageError, match="cannot be read: is a directory"):
        read_rules(str(tmp_path))


def test_every_number_of_the_rules_can_be_tried():
    from dataclasses import fields

    from jobs.viewership.audit.rules_file import RulesFile
    from jobs.viewership.audit.shadow_document import Rules

    names = {field.name for field in fields(MatchRules)}
    assert set(RulesFile.model_fields) == {*names, "base"}
    assert set(Rules.model_fields) == names
    assert all(name == rules.name for name, rules in RULES.items())


def test_no_secret_and_no_pipe_is_read_as_rules(tmp_path, monkeypatch):
    rules = tmp_path / "rules.yaml"
    rules.write_text("name: sesame\nbase: open\n")
    with pytest.raises(RulesInvalid):
        read_rules(str(rules))
    monkeypatch.setenv("PGPASSFILE", str(rules))
    (tmp_path / "link.yaml").symlink_to(rules)
    for place in (rules, tmp_path / "link.yaml", "/proc/self/environ"):
        with pytest.raises(UsageError, match="in a folder of secrets or processes") as error:
            read_rules(str(place))
        assert "sesame" not in str(error.value)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(UsageError, match="not a regular file"):
        read_rules(str(tmp_path / "pipe.yaml"))

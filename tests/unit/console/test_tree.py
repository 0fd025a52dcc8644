from __future__ import annotations

import json
import math

import pytest

from jobs.console.tables.gamedata.sessions import TooLarge, json_value, pattern
from jobs.console.web.tree import tree


def counted(node):
    return 1 + sum(counted(child) for child in node.children)


def depth(node):
    return 1 + max((depth(child) for child in node.children), default=0)


def test_a_value_becomes_a_tree_in_the_order_of_names():
    root = tree({"b": [1, "x"], "a": None, "c": True})
    assert [(node.name, node.text, node.kind) for node in root.children] == [
        ("a", "null", "word"),
        ("b", "2 entries", "members"),
        ("c", "true", "word"),
    ]
    assert [(node.name, node.text) for node in root.children[1].children] == [("1", "1"), ("2", "x")]
    assert root.text == "3 values"


def test_members_above_the_cap_are_counted_and_not_shown():
    root = tree({"many": list(range(3_000)), "more": {str(index): {"a": index} for index in range(900)}})
    assert counted(root) <= 402
    assert root.children[0].hidden == 2_900
    assert root.children[1].hidden >= 800


def test_deep_values_end_at_eight_levels():
    value = {}
    for _ in range(300):
        value = {"n": value}
    assert depth(tree(value)) <= 10


def test_secrets_are_hidden_and_controls_are_shown_as_escapes():
    root = tree({"password": "hunter2", "url": "postgresql://u:secret-word@h/d", "x\n": "a\x1b[31m\u202eb"})
    shown = json.dumps([(node.name, node.text) for node in root.children], ensure_ascii=False)
    assert "hunter2" not in shown
    assert "secret-word" not in shown
    assert r"\\x1b" in shown
    assert "\u202e" not in shown
    assert root.children[-1].name == r"x\n"


def test_long_names_and_texts_are_cut_with_their_length():
    (node,) = tree({"k" * 5_000: "v" * 1_000_000}).children
    assert len(node.name) < 200
    assert node.text.endswith("… (1,000,000 characters)")


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "null"), (math.inf, "null"), (10**400, "a number of more than 300 digits"), (1.5, "1.5"), ("", '""')],
)
def test_numbers_without_a_value_and_huge_ones_are_words(value, text):
    (node,) = tree([value]).children
    assert node.text == text


def test_a_number_alone_is_a_tree():
    assert tree(math.nan).text == "not a number"
    assert tree(None).text == "null"


def test_json_that_is_too_large_or_too_deep_is_not_parsed():
    deep = "[" * 100_000 + "]" * 100_000
    assert isinstance(json_value(deep, len(deep)), TooLarge)
    assert isinstance(json_value("[1", 3_000_000), TooLarge)
    assert json_value('{"a": 1}', 8) == {"a": 1}
    assert json_value(None, None) is None


def test_a_pattern_finds_the_text_itself():
    assert pattern(r"50%_\a") == r"%50\%\_\\a%"

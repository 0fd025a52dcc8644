"""Text from data in Markdown: it renders as itself."""

from __future__ import annotations

import pytest

from jobs.console.web.markdown import escape


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Night Ferry 2", "Night Ferry 2"),
        ("a | b", r"a \| b"),
        ("# title\n- item", r"\# title\\n\- item"),
        ("[x](javascript:alert(1))", r"\[x\]\(javascript\:alert\(1\)\)"),
        ("<script>&amp;", "&lt;script&gt;&amp;amp;"),
        ("\u202ertl", r"\\u202ertl"),
        ("`code` ~~~ $x$", r"\`code\` \~\~\~ \$x\$"),
        (7, "7"),
    ],
)
def test_markup_is_escaped(text: object, escaped: str):
    assert escape(text) == escaped


def test_secrets_are_masked():
    assert "hunter2" not in escape("postgresql://u:hunter2@host/db")

"""``<VARIABLE>_BASE64`` holds any text of a form, which arrives exactly as it was typed."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import UsageError
from shared.settings import Settings, setting
from shared.settings.base import encoded
from shared.settings.command import parse

HOSTILE = (
    "{{=1+1}}",
    "{{workflow.name}}",
    "$(TELECINE_DATABASE_URL)",
    "$$(X)",
    "--all",
    "--",
    "-",
    "'\"`\\\n\t\x1b",
    "\u2028\u202e\u00ad",
    "\U000e0001",
    "x" * 50_000,
)


class Form(Settings, pipeline="form"):
    name: str = setting("default", description="A name.")
    names: tuple[str, ...] = setting((), description="Names.")
    size: int = setting(1, description="A size.")
    thing: str | None = setting(None, description="The object.", argument=True)
    all: bool = setting(False, description="All of them.")


def read(*argv: str, **variables: str) -> Form:
    with patch.dict(os.environ, {f"TELECINE_FORM_{name}": value for name, value in variables.items()}):
        return parse(Form, "telecine form", "", argv)


def refused(*argv: str, **variables: str) -> str:
    with pytest.raises(UsageError) as failed:
        read(*argv, **variables)
    return failed.value.message


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1) | st.sampled_from(HOSTILE)
)
def test_any_text_arrives_as_it_was(text: str) -> None:
    assert read(NAME_BASE64=encoded(text)).name == text
    assert read(THING_BASE64=encoded(text)).thing == text


@given(st.integers(-(10**30), 10**30))
def test_other_types_are_validated_after_decoding(number: int) -> None:
    assert read(SIZE_BASE64=encoded(str(number))).size == number


def test_several_values_are_split_after_decoding() -> None:
    assert read(NAMES_BASE64=encoded("a, b,{{c}}")).names == ("a", "b", "{{c}}")


def test_the_encoded_variable_overrides_the_plain_one_and_a_flag_overrides_both() -> None:
    assert read(NAME="plain", NAME_BASE64=encoded("encoded")).name == "encoded"
    assert read("--name=flag", NAME="plain", NAME_BASE64=encoded("encoded")).name == "flag"


def test_an_empty_value_is_unset() -> None:
    assert read(NAME_BASE64="").name == "default"
    assert read(NAME="plain", NAME_BASE64="").name == "plain"
    assert read(THING_BASE64="").thing is None


@pytest.mark.parametrize("value", ["nonsense", "YQ", "Y Q==", "{{=sprig.b64enc(x)}}", "ümlaut", "/w==", "AA=="])
def test_a_value_that_is_not_base64_of_text_is_named_and_not_shown(value: str) -> None:
    message = refused(NAME_BASE64=value)
    assert message.startswith("TELECINE_FORM_NAME_BASE64 is not valid; expected base64 of ")
    assert value not in message


def test_an_invalid_value_is_reported_as_plain_text_under_the_plain_name() -> None:
    assert refused(SIZE_BASE64=encoded("{{=1}}")) == (
        "telecine form: TELECINE_FORM_SIZE={{=1}} is not valid; expected a whole number"
    )


def test_a_typed_argument_overrides_its_variable_and_a_plain_variable_is_not_read() -> None:
    assert read("typed", THING_BASE64=encoded("passed")).thing == "typed"
    assert read(THING="inherited").thing is None


@pytest.mark.parametrize("text", [text for text in HOSTILE if text.startswith("-")])
def test_the_value_of_a_variable_is_never_a_flag(text: str) -> None:
    found = read(THING_BASE64=encoded(text))
    assert (found.thing, found.all) == (text, False)


class TestTwoDashes:
    """Words after ``--`` are arguments, whatever they look like."""

    @pytest.mark.parametrize("word", ["--all", "--name=x", "--help", "-h", "--", "-x", "plain"])
    def test_a_word_is_an_argument(self, word: str) -> None:
        found = read("--", word)
        assert (found.thing, found.all, found.name) == (word, False, "default")

    def test_flags_before_it_are_flags(self) -> None:
        found = read("--all", "--", "--name")
        assert (found.thing, found.all) == ("--name", True)

    def test_it_may_be_the_value_of_a_flag_as_for_other_programs(self) -> None:
        assert read("--name", "--", "x").name == "--"

    def test_it_may_be_the_last_word(self) -> None:
        assert read("x", "--").thing == "x"
        assert read("--").thing is None

    def test_too_many_words_after_it_are_an_error(self) -> None:
        assert refused("--", "--all", "--name") == (
            "telecine form: unexpected argument '--name'; expected --flag value; see telecine form --help"
        )


def test_an_argument_that_is_required_may_come_from_its_variable() -> None:
    class Needs(Settings, pipeline="needs"):
        thing: str = setting(description="The object.", argument=True)

    def ask(**variables: Any) -> Needs:
        with patch.dict(os.environ, variables):
            return parse(Needs, "telecine needs", "", ())

    assert ask(TELECINE_NEEDS_THING_BASE64=encoded("--all")).thing == "--all"
    with pytest.raises(UsageError, match="THING is missing"):
        ask()

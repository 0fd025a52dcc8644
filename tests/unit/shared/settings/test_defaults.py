"""The default printed by --help, passed as the flag or set as the variable, is the default of every command."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from jobs import cli
from shared.settings.base import metadata
from shared.settings.command import parse
from shared.settings.flags import Flag, flags, resolved_default, shell_default

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.settings.base import Settings


def models() -> Iterator[type[Settings]]:
    seen = set()
    for group in (*cli.PIPELINES, *cli.TOOLS):
        for command in cli.commands(group):
            module, _, name = command.settings.partition(":")
            if (module, name) not in seen:
                seen.add((module, name))
                yield getattr(import_module(module), name)


def every_flag() -> Iterator[tuple[type[Settings], Flag]]:
    """Yield each flag that takes a value once, even if several commands have it."""
    seen = set()
    for model in models():
        for flag in flags(model):
            if not (flag.argument or flag.is_switch or flag.variables in seen):
                seen.add(flag.variables)
                yield model, flag


def read(model: type[Settings], flag: Flag, *words: str) -> Any:
    needed = [
        "x" if each.argument else f"{each.flag}={(*each.choices, 'x')[0]}" for each in flags(model) if each.required
    ]
    return getattr(parse(model, "telecine", "", [*needed, *words]), flag.name)


def cases() -> Iterator[tuple[type[Settings], Flag]]:
    for model, flag in every_flag():
        field = model.model_fields[flag.name]
        # Text instead of a default, such as "all", is not a value.
        described = metadata(field).default_text is not None and field.default_factory is None
        if not (flag.secret or flag.required or described):
            yield model, flag


CASES = list(cases())


@pytest.mark.parametrize(("model", "flag"), CASES, ids=[f"{model.__name__} {flag.flag}" for model, flag in CASES])
def test_a_printed_default_is_a_value(model: type[Settings], flag: Flag, monkeypatch: pytest.MonkeyPatch) -> None:
    field = model.model_fields[flag.name]
    unit = metadata(field).unit
    printed = resolved_default(model, flag).removesuffix(f" {unit}" if unit else "")
    if not printed:
        return
    expected: Any = field.get_default(call_default_factory=True, validated_data={})
    assert read(model, flag, flag.flag, printed) == expected
    if flag.repeated:
        assert read(model, flag, *(word for part in expected for word in (flag.flag, part))) == expected
    monkeypatch.setenv(flag.variables[0], printed)
    assert read(model, flag) == expected
    if field.default_factory is None:
        monkeypatch.setenv(flag.variables[0], shell_default(field))
        assert read(model, flag) == expected


def test_lists_are_among_them() -> None:
    names = {flag.flag for _, flag in CASES if flag.repeated}
    assert {"--artifact-roots", "--read-buckets", "--write-buckets", "--checks"} <= names


@pytest.mark.parametrize(
    ("model", "flag"),
    [(model, flag) for model, flag in every_flag() if flag.repeated],
    ids=lambda value: getattr(value, "flag", None) or value.__name__,
)
def test_every_list_is_the_same_from_a_flag_a_repeated_flag_and_a_variable(
    model: type[Settings], flag: Flag, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = {
        "artifact_roots": ["{prefix}/a/{run_id}/", "{run_id}/"],
        "map": ["hours=Watch Time", "views=Column D"],
        "upload": ["1", "2"],
        "trusted_proxies": ["10.0.0.0/8", "fd00::1"],
    }
    parts = forms.get(flag.name, ["/one", "/two"])
    repeated = read(model, flag, flag.flag, parts[0], flag.flag, parts[1])
    assert len(repeated) == 2
    assert read(model, flag, f"{flag.flag}={','.join(parts)}") == repeated
    assert read(model, flag, flag.flag, " , ".join(parts)) == repeated
    monkeypatch.setenv(flag.variables[0], ",".join(parts))
    assert read(model, flag) == repeated

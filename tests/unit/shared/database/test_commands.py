from __future__ import annotations

import pytest

from shared.database import commands
from shared.database.problems import Problem
from shared.errors import DatabaseNotMigrated, TelecineError, WrongEnvironment
from shared.settings.database import DatabaseSettings

WRONG = Problem("the database belongs to 'dev'", "Use another one.", is_environment=True)
MISSING = Problem("table pipeline.runs does not exist", "Run: telecine db upgrade")


@pytest.mark.parametrize(
    ("problems", "expected"),
    [([WRONG], WrongEnvironment), ([MISSING], DatabaseNotMigrated), ([MISSING, WRONG], DatabaseNotMigrated)],
)
def test_a_database_of_another_environment_has_a_code_of_its_own(
    problems: list[Problem], expected: type[TelecineError], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(commands, "find_problems", lambda _: problems)
    with pytest.raises(expected) as caught:
        commands.check(DatabaseSettings(database_url="postgresql://user@db/telecine"))
    assert caught.value.code == expected.default_code
    assert all(problem.what in str(caught.value) for problem in problems)

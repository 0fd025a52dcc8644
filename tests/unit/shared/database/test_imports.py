from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["shared.ledger", "shared.database", "shared.failure"])
def test_cheap_to_import(module: str):
    heavy = "('sqlalchemy', 'psycopg', 'alembic', 'pydantic')"
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["shared.ledger", "shared.database"])
def test_every_public_name_is_there(module: str):
    package = __import__(module, fromlist=["x"])
    for name in package.__all__:
        # A submodule of the same name would hide the function after its import.
        assert callable(getattr(package, name))
        assert callable(getattr(package, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        package.nothing  # noqa: B018

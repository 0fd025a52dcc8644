"""Commands that need no extra run without it, and a missing one is a line that names it."""

from __future__ import annotations

import subprocess
import sys

PROBE = """
import sys
for name in ("deltalake", "httpx", "jsonschema_rs"):
    sys.modules[name] = None
import jobs.cli
from shared.errors import ExtraMissing
from shared.step.guard import load
print(jobs.cli.run(["trakt", "schema", "stats"]))
try:
    load("jobs.trakt.contract.check:check")
except ExtraMissing as error:
    print(error.message, error.exit_code)
"""


def test_a_missing_extra_is_named_and_the_schema_needs_none():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert '"title": "Trakt stats"' in done.stdout
    message = "the Python package 'jsonschema_rs', which this command needs, is not installed"
    assert done.stdout.splitlines()[-2:] == ["0", f"{message}; run: pip install 'telecine[trakt]' 78"]

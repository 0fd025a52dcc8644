"""Commands of the console. Importing this module is cheap; each command imports its code when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Tool

__all__ = ["HELP", "STEPS"]

HELP: Final = "Serve the web app: runs, sessions and results in a browser."

_SETTINGS: Final = "jobs.console.settings"
_TOKENS: Final = "jobs.console.steps.token"

STEPS: Final = (
    Tool(
        "console",
        "",
        "Serve the web app until interrupted.",
        settings=f"{_SETTINGS}:ConsoleSettings",
        call="jobs.console.steps.serve:serve",
    ),
    Tool(
        "console",
        "token issue",
        "Issue an access token and print it once.",
        settings=f"{_SETTINGS}:IssueSettings",
        call=f"{_TOKENS}:issue",
    ),
    Tool(
        "console",
        "token list",
        "List access tokens with their roles and dates.",
        settings=f"{_SETTINGS}:TokensSettings",
        call=f"{_TOKENS}:list_tokens",
    ),
    Tool(
        "console",
        "token revoke",
        "Revoke an access token and end its sessions.",
        settings=f"{_SETTINGS}:RevokeSettings",
        call=f"{_TOKENS}:revoke",
    ),
)

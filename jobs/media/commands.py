"""Commands of media. Importing this module is cheap; a command's own imports happen when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step

__all__ = ["HELP", "STEPS"]

HELP: Final = "Summarize all pipelines of one run."

STEPS: Final = (
    Step(
        "media",
        "publish",
        "Write one index page of all stages of a run, including failed ones.",
        settings="jobs.media.settings:PublishSettings",
        run="jobs.media.steps.publish:run",
        # The ledger keeps one row per run and stage, and a pipeline's own `publish` may belong to the same run.
        stage=("index", 7),
    ),
)

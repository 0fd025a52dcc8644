"""The commands of media. Importing this costs nothing; what a command needs is imported when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step

__all__ = ["STEPS"]

STEPS: Final = (
    Step(
        "media",
        "publish",
        "Write one page over all stages of a run, also when one of them failed.",
        settings="jobs.media.settings:PublishSettings",
        run="jobs.media.steps.publish:run",
        # The ledger keeps one row a run and stage: a pipeline's own `publish` may belong to the same run.
        stage=("index", 7),
    ),
)

"""Commands of gamedata. Importing this module is cheap; a command's own imports happen when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step

__all__ = ["HELP", "STEPS"]

HELP: Final = "Turn TARs of game sessions into sampled frames, statistics and a manifest."

_SETTINGS: Final = "jobs.gamedata.settings"

STEPS: Final = (
    Step(
        "gamedata",
        "plan",
        "Check every parameter of a run and print what it would read.",
        settings=f"{_SETTINGS}:PlanSettings",
        run="jobs.gamedata.steps.plan:run",
        stage=("plan", 1),
    ),
    Step(
        "gamedata",
        "extract",
        "Write a .pt file of sampled frames and its statistics for each TAR.",
        settings=f"{_SETTINGS}:ExtractSettings",
        run="jobs.gamedata.steps.extract:run",
        stage=("extract", 2),
        launch="jobs.gamedata.steps._launch:launch",
    ),
    Step(
        "gamedata",
        "manifest",
        "Run the quality checks and write the manifest (Parquet) and its report.",
        settings=f"{_SETTINGS}:ManifestSettings",
        run="jobs.gamedata.steps.manifest:run",
        stage=("manifest", 3),
        view="jobs.gamedata.steps._view:show",
    ),
    Step(
        "gamedata",
        "publish",
        "Publish the manifest and its frames to PostgreSQL (gold.gamedata_*).",
        settings=f"{_SETTINGS}:PublishSettings",
        run="jobs.gamedata.steps.publish:run",
        stage=("publish", 7),
    ),
    Step(
        "gamedata",
        "run",
        "Extract, build the manifest and, with --publish, publish it, in one run.",
        settings=f"{_SETTINGS}:RunSettings",
        run="jobs.gamedata.steps.run:run",
        view="jobs.gamedata.steps._view:show",
    ),
    Step(
        "gamedata",
        "verify",
        "Verify .pt files against statistics; mark mismatches for re-extraction.",
        settings=f"{_SETTINGS}:VerifySettings",
        run="jobs.gamedata.steps.verify:run",
    ),
    Step(
        "gamedata",
        "sample",
        "Write a small set of sample TARs with known ground truth.",
        settings=f"{_SETTINGS}:SampleSettings",
        run="jobs.gamedata.steps.sample:run",
        view="jobs.gamedata.steps._view:show_sample",
    ),
)

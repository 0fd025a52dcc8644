"""The commands of gamedata. Importing this costs nothing; what a command needs is imported when it runs."""

from __future__ import annotations

from typing import Final

from shared.step.contract import Step

__all__ = ["STEPS"]

_SETTINGS: Final = "jobs.gamedata.settings"

STEPS: Final = (
    Step(
        "gamedata",
        "plan",
        "Check every parameter of a run, and say what it would read.",
        settings=f"{_SETTINGS}:PlanSettings",
        run="jobs.gamedata.steps.plan:run",
        stage=("plan", 1),
    ),
    Step(
        "gamedata",
        "extract",
        "Read TARs: write a .pt file of sampled frames for each, and its statistics.",
        settings=f"{_SETTINGS}:ExtractSettings",
        run="jobs.gamedata.steps.extract:run",
        stage=("extract", 2),
        launch="jobs.gamedata.steps._launch:launch",
    ),
    Step(
        "gamedata",
        "manifest",
        "Judge what is extracted: write the quality manifest (Parquet) and its report.",
        settings=f"{_SETTINGS}:ManifestSettings",
        run="jobs.gamedata.steps.manifest:run",
        stage=("manifest", 3),
        view="jobs.gamedata.steps._view:show",
    ),
    Step(
        "gamedata",
        "publish",
        "Publish the manifest for BI: gold.gamedata_sessions in PostgreSQL.",
        settings=f"{_SETTINGS}:PublishSettings",
        run="jobs.gamedata.steps.publish:run",
        stage=("publish", 7),
    ),
    Step(
        "gamedata",
        "run",
        "Extract, then build the manifest, as one run.",
        settings=f"{_SETTINGS}:RunSettings",
        run="jobs.gamedata.steps.run:run",
        view="jobs.gamedata.steps._view:show",
    ),
    Step(
        "gamedata",
        "verify",
        "Compare the statistics with the .pt files, and retire what does not match.",
        settings=f"{_SETTINGS}:VerifySettings",
        run="jobs.gamedata.steps.verify:run",
    ),
    Step(
        "gamedata",
        "sample",
        "Write a small set of TARs with known truth.",
        settings=f"{_SETTINGS}:SampleSettings",
        run="jobs.gamedata.steps.sample:run",
        view="jobs.gamedata.steps._view:show_sample",
    ),
)

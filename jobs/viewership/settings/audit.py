"""Settings of the commands that examine stored rows and change nothing: verify and shadow."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, PositiveInt

from jobs.viewership.settings.common import SHOWN, WRITTEN
from jobs.viewership.settings.formats import FormatsSettings
from jobs.viewership.settings.uploads import StoreSettings, UploadIds
from shared.settings import StepSettings, setting
from shared.settings.base import HOW_IT_RUNS, LIMITS, Group

__all__ = ["ShadowSettings", "VerifySettings"]

_CHOSEN: Final = Group("Uploads", 20)
_RULES: Final = Group("Rules", 15)

Platform = Annotated[str, Field(min_length=1, max_length=63)]


class VerifySettings(StoreSettings, FormatsSettings, pipeline="viewership"):
    """Settings of `verify`, which computes matches and sums again from the stored rows."""

    upload: UploadIds = setting(
        (), default_text="all uploads", description="Verify these uploads, by number.", group=_CHOSEN
    )
    platform: Platform | None = setting(
        None, default_text="all", description="Verify the uploads of this platform.", group=_CHOSEN
    )
    of_run: Annotated[str, Field(min_length=1, max_length=200)] | None = setting(
        None,
        default_text="all",
        description="Verify the uploads that the run with this id processed.",
        group=_CHOSEN,
    )
    files: bool = setting(
        False,
        description="Also read the raw files, and compare their SHA-256.",
        group=HOW_IT_RUNS,
    )
    reread: bool = setting(
        False,
        description="Also read the raw files again, and compare every unit.",
        detail="Uses the choices stored with each upload; implies --files.",
        group=HOW_IT_RUNS,
    )


class ShadowSettings(StepSettings, pipeline="viewership"):
    """Settings of `shadow`, which shows what other matching rules would change."""

    rules: str | None = setting(
        None, default_text="those of --rules-file", description="Try these rules, such as exact-1.", group=_RULES
    )
    rules_file: str | None = setting(
        None,
        default_text="none",
        description="Try the rules in this YAML file: a name, and the numbers that differ.",
        detail="Keys: name, base (standard-1), cut, margin, proposed, truncated, lost, series_cut, candidates, common, "
        "similar.",
        group=_RULES,
    )
    upload: UploadIds = setting(
        (), default_text="all uploads", description="Use the rows of these uploads, by number.", group=_CHOSEN
    )
    platform: Platform | None = setting(
        None, default_text="all", description="Use the rows of this platform.", group=_CHOSEN
    )
    sample: PositiveInt | None = setting(
        None,
        default_text="all keys",
        description="Match at most this many keys, the same ones each time.",
        group=LIMITS,
    )
    top: PositiveInt = setting(10, description="Show at most this many keys of each outcome.", group=LIMITS)
    output: str | None = setting(
        None,
        default_text="none",
        description="Write every key whose outcome differs to this CSV file.",
        detail="A path or s3://bucket/key. Cells that a spreadsheet would read as formulas are neutralised.",
        group=WRITTEN,
    )
    json_: bool = setting(False, description="Print JSON.", group=SHOWN)

"""Every field of every form takes any text: it is used as it is, or refused with a message that names its variable."""

from __future__ import annotations

from inspect import get_annotations

import pytest

from jobs.gamedata.settings import ExtractSettings, ManifestSettings, PlanSettings, PublishSettings
from jobs.screenalytics.settings import IngestSettings, ReplaySettings
from jobs.trakt.settings import BackfillSettings, ModelSettings, SloSettings
from jobs.trakt.settings import IngestSettings as Trakt
from jobs.viewership.settings.uploads import RunSettings
from shared.errors import UsageError
from shared.retention.settings import VacuumSettings
from shared.settings.base import ENCODED_SUFFIX, encoded, is_secret
from shared.settings.command import parse
from shared.settings.flags import flags

pytestmark = pytest.mark.slow

MODELS = (
    *(ExtractSettings, ManifestSettings, PlanSettings, PublishSettings),
    *(IngestSettings, ReplaySettings, RunSettings, VacuumSettings),
    *(Trakt, BackfillSettings, ModelSettings, SloSettings),
)
TEXTS = (
    "{{=1+1}}",
    "{{=nope(}}",
    "$(TELECINE_DATABASE_URL)",
    "--all",
    "--",
    "a\nb\x1b[2J",
    "\U000e0001\u2028\u202e",
    "s3://b/$(X)/../{{",
    "1e999999999",
    "9" * 5000,
    "x" * 100_000,
)


# Of fields that another of these models has checked with all texts: what remains are the model's own validators.
INHERITED = ("{{=1+1}}", "1e999999999")


def declared(model, name):
    """Return the class that declares a field."""
    return next(each for each in model.__mro__ if name in get_annotations(each))


def first_with(model, name):
    """Return the first model that has this field."""
    found = declared(model, name)
    return next(each for each in MODELS if name in each.model_fields and declared(each, name) is found)


def refusal(model):
    try:
        parse(model, "telecine x", "", ())
    except UsageError as error:
        return error.message
    return None


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:20])
def test_any_text_is_used_or_refused(model, text, monkeypatch):
    for flag in flags(model):
        if is_secret(model.model_fields[flag.name]):
            continue
        if text not in INHERITED and first_with(model, flag.name) is not model:
            continue
        variable = model.variables(flag.name)[0]
        with monkeypatch.context() as patch:
            for needed in ("MANIFEST", "OUTPUT_PATH"):
                patch.setenv(f"TELECINE_GAMEDATA_{needed}_BASE64", encoded("s3://bucket/a.parquet"))
            patch.setenv(variable + ENCODED_SUFFIX, encoded(text))
            refused = refusal(model)
        assert refused is None or refused.startswith(f"telecine x: {variable}")

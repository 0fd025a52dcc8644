from __future__ import annotations

import itertools
import pickle
import re
import signal

import pytest

from jobs.gamedata.errors import CODES, CRASH_CODES, item_error
from shared import errors
from shared.errors import Stopped, TelecineError, most_severe


def family(base: type[TelecineError] = TelecineError) -> list[type[TelecineError]]:
    return [base, *itertools.chain.from_iterable(family(child) for child in base.__subclasses__())]


CLASSES = [cls for cls in family() if cls.__module__ == "shared.errors"]


def test_codes_are_stable():
    assert {cls.__name__: (cls.default_code, cls.exit_code, cls.default_retryable) for cls in CLASSES} == {
        "TelecineError": ("internal", 70, False),
        "UsageError": ("usage", 2, False),
        "DataError": ("data_invalid", 65, False),
        "ItemError": ("item_invalid", 65, False),
        "IntegrityError": ("integrity", 65, False),
        "ObjectMissing": ("object_missing", 65, False),
        "TransientError": ("transient", 75, True),
        "EndpointUnreachable": ("endpoint_unreachable", 75, True),
        "StoreUnavailable": ("store_unavailable", 75, True),
        "StorageFull": ("storage_full", 75, True),
        "ObjectChanged": ("object_changed", 75, True),
        "DatabaseUnreachable": ("database_unreachable", 75, True),
        "ConfigurationError": ("configuration", 78, False),
        "BucketMissing": ("bucket_missing", 78, False),
        "RequestRefused": ("configuration", 78, False),
        "AccessDenied": ("access_denied", 78, False),
        "ExtraMissing": ("extra_missing", 78, False),
        "DatabaseNotMigrated": ("database_not_migrated", 78, False),
        "WrongEnvironment": ("wrong_environment", 78, False),
    }


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_drawn_tree_names_each_class_and_it_is_exported(cls):
    drawn = re.search(rf"^ +{cls.__name__} +(\d+) +", errors.__doc__ or "", re.MULTILINE)
    assert drawn is not None
    assert int(drawn[1]) == cls.exit_code
    assert cls.__name__ in errors.__all__


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_errors_travel_between_processes(cls):
    error = cls("what happened", code="own", retryable=True, bucket="b", nested={"n": [1]})
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert (again.message, str(again), again.code, again.retryable, again.data) == (
        *("what happened", "what happened", "own", True),
        {"bucket": "b", "nested": {"n": [1]}},
    )


def test_signals_have_their_exit_codes():
    assert Stopped(signal.SIGINT).exit_code == 130
    assert Stopped(signal.SIGTERM).exit_code == 143
    assert not isinstance(Stopped(signal.SIGINT), Exception)
    assert pickle.loads(pickle.dumps(Stopped(signal.SIGTERM))).signum == signal.SIGTERM


@pytest.mark.parametrize(
    ("codes", "worst"),
    [
        ((), 0), ((0,), 0), ((0, 75), 75), ((75, 65), 65), ((65, 78, 75), 78), ((78, 70), 70), ((70, 130), 130),
        ((2, 75), 75), ((1,), 70), ((0, -9), 70),
    ],
)  # fmt: skip
def test_the_more_severe_code_wins(codes, worst):
    assert most_severe(*codes) == worst
    assert most_severe(*reversed(codes)) == worst


@pytest.mark.parametrize("code", CODES)
def test_item_errors_have_known_codes(code):
    error = item_error(code, "found x", member="v.mp4")
    assert (error.code, error.exit_code, error.retryable) == (code, 65, code in CRASH_CODES)
    assert error.data == {"member": "v.mp4"}


def test_an_unknown_item_code_is_a_mistake_of_ours():
    assert set(CODES) >= CRASH_CODES
    with pytest.raises(KeyError):
        item_error("nonsense", "x")

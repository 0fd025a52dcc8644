"""A value of the wrong form is refused in plain words, with the expected form and an example, and null is refused."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from tests.chart.rendering import CHART, LEAST, helm, merged, render, small, values_of

BUCKET = "is not the name of a bucket; expected 3 to 63 lowercase letters"
ORIGIN = "is not an origin; expected http:// or https://, a host"
REGION = "is not a region of AWS; expected the code of a region, such as eu-central-1"
REPOSITORY = "is not a repository; expected registry and path without https://, tag or digest"
ROLE = "eks.amazonaws.com/role-arn"
CONSOLE = {"enabled": True, "access": "token", "publicUrl": "https://c.example.com", "existingSecret": "c"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        *(
            ({section: {"bucket": "s3://reports"}}, f"{section}.bucket 's3://reports' {BUCKET}")
            for section in ("artifacts", "screenalytics", "viewership", "trakt", "test")
        ),
        (
            {"gamedata": {"sourceBucket": "/tars"}},
            "gamedata.sourceBucket '/tars' is not a bucket; expected a name or s3:",
        ),
        ({"console": {"manifestBucket": "A"}}, "console.manifestBucket 'A' is not a bucket; expected a name or s3:"),
        *(
            ({"console": {"publicUrl": url}}, f"console.publicUrl '{url}' {ORIGIN}")
            for url in ("c.example.com", "https://c.example.com/", "https://c.example.com/console")
        ),
        ({"s3": {"endpointUrl": "store:9000"}}, f"s3.endpointUrl 'store:9000' {ORIGIN}"),
        ({"artifacts": {"endpointUrl": "https://store/x"}}, f"artifacts.endpointUrl 'https://store/x' {ORIGIN}"),
        *(
            ({"viewership": {"prefix": prefix}}, f"viewership.prefix '{prefix}' is not a folder of the bucket")
            for prefix in ("/uploads", "a/../b", "", "a,b")
        ),
        ({"proxy": {"http": "proxy:3128"}}, "proxy.http 'proxy:3128' is not the URL of a proxy; expected a scheme"),
        ({"s3": {"region": "frankfurt"}}, f"s3.region 'frankfurt' {REGION}"),
        ({"artifacts": {"region": "Frankfurt"}}, f"artifacts.region 'Frankfurt' {REGION}"),
        (
            {"s3": {"region": "eu", "endpointUrl": "https://s3.eu-central-1.amazonaws.com"}},
            f"s3.region 'eu' {REGION}",
        ),
        *(
            ({"images": {name: {"repository": repository}}}, f"images.{name}.repository '{repository}' {REPOSITORY}")
            for name in ("jobs", "ray", "rayGpu")
            for repository in ("https://r.example.com/x", "r.example.com/x:1.0", "Telecine Jobs", "r.example.com/")
        ),
        *(
            (
                {"serviceAccounts": {"ray": {"annotations": {ROLE: arn}}}},
                f"serviceAccounts.ray.annotations: {ROLE} '{arn}'",
            )
            for arn in ("telecine-step", "arn:aws:iam::123:role/x", "arn:aws:iam::111122223333:user/x")
        ),
        *(
            (
                {"crons": {"gamedata-nightly": {"timezone": zone}}},
                f"timezone '{zone}' is not a time zone; expected a name",
            )
            for zone in ("Europe/Berln", "CEST", "europe/berlin")
        ),
        (
            {"console": CONSOLE | {"maxUploadMb": 500}},
            "ephemeral-storage 2Gi is too small for console.maxUploadMb; expected at least 3756Mi",
        ),
        (
            {"console": CONSOLE | {"resources": {"limits": {"ephemeral-storage": "1500M"}}}},
            "ephemeral-storage 1500M is too small for console.maxUploadMb; expected at least 1656Mi",
        ),
    ],
    ids=lambda case: json.dumps(case) if isinstance(case, dict) else "",
)
def test_the_message_has_the_value_the_form_and_an_example(values, said):
    with pytest.raises(Exception, match=re.escape(said)) as caught:
        render(merged(LEAST, values), small())
    assert "; expected " in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        *({"s3": {"region": region}} for region in ("eu-central-1", "us-gov-west-1", "ap-southeast-2", "")),
        {"s3": {"region": "garage", "endpointUrl": "https://s3.example.com"}},
        {"artifacts": {"region": "garage", "endpointUrl": "http://minio:9000"}},
        *(
            {"images": {"jobs": {"repository": repository}}}
            for repository in (
                "telecine-jobs",
                "localhost:5000/telecine-jobs",
                "111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/telecine_jobs",
            )
        ),
        {"serviceAccounts": {"ray": {"annotations": {ROLE: "arn:aws-us-gov:iam::111122223333:role/path/telecine"}}}},
        {"console": CONSOLE | {"maxUploadMb": 256}},
        {"console": CONSOLE | {"maxUploadMb": 536, "resources": {"limits": {"ephemeral-storage": "4Gi"}}}},
        {"console": CONSOLE | {"maxUploadMb": 536, "resources": {"limits": {"ephemeral-storage": None}}}},
        {"proxy": {"http": "http://proxy.example.com:3128/"}},
        {"gamedata": {"sourceBucket": "s3://tars"}},
        # As after an upgrade with --reuse-values from a chart without them; Argo then takes the form's own default.
        {"gamedata": {"sourceBucket": None, "manifestBucket": None}, "console": CONSOLE},
    ],
    ids=json.dumps,
)
def test_a_value_of_the_form_is_taken(values):
    assert render(merged(LEAST, values), small())


def test_a_password_in_a_proxy_is_refused_and_not_shown():
    with pytest.raises(Exception, match=r"proxy\.https '…' is not the URL of a proxy") as caught:
        render(merged(LEAST, {"proxy": {"https": "http://user:hush@proxy:3128"}}), small())
    assert "hush" not in str(caught.value)


@cache
def sections():
    """Return the paths of all values that hold other values, and of those whose absence would leave an object empty."""

    def below(value, path=()):
        for key, each in value.items():
            if isinstance(each, dict):
                yield (*path, key)
                yield from below(each, (*path, key))

    found = set(below(values_of("values"))) | {("limits", "viewership"), ("networkPolicies", "egress", "s3", "ports")}
    return sorted(found)


# Kubernetes, not the chart, reads these, and each may be removed.
FREE = re.compile(r"(?i)(nodeSelector|affinity|annotations|labels|resources|requests|limits\.|\.limits|hard|default)")


@pytest.mark.parametrize("path", sections(), ids=".".join)
def test_a_section_that_is_null_is_refused_by_name(path):
    values = None
    for key in reversed(path):
        values = {key: values}
    on = {
        "networkPolicies": {"enabled": True},
        "console": CONSOLE,
        "quota": {"enabled": True},
        "boards": {"enabled": True},
    }
    said = ""
    try:
        render(merged(LEAST, on, values), small())
    except Exception as error:  # noqa: BLE001 - Helm raises its own
        said = str(error)
    assert "nil pointer" not in said
    assert path[-1] in said or FREE.search(".".join(path)), said or "it was accepted"


def test_the_time_zones_are_those_of_the_iana_database():
    listed = (CHART / "timezones.txt").read_text(encoding="utf-8").split()
    assert listed == sorted(set(listed))
    assert {"UTC", "Etc/UTC", "America/Chicago", "Europe/Berlin", "Asia/Kolkata", "Asia/Calcutta"} <= set(listed)
    assert {cron["timezone"] for cron in values_of("values")["crons"].values()} <= set(listed)


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, {"s3.region is empty", "names no registry"}),
        ({"s3": {"region": "eu-central-1"}}, {"names no registry"}),
        (
            {"s3": {"endpointUrl": "https://s3.example.com"}, "images": {"jobs": {"repository": "r.example.com/j"}}},
            set(),
        ),
    ],
    ids=["no values", "a region", "an endpoint and a registry"],
)
def test_the_notes_warn_of_what_may_be_missing(values, warned):
    with helm().Chart.load(small()) as chart:
        notes = chart.render(merged(LEAST, values), namespace="telecine")["telecine/templates/NOTES.txt"]
    assert {each for each in ("s3.region is empty", "names no registry") if each in notes} == warned

"""Shadow: what other rules gain, lose and change, in rows and hours; nothing is written."""

# ruff: noqa: F811 - pytest hands fixtures in by their names
from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from jobs.cli import run as telecine
from jobs.viewership.audit.rules_file import RulesInvalid
from jobs.viewership.audit.shadow_document import shadow_schema
from jobs.viewership.settings.audit import ShadowSettings
from jobs.viewership.steps.shadow import shadow
from shared.errors import UsageError
from tests.integration.test_viewership_verify import dump
from tests.postgres_server import postgres  # noqa: F401
from tests.viewership_store import catalogued, copied, store, undone  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.viewership_store import Store

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.slow]

LINE = "2025-09-01,Acme,Harbour TV,US,Harbour Lights,{numbers},{title},,{hours},"
OTHERS = (
    # 97.8 of 100 points like the third episode.
    LINE.format(numbers=",", title="Homecomming at Midnight", hours="7.125"),
    # 96.97, a little less.
    LINE.format(numbers=",", title="The Silent Lighthose", hours="2.5"),
    # Of no episode: below every cut.
    LINE.format(numbers=",", title="Silent Lamps", hours="1"),
    # A formula, in a title that is similar.
    LINE.format(numbers=",", title="=Homecomming at Midnight", hours="0.5"),
)


@pytest.fixture(scope="module")
def scene(catalogued: Store, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two loaded uploads, which tests copy."""
    with copied(catalogued, postgres, tmp_path_factory.mktemp("scene")) as made:
        made.stored(OTHERS, "september.csv")
        made.stored()
        yield made


@pytest.fixture
def stored(request: pytest.FixtureRequest, scene: Store, tmp_path: Path) -> Iterator[Store]:
    with undone(scene, tmp_path, request) as made:
        yield made


def asked(store: Store, **values: Any) -> dict[str, Any]:
    found = json.loads(shadow(ShadowSettings(database_url=store.database.url, json_=True, **values)))
    Draft202012Validator(shadow_schema()).validate(found)
    return dict(found)


def sums(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (group["outcome"], group["platform"], group["bucket"], group["keys"], group["rows"], group["hours"])
        for group in found["groups"]
    ]


def rules(store: Store, text: str) -> dict[str, Any]:
    path = store.folder / "rules.yaml"
    path.write_text(text)
    return {"rules_file": str(path)}


def test_rules_without_similar_titles_lose_their_rows_and_hours(stored):
    before = dump(stored.database)
    found = asked(stored, rules="exact-1")
    # The key of the title is in both uploads: two rows of one key.
    assert sums(found) == [("lost", "canonical", "FUZZY", 3, 4, "17.25")]
    assert [(key["content_name"], key["hours"], key["rows"]) for key in found["top"]] == [
        ("Homecomming at Midnight", "14.25", 2),
        ("The Silent Lighthose", "2.5", 1),
        ("=Homecomming at Midnight", "0.5", 1),
    ]
    first = found["top"][0]
    assert (first["before"]["status"], first["before"]["ref_id"], first["before"]["bucket"]) == (
        "matched",
        "HL-0103",
        "FUZZY",
    )
    assert (first["after"]["status"], first["after"]["episode_id"]) == ("review", None)
    assert first["after"]["reasons"][0] == "SIMILAR_ONLY"
    assert (found["keys"], found["keys_total"], found["stale"], found["decided"]) == (9, 9, 0, 0)
    assert dump(stored.database) == before


def test_the_default_rules_change_nothing(stored):
    assert asked(stored, rules="standard-1")["groups"] == []
    assert "nothing would change" in shadow(ShadowSettings(database_url=stored.database.url, rules="standard-1"))


def test_a_file_tries_a_cut(stored):
    found = asked(stored, **rules(stored, "name: strict\ncut: 97\n"))
    # The others are at 97.1 and 97.8.
    assert {key["content_name"] for key in found["top"]} == {"The Silent Lighthose"}
    assert sums(found) == [("lost", "canonical", "FUZZY", 1, 1, "2.5")]
    assert (found["rules"]["name"], found["rules"]["cut"], found["rules"]["margin"]) == ("strict", 97, 6)


def test_rows_that_wait_for_something_else_are_counted_apart(stored):
    # Three hours of another territory have no deal, and would not reach the final table.
    line = "2025-09-03,Acme,Harbour TV,MX,Harbour Lights,,,The Silent Lighthose,,3,"
    stored.stored([line], "mexico.csv")
    [group] = asked(stored, **rules(stored, "name: strict\ncut: 97\n"))["groups"]
    assert (group["rows"], group["hours"], group["final_rows"], group["final_hours"]) == (2, "5.5", 1, "2.5")


def test_what_is_gained_is_seen_from_the_other_side(stored, monkeypatch):
    from jobs.viewership.matching.model import RULES
    from jobs.viewership.steps import shadow as step

    monkeypatch.setattr(step, "_BASE", "exact-1")
    found = asked(stored, rules="standard-1")
    assert sums(found) == [("gained", "canonical", "FUZZY", 3, 4, "17.25")]
    # The stored matches are of the other rules.
    assert (found["compared_with"]["name"], found["stale"]) == ("exact-1", 3)
    assert list(RULES) == ["standard-1", "exact-1"]


def test_uploads_and_platform_and_sample_limit_the_keys(stored):
    assert asked(stored, rules="exact-1", upload=(2,))["groups"][0]["hours"] == "7.125"
    assert asked(stored, rules="exact-1", platform="canonical")["keys"] == 9
    with pytest.raises(UsageError, match="platform 'roku' has no uploads"):
        asked(stored, rules="exact-1", platform="roku")
    first, again = asked(stored, rules="exact-1", sample=4), asked(stored, rules="exact-1", sample=4)
    assert first == again
    assert (first["keys"], first["keys_total"]) == (4, 9)
    assert "4 keys of 9 matched by both" in shadow(
        ShadowSettings(database_url=stored.database.url, rules="exact-1", sample=4)
    )


def test_decisions_are_left_out(stored):
    episode = stored.database.rows("SELECT min(id) FROM catalog.episodes")[0][0]
    [[key]] = stored.database.rows("SELECT key_id FROM viewership.keys WHERE content_name = 'The Silent Lighthose'")
    stored.database.rows("SELECT viewership.decide('accept', ARRAY[%s]::bigint[], %s, 'ann', '')", key, episode)
    found = asked(stored, rules="exact-1")
    assert "The Silent Lighthose" not in {one["content_name"] for one in found["top"]}
    assert (found["keys_total"], found["decided"]) == (8, 1)


def test_changed_keys_are_written_without_formulas(stored):
    output = stored.folder / "changed.csv"
    shadow(ShadowSettings(database_url=stored.database.url, rules="exact-1", top=1, output=str(output)))
    rows = list(csv.DictReader(io.StringIO(output.read_text())))
    assert [(row["content_name"], row["hours"], row["before_ref_id"], row["after_status"]) for row in rows] == [
        ("Homecomming at Midnight", "14.25", "HL-0103", "review"),
        ("The Silent Lighthose", "2.5", "HL-0101", "review"),
        ("'=Homecomming at Midnight", "0.5", "HL-0103", "review"),
    ]


def test_the_text_has_the_rules_the_sums_and_the_titles(stored):
    text = shadow(ShadowSettings(database_url=stored.database.url, **rules(stored, "name: strict\ncut: 97\n")))
    assert text.splitlines()[0] == "strict compared with standard-1: cut 97 instead of 82"
    assert "lost: no longer matched" in text
    assert "Harbour Lights: The Silent Lighthose" in text
    assert "HL-0101 The Silent Lighthouse (FUZZY, " in text


def test_wrong_rules_are_refused_before_the_database_is_asked(tmp_path, capsys):
    nowhere = {"database_url": "postgresql://nobody@127.0.0.1:1/none"}
    with pytest.raises(UsageError, match="exactly one of --rules and --rules-file"):
        shadow(ShadowSettings(**nowhere))
    with pytest.raises(UsageError, match="'exact' are unknown; expected standard-1 or exact-1; did you mean 'exact-1'"):
        shadow(ShadowSettings(rules="exact", **nowhere))
    (tmp_path / "rules.yaml").write_text("name: mine\ncutt: 3\n")
    with pytest.raises(RulesInvalid, match="line 2: unknown key 'cutt'; did you mean 'cut'"):
        shadow(ShadowSettings(rules_file=str(tmp_path / "rules.yaml"), **nowhere))
    assert telecine(["viewership", "shadow", "--rules-file", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read: no such file or directory" in capsys.readouterr().err

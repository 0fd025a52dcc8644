"""Tables of schema catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.database.dictionary.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CATALOG"]

_FILLED: Final = {
    "source": "the source that added the row (`catalog import --source`)",
    "sources": "field -> source, for fields that another source has filled; `status` only if a file has stated it",
}
_EPISODE_NUMBERS: Final = {
    "season": "season; whole numbers without leading zeros, other text as it is",
    "episode": "episode, likewise",
    "season_no": "`season` as a number; NULL if it is not a whole number",
    "episode_no": "`episode` as a number, likewise",
}
_TITLE_SLOT: Final = {
    "language": "language of the title, such as `es` or `pt-br`; `und` if its column names none",
    "position": "1, or the number after the dot of its column (`title-es.2`)",
    "main": "true for the title that represents it: the one without a language, else English, else the first",
}
_DEAL_FIELD: Final = "{} as the platform writes it; NULL fits any"
_DEAL_RESULT: Final = "{} that rows of the deal get; NULL keeps their own"


def _place(name: str, many: str) -> dict[str, Relation]:
    return {
        f"catalog.{many}": Relation(
            f"a {name}",
            {
                "id": "its number",
                "code": f"code of the {name}, which is one of its names as well; NULL if it has none",
                "name": "its first name",
                "active": "false: not recognised in uploads",
                **_FILLED,
            },
        ),
        f"catalog.{name}_names": Relation(
            f"a further name or abbreviation of a {name}",
            {
                f"{name}_id": f"the {name}",
                "position": "from 2, the number after the dot of its column",
                "name": "the name",
                "source": "the source that filled it",
            },
        ),
    }


CATALOG: Final[Mapping[str, Relation]] = {
    "catalog.versions": Relation(
        "a version of the catalogue; one transaction makes one version",
        {
            "version": "1, 2, 3 and so on",
            "action": "`import`, `rekey` (a new telecine computed keys again) or `decision` (of a review)",
            "source": "the source of the imported values",
            "origin": "names of the imported files",
            "counts": "what changed, such as `episode_added`",
            "key_version": "version of the rules by which all keys are computed",
            "created_by": "who made the change",
            "created_at": "when",
        },
    ),
    "catalog.changes": Relation(
        "an entity that a version changed, with the keys of uploads that it may affect",
        {
            "version": "the version",
            "kind": "`series`, `episode`, `alias`, `deal`, `channel` or `territory`",
            "entity_id": "`id` in the table of that kind",
            "action": "`added`, `changed` or `removed` (deactivated, or for an alias undone)",
            "before": "changed field -> value before; NULL for `added` and for aliases",
            "title_keys": "title keys of it and of what belongs to it, before and after",
            "series_keys": "series keys, likewise",
            "ref_keys": "keys of ids, likewise",
        },
    ),
    "catalog.series": Relation(
        "a series",
        {
            "id": "its number",
            "code": "code of the series, the prefix of its episodes' ids; NULL if it has none",
            "code_key": "the code for comparison",
            "content_provider": "who supplies the series; NULL if unknown",
            "status": "`active` or `inactive`; episodes of inactive series match nothing",
            **_FILLED,
        },
    ),
    "catalog.series_titles": Relation(
        "a name of a series",
        {
            "series_id": "the series",
            **_TITLE_SLOT,
            "title": "the name",
            "series_key": "the name for comparison",
            "series_base": "the same without its year",
            "series_year": "the year in the name; NULL without one",
            "source": "the source that filled it",
        },
    ),
    "catalog.episodes": Relation(
        "an episode",
        {
            "id": "its number",
            "ref_id": "id of the episode, such as `HL-0101`; NULL if it has none",
            "ref_key": "the id for comparison",
            "series_id": "its series",
            **_EPISODE_NUMBERS,
            "active": "false: matches nothing",
            **_FILLED,
        },
    ),
    "catalog.episode_titles": Relation(
        "a title of an episode",
        {
            "episode_id": "the episode",
            **_TITLE_SLOT,
            "title": "the title",
            "title_key": "the title for comparison",
            "placeholder": "true for a title that names nothing, such as `Episode 4` or `TBA`",
            "source": "the source that filled it",
        },
    ),
    "catalog.episode_numbers": Relation(
        "a further numbering of an episode",
        {
            "episode_id": "the episode",
            "platform": "the platform that numbers it so, in lower case; NULL for any",
            **_EPISODE_NUMBERS,
            "source": "the source that added it",
        },
    ),
    "catalog.aliases": Relation(
        "an alias: what platforms call a series or an episode; NULL fields fit anything",
        {
            "id": "its number",
            "platform": "the platform, in lower case; NULL for any",
            "exact": "true: a NULL field fits only rows in which that field is empty",
            "title": "title of the content",
            "title_key": "the title for comparison",
            "series": "name of the series",
            "series_key": "the name for comparison",
            **_EPISODE_NUMBERS,
            "content_id": "the platform's id of the content",
            "content_key": "the id for comparison",
            "series_id": "the series that it stands for; NULL for an alias of an episode",
            "episode_id": "the episode that it stands for; NULL for an alias of a series",
            "decision_id": "the review decision that made it; NULL if it was imported",
            "source": "the source that added it",
            "created_by": "who added it",
            "created_at": "when",
            "undone_by": "who undid or replaced it; NULL while it is in force",
            "undone_at": "when",
            "key_id": "the key whose review key it matches, and no other; NULL if it was imported",
        },
    ),
    "catalog.deals": Relation(
        "a deal: which rows of a platform belong to which contract",
        {
            "id": "its number",
            "platform": "the platform; compared without case, like all names of a deal",
            "domain": "such as `Distribution Partners`; NULL fits any",
            **{name: _DEAL_FIELD.format(name) for name in ("partner", "channel", "territory")},
            "valid_from": "first day; NULL if it has none",
            "valid_to": "last day; NULL if it has none",
            "deal_parent": "id of the contract",
            **{f"internal_{name}": _DEAL_RESULT.format(name) for name in ("partner", "channel", "territory")},
            "active": "false: fits no rows",
            **_FILLED,
        },
    ),
    **_place("channel", "channels"),
    **_place("territory", "territories"),
}

{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row for each time a payload of a comment was seen. A page lists the comments that it held, whether or not they were
-- stored again; in a feed, with the title of each. A comment requested by its id may be about a season, an episode or a
-- list, which does not name its title: it has left the title under which it was read before. Sightings of ratings and of
-- erased comments have no version, and are left out.
with pages as (
    select load_id, observed_at, title_kind, title_id_trakt, season, episode, from_json(payload, '{
        "ids": ["BIGINT"], "sha": ["VARCHAR"], "titles": ["VARCHAR"]
    }') as held
    from {{ new_rows('page') }}
    where payload is not null
),
items as (
    select load_id, observed_at, title_kind, title_id_trakt, season, episode,
        unnest(held.ids) as comment_id, unnest(held.sha) as payload_sha, unnest(held.titles) as title,
        title_kind is not null as is_listed
    from pages
),
sightings as (
    select load_id, observed_at, comment_id, payload_sha,
        coalesce(title_kind, nullif(regexp_extract(title, '^(movie|show)-[0-9]+', 1), '')) as title_kind,
        coalesce(title_id_trakt, try_cast(regexp_extract(title, '^(?:movie|show)-([0-9]+)', 1) as bigint)) as title_id_trakt,
        coalesce(season, try_cast(regexp_extract(title, '^show-[0-9]+/([0-9]+)', 1) as integer)) as season,
        coalesce(episode, try_cast(regexp_extract(title, '^show-[0-9]+/[0-9]+/([0-9]+)', 1) as integer)) as episode,
        is_listed,
        coalesce(regexp_matches(title, '^(season|episode|list)-[0-9]+$'), false) as is_elsewhere
    from items
    union all
    select load_id, observed_at, comment_id, left(payload_sha256, 16), title_kind, title_id_trakt, season, episode, false, false
    from {{ new_rows('comment') }}
),
joined as (
    select comment_id, payload_sha, observed_at, load_id,
        -- In a struct, NULL sorts last: a season would lose to its show here, but win if another load had seen it.
        max(struct_pack(
            kind := title_kind, id := title_id_trakt, season := coalesce(season, -1), episode := coalesce(episode, -1)
        ))
            filter (where title_kind is not null and title_id_trakt is not null) as title,
        bool_or(is_listed) as is_listed,
        bool_or(is_elsewhere) as is_elsewhere
    from sightings
    where exists (
        select 1 from {{ ref('stg_trakt__comment_version') }} as known
        where known.comment_id = sightings.comment_id and known.payload_sha = sightings.payload_sha
    )
    group by all
)
select comment_id, payload_sha, observed_at, load_id, title.kind as title_kind, title.id as title_id_trakt,
    nullif(title.season, -1) as season, nullif(title.episode, -1) as episode, is_listed,
    is_elsewhere and title is null as is_elsewhere
from joined

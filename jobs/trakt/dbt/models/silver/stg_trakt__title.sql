{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row per reading of a title's summary.
with parsed as (
    select title_kind, title_id_trakt, observed_at, load_id, left(payload_sha256, 16) as payload_sha, is_synthetic,
        title_slug, from_json(payload, '{
            "title": "VARCHAR", "year": "VARCHAR", "released": "VARCHAR", "first_aired": "VARCHAR", "runtime": "VARCHAR",
            "status": "VARCHAR", "certification": "VARCHAR", "language": "VARCHAR", "country": "VARCHAR",
            "genres": ["VARCHAR"], "votes": "VARCHAR", "rating": "VARCHAR", "comment_count": "VARCHAR",
            "ids": {"slug": "VARCHAR", "imdb": "VARCHAR", "tmdb": "VARCHAR"}
        }') as item
    from {{ new_rows('title') }}
    where payload is not null and title_id_trakt is not null
)
select
    title_kind,
    title_id_trakt,
    observed_at,
    load_id,
    payload_sha,
    {{ clean_text('coalesce(item.ids.slug, title_slug)') }} as slug,
    {{ clean_text('item.title') }} as title,
    try_cast({{ as_integer('item.year') }} as integer) as year,
    {{ clean_text('item.ids.imdb') }} as imdb_id,
    {{ as_integer('item.ids.tmdb') }} as tmdb_id,
    {{ clean_text('item.status') }} as status,
    -- A show has no release date; its first episode does.
    coalesce(try_cast(item.released as date), ({{ as_time('item.first_aired') }})::date) as released,
    try_cast({{ as_integer('item.runtime') }} as integer) as runtime_min,
    list_transform(item.genres, lambda genre: {{ clean_text('genre') }}) as genres,
    {{ clean_text('item.certification') }} as certification,
    {{ clean_text('item.language') }} as language,
    {{ clean_text('item.country') }} as country,
    {{ as_integer('item.comment_count') }} as comment_count,
    {{ as_integer('item.votes') }} as votes,
    {{ as_number('item.rating') }} as rating,
    is_synthetic
from parsed
qualify row_number() over (partition by title_kind, title_id_trakt, observed_at, load_id order by payload_sha) = 1

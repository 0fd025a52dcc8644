{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row per reading of a title's TMDb metadata. Optional: without any, the TMDb columns of dim_title are NULL.
with parsed as (
    select title_kind, title_id_trakt, observed_at, load_id, left(payload_sha256, 16) as payload_sha, from_json(payload, '{
        "id": "VARCHAR", "popularity": "VARCHAR", "vote_average": "VARCHAR", "vote_count": "VARCHAR"
    }') as item
    from {{ new_rows('tmdb') }}
    where payload is not null and title_id_trakt is not null
)
select
    title_kind,
    title_id_trakt,
    observed_at,
    load_id,
    payload_sha,
    {{ as_integer('item.id') }} as tmdb_id,
    {{ as_number('item.popularity') }} as popularity,
    {{ as_number('item.vote_average') }} as vote_average,
    {{ as_integer('item.vote_count') }} as vote_count
from parsed
qualify row_number() over (partition by title_kind, title_id_trakt, observed_at, load_id order by payload_sha) = 1

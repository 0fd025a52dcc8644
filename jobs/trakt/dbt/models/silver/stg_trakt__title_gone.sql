{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row per time that a title was asked for and was not there. One 404 is no tombstone.
select distinct title_kind, title_id_trakt, observed_at, load_id
from {{ new_rows('title_gone') }}
where title_id_trakt is not null

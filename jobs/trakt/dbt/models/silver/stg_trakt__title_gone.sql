{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row for each time a title was requested and not found. One 404 does not mean that the title is gone.
select distinct title_kind, title_id_trakt, observed_at, load_id
from {{ new_rows('title_gone') }}
where title_id_trakt is not null

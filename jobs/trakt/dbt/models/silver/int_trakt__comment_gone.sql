{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row for each time a comment was requested and not found.
select distinct comment_id, observed_at, load_id from {{ new_rows('comment_gone') }} where comment_id is not null

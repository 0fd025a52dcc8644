{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row per time that a comment was asked for and was not there.
select distinct comment_id, observed_at, load_id from {{ new_rows('comment_gone') }} where comment_id is not null

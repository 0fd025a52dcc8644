{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='load_id',
    on_schema_change='append_new_columns') }}
-- One row per load: the range of its observations, and its rows by kind.
{% set kinds = ['comment', 'comment_gone', 'rating', 'title', 'title_gone', 'tmdb', 'page'] %}
with observed as (
    {% for kind in kinds %}
    select load_id, '{{ kind }}' as kind, observed_at, source_system, is_synthetic from {{ new_rows(kind) }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)
select
    load_id,
    min(observed_at) as first_observed_at,
    max(observed_at) as last_observed_at,
    max(source_system) as source_system,
    bool_or(is_synthetic) as is_synthetic,
    {% for kind in kinds %}
    count(*) filter (where kind = '{{ kind }}') as {{ kind }}_rows{{ ',' if not loop.last }}
    {% endfor %}
from observed
group by load_id

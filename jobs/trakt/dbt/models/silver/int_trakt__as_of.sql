{{ config(materialized='table') }}
-- The day for which metrics are computed: the one asked for, or else the day of the newest observation.
select
    {% if var('as_of_date', none) is not none and var('as_of_date') != 'none' %}
    date '{{ modules.datetime.date.fromisoformat(var("as_of_date") | string) }}' as as_of,
    {% else %}
    max(last_observed_at)::date as as_of,
    {% endif %}
    max(last_observed_at) as last_observed_at
from {{ ref('stg_trakt__load') }}
having count(*) > 0

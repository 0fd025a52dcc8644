{# Anomaly tests only warn, and are shown in the report: a busy day is not a defect of the build. They read no clock:
   the newest load counts as now. #}

{# Days with unusually few or many rows: further from the mean of the days before than so many standard deviations. #}
{% test volume_anomaly(model, day, where='true') %}
    {{ config(severity='warn', tags=['anomaly']) }}
    with days as (
        select ({{ day }})::date as day, count(*) as n from {{ model }} where ({{ where }}) and {{ day }} is not null group by 1
    ),
    last as (select day, n from days order by day desc limit 1),
    before as (
        select avg(n) as mean, stddev_samp(n) as deviation, count(*) as days
        from days where day < (select day from last) and day >= (select day from last) - {{ var('volume_days') }}
    )
    select last.day, last.n, before.mean, before.deviation
    from last, before
    where before.days >= 7
        -- A count deviates at least as much as a Poisson count.
        and abs(last.n - before.mean) > {{ var('volume_deviations') }} * greatest(before.deviation, sqrt(before.mean), 1)
{% endtest %}

{# The newest row is older than the newest load by more than so many days. #}
{% test freshness_anomaly(model, time) %}
    {{ config(severity='warn', tags=['anomaly']) }}
    select newest.newest_at, loads.load_at
    from (select max({{ time }}) as newest_at from {{ model }}) as newest,
        (select max(last_observed_at) as load_at from {{ ref('stg_trakt__load') }}) as loads
    where newest.newest_at < loads.load_at - interval ({{ var('freshness_days') }}) day
{% endtest %}

{# Rows with a field whose text became NULL. #}
{% test null_after_parse(model, column_name) %}
    {{ config(severity='warn', tags=['anomaly']) }}
    select field, count(*) as n from (select unnest({{ column_name }}) as field from {{ model }}) group by field
{% endtest %}

{# No two rows have the same key, and no part of a key is NULL. #}
{% test is_key(model, columns, nullable=[]) %}
    select {{ columns | join(', ') }}, count(*) as n from {{ model }} group by {{ columns | join(', ') }} having count(*) > 1
    {% for column in columns if column not in nullable %}
    union all select {{ columns | join(', ') }}, 0 from {{ model }} where {{ column }} is null
    {% endfor %}
{% endtest %}

{% test at_least(model, column_name, value) %}
    select {{ column_name }} from {{ model }} where {{ column_name }} < {{ value }}
{% endtest %}

{# There is either a value or a reason: never both, never neither. #}
{% test value_or_reason(model, value, reason) %}
    select * from {{ model }} where ({{ value }} is null) <> ({{ reason }} is not null)
{% endtest %}

{# Replies count as comments only if the parameters say so. #}
{% macro counts_replies() -%}
    {{ return(fromjson(env_var('TELECINE_DBT_PARAMETERS', '{}')).get('replies', false)) }}
{%- endmacro %}

{% macro is_counted() -%}
    {{ 'true' if counts_replies() else 'not is_reply' }}
{%- endmacro %}

{# Number of observations, value, interval and reason of a figure, as columns. #}
{% macro figure(name, estimate) -%}
    {{ estimate }}.n as {{ name }}_n,
    {{ estimate }}.value as {{ name }},
    {{ estimate }}.low as {{ name }}_low,
    {{ estimate }}.high as {{ name }}_high,
    {{ estimate }}.reason as {{ name }}_reason
{%- endmacro %}

{# Windows of engagement, in days; `all` is unlimited. #}
{% macro periods() -%}
    (values ('7d', 7), ('28d', 28), ('90d', 90), ('all', null::integer)) as periods(period, days)
{%- endmacro %}

{# A sum as a 64-bit number. Each number of the API fits, but a sum of the largest would not, and every build would fail. #}
{% macro as_bigint(sum) -%}
    greatest(least({{ sum }}, 9223372036854775807), -9223372036854775807)::bigint
{%- endmacro %}

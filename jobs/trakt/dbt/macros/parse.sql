{# Every field is read as text first: from_json makes NULL of "12x" and of 2^63, and 2 of 1.9, without a word. What is
   there but cannot be converted is listed in `unparsed`, which a test looks at. #}
{% macro as_integer(field) -%}
    case when regexp_full_match({{ field }}, '-?[0-9]+') then try_cast({{ field }} as bigint) end
{%- endmacro %}

{% macro as_number(field) -%}
    try_cast({{ field }} as double)
{%- endmacro %}

{# A time without a zone is not UTC but unknown; DuckDB would take it for UTC. #}
{% macro as_time(field) -%}
    case
        when regexp_full_match({{ field }}, '[0-9]{4}-.*(Z|z|[+-][0-9]{2}:[0-9]{2})')
        then try_cast(upper({{ field }}) as timestamptz)
    end
{%- endmacro %}

{% macro as_flag(field) -%}
    case lower({{ field }}) when 'true' then true when 'false' then false end
{%- endmacro %}

{# PostgreSQL's text refuses NUL. #}
{% macro clean_text(field) -%}
    replace({{ field }}, chr(0), chr(65533))
{%- endmacro %}

{# Names of the fields that have a text but no value. #}
{% macro unparsed(pairs) -%}
    list_filter([
        {% for name, raw, value in pairs -%}
        case when {{ raw }} is not null and ({{ value }}) is null then '{{ name }}' end{{ ',' if not loop.last }}
        {% endfor %}
    ], lambda name: name is not null)
{%- endmacro %}

{# The site began in 2010; a day ahead allows for clocks and zones. #}
{% macro is_out_of_range(field, seen) -%}
    ({{ field }} < timestamptz '2010-01-01 00:00:00+00' or {{ field }} > {{ seen }} + interval 1 day)
{%- endmacro %}

{# Read every field as text first: from_json silently turns "12x" and 2^63 into NULL, and 1.9 into 2. Fields whose value
   cannot be converted are listed in `unparsed`, which a test checks. #}
{% macro as_integer(field) -%}
    case when regexp_full_match({{ field }}, '-?[0-9]+') then try_cast({{ field }} as bigint) end
{%- endmacro %}

{% macro as_number(field) -%}
    try_cast({{ field }} as double)
{%- endmacro %}

{# A time without a zone is unknown; DuckDB would take it for UTC. #}
{% macro as_time(field) -%}
    case
        when regexp_full_match({{ field }}, '[0-9]{4}-.*(Z|z|[+-][0-9]{2}:[0-9]{2})')
        then try_cast(upper({{ field }}) as timestamptz)
    end
{%- endmacro %}

{% macro as_flag(field) -%}
    case lower({{ field }}) when 'true' then true when 'false' then false end
{%- endmacro %}

{# PostgreSQL's type text does not accept NUL. #}
{% macro clean_text(field) -%}
    replace({{ field }}, chr(0), chr(65533))
{%- endmacro %}

{# Names of the fields that have text but no value. #}
{% macro unparsed(pairs) -%}
    list_filter([
        {% for name, raw, value in pairs -%}
        case when {{ raw }} is not null and ({{ value }}) is null then '{{ name }}' end{{ ',' if not loop.last }}
        {% endfor %}
    ], lambda name: name is not null)
{%- endmacro %}

{# The site began in 2010; a day in the future allows for wrong clocks and time zones. #}
{% macro is_out_of_range(field, seen) -%}
    ({{ field }} < timestamptz '2010-01-01 00:00:00+00' or {{ field }} > {{ seen }} + interval 1 day)
{%- endmacro %}

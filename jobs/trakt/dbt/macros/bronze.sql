{# The files of one kind of bronze rows. The runner links the table's live files that no build has read yet into one
   folder per kind, and adds a file without rows, so that no folder is empty. #}
{% macro bronze(kind, places=false) -%}
    read_parquet('{{ env_var("TELECINE_DBT_BRONZE") | replace("'", "''") }}/{{ kind }}/*.parquet', union_by_name = true
        {%- if places %}, filename = true, file_row_number = true{% endif %})
{%- endmacro %}

{# The rows of one kind from the loads of this build. A compacted file also has rows of loads that were taken before.
   With places, a row has its file and its number there. #}
{% macro new_rows(kind, places=false) -%}
    (select * from {{ bronze(kind, places) }} where load_id in (select load_id from silver.loads_new))
{%- endmacro %}

{# Comments that the loads of this build observed, or found to be gone. #}
{% macro touched() -%}
    (
        select comment_id from {{ ref('int_trakt__sighting') }}
        where load_id in (select load_id from silver.loads_new)
        union
        select comment_id from {{ ref('int_trakt__comment_gone') }}
        where load_id in (select load_id from silver.loads_new)
    )
{%- endmacro %}

{% macro begin_loads() %}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {% do run_query('create schema if not exists silver') %}
        {% do run_query('create table if not exists silver.loads_taken (load_id varchar primary key)') %}
        {% if flags.FULL_REFRESH %}{% do run_query('delete from silver.loads_taken') %}{% endif %}
        {% set kinds = ['comment', 'comment_gone', 'rating', 'title', 'title_gone', 'tmdb', 'page'] %}
        {% set loads %}
            create or replace table silver.loads_new as
            select distinct load_id from (
                {% for kind in kinds %}
                select load_id from {{ bronze(kind) }}{{ ' union all ' if not loop.last }}
                {% endfor %}
            ) where load_id not in (select load_id from silver.loads_taken)
        {% endset %}
        {% do run_query(loads) %}
    {% endif %}
{% endmacro %}

{# A load is taken when every model has taken it; a build that fails is thrown away by the runner. #}
{% macro end_loads(results) %}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {% set bad = results | selectattr('status', 'in', ['error', 'fail', 'skipped']) | list %}
        {% if not bad %}
            {% do run_query('insert into silver.loads_taken select load_id from silver.loads_new on conflict do nothing') %}
            {% do export_gold() %}
        {% endif %}
    {% endif %}
{% endmacro %}

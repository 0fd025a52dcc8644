"""Build silver and gold: fetch bronze's files, run dbt once in its own environment, put gold into the bucket."""

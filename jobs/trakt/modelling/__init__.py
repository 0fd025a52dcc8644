"""Build silver and gold: bronze's files to local disk, one run of dbt in its own environment, gold to the bucket."""

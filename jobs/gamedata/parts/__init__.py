"""Parts: Parquet files with one row per TAR. Each part commits one batch."""

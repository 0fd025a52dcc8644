"""Load Screenalytics runs into product tables, each exactly once."""

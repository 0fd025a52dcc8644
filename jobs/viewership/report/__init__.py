"""Sections of the reports: match rates, buckets, fates and rejected rows."""

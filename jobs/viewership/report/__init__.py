"""Sections of viewership's reports: match rates, fates, what waits for an answer, and what is unmatched."""

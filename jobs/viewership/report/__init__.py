"""Sections of viewership's reports: match rates, fates, phases, what waits for an answer, and what is unmatched."""

"""Service levels: fresh title-days, planned pages that landed, the error budget, and its alerts."""

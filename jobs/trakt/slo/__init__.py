"""Service levels: fresh title-days, pages landed of those planned, the error budget, and its alerts."""

"""A seeded site that answers like the Trakt API: its world, its clock, its quota, and its faults."""

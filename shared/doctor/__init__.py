"""Says what telecine finds where it runs: packages, database, store, cluster (`telecine doctor`)."""

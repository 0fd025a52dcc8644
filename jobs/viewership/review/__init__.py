"""Review: keys that wait for a person, by hours at stake; decisions, their scope and their undoing."""

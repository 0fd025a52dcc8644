"""The commands of `telecine viewership`, one module each."""

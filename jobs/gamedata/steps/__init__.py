"""The commands of `telecine gamedata`, one module each."""

"""The web app that reads the tables of all pipelines; it imports none of them."""

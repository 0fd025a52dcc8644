"""One candidate read and checked: manifest, artifacts, persons."""

"""The contract of the API's answers: JSON Schemas, and the check of every item against them."""

"""The pages; each module has one ``router``, and every route declares its role."""

"""Alembic migrations, forward only; `shared.database.migrate` runs them."""

"""Requests to the Trakt API that are reserved, so that all processes with one key keep to one quota."""

from __future__ import annotations

from alembic import op

from shared.database.foreign import refuse_foreign

revision = "0008"
down_revision = "0007"

TABLES = ("trakt.request_keys", "trakt.request_clients", "trakt.request_reservations")


def upgrade() -> None:
    refuse_foreign(op.get_bind(), "trakt", TABLES)
    op.execute("CREATE SCHEMA IF NOT EXISTS trakt")
    # One row per key. Each reservation locks its row until the transaction ends or the client dies.
    op.execute("""
        CREATE TABLE trakt.request_keys (
            key_hash text PRIMARY KEY CHECK (key_hash ~ '^[0-9a-f]{64}$'),
            blocked_until timestamptz,
            banned_until timestamptz CHECK (banned_until <= blocked_until),
            bans bigint NOT NULL DEFAULT 0 CHECK (bans >= 0)
        )
    """)
    op.execute("""
        CREATE TABLE trakt.request_clients (
            key_hash text NOT NULL REFERENCES trakt.request_keys,
            client uuid NOT NULL,
            asked_at timestamptz NOT NULL,
            waiting boolean NOT NULL,
            PRIMARY KEY (key_hash, client)
        )
    """)
    # No foreign key to the client: its requests still count after its row is deleted.
    op.execute("""
        CREATE TABLE trakt.request_reservations (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key_hash text NOT NULL REFERENCES trakt.request_keys,
            client uuid NOT NULL,
            reserved_at timestamptz NOT NULL,
            counts_until timestamptz NOT NULL CHECK (counts_until >= reserved_at)
        )
    """)
    op.execute("CREATE INDEX request_reservations_window ON trakt.request_reservations (key_hash, counts_until)")

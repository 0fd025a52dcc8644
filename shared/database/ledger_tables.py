"""The ledger's tables for SQLAlchemy Core; the migrations create them (a test compares the two)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

__all__ = ["STATUSES", "environment", "item_errors", "metadata", "notifications", "run_stages", "runs"]

STATUSES: Final = ("pending", "running", "success", "partial", "failed", "skipped", "cancelled", "interrupted")

metadata = MetaData(schema="pipeline")
_TIME: Final = DateTime(timezone=True)

environment = Table(
    "environment",
    metadata,
    Column("single", Boolean, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("oldest_code", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("version", Text),
    Column("host", Text),
    Column("created_at", _TIME, nullable=False),
    Column("started_at", _TIME),
    Column("heartbeat_at", _TIME),
    Column("finished_at", _TIME),
    Column("error_stage", Text),
    Column("error_message", Text),
)

run_stages = Table(
    "run_stages",
    metadata,
    Column("run_id", Text, ForeignKey("pipeline.runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("stage_order", SmallInteger, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("version", Text),
    Column("host", Text),
    Column("started_at", _TIME),
    Column("heartbeat_at", _TIME),
    Column("finished_at", _TIME),
    Column("duration_ms", BigInteger),
    Column("counts", JSONB, nullable=False),
    Column("exit_code", SmallInteger),
    Column("input_hash", Text),
    Column("output_hash", Text),
    Column("manifest_key", Text),
    Column("error_message", Text),
    Column("error_details", JSONB),
    Column("rayjob_uid", Text),
)

item_errors = Table(
    "item_errors",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("retryable", Boolean, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("input_hash", Text),
    Column("message", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("at", _TIME, nullable=False),
    ForeignKeyConstraint(
        ["run_id", "stage"], ["pipeline.run_stages.run_id", "pipeline.run_stages.stage"], ondelete="CASCADE"
    ),
)

notifications = Table(
    "notifications",
    metadata,
    Column("run_id", Text, ForeignKey("pipeline.runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("created_at", _TIME, nullable=False),
    Column("sent_at", _TIME),
)

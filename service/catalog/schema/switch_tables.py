"""The tables of a switch to another model, as `tables` describes the others."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.catalog.schema.tables import count, metadata, moment

model_switch = Table(
    "model_switch",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("model_id", Integer, ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False, server_default="running"),
    Column("stage", Text, nullable=False, server_default="waiting"),
    Column("options", JSONB, nullable=False),
    moment("started_at"),
    moment("heartbeat_at"),
    Column("finished_at", DateTime(timezone=True)),
    count("total"),
    count("done"),
    count("attempt"),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("report", JSONB),
    Column("error", Text),
    CheckConstraint(
        "state IN ('queued', 'running', 'done', 'refused', 'failed', 'cancelled', 'interrupted')",
        name="state",
    ),
    CheckConstraint("(state IN ('queued', 'running')) = (finished_at IS NULL)", name="finished_at"),
)

model_unread = Table(
    "model_unread",
    metadata,
    Column("model_id", Integer, ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("garment_id", BigInteger, primary_key=True),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
)

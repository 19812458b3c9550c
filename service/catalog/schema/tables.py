"""The schema that alembic owns, as SQLAlchemy describes it.

The migrations are the truth about a database; a test compares the two. Names of constraints follow
`NAMING`, so that a migration can name what it drops.

What a garment costs is decided by where its values lie. The embedding, 4,104 bytes, lies out of line
(EXTERNAL): only the few candidates of a search are read whole. Everything else stays in the row,
some 400 bytes, so that reading a label's `components` reads little else. Postgres moves values out
of a row above 2 kB until it is below, and the embedding is the first; PLAIN (never moved) and MAIN
(moved only where the row does not fit a page) keep the others where they are.

SHA-256 digests are `bytea` of 32 bytes: half of the hexadecimal text, in the row and in the index.

An imported embedding may come without a photo: confidence, predicted_label and content_sha256 of its
garment are then NULL.
"""

from __future__ import annotations

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    DDL,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    event,
    func,
    text,
)

FEATURES = 2048
"""Dimensions of an embedding: the pooled features of Xception."""

COMPONENTS = 128
"""Dimensions that similarity indexes are built on; see `projection`."""

HNSW_NAMES = "^hnsw_(components|garment)_[a-z0-9_]*_[0-9a-f]{10}(_new|_old|_cc(new|old)[0-9]*)*$"
"""Similarity indexes come and go with the data (see `shelves`): those of now, those of versions before, and
what a rebuild leaves. Whatever has another name is the shop's own. For Postgres and Python."""

QUEUE_PREFIX = "procrastinate_"
"""The job queue's own tables (see `migrations/sql`), which SQLAlchemy does not describe."""

NAMING = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

metadata = MetaData(naming_convention=NAMING)


def moment(name: str = "created_at") -> Column:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def count(name: str) -> Column:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def is_sha256(column: str) -> CheckConstraint:
    return CheckConstraint(f"octet_length({column}) = 32", name=column)


category = Table(
    "category",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", SmallInteger, nullable=False),
)

model = Table(
    "model",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False, unique=True),
    Column("labels", ARRAY(Text), nullable=False),
    Column("input_size", Integer, nullable=False),
    Column("feature_size", Integer, nullable=False),
    Column("serving", Boolean, nullable=False, server_default=text("false")),
    moment(),
    Column("folder", Text),
    Column("served_until", DateTime(timezone=True)),
    is_sha256("content_sha256"),
    Index("uq_model_serving", "serving", unique=True, postgresql_where=text("serving")),
)

projection = Table(
    "projection",
    metadata,
    Column("model_id", Integer, ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("mean", LargeBinary, nullable=False),
    Column("components", LargeBinary, nullable=False),
    Column("fitted_to", Integer, nullable=False),
    moment(),
    CheckConstraint(f"octet_length(mean) = {4 * FEATURES}", name="mean"),
    CheckConstraint(f"octet_length(components) = {2 * FEATURES * COMPONENTS}", name="components"),
)

garment = Table(
    "garment",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    moment(),
    moment("updated_at"),
    Column("model_id", Integer, ForeignKey("model.id"), nullable=False),
    Column("confidence", REAL),
    Column("label", Text, ForeignKey("category.name"), nullable=False),
    Column("predicted_label", Text, ForeignKey("category.name")),
    Column("label_source", Text, nullable=False),
    Column("image_path", Text, nullable=False, unique=True),
    Column("content_sha256", LargeBinary),
    Column("embedding", HALFVEC(FEATURES), nullable=False),
    Column("components", HALFVEC(COMPONENTS)),
    CheckConstraint("label_source IN ('given', 'predicted')", name="label_source"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    is_sha256("content_sha256"),
    Index(None, "label", "id"),
    Index(None, "content_sha256"),
    Index("ix_garment_unprojected", "label", postgresql_where=text("components IS NULL")),
)

STORAGE = {
    "embedding": "EXTERNAL",
    "components": "PLAIN",
    "content_sha256": "PLAIN",
    "image_path": "MAIN",
    "label": "MAIN",
    "predicted_label": "MAIN",
    "label_source": "MAIN",
}
event.listen(
    garment,
    "after_create",
    DDL(
        "ALTER TABLE garment "
        + ", ".join(f"ALTER {column} SET STORAGE {how}" for column, how in STORAGE.items())
    ),
)

upload_set = Table(
    "upload_set",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    moment(),
    Column("model_id", Integer, ForeignKey("model.id"), nullable=False),
)

upload = Table(
    "upload",
    metadata,
    Column("set_id", Uuid, ForeignKey("upload_set.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("filename", Text, nullable=False),
    Column("label", Text, ForeignKey("category.name")),
    Column("confidence", REAL),
    Column("error", Text),
    # Without a label and without an error no garment was recognised
    CheckConstraint("num_nonnulls(confidence, error) = 1", name="confidence_or_error"),
    CheckConstraint("label IS NULL OR confidence IS NOT NULL", name="label_with_confidence"),
    CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
    Index(None, "label"),
)

import_run = Table(
    "import_run",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="running"),
    moment("started_at"),
    Column("finished_at", DateTime(timezone=True)),
    Column("total", Integer),
    count("seen"),
    count("added"),
    count("updated"),
    count("unchanged"),
    count("rejected"),
    count("attempt"),
    Column("last_item", Text),
    moment("heartbeat_at"),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("error", Text),
    CheckConstraint("labels IN ('given', 'predicted')", name="labels"),
    CheckConstraint(
        "state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')", name="state"
    ),
    CheckConstraint("(state IN ('queued', 'running')) = (finished_at IS NULL)", name="finished_at"),
)

import_error = Table(
    "import_error",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, ForeignKey("import_run.id", ondelete="CASCADE"), nullable=False),
    Column("image_path", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index(None, "run_id"),
)

index_recall = Table(
    "index_recall",
    metadata,
    Column("label", Text, ForeignKey("category.name", ondelete="CASCADE"), primary_key=True),
    Column("recall", REAL, nullable=False),
    moment("measured_at"),
    CheckConstraint("recall BETWEEN 0 AND 1", name="recall"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("key_sha256", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    moment(),
    Column("revoked_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    is_sha256("key_sha256"),
    CheckConstraint(
        "cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write', 'admin']", name="scopes"
    ),
    Index("uq_api_key_name", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
)

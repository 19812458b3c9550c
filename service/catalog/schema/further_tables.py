"""Tables about the catalog, what an analysis found and what people said; `tables` has the catalog."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    text,
)

from service.catalog.schema.tables import count, is_sha256, metadata, moment

analysis = Table(
    "analysis",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("model_id", Integer, ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
    moment("started_at"),
    moment("heartbeat_at"),
    Column("finished_at", DateTime(timezone=True)),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    count("done"),
    count("total"),
    Column("duplicate_similarity", REAL, nullable=False),
    CheckConstraint("duplicate_similarity BETWEEN 0 AND 1", name="duplicate_similarity"),
    comment="When the neighbours of every garment were last searched, and how far that is where it runs",
)

neighbourhood = Table(
    "neighbourhood",
    metadata,
    Column(
        "garment_id", BigInteger, ForeignKey("garment.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("isolation", REAL, nullable=False),
    Column("same_label", SmallInteger, nullable=False),
    Column("suggested", SmallInteger, nullable=False),
    Column("duplicate_group", BigInteger),
    Column("examined_as", Text, nullable=False),
    Column("suggested_label", Text),
    Column("neighbours", ARRAY(BigInteger), nullable=False),
    Column("similarities", ARRAY(REAL), nullable=False),
    CheckConstraint("cardinality(similarities) = cardinality(neighbours)", name="similarities"),
    comment="Of every garment the garments most like it, of any label, as the last analysis found them",
)

similarity_threshold = Table(
    "similarity_threshold",
    metadata,
    Column("label", Text, ForeignKey("category.name", ondelete="CASCADE"), primary_key=True),
    Column("wanted_precision", Double, primary_key=True),
    Column("similarity", Double),
    Column("precision", Double),
    Column("pairs", Integer, nullable=False),
    Column("share", Double, nullable=False),
    CheckConstraint("num_nulls(similarity, precision) IN (0, 2)", name="precision"),
    comment="From which similarity on neighbours share a label, as the last analysis measured it",
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    moment(),
    Column("query_id", BigInteger, ForeignKey("garment.id", ondelete="SET NULL")),
    Column("match_id", BigInteger, ForeignKey("garment.id", ondelete="SET NULL")),
    Column("verdict", Text, nullable=False),
    Column("query_sha256", LargeBinary),
    Column("match_sha256", LargeBinary),
    CheckConstraint("verdict IN ('good', 'bad')", name="verdict"),
    is_sha256("query_sha256"),
    is_sha256("match_sha256"),
    Index(None, "query_id"),
    Index(None, "match_id"),
)

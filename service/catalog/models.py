"""Which model bundle the catalog's embeddings come from: one at a time, because those of two
networks cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, Row, text

from service.catalog.tables import FEATURES
from service.errors import BundleMismatch

SERVING = "SELECT id, name, version, content_sha256 FROM model WHERE serving"

NAMES = text("SELECT name || '@' || version FROM model ORDER BY serving DESC, id DESC")

REGISTER = text("""
    INSERT INTO model (name, version, content_sha256, labels, input_size, feature_size)
    VALUES (:name, :version, :content_sha256, :labels, :input_size, :feature_size)
    ON CONFLICT (content_sha256) DO UPDATE SET name = EXCLUDED.name, version = EXCLUDED.version
    RETURNING id
""")

# Uploaded sets of an earlier model may still have its labels
DROP_CATEGORIES = text("""
    DELETE FROM category
    WHERE name <> ALL (:labels)
      AND NOT EXISTS (SELECT FROM upload WHERE upload.label = category.name)
""")

PUT_CATEGORIES = text("""
    INSERT INTO category (name, position)
    SELECT name, place - 1 FROM unnest(CAST(:labels AS text[])) WITH ORDINALITY AS l (name, place)
    ON CONFLICT (name) DO UPDATE SET position = EXCLUDED.position
""")

UNCOVERED = text("""
    SELECT name FROM category
    WHERE name <> ALL (:labels)
      AND EXISTS (SELECT FROM garment WHERE garment.label = category.name)
    ORDER BY position
""")


def attach(
    engine: Engine,
    *,
    name: str,
    version: str,
    content_sha256: str,
    labels: Sequence[str],
    input_size: int,
    feature_size: int,
) -> int:
    """Make sure that the catalog's embeddings are this bundle's; returns the model's id.

    A catalog without garments takes on any bundle, and its labels as categories.
    content_sha256: the hex digest that identifies the bundle. input_size: pixels per side.

    Raises `BundleMismatch` where garments were embedded with another bundle, have labels that this
    one lacks, or where its embeddings have another size than the database's.
    """
    if feature_size != FEATURES:
        raise BundleMismatch(
            f"The bundle {name}@{version} gives {feature_size} features; "
            f"the catalog stores embeddings of {FEATURES}."
        )
    digest = bytes.fromhex(content_sha256)
    with engine.begin() as connection:
        serving = connection.execute(text(SERVING)).one_or_none()
        if serving is None or serving.content_sha256 != digest:
            # Two processes that attach at once take turns here
            connection.execute(text("LOCK TABLE model IN SHARE ROW EXCLUSIVE MODE"))
            # Waits for a batch that is being written with the serving model; see `load`
            serving = connection.execute(text(SERVING + " FOR UPDATE")).one_or_none()
        if serving is not None and serving.content_sha256 == digest:
            _require_covered(connection, name, version, labels)
            return serving.id
        _require_replaceable(connection, name, version, serving)
        connection.execute(text("UPDATE model SET serving = false WHERE serving"))
        model_id = connection.scalar(
            REGISTER,
            {
                "name": name,
                "version": version,
                "content_sha256": digest,
                "labels": list(labels),
                "input_size": input_size,
                "feature_size": feature_size,
            },
        )
        connection.execute(text("UPDATE model SET serving = true WHERE id = :id"), {"id": model_id})
        connection.execute(DROP_CATEGORIES, {"labels": list(labels)})
        connection.execute(PUT_CATEGORIES, {"labels": list(labels)})
        return model_id


def _require_covered(
    connection: Connection, name: str, version: str, labels: Sequence[str]
) -> None:
    uncovered = list(connection.scalars(UNCOVERED, {"labels": list(labels)}))
    if uncovered:
        raise BundleMismatch(
            f"The bundle {name}@{version} lacks labels that garments have: {', '.join(uncovered)}."
        )


def _require_replaceable(
    connection: Connection, name: str, version: str, serving: Row | None
) -> None:
    if not connection.scalar(text("SELECT EXISTS (SELECT FROM garment)")):
        return
    theirs = "another bundle" if serving is None else f"{serving.name}@{serving.version}"
    raise BundleMismatch(
        f"The catalog's garments were embedded with {theirs}, not with {name}@{version}. Set "
        "FASHION_STUDIO_MODEL to that bundle's folder, or point FASHION_STUDIO_DATABASE_URL at an "
        "empty database."
    )


def model_names(engine: Engine) -> list[str]:
    """name@version of every bundle that the catalog has met, the serving one first."""
    with engine.connect() as connection:
        return list(connection.scalars(NAMES))

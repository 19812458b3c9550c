"""Which model bundle the catalog's embeddings come from: one at a time, because those of two
networks cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from service.catalog.database.engine import reading
from service.catalog.models.generations import drop_generations
from service.catalog.schema.tables import FEATURES
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

KNOWN = """
    SELECT id, name, version, encode(content_sha256, 'hex') AS content_sha256, labels, folder, serving,
           served_until, created_at
    FROM model
"""

NOTE_FOLDER = text(
    "UPDATE model SET folder = :folder WHERE id = :model_id AND folder IS DISTINCT FROM :folder"
)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A bundle that the catalog knows. content_sha256: the hex digest that identifies it.

    folder: where whoever registered it has it; None where an earlier version did. served_until: when
    another one took over; None for the one that serves, and for one that never did.
    """

    id: int
    name: str
    version: str
    content_sha256: str
    labels: tuple[str, ...]
    folder: str | None
    serving: bool
    served_until: datetime | None
    created_at: datetime

    @property
    def title(self) -> str:
        return f"{self.name}@{self.version}"


def known_models(engine: Engine) -> list[ModelRecord]:
    """Every bundle that the catalog has met, oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(text(KNOWN + "ORDER BY id"))
        return [_record(row) for row in rows]


def serving_model(engine: Engine) -> ModelRecord | None:
    """The one whose embeddings the catalog has; None before the first was attached."""
    with reading(engine) as connection:
        row = connection.execute(text(KNOWN + "WHERE serving")).one_or_none()
    return None if row is None else _record(row)


def serving_id(place: Engine | Connection) -> int | None:
    """Its id alone: cheap enough to ask all the time."""
    with reading(place) as connection:
        found: int | None = connection.scalar(text("SELECT id FROM model WHERE serving"))
        return found


def note_folder(engine: Engine, model_id: int, folder: str) -> None:
    """Tell other processes where the bundle lies."""
    with engine.begin() as connection:
        connection.execute(NOTE_FOLDER, {"model_id": model_id, "folder": folder})


def register(engine: Engine, **bundle: Any) -> int:
    """Let the catalog know a bundle that is not to serve yet; the arguments are those of `attach`.

    Returns the model's id. Raises `BundleMismatch` where its embeddings have another size.
    """
    _require_size(bundle["name"], bundle["version"], bundle["feature_size"])
    with engine.begin() as connection:
        return _register(connection, **bundle)


def attach(
    engine: Engine,
    *,
    name: str,
    version: str,
    content_sha256: str,
    labels: Sequence[str],
    input_size: int,
    feature_size: int,
    folder: str | None = None,
) -> int:
    """Make sure that the catalog's embeddings are this bundle's; returns the model's id.

    A catalog without garments takes on any bundle, and its labels as categories.
    content_sha256: the hex digest that identifies the bundle. input_size: pixels per side.
    folder: where it lies.

    Raises `BundleMismatch` where garments were embedded with another bundle, or where its embeddings
    have another size than the database's.
    """
    _require_size(name, version, feature_size)
    digest = bytes.fromhex(content_sha256)
    with engine.begin() as connection:
        serving = connection.execute(text(SERVING)).one_or_none()
        if serving is None or serving.content_sha256 != digest:
            # Two processes that attach at once take turns here
            connection.execute(text("LOCK TABLE model IN SHARE ROW EXCLUSIVE MODE"))
            # Waits for a batch that is being written with the serving model; see `load`
            serving = connection.execute(text(SERVING + " FOR UPDATE")).one_or_none()
        if serving is not None and serving.content_sha256 == digest:
            return int(serving.id)
        _require_replaceable(connection, name, version, serving)
        drop_generations(connection)
        connection.execute(text("UPDATE model SET serving = false WHERE serving"))
        model_id = _register(
            connection,
            name=name,
            version=version,
            content_sha256=content_sha256,
            labels=labels,
            input_size=input_size,
            feature_size=feature_size,
            folder=folder,
        )
        connection.execute(text("UPDATE model SET serving = true WHERE id = :id"), {"id": model_id})
        connection.execute(DROP_CATEGORIES, {"labels": list(labels)})
        connection.execute(PUT_CATEGORIES, {"labels": list(labels)})
        return model_id


def _register(connection: Connection, *, folder: str | None = None, **bundle: Any) -> int:
    values = bundle | {
        "content_sha256": bytes.fromhex(bundle["content_sha256"]),
        "labels": list(bundle["labels"]),
    }
    model_id = int(connection.execute(REGISTER, values).scalar_one())
    if folder is not None:
        connection.execute(NOTE_FOLDER, {"model_id": model_id, "folder": folder})
    return model_id


def _record(row: Row) -> ModelRecord:
    return ModelRecord(**dict(row._mapping) | {"labels": tuple(row.labels)})


def _require_size(name: str, version: str, feature_size: int) -> None:
    if feature_size != FEATURES:
        raise BundleMismatch(
            f"The bundle {name}@{version} gives {feature_size} features; "
            f"the catalog stores embeddings of {FEATURES}."
        )


def _require_replaceable(
    connection: Connection, name: str, version: str, serving: Row | None
) -> None:
    if not connection.scalar(text("SELECT EXISTS (SELECT FROM garment)")):
        return
    theirs = "another bundle" if serving is None else f"{serving.name}@{serving.version}"
    raise BundleMismatch(
        f"The catalog's garments were embedded with {theirs}, not with {name}@{version}. Set "
        "FASHION_STUDIO_MODEL to that bundle's folder, unset it and let this one take over with "
        "`fashion-studio models use`, or point FASHION_STUDIO_DATABASE_URL at an empty database."
    )


def model_names(engine: Engine) -> list[str]:
    """name@version of every bundle that the catalog has met, the serving one first."""
    with engine.connect() as connection:
        return list(connection.scalars(NAMES))

"""Single garments added, relabelled and removed, together with their pictures.

A picture lies outside the database, so that the two cannot be one transaction. The order keeps what
may go wrong harmless: a picture is there before its row, and gone after it. A service that is killed
between leaves a picture without a garment, which the same picture sent again adopts.
"""

from __future__ import annotations

from collections.abc import Callable

from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Engine, text

from service.catalog.garments.categories import labels_of_a_model
from service.catalog.garments.single import SELECT
from service.catalog.loading.batches import require_labels, require_serving
from service.catalog.loading.rows import Row, insert
from service.domain import Garment
from service.errors import GarmentNotFound, ImagePathTaken

# Held to the transaction's end, by whoever adds or removes a picture of that path
LOCK_PATH = text("SELECT pg_advisory_xact_lock(hashtext('image_path'), hashtext(:path))")

# Held as well: a garment that is answered is not removed while it is looked at
OF_PATH = text(SELECT + "WHERE image_path = :path FOR SHARE OF garment")

DIGEST = text("SELECT encode(content_sha256, 'hex') FROM garment WHERE id = :id")

# The probability that is stored stays where the label does; another label's is only that of the
# picture and the model that it was asked of
RELABEL = text("""
    UPDATE garment
    SET confidence = CASE
            WHEN label = :label THEN confidence
            WHEN content_sha256 = :digest AND model_id = :model_id THEN CAST(:confidence AS real)
        END,
        label = :label,
        label_source = 'given',
        updated_at = now()
    WHERE id = :id
""")

DELETE = text("DELETE FROM garment WHERE id = :id RETURNING image_path")


def add_garment(
    engine: Engine,
    model_id: int,
    row: Row,
    *,
    put: Callable[[], bool],
    take_back: Callable[[], None],
) -> tuple[Garment, bool]:
    """Store a garment and its picture; returns it and whether it is new.

    put: stores the picture, whether it was not there before. take_back: removes it, called where the
    row could not be written. Where the database goes away while it commits, nobody knows whether the
    row is there: the picture then stays.

    A garment of the same path, bytes and label is answered as it is, its picture put where it was lost.
    Raises `ImagePathTaken` for one of the same path that differs, `LabelUnknown`, `BundleMismatch`, and as
    `put`.
    """
    with engine.begin() as connection:
        # First, as in every writer: `swap` takes the model's lock before the table's
        require_serving(connection, model_id)
        connection.execute(LOCK_PATH, {"path": row.image_path})
        found = connection.execute(OF_PATH, {"path": row.image_path}).one_or_none()
        if found is not None:
            garment = Garment(**found._mapping)
            _require_same(connection, garment, row)
            put()  # a picture that was lost is there again
            return garment, False
        require_labels(connection, [row])
        fresh = put()
        try:
            insert(connection, [row], model_id)
            stored = connection.execute(OF_PATH, {"path": row.image_path}).one()
        except BaseException as error:
            if fresh:
                take_back()
            if isinstance(error, UniqueViolation):  # an ingest, which takes no lock of a path
                raise _taken(row.image_path) from None
            raise
    return Garment(**stored._mapping), True


def digest_of(engine: Engine, garment_id: int) -> str | None:
    """The SHA-256 of a garment's picture, in hexadecimal; None where it is not known."""
    with engine.connect() as connection:
        found: str | None = connection.scalar(DIGEST, {"id": garment_id})
        return found


def relabel_garment(
    engine: Engine,
    garment_id: int,
    label: str,
    *,
    confidence: float | None,
    digest: str | None,
    model_id: int,
) -> Garment:
    """Give a garment a label. confidence: of that label, by that model on the picture of that digest.

    Raises `GarmentNotFound`, and `ModelMoved` where the model was dropped, and the label with it.
    """
    values = {
        "id": garment_id,
        "label": label,
        "confidence": confidence,
        "digest": bytes.fromhex(digest) if digest else None,
        "model_id": model_id,
    }
    with engine.begin() as connection:
        with labels_of_a_model():
            connection.execute(RELABEL, values)
        row = connection.execute(text(SELECT + "WHERE garment.id = :id"), values).one_or_none()
    if row is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    return Garment(**row._mapping)


def delete_garment(engine: Engine, garment_id: int) -> str:
    """Forget a garment; returns its image path. Raises `GarmentNotFound`."""
    with engine.begin() as connection:
        path: str | None = connection.scalar(DELETE, {"id": garment_id})
    if path is None:
        raise GarmentNotFound(f"There is no garment {garment_id}.")
    return path


def remove_picture(engine: Engine, image_path: str, remove: Callable[[], None]) -> None:
    """Let `remove` take away a picture, unless a garment has that path again."""
    with engine.begin() as connection:
        connection.execute(LOCK_PATH, {"path": image_path})
        if connection.execute(OF_PATH, {"path": image_path}).one_or_none() is None:
            remove()


def _require_same(connection: Connection, garment: Garment, row: Row) -> None:
    if connection.scalar(DIGEST, {"id": garment.id}) != row.content_sha256:
        raise _taken(row.image_path)
    if row.label_source == "given" and row.label != garment.label:
        raise ImagePathTaken(
            f"{row.image_path} is garment {garment.id} already, a {garment.label}. "
            "Give it another label with PATCH."
        )


def _taken(image_path: str) -> ImagePathTaken:
    return ImagePathTaken(f"There is a garment of {image_path} with another picture.")

"""The garments whose photos another model could not be shown, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from service.errors import SwitchRefused

ALL = text("""
    SELECT garment.id, image_path, reason FROM model_unread JOIN garment
      ON garment.id = garment_id AND garment.updated_at = model_unread.updated_at
    WHERE model_unread.model_id = :model_id
    ORDER BY garment.id
""")

COUNT_GARMENTS = text("SELECT count(*) FROM garment")

FORGET = text("""
    DELETE FROM garment USING model_unread AS unread
    WHERE unread.model_id = :model_id AND garment.id = garment_id
      AND garment.updated_at = unread.updated_at
""")


@dataclass(frozen=True, slots=True)
class Unread:
    """A garment whose photo cannot be read, and why."""

    id: int
    image_path: str
    reason: str


def unread_of(engine: Engine, model_id: int) -> list[Unread]:
    """The garments whose photos a model could not be shown, as they are now."""
    with engine.connect() as connection:
        return _all(connection, model_id)


def require_read(connection: Connection, model_id: int, *, forget: bool) -> None:
    """Raises `SwitchRefused` where photos could not be read, unless their garments are to be forgotten,
    and always where that would be most of them: then it is the folder that is wrong."""
    unread = _all(connection, model_id)
    if not unread:
        return
    such = f"cannot be read, such as {unread[0].image_path}: {unread[0].reason}"
    garments = connection.scalar(COUNT_GARMENTS) or 0
    if 2 * len(unread) > garments:
        raise SwitchRefused(
            f"The photos of {len(unread)} of {garments} garments {such} "
            "Check FASHION_STUDIO_IMAGE_ROOT."
        )
    if not forget:
        raise SwitchRefused(
            f"The photos of {len(unread)} garments {such} `fashion-studio models show {model_id}` names "
            "them all. Bring them back and call it again, or delete those garments by "
            "--forget-unreadable."
        )


def remove_unread(connection: Connection, model_id: int) -> None:
    """Delete the garments whose photos a model could not be shown."""
    connection.execute(FORGET, {"model_id": model_id})


def _all(connection: Connection, model_id: int) -> list[Unread]:
    found = connection.execute(ALL, {"model_id": model_id})
    return [Unread(**row._mapping) for row in found]

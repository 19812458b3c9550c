"""API keys, by the digest of each: the key itself is nowhere in the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from service.catalog.database.engine import reading
from service.domain import SCOPES, Scope
from service.errors import KeyNameTaken, KeyNotFound

STORE = text("""
    INSERT INTO api_key (name, key_sha256, scopes) VALUES (:name, :digest, :scopes) RETURNING *
""")

# The digest of a key of 256 random bits: looking it up by index tells nobody anything
FIND = text("""
    SELECT *, coalesce(last_used_at < now() - interval '1 minute', true) AS stale
    FROM api_key WHERE key_sha256 = :digest AND revoked_at IS NULL
""")

# To the minute, so that a busy key does not write a row for every request
USED = text("UPDATE api_key SET last_used_at = now() WHERE id = :id")

REVOKE = text("""
    UPDATE api_key SET revoked_at = now() WHERE name = :name AND revoked_at IS NULL RETURNING *
""")

ALL = text("SELECT * FROM api_key ORDER BY id")

ANY = text("SELECT EXISTS (SELECT FROM api_key)")

ANY_VALID = text("SELECT EXISTS (SELECT FROM api_key WHERE revoked_at IS NULL)")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who may ask, without the key itself: of that only a digest is kept."""

    id: int
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None

    def allows(self, scope: Scope) -> bool:
        return any(SCOPES.index(mine) >= SCOPES.index(scope) for mine in self.scopes)

    def as_dict(self) -> dict[str, Any]:
        times = (self.last_used_at, self.revoked_at)
        used, revoked = (time.isoformat() if time else None for time in times)
        return {
            "id": self.id,
            "name": self.name,
            "scopes": list(self.scopes),
            "created_at": self.created_at.isoformat(),
            "last_used_at": used,
            "revoked_at": revoked,
        }


def store_key(engine: Engine, *, name: str, digest: bytes, scopes: Sequence[Scope]) -> ApiKey:
    """digest: SHA-256 of the key. Raises `KeyNameTaken` where a valid key has that name."""
    values = {"name": name, "digest": digest, "scopes": list(scopes)}
    try:
        with engine.begin() as connection:
            return _key(connection.execute(STORE, values).one())
    except IntegrityError as error:
        raise KeyNameTaken(f"There is a key {name!r} already. Revoke it first.") from error


def find_key(engine: Engine, digest: bytes) -> ApiKey | None:
    """The valid key of that digest; its use is recorded to the minute."""
    with engine.begin() as connection:
        row = connection.execute(FIND, {"digest": digest}).one_or_none()
        if row is None:
            return None
        if row.stale:
            connection.execute(USED, {"id": row.id})
        return _key(row)


def any_key(engine: Engine, *, valid: bool = False) -> bool:
    """Whether a key was ever made; with `valid`, whether one is not revoked.

    Asked every second, on a connection of those that search: a transaction's rollback would make it
    forget what it has prepared (see `reading`).
    """
    with reading(engine) as connection:
        return bool(connection.scalar(ANY_VALID if valid else ANY))


def keys(engine: Engine) -> list[ApiKey]:
    """All that were ever made, revoked ones too, in their order."""
    with engine.connect() as connection:
        return [_key(row) for row in connection.execute(ALL)]


def revoke_key(engine: Engine, name: str) -> ApiKey:
    """Raises `KeyNotFound` where no valid key has that name."""
    with engine.begin() as connection:
        row = connection.execute(REVOKE, {"name": name}).one_or_none()
    if row is None:
        raise KeyNotFound(f"There is no valid key {name!r}. `fashion-studio keys list` shows them.")
    return _key(row)


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )

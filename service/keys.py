"""API keys: made here, shown once, and known afterwards by their digest alone."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import Engine

from service.catalog import ApiKey, store_key
from service.domain import SCOPES, Scope
from service.errors import InvalidParameter

PREFIX = "fs_"  # so that scanners for leaked secrets can tell it
BITS = 256  # of chance: too many to guess, so that a plain digest is enough


def create_key(engine: Engine, name: str, scopes: Sequence[Scope]) -> tuple[str, ApiKey]:
    """A new key and what is kept of it. Raises `KeyNameTaken`, `InvalidParameter`."""
    name = name.strip()
    if not name or not name.isprintable() or len(name) > 100:
        raise InvalidParameter("A key's name has 1 to 100 printable characters.")
    secret = PREFIX + secrets.token_urlsafe(BITS // 8)
    chosen = [scope for scope in SCOPES if scope in scopes]
    return secret, store_key(engine, name=name, digest=digest(secret), scopes=chosen)


def digest(secret: str) -> bytes:
    """What the database knows of a key: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()

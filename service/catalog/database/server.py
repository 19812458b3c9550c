"""Whether a Postgres server can hold a catalog."""

from __future__ import annotations

import re

from sqlalchemy import Engine, Row, text

from service.errors import DatabaseUnfit

POSTGRES_MINIMUM = 15
PGVECTOR_MINIMUM = (0, 8, 0)  # iterative index scans
PGVECTOR_RECOMMENDED = (0, 8, 4)  # 0.8.2 to 0.8.4 fixed overflows and corruption in HNSW

VERSIONS = text("""
    SELECT current_setting('server_version_num')::int AS postgres,
           current_setting('server_version') AS release,
           (SELECT coalesce(installed_version, default_version)
              FROM pg_available_extensions WHERE name = 'vector') AS pgvector
""")


def check_server(engine: Engine) -> list[str]:
    """Ask the server for its versions; see `judge_versions`. Raises `DatabaseUnavailable` too."""
    row = _versions(engine)
    return judge_versions(row.postgres, row.pgvector)


def describe_server(engine: Engine) -> str:
    """Which Postgres and pgvector that is, and what `check_server` warns of. Raises as that."""
    row = _versions(engine)
    warnings = judge_versions(row.postgres, row.pgvector)
    return "; ".join((f"Postgres {row.release.split()[0]}, pgvector {row.pgvector}", *warnings))


def _versions(engine: Engine) -> Row:
    with engine.connect() as connection:
        return connection.execute(VERSIONS).one()


def judge_versions(postgres: int, pgvector: str | None) -> list[str]:
    """Warnings, one line each; none where all is well.

    postgres: `server_version_num`, such as 150004. pgvector: such as "0.8.1"; None where the server
    does not offer the extension. Raises `DatabaseUnfit` where a catalog cannot work.
    """
    if postgres < POSTGRES_MINIMUM * 10_000:
        raise DatabaseUnfit(
            f"The server is Postgres {postgres // 10_000}; "
            f"Fashion Studio needs {POSTGRES_MINIMUM} or later."
        )
    if pgvector is None:
        raise DatabaseUnfit(
            "The server lacks the extension pgvector. Install it, for example the package "
            f"postgresql-{postgres // 10_000}-pgvector on Debian or the image "
            f"pgvector/pgvector:pg{postgres // 10_000}."
        )
    version = tuple(int(part) for part in re.findall(r"\d+", pgvector)[:3])
    if version < PGVECTOR_MINIMUM:
        raise DatabaseUnfit(
            f"The database has pgvector {pgvector}; Fashion Studio needs 0.8.0 or later, and 0.8.4 "
            "or later is better. After installing it: ALTER EXTENSION vector UPDATE."
        )
    if version < PGVECTOR_RECOMMENDED:
        return [
            f"pgvector {pgvector} has known bugs in HNSW indexes, fixed by 0.8.4. Install that or "
            "a later one, then: ALTER EXTENSION vector UPDATE, and rebuild the indexes."
        ]
    return []

"""Whether a Postgres server can hold a catalog."""

from __future__ import annotations

import re

from sqlalchemy import Engine, Row, text

from service.errors import DatabaseUnfit

POSTGRES_MINIMUM = 15
PGVECTOR_MINIMUM = (0, 8, 0)  # iterative index scans
PGVECTOR_RECOMMENDED = (0, 8, 4)  # 0.8.2 to 0.8.4 fixed overflows and corruption in HNSW

ASKED = text("""
    SELECT current_setting('server_version_num')::int AS postgres,
           current_setting('server_version') AS release,
           current_setting('server_encoding') AS encoding,
           (SELECT coalesce(installed_version, default_version)
              FROM pg_available_extensions WHERE name = 'vector') AS pgvector,
           quote_ident(nspname) AS home,
           nspname = ANY (current_schemas(true)) AS reached,
           has_schema_privilege(nspname, 'USAGE') AS open,
           quote_ident(current_user) AS role,
           current_schemas(false)::text[] AS path
    FROM (SELECT) AS one
    LEFT JOIN pg_extension ON extname = 'vector' LEFT JOIN pg_namespace ON pg_namespace.oid = extnamespace
""")


def check_server(engine: Engine) -> list[str]:
    """Ask the server for its versions, see `judge_versions`, and the database for its encoding and where
    pgvector is. Raises `DatabaseUnfit`, and `DatabaseUnavailable` too."""
    row = _asked(engine)
    return judge_versions(row.postgres, row.pgvector)


def describe_server(engine: Engine) -> str:
    """Which Postgres and pgvector that is, and what `check_server` warns of. Raises as that."""
    row = _asked(engine)
    warnings = judge_versions(row.postgres, row.pgvector)
    return "; ".join((f"Postgres {row.release.split()[0]}, pgvector {row.pgvector}", *warnings))


def _asked(engine: Engine) -> Row:
    with engine.connect() as connection:
        row = connection.execute(ASKED).one()
    if row.encoding != "UTF8":
        raise DatabaseUnfit(
            f"The database has the encoding {row.encoding}; Fashion Studio needs UTF8. Make another one: "
            "CREATE DATABASE studio TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'."
        )
    if row.open is False:
        raise DatabaseUnfit(
            f"pgvector is in the schema {row.home}, which the database user may not use. Let an "
            f"administrator GRANT USAGE ON SCHEMA {row.home} TO {row.role}."
        )
    if row.reached is False:
        path = ",".join([*row.path, row.home])
        raise DatabaseUnfit(
            f"pgvector is in the schema {row.home}, which is not in the search path. Put "
            f"?options=-csearch_path={path} at the end of FASHION_STUDIO_DATABASE_URL."
        )
    return row


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

"""How the table of garments behaves, whichever model's it is: what it is stored by, which triggers fire."""

from __future__ import annotations

from sqlalchemy import Connection, text

# Of the table, and of the one beside it for what lies out of line. Each one statement.
STORAGE = text("""
    WITH options AS (
        SELECT garments.oid = to_regclass(:old) AS of_old, option_value AS value,
               CASE WHEN part.oid <> garments.oid THEN 'toast.' ELSE '' END || quote_ident(option_name)
               AS name
        FROM pg_class AS garments
        JOIN pg_class AS part ON part.oid IN (garments.oid, garments.reltoastrelid)
        CROSS JOIN pg_options_to_table(part.reloptions)
        WHERE garments.oid IN (to_regclass(:old), to_regclass(:new))
    )
    SELECT format('ALTER TABLE %s RESET (%s)', :new, name) FROM options
    WHERE NOT of_old AND name NOT IN (SELECT name FROM options WHERE of_old)
    UNION ALL
    SELECT format('ALTER TABLE %s SET (%s = %L)', :new, name, value) FROM options WHERE of_old
""")

TRIGGERS = text("""
    SELECT format('ALTER TABLE %s %s TRIGGER %I', CAST(:new AS text), CASE tgenabled
               WHEN 'O' THEN 'ENABLE' WHEN 'D' THEN 'DISABLE'
               WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' END, tgname)
    FROM pg_trigger WHERE tgrelid = to_regclass(:old) AND NOT tgisinternal
""")


def same_storage(connection: Connection, old: str, new: str) -> list[str]:
    """Statements after which `new` has the storage parameters of `old`, and no others.

    old, new: tables, quoted where need be.
    """
    return list(connection.scalars(STORAGE, {"old": old, "new": new}))


def same_triggers(connection: Connection, old: str, new: str) -> list[str]:
    """Statements after which triggers fire for `new` as they did for `old`, and for `old` none.

    old, new: as of `same_storage`, with like-named triggers.
    """
    return [*connection.scalars(TRIGGERS, {"old": old, "new": new}), no_triggers(old)]


def no_triggers(table: str) -> str:
    """A statement after which no trigger fires for a table; its foreign keys still hold."""
    return f"ALTER TABLE {table} DISABLE TRIGGER USER"

"""Who may do what with the garments, whichever model they are of."""

from __future__ import annotations

from sqlalchemy import Connection, text

from service.errors import DatabaseUnfit

# In this order, each one statement: all that others may do is taken back, and what they may do with
# the other table is granted, of the whole and of single columns. The owners are the same.
SAME = text("""
    WITH old AS (
        SELECT oid, relacl, relowner FROM pg_class WHERE oid = to_regclass(:old)
    ), new AS (
        SELECT oid, relacl, relowner FROM pg_class WHERE oid = to_regclass(:new)
    ), granted AS (
        SELECT 'old' AS of, NULL AS of_column, acl.* FROM old, aclexplode(relacl) AS acl
        UNION ALL
        SELECT 'old', quote_ident(attname), acl.*
        FROM old JOIN pg_attribute ON attrelid = oid, aclexplode(attacl) AS acl
        UNION ALL
        SELECT 'new', NULL, acl.* FROM new, aclexplode(relacl) AS acl
        UNION ALL
        SELECT 'new', NULL, acl.*
        FROM new JOIN pg_attribute ON attrelid = oid, aclexplode(attacl) AS acl
    ), told AS (
        SELECT *, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
                  AS who
        FROM granted WHERE grantee <> (SELECT relowner FROM old)
    )
    SELECT statement FROM (
        SELECT DISTINCT 1 AS place, format('REVOKE ALL ON %s FROM %s CASCADE', :new, who) AS statement
        FROM told WHERE of = 'new'
        UNION ALL
        SELECT 2, format('GRANT %s%s ON %s TO %s%s', privilege_type, ' (' || of_column || ')', :new,
                         who, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM told WHERE of = 'old'
    ) AS statements
    ORDER BY place, statement
""")

# A swap alters the table, what refers to it, and the views of it
OTHERS = text("""
    WITH altered AS (
        SELECT 'garment'::regclass AS relation
        UNION
        SELECT conrelid FROM pg_constraint WHERE confrelid = 'garment'::regclass AND contype = 'f'
        UNION
        SELECT ev_class FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
        WHERE refobjid = 'garment'::regclass AND classid = 'pg_rewrite'::regclass
    )
    SELECT oid::regclass || ' of ' || pg_get_userbyid(relowner)
    FROM pg_class JOIN altered ON relation = oid
    WHERE NOT pg_has_role(relowner, 'USAGE')
    ORDER BY 1
""")

OWNER = text("""
    SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = to_regclass('garment')
""")

SECURED = text("SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass('garment')")


def same_privileges(connection: Connection, old: str, new: str) -> list[str]:
    """Statements after which others may do with `new` what they may do with `old`, and no more.

    old, new: tables with their schemas, quoted.
    """
    return list(connection.scalars(SAME, {"old": old, "new": new}))


def owner_of_garments(connection: Connection) -> str:
    """The role, quoted, to which the table of every model's garments belongs."""
    return str(connection.scalar(OWNER))


def require_open_rows(connection: Connection) -> None:
    """Raises `DatabaseUnfit` where not everyone may see every garment: policies are the table's own, and
    another model's would show them all."""
    if connection.scalar(SECURED):
        raise DatabaseUnfit(
            "The table garment has row level security, which another model's table would lack. Run ALTER "
            "TABLE garment DISABLE ROW LEVEL SECURITY first, and enable it again afterwards."
        )


def require_own(connection: Connection) -> None:
    """Raises `DatabaseUnfit` where the user may not alter the garments' table, a view of it, or a table that
    refers to it: a swap does."""
    others = list(connection.scalars(OTHERS))
    if others:
        raise DatabaseUnfit(
            "Another model takes over by altering what belongs to other roles: "
            f"{', '.join(others)}. Let a superuser or a member of those roles do it, or drop what is not "
            "the catalog's own and make it again afterwards."
        )

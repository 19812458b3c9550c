"""A database that Postgres's own programs can dump and restore, pg_upgrade among them.

Safe while the old version serves: components are forgotten as before, of kept models' garments too.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# A restore has an empty search path, where IS DISTINCT FROM does not find pgvector's `=`; that of bytea is
# always there. A kept model's garments have the trigger as well, where it does not fire: replaced, it would
TRIGGER = """
DO $replace$ DECLARE found record; BEGIN
    FOR found IN SELECT tgrelid::regclass AS place, tgname AS name, tgenabled AS fires
                 FROM pg_trigger WHERE tgfoid = 'garment_forget_components()'::regprocedure
    LOOP
        EXECUTE format($trigger$
            CREATE OR REPLACE TRIGGER %2$I BEFORE UPDATE OF embedding ON %1$s FOR EACH ROW
            WHEN ({same} AND {changed})
            EXECUTE FUNCTION garment_forget_components()
        $trigger$, found.place, found.name);
        EXECUTE format('ALTER TABLE %s %s TRIGGER %I', found.place, CASE found.fires
            WHEN 'O' THEN 'ENABLE' WHEN 'D' THEN 'DISABLE'
            WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' END, found.name);
    END LOOP;
END $replace$;
"""

UPGRADE = TRIGGER.format(
    same="halfvec_send(NEW.components) IS NOT DISTINCT FROM halfvec_send(OLD.components)",
    changed="halfvec_send(NEW.embedding) IS DISTINCT FROM halfvec_send(OLD.embedding)",
)

DOWNGRADE = TRIGGER.format(
    same="NEW.components IS NOT DISTINCT FROM OLD.components",
    changed="NEW.embedding IS DISTINCT FROM OLD.embedding",
)


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)

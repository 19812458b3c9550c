"""Principal components beside each embedding, and the embedding out of line.

Safe while the old version serves: it neither reads nor writes what is added, and the trigger forgets
components whose embedding it replaces. Garments get theirs by `fashion-studio index`, or when the
next ingest ends; until then they are searched exactly. That command also drops the indexes on the
whole embedding, which only the old version uses.
"""

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Not another program's table of that name
OURS = text("""
    SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = 'ck_projection_components'
                   AND conrelid = to_regclass(format('%I.projection', current_schema())))
""")

TABLE = """
CREATE TABLE projection (
    model_id   integer     NOT NULL CONSTRAINT pk_projection PRIMARY KEY
               CONSTRAINT fk_projection_model_id REFERENCES model ON DELETE CASCADE,
    mean       bytea       NOT NULL,
    components bytea       NOT NULL,
    fitted_to  integer     NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_projection_mean CHECK (octet_length(mean) = 8192),
    CONSTRAINT ck_projection_components CHECK (octet_length(components) = 524288)
);
"""

# The index is built outside the transaction, so that this may meet what a killed upgrade has left
UPGRADE = """
-- No row is rewritten: garments that are there keep their embeddings in the row until they are
-- updated, and are found all the same
ALTER TABLE garment
    ADD COLUMN IF NOT EXISTS components halfvec(128),
    ALTER components SET STORAGE PLAIN,
    ALTER embedding SET STORAGE EXTERNAL;

CREATE OR REPLACE FUNCTION garment_forget_components() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.components := NULL;
    RETURN NEW;
END $$;

-- Components never outlive the embedding that they were made from, whoever replaces it
CREATE OR REPLACE TRIGGER garment_forget_components BEFORE UPDATE OF embedding ON garment FOR EACH ROW
WHEN (NEW.components IS NOT DISTINCT FROM OLD.components
      AND NEW.embedding IS DISTINCT FROM OLD.embedding)
EXECUTE FUNCTION garment_forget_components();
"""

INDEX = """
CREATE INDEX CONCURRENTLY ix_garment_unprojected ON garment (label) WHERE components IS NULL
"""

DROP_INDEX = "DROP INDEX CONCURRENTLY IF EXISTS ix_garment_unprojected"

DOWNGRADE = """
DROP TRIGGER IF EXISTS garment_forget_components ON garment;
DROP FUNCTION IF EXISTS garment_forget_components();
ALTER TABLE garment
    DROP COLUMN IF EXISTS components,
    ALTER embedding SET STORAGE PLAIN;
"""


def upgrade() -> None:
    if not op.get_bind().scalar(OURS):
        op.execute(TABLE)
    op.execute(UPGRADE)
    with op.get_context().autocommit_block():
        op.execute(DROP_INDEX)  # what an upgrade that was killed here has left
        op.execute(INDEX)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(DROP_INDEX)
    op.execute(DOWNGRADE)
    if op.get_bind().scalar(OURS):
        op.execute("DROP TABLE projection")

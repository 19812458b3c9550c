"""API keys: names that tell them apart, known scopes, when they were last used."""

from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE api_key
    ADD last_used_at timestamptz,
    ADD CONSTRAINT ck_api_key_scopes
        CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write', 'admin']);
-- A revoked key leaves its name to another
CREATE UNIQUE INDEX uq_api_key_name ON api_key (name) WHERE revoked_at IS NULL;
"""

DOWNGRADE = """
DROP INDEX uq_api_key_name;
ALTER TABLE api_key
    DROP CONSTRAINT ck_api_key_scopes,
    DROP last_used_at;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)

"""A photo of a set in which no garment was recognised: a confidence, and neither label nor error."""

from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE upload
    DROP CONSTRAINT ck_upload_label_or_error,
    DROP CONSTRAINT ck_upload_label_with_confidence,
    ADD CONSTRAINT ck_upload_confidence_or_error CHECK (num_nonnulls(confidence, error) = 1),
    ADD CONSTRAINT ck_upload_label_with_confidence
        CHECK (label IS NULL OR confidence IS NOT NULL);
"""

# The older schema says why a photo has no label, and has no place for the guess
DOWNGRADE = """
ALTER TABLE upload
    DROP CONSTRAINT ck_upload_confidence_or_error,
    DROP CONSTRAINT ck_upload_label_with_confidence;
UPDATE upload SET error = 'No garment was recognised.', confidence = NULL
WHERE label IS NULL AND error IS NULL;
ALTER TABLE upload
    ADD CONSTRAINT ck_upload_label_or_error CHECK (num_nonnulls(label, error) = 1),
    ADD CONSTRAINT ck_upload_label_with_confidence
        CHECK (num_nulls(label, confidence) IN (0, 2));
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)

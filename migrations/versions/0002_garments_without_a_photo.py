"""Garments of imported embeddings: there may be no photo, and so neither hash nor confidence."""

from alembic import op
from sqlalchemy import text

from service.errors import DowngradeRefused

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A change of the system catalog alone: the table is locked for a moment, and not read
UPGRADE = """
ALTER TABLE garment
    ALTER confidence DROP NOT NULL,
    ALTER predicted_label DROP NOT NULL,
    ALTER content_sha256 DROP NOT NULL;
"""

# SET NOT NULL reads the table under the same lock, so that no import comes between
LOCK = "LOCK TABLE garment IN ACCESS EXCLUSIVE MODE"

UNKNOWN = text("""
    SELECT count(*) FROM garment
    WHERE confidence IS NULL OR predicted_label IS NULL OR content_sha256 IS NULL
""")

DOWNGRADE = """
ALTER TABLE garment
    ALTER confidence SET NOT NULL,
    ALTER predicted_label SET NOT NULL,
    ALTER content_sha256 SET NOT NULL;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(LOCK)
    unknown = op.get_bind().scalar(UNKNOWN)
    if unknown:
        raise DowngradeRefused(
            f"Revision 0001 cannot hold {unknown} garments that were imported without their photos. "
            "Take the photos in with `fashion-studio ingest`, or DELETE FROM garment WHERE "
            "confidence IS NULL OR predicted_label IS NULL OR content_sha256 IS NULL."
        )
    op.execute(DOWNGRADE)

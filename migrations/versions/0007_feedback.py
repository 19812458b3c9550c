"""Feedback: whether a match was a good one.

Safe while the old version serves: it neither reads nor writes what is added.
"""

from alembic import op
from sqlalchemy import Connection, text

from service.errors import DowngradeRefused

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# A verdict is about two pictures. Their digests outlive the garments: the same picture taken in again
# is known by them. What was imported without its photo has no digest, and goes with its garment.
UPGRADE = """
CREATE TABLE feedback (
    id           bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_feedback PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT now(),
    query_id     bigint      CONSTRAINT fk_feedback_query_id REFERENCES garment ON DELETE SET NULL,
    match_id     bigint      CONSTRAINT fk_feedback_match_id REFERENCES garment ON DELETE SET NULL,
    verdict      text        NOT NULL,
    query_sha256 bytea,
    match_sha256 bytea,
    CONSTRAINT ck_feedback_verdict CHECK (verdict IN ('good', 'bad')),
    CONSTRAINT ck_feedback_query_sha256 CHECK (octet_length(query_sha256) = 32),
    CONSTRAINT ck_feedback_match_sha256 CHECK (octet_length(match_sha256) = 32)
);
CREATE INDEX ix_feedback_query_id ON feedback (query_id);
CREATE INDEX ix_feedback_match_id ON feedback (match_id);
"""

# Nobody says it again, so it is not lost unasked
LOCK = "LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE"


def upgrade() -> None:
    op.execute(UPGRADE)


def check_downgrade(connection: Connection) -> None:
    """Asked before any revision above this one is undone. Raises `DowngradeRefused`."""
    verdicts = connection.scalar(text("SELECT count(*) FROM feedback"))
    if verdicts:
        raise DowngradeRefused(
            f"Revision 0006 has no place for the {verdicts} verdicts on matches. Keep them by "
            "`fashion-studio feedback export`, then empty the table feedback."
        )


def downgrade() -> None:
    op.execute(LOCK)
    check_downgrade(op.get_bind())
    op.execute("DROP TABLE feedback")

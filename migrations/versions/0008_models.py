"""A new model beside the serving one: where bundles lie, and the record of a switch.

Safe while the old version serves: it neither reads nor writes what is added. The embeddings of another
model lie in a schema of their own, which `fashion-studio models use` makes and `models drop` removes.
"""

from alembic import op
from sqlalchemy import Connection, text

from service.errors import DowngradeRefused

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# folder: where the machine that registered the bundle has it.
# served_until: when another model took over; NULL for the one that serves and for those that never did.
UPGRADE = """
ALTER TABLE model
    ADD folder       text,
    ADD served_until timestamptz;

CREATE TABLE model_switch (
    id               bigint      GENERATED ALWAYS AS IDENTITY
                     CONSTRAINT pk_model_switch PRIMARY KEY,
    model_id         integer     NOT NULL
                     CONSTRAINT fk_model_switch_model_id REFERENCES model ON DELETE CASCADE,
    state            text        NOT NULL DEFAULT 'running',
    stage            text        NOT NULL DEFAULT 'waiting',
    options          jsonb       NOT NULL,
    started_at       timestamptz NOT NULL DEFAULT now(),
    heartbeat_at     timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz,
    total            integer     NOT NULL DEFAULT 0,
    done             integer     NOT NULL DEFAULT 0,
    attempt          integer     NOT NULL DEFAULT 0,
    cancel_requested boolean     NOT NULL DEFAULT false,
    report           jsonb,
    error            text,
    CONSTRAINT ck_model_switch_state CHECK (
        state IN ('queued', 'running', 'done', 'refused', 'failed', 'cancelled', 'interrupted')),
    CONSTRAINT ck_model_switch_finished_at
        CHECK ((state IN ('queued', 'running')) = (finished_at IS NULL))
);

CREATE TABLE model_unread (
    model_id   integer     NOT NULL
               CONSTRAINT fk_model_unread_model_id REFERENCES model ON DELETE CASCADE,
    garment_id bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    reason     text        NOT NULL,
    CONSTRAINT pk_model_unread PRIMARY KEY (model_id, garment_id)
);
"""

BESIDE = text("""
    SELECT name || '@' || version FROM model
    WHERE to_regnamespace(quote_ident(current_schema() || '_model_' || id)) IS NOT NULL
    ORDER BY id
""")

DOWNGRADE = """
DROP TABLE model_unread;
DROP TABLE model_switch;
ALTER TABLE model DROP folder, DROP served_until;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def check_downgrade(connection: Connection) -> None:
    """Asked before any revision above this one is undone. Raises `DowngradeRefused`."""
    beside = list(connection.scalars(BESIDE))
    if beside:
        raise DowngradeRefused(
            f"An earlier version knows nothing of the embeddings kept of {', '.join(beside)}. "
            "Free them with `fashion-studio models drop`."
        )


def downgrade() -> None:
    check_downgrade(op.get_bind())
    op.execute(DOWNGRADE)

"""Background work: procrastinate's tables, imports that can be resumed and cancelled, recall kept."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PROCRASTINATE = Path(__file__).parents[1] / "sql" / "procrastinate-3.10.sql"

# attempt: every start of a run takes a new number, and only the newest may write.
# last_item: with `seen`, where a run that is started again goes on.
UPGRADE = """
ALTER TABLE import_run
    ADD attempt          integer     NOT NULL DEFAULT 0,
    ADD last_item        text,
    ADD heartbeat_at     timestamptz NOT NULL DEFAULT now(),
    ADD cancel_requested boolean     NOT NULL DEFAULT false,
    ADD error            text,
    DROP CONSTRAINT ck_import_run_state,
    DROP CONSTRAINT ck_import_run_finished_at;
ALTER TABLE import_run
    ADD CONSTRAINT ck_import_run_state
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')),
    ADD CONSTRAINT ck_import_run_finished_at
        CHECK ((state IN ('queued', 'running')) = (finished_at IS NULL));
-- Those that a run of before left behind: no one beats for them
UPDATE import_run SET state = 'interrupted', finished_at = now() WHERE state = 'running';

CREATE TABLE index_recall (
    label       text        NOT NULL
                CONSTRAINT pk_index_recall PRIMARY KEY
                CONSTRAINT fk_index_recall_label REFERENCES category ON DELETE CASCADE,
    recall      real        NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_index_recall_recall CHECK (recall BETWEEN 0 AND 1)
);
"""

DOWNGRADE = """
DROP TABLE index_recall;

UPDATE import_run SET state = 'failed', finished_at = coalesce(finished_at, now())
WHERE state NOT IN ('done', 'failed');
ALTER TABLE import_run
    DROP CONSTRAINT ck_import_run_state,
    DROP CONSTRAINT ck_import_run_finished_at,
    DROP attempt, DROP last_item, DROP heartbeat_at, DROP cancel_requested, DROP error;
ALTER TABLE import_run
    ADD CONSTRAINT ck_import_run_state CHECK (state IN ('running', 'done', 'failed')),
    ADD CONSTRAINT ck_import_run_finished_at CHECK ((state = 'running') = (finished_at IS NULL));

DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs,
    procrastinate_workers CASCADE;
DO $$
DECLARE thing text;
BEGIN
    FOR thing IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = to_regnamespace(quote_ident(current_schema()))
          AND starts_with(proname, 'procrastinate_')
    LOOP
        EXECUTE 'DROP FUNCTION ' || thing;
    END LOOP;
END
$$;
DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_status, procrastinate_job_event_type;
"""


def upgrade() -> None:
    # Colons and percent signs in it are its own
    op.get_bind().exec_driver_sql(
        PROCRASTINATE.read_text(encoding="utf-8"), execution_options={"no_parameters": True}
    )
    op.execute(UPGRADE)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWNGRADE, execution_options={"no_parameters": True})

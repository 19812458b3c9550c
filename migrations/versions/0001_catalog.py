"""The catalog: categories, models, garments with their embeddings, sets, imports, keys."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UPGRADE = """
-- Needs a superuser, or a server where pgvector is a trusted extension (its default)
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE category (
    name     text     NOT NULL CONSTRAINT pk_category PRIMARY KEY,
    position smallint NOT NULL
);

CREATE TABLE model (
    id             integer     GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_model PRIMARY KEY,
    name           text        NOT NULL,
    version        text        NOT NULL,
    content_sha256 bytea       NOT NULL CONSTRAINT uq_model_content_sha256 UNIQUE,
    labels         text[]      NOT NULL,
    input_size     integer     NOT NULL,
    feature_size   integer     NOT NULL,
    serving        boolean     NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ck_model_content_sha256 CHECK (octet_length(content_sha256) = 32)
);
-- At most one model serves
CREATE UNIQUE INDEX uq_model_serving ON model (serving) WHERE serving;

CREATE TABLE garment (
    id              bigint        GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_garment PRIMARY KEY,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    updated_at      timestamptz   NOT NULL DEFAULT now(),
    model_id        integer       NOT NULL CONSTRAINT fk_garment_model_id REFERENCES model,
    confidence      real          NOT NULL,
    label           text          NOT NULL CONSTRAINT fk_garment_label REFERENCES category,
    predicted_label text          NOT NULL
                    CONSTRAINT fk_garment_predicted_label REFERENCES category,
    label_source    text          NOT NULL,
    image_path      text          NOT NULL CONSTRAINT uq_garment_image_path UNIQUE,
    content_sha256  bytea         NOT NULL,
    embedding       halfvec(2048) NOT NULL,
    CONSTRAINT ck_garment_label_source CHECK (label_source IN ('given', 'predicted')),
    CONSTRAINT ck_garment_confidence CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT ck_garment_content_sha256 CHECK (octet_length(content_sha256) = 32)
);
-- The embedding stays in the row, where an exact search reads it more than twice as fast, and where
-- the planner counts its cost. MAIN keeps the others beside it: a row this long would, by default,
-- have them moved out.
ALTER TABLE garment
    ALTER embedding SET STORAGE PLAIN,
    ALTER content_sha256 SET STORAGE PLAIN,
    ALTER image_path SET STORAGE MAIN,
    ALTER label SET STORAGE MAIN,
    ALTER predicted_label SET STORAGE MAIN,
    ALTER label_source SET STORAGE MAIN;
CREATE INDEX ix_garment_label_id ON garment (label, id);
CREATE INDEX ix_garment_content_sha256 ON garment (content_sha256);

CREATE TABLE upload_set (
    id         uuid        NOT NULL DEFAULT gen_random_uuid() CONSTRAINT pk_upload_set PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    model_id   integer     NOT NULL CONSTRAINT fk_upload_set_model_id REFERENCES model
);

CREATE TABLE upload (
    set_id     uuid    NOT NULL
               CONSTRAINT fk_upload_set_id REFERENCES upload_set ON DELETE CASCADE,
    position   integer NOT NULL,
    filename   text    NOT NULL,
    label      text    CONSTRAINT fk_upload_label REFERENCES category,
    confidence real,
    error      text,
    CONSTRAINT pk_upload PRIMARY KEY (set_id, position),
    CONSTRAINT ck_upload_label_or_error CHECK (num_nonnulls(label, error) = 1),
    CONSTRAINT ck_upload_label_with_confidence CHECK (num_nulls(label, confidence) IN (0, 2)),
    CONSTRAINT ck_upload_confidence CHECK (confidence BETWEEN 0 AND 1)
);
CREATE INDEX ix_upload_label ON upload (label);

CREATE TABLE import_run (
    id          bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_import_run PRIMARY KEY,
    source      text        NOT NULL,
    labels      text        NOT NULL,
    state       text        NOT NULL DEFAULT 'running',
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    total       integer,
    seen        integer     NOT NULL DEFAULT 0,
    added       integer     NOT NULL DEFAULT 0,
    updated     integer     NOT NULL DEFAULT 0,
    unchanged   integer     NOT NULL DEFAULT 0,
    rejected    integer     NOT NULL DEFAULT 0,
    CONSTRAINT ck_import_run_labels CHECK (labels IN ('given', 'predicted')),
    CONSTRAINT ck_import_run_state CHECK (state IN ('running', 'done', 'failed')),
    CONSTRAINT ck_import_run_finished_at CHECK ((state = 'running') = (finished_at IS NULL))
);

CREATE TABLE import_error (
    id         bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_import_error PRIMARY KEY,
    run_id     bigint NOT NULL
               CONSTRAINT fk_import_error_run_id REFERENCES import_run ON DELETE CASCADE,
    image_path text   NOT NULL,
    reason     text   NOT NULL
);
CREATE INDEX ix_import_error_run_id ON import_error (run_id);

CREATE TABLE api_key (
    id         integer     GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_api_key PRIMARY KEY,
    name       text        NOT NULL,
    key_sha256 bytea       NOT NULL CONSTRAINT uq_api_key_key_sha256 UNIQUE,
    scopes     text[]      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    CONSTRAINT ck_api_key_key_sha256 CHECK (octet_length(key_sha256) = 32)
);
"""

# The extension stays: it may have been there before, and other tables may use it
DOWNGRADE = """
DROP TABLE api_key;
DROP TABLE import_error;
DROP TABLE import_run;
DROP TABLE upload;
DROP TABLE upload_set;
DROP TABLE garment;
DROP TABLE model;
DROP TABLE category;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)

"""Analytics: views over the catalog, and tables for what needs the neighbours of every garment.

Safe while the old version serves: it neither reads nor writes what is added.
"""

from alembic import op
from sqlalchemy import Connection, text

from service.errors import DowngradeRefused

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE analysis (
    id                   bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_analysis PRIMARY KEY,
    model_id             integer     NOT NULL
                         CONSTRAINT fk_analysis_model_id REFERENCES model ON DELETE CASCADE,
    started_at           timestamptz NOT NULL DEFAULT now(),
    heartbeat_at         timestamptz NOT NULL DEFAULT now(),
    finished_at          timestamptz,
    cancel_requested     boolean     NOT NULL DEFAULT false,
    done                 integer     NOT NULL DEFAULT 0,
    total                integer     NOT NULL DEFAULT 0,
    duplicate_similarity real        NOT NULL,
    CONSTRAINT ck_analysis_duplicate_similarity CHECK (duplicate_similarity BETWEEN 0 AND 1)
);
COMMENT ON TABLE analysis IS
    'When the neighbours of every garment were last searched, and how far that is where it runs';

CREATE TABLE neighbourhood (
    garment_id       bigint   NOT NULL CONSTRAINT pk_neighbourhood PRIMARY KEY
                     CONSTRAINT fk_neighbourhood_garment_id REFERENCES garment ON DELETE CASCADE,
    isolation        real     NOT NULL,
    same_label       smallint NOT NULL,
    suggested        smallint NOT NULL,
    duplicate_group  bigint,
    examined_as      text     NOT NULL,
    suggested_label  text,
    neighbours       bigint[] NOT NULL,
    similarities     real[]   NOT NULL,
    CONSTRAINT ck_neighbourhood_similarities
        CHECK (cardinality(similarities) = cardinality(neighbours))
);
COMMENT ON TABLE neighbourhood IS
    'Of every garment the garments most like it, of any label, as the last analysis found them';

CREATE TABLE similarity_threshold (
    label            text    NOT NULL
                     CONSTRAINT fk_similarity_threshold_label REFERENCES category ON DELETE CASCADE,
    wanted_precision float8  NOT NULL,
    similarity       float8,
    precision        float8,
    pairs            integer NOT NULL,
    share            float8  NOT NULL,
    CONSTRAINT pk_similarity_threshold PRIMARY KEY (label, wanted_precision),
    CONSTRAINT ck_similarity_threshold_precision CHECK (num_nulls(similarity, precision) IN (0, 2))
);
COMMENT ON TABLE similarity_threshold IS
    'From which similarity on neighbours share a label, as the last analysis measured it';
"""

VIEWS = """
CREATE VIEW catalog_categories AS
SELECT category.name AS label,
       category.position,
       count(garment.id) AS garments,
       count(garment.id)::float8 / greatest(sum(count(garment.id)) OVER (), 1)::float8 AS share,
       count(*) FILTER (WHERE label_source = 'given') AS given,
       count(*) FILTER (WHERE label_source = 'predicted') AS predicted
FROM category LEFT JOIN garment ON garment.label = category.name
GROUP BY category.name;

CREATE VIEW catalog_agreement AS
SELECT label,
       predicted_label,
       count(*) AS garments,
       count(*)::float8 / sum(count(*)) OVER of_label::float8 AS share,
       coalesce(sum(count(*)) FILTER (WHERE predicted_label = label) OVER of_label, 0)::float8
           / sum(count(*)) OVER of_label::float8 AS agreement
FROM garment
WHERE label_source = 'given' AND predicted_label IS NOT NULL
GROUP BY label, predicted_label
WINDOW of_label AS (PARTITION BY label);

CREATE VIEW catalog_confidence AS
SELECT label,
       count(*) AS garments,
       avg(confidence) AS mean,
       min(confidence)::float8 AS lowest,
       percentile_cont(0.10) WITHIN GROUP (ORDER BY confidence) AS p10,
       percentile_cont(0.25) WITHIN GROUP (ORDER BY confidence) AS p25,
       percentile_cont(0.50) WITHIN GROUP (ORDER BY confidence) AS median,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY confidence) AS p75,
       percentile_cont(0.90) WITHIN GROUP (ORDER BY confidence) AS p90,
       max(confidence)::float8 AS highest
FROM garment
WHERE confidence IS NOT NULL
GROUP BY label;

CREATE VIEW catalog_growth AS
SELECT day, added, sum(added) OVER (ORDER BY day)::bigint AS garments
FROM (
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS added
    FROM garment
    GROUP BY day
) AS days;

CREATE VIEW catalog_sets AS
SELECT (upload_set.created_at AT TIME ZONE 'UTC')::date AS day,
       rank() OVER (
           PARTITION BY (upload_set.created_at AT TIME ZONE 'UTC')::date ORDER BY count(*) DESC
       ) AS rank,
       label,
       count(*) AS images,
       count(*)::float8 / sum(count(*)) OVER (
           PARTITION BY (upload_set.created_at AT TIME ZONE 'UTC')::date
       )::float8 AS share,
       count(DISTINCT set_id) AS sets
FROM upload JOIN upload_set ON upload_set.id = set_id
WHERE label IS NOT NULL
GROUP BY (upload_set.created_at AT TIME ZONE 'UTC')::date, label;

CREATE VIEW catalog_models AS
SELECT model.name || '@' || model.version AS model,
       serving,
       coalesce(garments, 0) AS garments,
       coalesce(garments, 0)::float8 / greatest(sum(garments) OVER (), 1)::float8 AS share,
       coalesce(searchable, 0) AS indexed,
       first_at,
       last_at,
       model.created_at AS registered_at
FROM model LEFT JOIN (
    SELECT model_id,
           count(*) AS garments,
           count(components) AS searchable,
           min(created_at) AS first_at,
           max(updated_at) AS last_at
    FROM garment
    GROUP BY model_id
) AS covered ON model_id = model.id;

CREATE VIEW catalog_neighbours AS
SELECT garment.id AS garment_id,
       garment.label,
       rank,
       neighbour.id AS neighbour_id,
       neighbour.label AS neighbour_label,
       near.similarity
FROM neighbourhood
JOIN garment ON garment.id = garment_id
CROSS JOIN unnest(neighbours, similarities) WITH ORDINALITY AS near (id, similarity, rank)
JOIN garment AS neighbour ON neighbour.id = near.id;

-- What is alone is left out first: the windows sort what remains
CREATE VIEW catalog_duplicates AS
WITH repeated AS (
    SELECT content_sha256 FROM garment
    WHERE content_sha256 IS NOT NULL
    GROUP BY content_sha256 HAVING count(*) > 1
), listed AS (
    SELECT id, image_path, label, repeated.content_sha256 AS bytes, duplicate_group,
           similarities[1] AS similarity
    FROM garment
    LEFT JOIN repeated USING (content_sha256)
    LEFT JOIN neighbourhood ON garment_id = id
    WHERE repeated.content_sha256 IS NOT NULL OR duplicate_group IS NOT NULL
), grouped AS (
    SELECT *, CASE WHEN bytes IS NULL THEN duplicate_group
                   ELSE coalesce(min(duplicate_group) OVER same, min(id) OVER same) END AS group_id
    FROM listed
    WINDOW same AS (PARTITION BY bytes)
), counted AS (
    SELECT *, count(*) OVER (PARTITION BY group_id) AS garments FROM grouped
)
SELECT group_id,
       garments,
       id AS garment_id,
       image_path,
       label,
       bytes IS NOT NULL AS identical,
       CASE WHEN bytes IS NULL THEN similarity ELSE 1 END::float8 AS similarity
FROM counted
WHERE garments > 1;

CREATE VIEW catalog_mislabels AS
SELECT garment.id AS garment_id,
       image_path,
       garment.label,
       label_source,
       suggested_label,
       predicted_label,
       (suggested - same_label)::float8 / cardinality(neighbours) AS suspicion,
       same_label,
       suggested,
       similarities[1]::float8 AS similarity
FROM neighbourhood JOIN garment ON garment.id = garment_id
WHERE suggested > same_label AND examined_as = garment.label;

CREATE VIEW catalog_outliers AS
SELECT garment.id AS garment_id,
       image_path,
       garment.label,
       label_source,
       similarities[1]::float8 AS similarity,
       neighbours[1] AS nearest_id,
       isolation::float8 AS isolation
FROM neighbourhood JOIN garment ON garment.id = garment_id
WHERE isolation > 3.5;

CREATE VIEW catalog_thresholds AS
SELECT label, wanted_precision, similarity, precision, pairs, share FROM similarity_threshold;
"""

# What a view shows, and what its columns mean: `analytics`, the API and psql's \d+ repeat it
COMMENTS = {
    "catalog_categories": (
        "Garments per category",
        {
            "label": "the category",
            "position": "its place in the model's order, from 0",
            "garments": "garments of it",
            "share": "of all garments, 0 to 1",
            "given": "whose label a person or a file gave",
            "predicted": "whose label the model gave",
        },
    ),
    "catalog_agreement": (
        "Given labels against the model's: the confusion matrix, without its zeros",
        {
            "label": "the given label",
            "predicted_label": "what the model alone says",
            "garments": "garments with this pair",
            "share": "of the garments with that given label, 0 to 1",
            "agreement": "share of the garments with that given label where the model says the same",
        },
    ),
    "catalog_confidence": (
        "How the model's probability of a garment's label is distributed, per category",
        {
            "label": "the category",
            "garments": "garments of it whose photo the model has seen",
            "mean": "of the probability, 0 to 1",
            "lowest": "the least",
            "p10": "a tenth of the garments have less",
            "p25": "a quarter have less",
            "median": "half have less",
            "p75": "three quarters have less",
            "p90": "nine tenths have less",
            "highest": "the most",
        },
    ),
    "catalog_growth": (
        "Garments by the day on which they came; those removed since do not count",
        {
            "day": "in UTC; days without new garments are left out",
            "added": "garments that came on it",
            "garments": "that and all before",
        },
    ),
    "catalog_sets": (
        "The categories of the photos in stored sets, day by day",
        {
            "day": "on which the sets came, in UTC",
            "rank": "of the category on that day, 1 for the most common; ties share it",
            "label": "the category",
            "images": "photos of it",
            "share": "of that day's labelled photos, 0 to 1",
            "sets": "sets with at least one of it",
        },
    ),
    "catalog_models": (
        "Model bundles, and the garments that each embedded",
        {
            "model": "the bundle, name@version",
            "serving": "whether it answers queries",
            "garments": "garments that it embedded",
            "share": "of all garments, 0 to 1",
            "indexed": "of them those with the components that similarity indexes need",
            "first_at": "when the first of them came",
            "last_at": "when one of them last changed",
            "registered_at": "when the catalog first met the bundle",
        },
    ),
    "catalog_neighbours": (
        "The garments most like each garment, of any label, as the last analysis found them",
        {
            "garment_id": "the garment",
            "label": "its label now",
            "rank": "1 for the nearest",
            "neighbour_id": "the garment that is like it",
            "neighbour_label": "that one's label now",
            "similarity": "cosine, -1 to 1",
        },
    ),
    "catalog_duplicates": (
        "Groups of garments with the same bytes, or so alike that they show the same picture",
        {
            "group_id": "the same for all of a group",
            "garments": "garments in the group",
            "garment_id": "one of them",
            "image_path": "where its picture lies",
            "label": "its label",
            "identical": "whether another garment has its very bytes",
            "similarity": "cosine to the nearest other garment; 1 where it has the same bytes",
        },
    ),
    "catalog_mislabels": (
        "Garments whose neighbours mostly bear another label, as the last analysis found them",
        {
            "garment_id": "the garment; once relabelled it is no longer listed",
            "image_path": "where its picture lies",
            "label": "its label",
            "label_source": "who gave it: given or predicted",
            "suggested_label": "what most of its neighbours of another label bear",
            "predicted_label": "what the model alone says",
            "suspicion": "share of the neighbours with the suggested label less that with its own, 0 to 1",
            "same_label": "neighbours with its own label",
            "suggested": "neighbours with the suggested label",
            "similarity": "cosine to the nearest neighbour",
        },
    ),
    "catalog_outliers": (
        "Garments far from every other, for their label, as the last analysis found them",
        {
            "garment_id": "the garment",
            "image_path": "where its picture lies",
            "label": "its label",
            "label_source": "who gave it: given or predicted",
            "similarity": "cosine to the nearest other garment, of any label",
            "nearest_id": "that garment",
            "isolation": "how far the similarity lies below its label's median, in robust standard "
            "deviations; from 3.5 on listed",
        },
    ),
    "catalog_thresholds": (
        "From which similarity on neighbours share a given label, as the last analysis measured it",
        {
            "label": "the category",
            "wanted_precision": "share of the neighbours with the same label that is wanted, 0 to 1",
            "similarity": "the least cosine that reaches it; null where none does",
            "precision": "the share that was measured from that cosine on",
            "pairs": "pairs of a garment and a neighbour from that cosine on",
            "share": "of all pairs of the category, 0 to 1",
        },
    ),
}


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(VIEWS)
    for view, (says, columns) in COMMENTS.items():
        op.execute(f"COMMENT ON VIEW {view} IS {_literal(says)}")
        for column, means in columns.items():
            op.execute(f"COMMENT ON COLUMN {view}.{column} IS {_literal(means)}")


DEPENDENTS = text("""
    WITH own AS (SELECT to_regclass(name) AS relation FROM unnest(CAST(:names AS text[])) AS name)
    SELECT DISTINCT ev_class::regclass::text
    FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid JOIN own ON relation = refobjid
    WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass
      AND ev_class NOT IN (SELECT relation FROM own WHERE relation IS NOT NULL)
    ORDER BY 1
""")


def check_downgrade(connection: Connection) -> None:
    """Asked before any revision above this one is undone. Raises `DowngradeRefused`."""
    names = [*COMMENTS, "similarity_threshold", "neighbourhood", "analysis"]
    dependents = list(connection.scalars(DEPENDENTS, {"names": names}))
    if dependents:
        raise DowngradeRefused(
            "Revision 0005 has none of the catalog's views, of which views of yours are made: "
            f"{', '.join(dependents)}. Drop them first."
        )


def downgrade() -> None:
    check_downgrade(op.get_bind())
    for view in reversed(COMMENTS):
        op.execute(f"DROP VIEW {view}")
    op.execute("DROP TABLE similarity_threshold, neighbourhood, analysis")


def _literal(said: str) -> str:
    return "'" + said.replace("'", "''").replace(":", r"\:") + "'"

"""What earlier versions of the service said to the database: kept as it was, never mended.

A revision's statements are those that came with it and those of before, unless they were replaced.
A new revision whose version says other things adds them here.
"""

from __future__ import annotations

FROZEN: dict[str, dict[str, str]] = {
    "0001": {
        "serving": "SELECT id, name, version, content_sha256 FROM model WHERE serving",
        "still serving": "SELECT id FROM model WHERE id = :model_id AND serving FOR SHARE",
        "known": """
            SELECT image_path, encode(content_sha256, 'hex') AS content_sha256, label, label_source
            FROM garment WHERE image_path = ANY (:paths) AND model_id = :model_id
        """,
        "write": """
            INSERT INTO garment (image_path, label, label_source, confidence, predicted_label,
                                 content_sha256, embedding, model_id)
            VALUES (:path, 'Blazer', 'given', 0.5, 'Blazer', :digest, :embedding, :model_id)
            ON CONFLICT (image_path) DO UPDATE
            SET label = EXCLUDED.label, label_source = EXCLUDED.label_source,
                confidence = EXCLUDED.confidence, predicted_label = EXCLUDED.predicted_label,
                content_sha256 = EXCLUDED.content_sha256, embedding = EXCLUDED.embedding,
                model_id = EXCLUDED.model_id, updated_at = now()
            RETURNING id AS garment_id
        """,
        "relabel": """
            UPDATE garment SET label = 'Blazer', label_source = 'given', updated_at = now()
            WHERE id = :garment_id
        """,
        "garment": """
            SELECT garment.id, image_path, label, label_source, confidence, predicted_label,
                   model.name || '@' || model.version AS model, garment.created_at
            FROM garment JOIN model ON model.id = garment.model_id
            WHERE garment.id = :garment_id
        """,
        "count": """
            SELECT category.name AS label, count(garment.id) AS count
            FROM category LEFT JOIN garment ON garment.label = category.name
            GROUP BY category.name ORDER BY category.position, category.name
        """,
        "similar": """
            SELECT id, image_path, label, 1 - distance AS similarity
            FROM (
                SELECT id, image_path, label, embedding <=> :query AS distance
                FROM garment
                WHERE label = :label AND id <> ALL (CAST(:exclude AS bigint[]))
                ORDER BY distance, id LIMIT 9
            ) AS nearest
            ORDER BY distance, id
        """,
        "store set": "INSERT INTO upload_set (model_id) VALUES (:model_id) RETURNING id AS set_id",
        "store images": """
            INSERT INTO upload (set_id, position, filename, label, confidence, error)
            VALUES (:set_id, 0, 'a.jpg', 'Tee', 0.5, NULL)
        """,
        "top": """
            SELECT label, count(*) AS count FROM upload WHERE set_id = :set_id GROUP BY label
        """,
        "start": """
            INSERT INTO import_run (source, labels) VALUES ('/photos', 'given') RETURNING id AS run_id
        """,
        "record": """
            UPDATE import_run SET seen = seen + 2, added = added + 1, rejected = rejected + 1
            WHERE id = :run_id
        """,
        "reject": """
            INSERT INTO import_error (run_id, image_path, reason) VALUES (:run_id, 'b.jpg', 'broken')
        """,
        "finish": "UPDATE import_run SET state = 'done', finished_at = now() WHERE id = :run_id",
        "forget": "DELETE FROM garment WHERE id = :garment_id",
    },
    "0002": {
        "write features": """
            INSERT INTO garment (image_path, label, label_source, confidence, predicted_label,
                                 content_sha256, embedding, model_id)
            VALUES (:path, 'Blazer', 'given', NULL, NULL, NULL, :embedding, :model_id)
            ON CONFLICT (image_path) DO UPDATE SET embedding = EXCLUDED.embedding
        """,
    },
    "0003": {
        "project": """
            UPDATE garment
            SET components = CAST(subvector(l2_normalize(embedding), 1, 128) AS halfvec(128))
            WHERE id = :garment_id AND components IS NULL
        """,
        "lookup": """
            SELECT name,
                   NOT EXISTS (SELECT FROM garment WHERE label = name AND components IS NULL),
                   (SELECT created_at FROM projection
                    WHERE model_id = (SELECT id FROM model WHERE serving)) AS fitted_at
            FROM category WHERE name = :label
        """,
    },
    "0004": {
        "store key": """
            INSERT INTO api_key (name, key_sha256, scopes)
            VALUES (:path, sha256(convert_to(:path, 'UTF8')), ARRAY['read']) RETURNING id AS key_id
        """,
        "find key": """
            SELECT *, coalesce(last_used_at < now() - interval '1 minute', true) AS stale
            FROM api_key WHERE key_sha256 = sha256(convert_to(:path, 'UTF8')) AND revoked_at IS NULL
        """,
        "used key": "UPDATE api_key SET last_used_at = now() WHERE id = :key_id",
        "revoke key": "UPDATE api_key SET revoked_at = now() WHERE id = :key_id",
    },
    "0005": {
        "start": """
            INSERT INTO import_run (source, labels, attempt) VALUES ('/photos', 'given', 1)
            RETURNING id AS run_id
        """,
        "record": """
            UPDATE import_run
            SET seen = seen + 2, added = added + 1, rejected = rejected + 1, last_item = 'b.jpg',
                heartbeat_at = now()
            WHERE id = :run_id AND attempt = 1 AND state = 'running'
        """,
        "beat": """
            UPDATE import_run SET heartbeat_at = now(), total = coalesce(NULL, total)
            WHERE id = :run_id AND attempt = 1 AND state = 'running' RETURNING cancel_requested
        """,
        "finish": """
            UPDATE import_run SET state = 'done', finished_at = now(), error = NULL
            WHERE id = :run_id AND attempt = 1 AND state = 'running'
        """,
        "keep recall": """
            INSERT INTO index_recall (label, recall) VALUES ('Tee', 0.99)
            ON CONFLICT (label) DO UPDATE SET recall = EXCLUDED.recall, measured_at = now()
        """,
    },
    "0006": {
        "begin analysis": """
            WITH killed AS (DELETE FROM analysis WHERE finished_at IS NULL)
            INSERT INTO analysis (model_id, duplicate_similarity, total)
            SELECT model.id, 0.99, (SELECT count(*) FROM garment WHERE model_id = model.id)
            FROM model WHERE serving
            RETURNING id AS analysis_id
        """,
        "beat analysis": """
            UPDATE analysis SET heartbeat_at = clock_timestamp(), done = 1 WHERE id = :analysis_id
            RETURNING cancel_requested
        """,
        "clear neighbours": "DELETE FROM neighbourhood",
        "store neighbours": """
            INSERT INTO neighbourhood (garment_id, isolation, same_label, suggested, duplicate_group,
                                       examined_as, suggested_label, neighbours, similarities)
            SELECT id, 4.5, 0, 10, id, label, 'Tee', ARRAY[id], ARRAY[0.5::real]
            FROM garment WHERE id = :garment_id FOR KEY SHARE OF garment
        """,
        "clear thresholds": "DELETE FROM similarity_threshold",
        "store threshold": """
            INSERT INTO similarity_threshold
                (label, wanted_precision, similarity, precision, pairs, share)
            VALUES (:label, 0.9, 0.8, 0.91, 20, 0.5)
        """,
        "finish analysis": """
            WITH earlier AS (DELETE FROM analysis WHERE id <> :analysis_id)
            UPDATE analysis SET finished_at = clock_timestamp(), done = 1, total = 1
            WHERE id = :analysis_id
        """,
        "standing": """
            SELECT started_at, finished_at, total,
                   model_id IS DISTINCT FROM (SELECT id FROM model WHERE serving) AS other_model
            FROM analysis WHERE finished_at IS NOT NULL
            ORDER BY finished_at DESC LIMIT 1
        """,
        "changed since": """
            SELECT count(*) FROM garment LEFT JOIN neighbourhood ON garment_id = id
            WHERE garment_id IS NULL OR updated_at > now()
        """,
        "categories": "SELECT * FROM catalog_categories ORDER BY position, label",
        "agreement": """
            SELECT * FROM catalog_agreement ORDER BY label, garments DESC, predicted_label
        """,
        "confidence": "SELECT * FROM catalog_confidence ORDER BY label",
        "growth": "SELECT * FROM catalog_growth ORDER BY day DESC",
        "sets": "SELECT * FROM catalog_sets ORDER BY day DESC, rank, label",
        "duplicates": """
            SELECT * FROM catalog_duplicates ORDER BY garments DESC, group_id, garment_id LIMIT 1001
        """,
        "mislabels": """
            SELECT * FROM catalog_mislabels ORDER BY suspicion DESC, similarity DESC, garment_id
            LIMIT 1001
        """,
        "outliers": """
            SELECT * FROM catalog_outliers ORDER BY isolation DESC, garment_id LIMIT 1001
        """,
        "models": "SELECT * FROM catalog_models ORDER BY serving DESC, garments DESC, model",
        "thresholds": "SELECT * FROM catalog_thresholds ORDER BY label, wanted_precision",
        "neighbours": "SELECT * FROM catalog_neighbours WHERE garment_id = :garment_id",
        "meanings": """
            SELECT col_description(attrelid, attnum) FROM pg_attribute
            WHERE attrelid = to_regclass('catalog_duplicates') AND attnum > 0 ORDER BY attnum
        """,
    },
    "0007": {
        "store feedback": """
            INSERT INTO feedback (verdict, query_id, query_sha256, match_id, match_sha256)
            SELECT 'good', NULL, sha256(convert_to(:path, 'UTF8')), id, content_sha256
            FROM garment WHERE id = :garment_id
            RETURNING id AS feedback_id
        """,
        "list feedback": """
            SELECT id, query_id, encode(query_sha256, 'hex') AS query_sha256, match_id, verdict,
                   created_at
            FROM feedback WHERE id < 1000000 ORDER BY id DESC LIMIT 100
        """,
        "judged pairs": """
            SELECT coalesce(encode(query_sha256, 'hex'), query_id::text) AS query,
                   coalesce(encode(match_sha256, 'hex'), match_id::text) AS match,
                   count(*) FILTER (WHERE verdict = 'good') AS good, group_id
            FROM feedback LEFT JOIN catalog_duplicates ON garment_id = match_id
            GROUP BY query, match, group_id
        """,
        "take feedback back": "DELETE FROM feedback WHERE id = :feedback_id",
    },
    "0008": {
        "known models": """
            SELECT id, name, version, encode(content_sha256, 'hex') AS content_sha256, labels, folder,
                   serving, served_until, created_at
            FROM model WHERE serving
        """,
        "note folder": """
            UPDATE model SET folder = :path WHERE id = :model_id AND folder IS DISTINCT FROM :path
        """,
        "start switch": """
            INSERT INTO model_switch (model_id, state, options)
            VALUES (:model_id, 'queued', CAST('{"margin": 0.02}' AS jsonb)) RETURNING id AS switch_id
        """,
        "take switch up": """
            UPDATE model_switch SET state = 'running', attempt = attempt + 1, heartbeat_at = now()
            WHERE id = :switch_id AND finished_at IS NULL
            RETURNING model_id, options, attempt
        """,
        "beat switch": """
            UPDATE model_switch
            SET heartbeat_at = now(), stage = 'embedding', done = 1, total = 2
            WHERE id = :switch_id AND attempt = 1 AND state = 'running'
            RETURNING cancel_requested
        """,
        "note unread": """
            INSERT INTO model_unread (model_id, garment_id, updated_at, reason)
            SELECT :model_id, id, updated_at, 'gone' FROM garment WHERE id = :garment_id
            ON CONFLICT (model_id, garment_id) DO UPDATE
            SET updated_at = EXCLUDED.updated_at, reason = EXCLUDED.reason
        """,
        "unread": """
            SELECT garment.id, image_path, reason FROM model_unread JOIN garment
              ON garment.id = garment_id AND garment.updated_at = model_unread.updated_at
            WHERE model_unread.model_id = :model_id ORDER BY garment.id
        """,
        "try unread again": "DELETE FROM model_unread WHERE model_id = :model_id",
        "keep report": """
            UPDATE model_switch SET report = CAST('{"regressions": []}' AS jsonb)
            WHERE id = :switch_id
        """,
        "last switch": """
            SELECT switch.id, model_id, name || '@' || version AS model, state, stage, options,
                   started_at, heartbeat_at, finished_at, total, done, report, error,
                   cancel_requested,
                   extract(epoch FROM now() - heartbeat_at)::float8 AS silent_seconds
            FROM model_switch AS switch JOIN model ON model.id = model_id
            ORDER BY switch.id DESC LIMIT 1
        """,
        "finish switch": """
            UPDATE model_switch SET state = 'done', finished_at = now(), error = NULL,
                                    heartbeat_at = now()
            WHERE id = :switch_id AND attempt = 1 AND state = 'running'
        """,
    },
    "0010": {
        "store unrecognised": """
            INSERT INTO upload (set_id, position, filename, label, confidence, error)
            VALUES (:set_id, 1, 'b.jpg', NULL, 0.2, NULL)
        """,
        "page": """
            SELECT garment.id, image_path, label, label_source, confidence, predicted_label,
                   model.name || '@' || model.version AS model, garment.created_at
            FROM garment JOIN model ON model.id = garment.model_id
            WHERE garment.id < 1000000 AND label = :label
              AND strpos(lower(image_path), lower(:path)) = 0
            ORDER BY garment.id DESC LIMIT 50
        """,
        "relabel": """
            UPDATE garment
            SET confidence = CASE
                    WHEN label = 'Blazer' THEN confidence
                    WHEN content_sha256 = :digest AND model_id = :model_id THEN CAST(0.5 AS real)
                END,
                label = 'Blazer', label_source = 'given', updated_at = now()
            WHERE id = :garment_id
        """,
        "move": """
            UPDATE garment SET image_path = :path || '.moved', updated_at = now()
            WHERE id = :garment_id AND image_path = :path AND content_sha256 = :digest
              AND NOT EXISTS (SELECT FROM garment AS other
                              WHERE other.image_path = :path || '.moved')
        """,
    },
}

LAST = ("finish", "revoke key", "forget")  # by which a round ends where it began


def statements(revision: str) -> dict[str, str]:
    """What the version of a revision says, in an order that makes sense."""
    said: dict[str, str] = {}
    for since in sorted(FROZEN):
        if since <= revision:
            said |= FROZEN[since]
    return {name: said[name] for name in said if name not in LAST} | {
        name: said[name] for name in LAST if name in said
    }

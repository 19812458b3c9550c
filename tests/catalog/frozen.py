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

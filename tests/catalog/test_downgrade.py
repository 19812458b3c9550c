"""Going down again: what the older schema can hold is kept, and the rest is refused before."""

import pytest
from sqlalchemy import text

from service.catalog import (
    SetImage,
    get_set,
    migrate,
    require_head,
    store_feedback,
    store_set,
)
from service.errors import DatabaseUnavailable, DowngradeRefused

from .samples import row
from .schema import HEAD, schema


def test_going_down_refuses_what_the_older_schema_cannot_hold(engine, loader):
    loader.write([row("a.jpg"), row("b.jpg", content_sha256=None, confidence=None)])
    with pytest.raises(DowngradeRefused, match=r"cannot hold 1 garments .* DELETE FROM garment"):
        migrate(engine, "0001")
    require_head(engine)
    loader.write([row("b.jpg")])
    assert migrate(engine, "0001") == "0001"
    assert not_null(engine) >= {"confidence", "predicted_label", "content_sha256"}
    assert migrate(engine) == HEAD
    assert not_null(engine).isdisjoint({"confidence", "predicted_label", "content_sha256"})


def not_null(engine):
    return {
        name
        for table, name, _, required, *_ in schema(engine, "columns")
        if table == "garment" and required
    }


def test_going_down_leaves_the_extension_to_others(empty):
    migrate(empty)
    migrate(empty, "base")
    with empty.connect() as connection:
        assert connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'vector'"))


def test_going_down_keeps_an_unrecognised_photo_as_one_without_a_label(engine, model_id):
    set_id = store_set(engine, model_id, [SetImage("a.jpg", None, 0.5)])
    migrate(engine, "0005")
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT label, confidence, error FROM upload")).one()
    assert tuple(stored) == (None, None, "No garment was recognised.")
    migrate(engine)
    assert get_set(engine, set_id).images == (
        SetImage("a.jpg", error="No garment was recognised."),
    )


def test_going_down_refuses_to_lose_what_people_said(engine, loader):
    loader.write([row("a.jpg"), row("b.jpg", content_sha256="ef" * 32)])
    store_feedback(engine, 2, "good", query_id=1)
    with pytest.raises(
        DowngradeRefused, match=r"the 1 verdicts .* `fashion-studio feedback export`"
    ):
        migrate(engine, "0005")
    require_head(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM feedback"))
    assert migrate(engine, "0005") == "0005"
    assert migrate(engine) == HEAD


def execute(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_going_down_names_the_views_that_hold_on_to_the_catalogs_own(engine):
    execute(
        engine,
        "CREATE VIEW board AS SELECT label, garments FROM catalog_categories",
        "CREATE VIEW above AS SELECT label FROM board",
        "CREATE MATERIALIZED VIEW stored AS SELECT garment_id FROM neighbourhood",
    )
    with pytest.raises(DowngradeRefused, match=r"made: board, stored\. Drop them first"):
        migrate(engine, "0005")
    require_head(engine)
    execute(engine, "DROP VIEW board CASCADE", "DROP MATERIALIZED VIEW stored")
    assert migrate(engine, "0005") == "0005"


def test_whatever_else_holds_on_is_said_with_the_revision_that_was_reached(engine):
    execute(engine, "CREATE VIEW board AS SELECT count(*) FROM index_recall")
    with pytest.raises(
        DowngradeRefused, match=r"drop table index_recall.*is at revision 0005 now; drop yours"
    ):
        migrate(engine, "0001")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0005"


def test_a_lock_half_way_is_said_with_the_revision_that_was_reached(engine, monkeypatch):
    monkeypatch.setattr("service.catalog.schema.migration.LOCK_TIMEOUT", "200ms")
    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE index_recall IN ACCESS SHARE MODE"))
        with pytest.raises(DatabaseUnavailable, match="is at revision 0005 now; try again"):
            migrate(engine, "0001")

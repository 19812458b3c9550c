"""The migrations on a real server: up, down, at once, and against what SQLAlchemy describes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from pgvector import HalfVector
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from service.catalog import (
    SetImage,
    attach,
    build_indexes,
    get_set,
    leftovers,
    migrate,
    open_engine,
    require_head,
    shelves,
    similar,
    store_set,
)
from service.catalog.migration import _config, _scripts, migration_lock, migrations_folder
from service.catalog.tables import QUEUE_PREFIX, metadata
from service.errors import (
    DatabaseUnavailable,
    DatabaseUnfit,
    DowngradeRefused,
    InvalidParameter,
    SchemaOutdated,
)

from .samples import BUNDLE, clustered, row

ROOT = Path(__file__).resolve().parents[2]
HEAD = _scripts().get_current_head()

SCHEMA = {
    "columns": """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attstorage,
               attidentity, pg_get_expr(adbin, adrelid)
        FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0
          AND relname <> 'alembic_version' AND NOT starts_with(relname::text, 'procrastinate_')
        ORDER BY relname, attnum
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
          AND conrelid::regclass::text <> 'alembic_version'
          AND NOT starts_with(conrelid::regclass::text, 'procrastinate_')
        ORDER BY 1, 2
    """,
    "indexes": """
        SELECT tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
          AND NOT starts_with(tablename::text, 'procrastinate_')
        ORDER BY 1, 2
    """,
}


@pytest.fixture
def empty(empty_database_url):
    engine = open_engine(empty_database_url)
    yield engine
    engine.dispose()


def schema(engine, part):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(SCHEMA[part]))]


def tables(engine):
    return {row[0] for row in schema(engine, "columns")}


def test_up_down_and_up_again(empty):
    assert migrate(empty) == HEAD
    require_head(empty)
    assert tables(empty) == set(metadata.tables)
    assert migrate(empty, "base") == "base"
    assert tables(empty) == set()
    assert migrate(empty, "0001") == "0001"
    with pytest.raises(SchemaOutdated, match=r"at revision 0001.*needs"):
        require_head(empty)
    attach(empty, **BUNDLE)
    assert migrate(empty) == HEAD
    assert migrate(empty, "0001") == "0001"
    assert migrate(empty) == HEAD


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


def test_alembic_finds_nothing_to_change(engine):
    with migration_lock(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.check(config)


def test_alembic_leaves_similarity_indexes_alone(engine, shelve):
    shelve("Tee", 20)
    build_indexes(engine, threshold=10)
    test_alembic_finds_nothing_to_change(engine)
    assert shelves(engine)[0].state == "valid"


@pytest.mark.parametrize("part", list(SCHEMA))
def test_the_migrations_make_what_the_tables_describe(engine, empty, part):
    with empty.begin() as connection:
        connection.execute(text("CREATE EXTENSION vector"))
        metadata.create_all(connection)
    assert schema(engine, part) == schema(empty, part)


QUEUE = """
    SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND starts_with(proname::text, :prefix)
    UNION ALL
    SELECT 'column', attrelid::regclass || '.' || attname,
           format_type(atttypid, atttypmod) || attnotnull || pg_get_expr(adbin, adrelid)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r'
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0
      AND starts_with(relname::text, :prefix)
    UNION ALL
    SELECT 'index', indexname, indexdef FROM pg_indexes WHERE starts_with(tablename::text, :prefix)
    UNION ALL
    SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE NOT tgisinternal AND starts_with(tgrelid::regclass::text, :prefix)
    UNION ALL
    SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid <> 0 AND starts_with(conrelid::regclass::text, :prefix)
    UNION ALL
    SELECT 'type', typname, string_agg(enumlabel, ',' ORDER BY enumsortorder)
    FROM pg_type LEFT JOIN pg_enum ON enumtypid = pg_type.oid
    WHERE starts_with(typname::text, :prefix) GROUP BY typname
    ORDER BY 1, 2, 3
"""


def queue(engine):
    with engine.connect() as connection:
        return list(connection.execute(text(QUEUE), {"prefix": QUEUE_PREFIX}))


def test_the_queue_has_the_schema_that_the_installed_library_needs(engine, empty):
    """Fails when procrastinate is upgraded to one with migrations: write one that applies them."""
    with empty.begin() as connection:
        connection.exec_driver_sql(
            SchemaManager.get_schema(), execution_options={"no_parameters": True}
        )
    assert len(queue(engine)) > 60
    assert queue(engine) == queue(empty)


def test_a_queue_of_another_program_is_left_alone(empty):
    with empty.begin() as connection:
        connection.exec_driver_sql(
            SchemaManager.get_schema(), execution_options={"no_parameters": True}
        )
    with pytest.raises(DatabaseUnfit, match=r"procrastinate_.*of its own"):
        migrate(empty)
    assert len(queue(empty)) > 60


def test_going_down_takes_the_queue_along(engine):
    migrate(engine, "base")
    assert queue(engine) == []


def test_only_the_embedding_lies_outside_a_garments_row(engine, fill):
    """EXTERNAL is moved out first, PLAIN never, MAIN only where a row does not fit a page."""
    storage = {row[1]: row[4] for row in schema(engine, "columns") if row[0] == "garment"}
    assert [name for name, how in storage.items() if how in "xe"] == ["embedding"]
    fill(64)
    with engine.connect() as connection:
        sizes = text(
            "SELECT pg_relation_size(oid) / 64, pg_relation_size(reltoastrelid) / 64"
            " FROM pg_class WHERE relname = 'garment'"
        )
        row, outside = connection.execute(sizes).one()
    assert row < 600  # bytes a garment, components included
    assert 4104 < outside < 6000


def test_an_index_of_an_earlier_revision_gives_way_to_one_of_the_same_answers(empty):
    migrate(empty, "0002")
    model_id = attach(empty, **BUNDLE)
    vectors = clustered(300, 1).astype(np.float16)
    with empty.begin() as connection:  # as the version of that revision wrote them
        for i, vector in enumerate(vectors):
            connection.execute(
                text(
                    "INSERT INTO garment (image_path, label, label_source, confidence,"
                    " predicted_label, content_sha256, embedding, model_id)"
                    " VALUES (:path, 'Tee', 'given', 0.5, 'Tee', :digest, :embedding, :model_id)"
                ),
                {
                    "path": f"{i}.jpg",
                    "digest": bytes(32),
                    "embedding": HalfVector(vector),
                    "model_id": model_id,
                },
            )
        connection.execute(
            text(
                "CREATE INDEX hnsw_garment_tee_0123456789 ON garment"
                " USING hnsw (embedding halfvec_cosine_ops) WHERE label = 'Tee'"
            )
        )
    assert migrate(empty) == HEAD

    def answers(**how):
        return [similar(empty, v, labels=["Tee"], n=9, **how) for v in vectors[::30]]

    before = answers()
    assert {method for _, method in before} == {"exact"}
    assert [matches[0].id for matches, _ in before] == list(range(1, 301, 30))
    assert leftovers(empty) == ["hnsw_garment_tee_0123456789"]
    build_indexes(empty, threshold=200)
    assert leftovers(empty) == []
    for (old, _), (new, method) in zip(before, answers(), strict=True):
        assert method == "hnsw"
        assert new == old
    assert answers(exact=True) == before


def test_an_upgrade_that_was_killed_goes_on(empty, monkeypatch):
    migrate(empty, "0002")
    with monkeypatch.context() as patch:
        patch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", stop_at("0003"))
        with pytest.raises(RuntimeError):
            migrate(empty)
    with empty.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('ix_garment_unprojected')")) is not None
    with pytest.raises(SchemaOutdated, match="at revision 0002"):
        require_head(empty)
    assert migrate(empty) == HEAD
    test_alembic_finds_nothing_to_change(empty)


def stop_at(revision):
    """What replaces alembic's own note that a revision was reached."""
    from alembic.runtime.migration import HeadMaintainer

    note = HeadMaintainer.update_to_step

    def stop(self, step):
        if step.revision.revision == revision:
            raise RuntimeError("killed")
        note(self, step)

    return stop


def test_an_unknown_revision_is_refused_with_the_known_ones(engine):
    with pytest.raises(InvalidParameter, match=r"'0099'\. Choose head, base, or one of .*0001"):
        migrate(engine, "0099")


def test_an_empty_database_is_not_at_head(empty):
    with pytest.raises(SchemaOutdated, match=r"is empty\. Run `fashion-studio migrate`"):
        require_head(empty)


def test_a_database_of_a_newer_version_is_left_alone(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for call in (require_head, migrate):
        with pytest.raises(SchemaOutdated, match=r"9999.*Upgrade Fashion Studio"):
            call(engine)


def test_a_second_migrator_waits_and_finds_nothing_to_do(empty, empty_database_url):
    other = open_engine(empty_database_url)
    reached = []
    second = threading.Thread(target=lambda: reached.append(migrate(other)))
    with migration_lock(empty):
        second.start()
        second.join(0.5)
        assert second.is_alive()
        assert tables(empty) == set()
    second.join(10)
    assert reached == [HEAD]
    assert migrate(empty) == HEAD
    other.dispose()


def test_processes_that_migrate_at_once_all_succeed(empty_database_url):
    code = (
        "import sys; from service.catalog import migrate, open_engine;"
        "print(migrate(open_engine(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, empty_database_url],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [process.communicate()[0].strip() for process in processes] == [HEAD] * 3


def test_a_table_that_stays_locked_gives_one_line_and_changes_nothing(engine, monkeypatch):
    monkeypatch.setattr("service.catalog.migration.LOCK_TIMEOUT", "200ms")
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE garment IN ACCESS SHARE MODE"))
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="stayed locked"):
            migrate(engine, "base")
        assert time.monotonic() - began < 5
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0001"


def test_the_alembic_command_works_in_the_checkout(empty_database_url):
    for arguments in (["upgrade", "head"], ["check"], ["downgrade", "base"]):
        subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=ROOT,
            check=True,
            capture_output=True,
            env=os.environ | {"FASHION_STUDIO_DATABASE_URL": empty_database_url},
        )


def test_the_alembic_command_fails_in_one_line(empty_database_url):
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"FASHION_STUDIO_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/db"},
    )
    assert done.returncode != 0
    assert "Connection refused" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_the_migrations_are_where_the_wheel_or_the_checkout_has_them():
    assert (migrations_folder() / "env.py").is_file()


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

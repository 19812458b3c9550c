"""The migrations on a real server: up and down, at once, killed, locked, and from the command."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from pgvector import HalfVector
from sqlalchemy import make_url, text

from service.catalog import (
    attach,
    build_indexes,
    leftovers,
    migrate,
    open_engine,
    require_head,
    similar,
)
from service.catalog.schema.migration import _scripts, migration_lock
from service.catalog.schema.revision import migrations_folder, revisions
from service.catalog.schema.tables import metadata
from service.errors import (
    DatabaseUnavailable,
    DatabaseUnfit,
    InvalidParameter,
    SchemaOutdated,
)

from .samples import BUNDLE, clustered
from .schema import HEAD, tables
from .test_schema import test_alembic_finds_nothing_to_change

ROOT = Path(__file__).resolve().parents[2]


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


def test_beside_another_programs_alembic_it_has_a_schema_of_its_own(empty, empty_database_url):
    """Also where the shop has tables of the same names."""
    shop = {"alembic_version": ("version_num", "'0005'"), "garment": ("name", "'coat'")}
    with empty.begin() as connection:
        for table, (column, value) in shop.items():
            connection.execute(text(f"CREATE TABLE {table} AS SELECT {value} AS {column}"))
        connection.execute(text("CREATE SCHEMA studio"))
    with pytest.raises(DatabaseUnfit, match=r"schema public is another program's.*CREATE SCHEMA"):
        migrate(empty)
    url = make_url(empty_database_url).update_query_dict({"options": "-csearch_path=studio,public"})
    own = open_engine(url.render_as_string(hide_password=False))
    with pytest.raises(SchemaOutdated, match="is empty"):
        require_head(own)
    assert migrate(own) == HEAD
    require_head(own)
    assert migrate(own, "base") == "base"
    own.dispose()
    with empty.connect() as connection:
        for table, (column, value) in shop.items():
            found = connection.scalars(text(f"SELECT {column} FROM {table}")).all()
            assert found == [value.strip("'")]


def test_a_table_of_the_shops_own_is_neither_taken_for_the_catalogs_nor_dropped(empty):
    migrate(empty, "0002")
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE projection AS SELECT 'Beamer' AS name"))
    with pytest.raises(DatabaseUnfit, match=r"\"projection\" already exists.*Nothing was migrated"):
        migrate(empty)
    with empty.begin() as connection:  # as versions before took it
        connection.execute(text("ALTER TABLE projection RENAME TO beamers"))
    migrate(empty)
    with empty.begin() as connection:
        connection.execute(text("DROP TABLE projection"))
        connection.execute(text("ALTER TABLE beamers RENAME TO projection"))
    assert migrate(empty, "base") == "base"
    with empty.connect() as connection:
        assert connection.scalar(text("SELECT name FROM projection")) == "Beamer"


def test_who_may_not_make_tables_is_told_what_to_grant(empty, empty_database_url):
    with empty.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS migrator"))
        connection.execute(text("CREATE ROLE migrator LOGIN"))
    other = open_engine(make_url(empty_database_url).set(username="migrator").render_as_string())
    with pytest.raises(DatabaseUnfit, match=r"may not migrate: .*denied.* grant CREATE"):
        migrate(other)
    other.dispose()
    with empty.begin() as connection:
        connection.execute(text("DROP ROLE migrator"))


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
    monkeypatch.setattr("service.catalog.schema.migration.LOCK_TIMEOUT", "200ms")
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE garment IN ACCESS SHARE MODE"))
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match=r"stayed locked.*Nothing was migrated"):
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


def test_revisions_are_those_that_alembic_finds():
    found = [script.revision for script in _scripts().walk_revisions()]
    assert revisions() == tuple(reversed(found))


def test_the_migrations_are_where_the_wheel_or_the_checkout_has_them():
    assert (migrations_folder() / "env.py").is_file()

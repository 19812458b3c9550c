"""The whole catalog into a file and back: the same answers, or one line and nothing changed."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service import catalog
from service.archive import DUMP, MANIFEST, PICTURES
from service.backup import back_up, move, restore
from service.catalog import (
    attach,
    build_indexes,
    leftovers,
    migrate,
    open_engine,
    pgtools,
    require_head,
    shelves,
    similar,
    store_key,
)
from service.catalog.migration import _scripts
from service.errors import (
    BackupFailed,
    BackupInvalid,
    CatalogNotEmpty,
    FashionStudioError,
    PostgresToolsMissing,
    RestoreFailed,
    SchemaOutdated,
    StorageFull,
)
from service.images import Images, open_images
from service.ingest import ingest
from service.studio import Studio
from tests.catalog.conftest import loader, model_id, shelve
from tests.catalog.samples import BUNDLE, row
from tests.catalog.test_embedded import open_folder
from tests.test_cli import answer, assert_one_line, run
from tests.test_cli import catalog as ingested

__all__ = ["ingested", "loader", "model_id", "shelve"]

HEAD = _scripts().get_current_head()

TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      AND NOT starts_with(relname::text, 'procrastinate_')
    ORDER BY relname
"""
ROWS = "SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {} AS t"


def contents(engine: Engine) -> dict[str, tuple]:
    """Of every table: the number of its rows, and a digest of all that is in them."""
    with engine.connect() as connection:
        return {
            table: tuple(connection.execute(text(ROWS.format(table))).one())
            for table in connection.scalars(text(TABLES)).all()
        }


@pytest.fixture
def other(empty_database_url: str) -> Iterator[Engine]:
    """A database where nothing is."""
    engine = open_engine(empty_database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def root(tmp_path: Path) -> Images:
    (tmp_path / "images").mkdir()
    return open_images(str(tmp_path / "images"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "catalog.backup"


@pytest.fixture
def few(engine: Engine, shelve: Callable[..., np.ndarray]) -> np.ndarray:
    """A catalog with a key and an import under way; returns the embeddings of its Tees."""
    vectors = shelve("Tee", 60)
    shelve("Dress", 10, 1)
    store_key(engine, name="shop", digest=bytes(32), scopes=["read"])
    catalog.Run.start(engine, source="/photos", labels="given")
    return vectors


def answers(engine: Engine, vectors: np.ndarray, **how: object) -> list[object]:
    return [similar(engine, v, labels=["Tee", "Dress"], n=9, **how) for v in vectors[::20]]


def test_a_restored_catalog_gives_the_same_answers(
    engine: Engine, other: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    """The projection comes along, so that the same indexes are due."""
    build_indexes(engine, threshold=50)
    before = answers(engine, few, exact=True)
    made = back_up(engine, root, file)
    assert made.rows["garment"] == 70
    assert made.models == ["tiny@1"]
    assert made.pictures == {"count": 70, "missing": 70, "bytes": 0, "included": 0}
    restored = restore(other, root, file)
    assert restored.revision == made.revision
    require_head(other)
    assert answers(other, few, exact=True) == before
    kept, came = contents(engine), contents(other)
    assert len(kept) > 9
    assert kept.pop("import_run") != came.pop("import_run")
    assert came == kept
    with other.connect() as connection:
        assert connection.scalar(text("SELECT state FROM import_run")) == "interrupted"
    build_indexes(other, threshold=50)
    assert shelves(other, threshold=50)[0].state == "valid"
    with other.connect() as connection:
        assert connection.scalar(text("SELECT count(components) FROM garment")) == 70
    assert leftovers(other) == []
    assert [m for m, _ in answers(other, few)] == [m for m, _ in before]


def test_ids_go_on_where_they_were(
    engine: Engine, other: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    back_up(engine, root, file)
    restore(other, root, file)
    model_id = attach(other, **BUNDLE)
    catalog.Loader(other, model_id).write([row("new.jpg")])
    with other.connect() as connection:
        assert connection.scalar(text("SELECT max(id) FROM garment")) == 71


def test_a_catalog_that_is_not_empty_is_kept_unless_told(
    engine: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    back_up(engine, root, file)
    before = contents(engine)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM garment WHERE label = 'Dress'"))
        connection.execute(text("UPDATE garment SET label_source = 'given'"))
    changed = contents(engine)
    with pytest.raises(CatalogNotEmpty, match=r"not empty \(60 garments\).*--replace"):
        restore(engine, root, file)
    assert contents(engine) == changed
    restore(engine, root, file, replace=True)
    assert contents(engine) | {"import_run": None} == before | {"import_run": None}


def test_a_backup_of_an_earlier_revision_comes_back(
    engine: Engine, other: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    before = answers(engine, few, exact=True)
    migrate(engine, "0002")
    made = back_up(engine, root, file)
    assert made.revision == "0002"
    migrate(other)
    attach(other, **BUNDLE)
    restore(other, root, file)
    require_head(other)
    assert answers(other, few, exact=True) == before
    with pytest.raises(CatalogNotEmpty, match=r"revision .* of 0002: .*migrate --to base"):
        restore(other, root, file, replace=True)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def damage(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        place = archive.getinfo(DUMP).header_offset + 5000
    with file.open("r+b") as data:
        data.seek(place)
        data.write(b"\0" * 64)


def rewrite(file: Path, **changes: object) -> None:
    """The same backup with another manifest, as whoever means no harm might make it."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[MANIFEST] = json.dumps(json.loads(parts[MANIFEST]) | changes).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (cut, BackupInvalid, "no whole backup"),
        (damage, BackupInvalid, "damaged"),
        (lambda f: f.write_text("hello"), BackupInvalid, "no whole backup"),
        (lambda f: f.unlink(), BackupInvalid, "No such file"),
        (lambda f: rewrite(f, format=99), BackupInvalid, "newer version"),
        (lambda f: rewrite(f, revision="9999"), SchemaOutdated, "9999.*Upgrade"),
        (lambda f: rewrite(f, schema="shop"), RestoreFailed, "schema shop.*search_path"),
        (lambda f: rewrite(f, pg_dump=99), PostgresToolsMissing, "postgresql-client-99"),
        (lambda f: rewrite(f, members={}), BackupInvalid, "manifest"),
        (lambda f: rewrite(f, rows={"garment": 7}), RestoreFailed, "as before"),
    ],
)
def test_what_cannot_be_restored_is_one_line_and_changes_nothing(
    engine: Engine,
    other: Engine,
    few: np.ndarray,
    root: Images,
    file: Path,
    spoil: Callable[[Path], object],
    error: type[FashionStudioError],
    words: str,
) -> None:
    back_up(engine, root, file)
    spoil(file)
    with pytest.raises(error, match=words) as refusal:
        restore(other, root, file)
    assert "\n" not in refusal.value.detail
    assert set(contents(other)) <= {"alembic_version"}
    with pytest.raises(error, match=words):
        restore(engine, root, file, replace=True)
    assert len(answers(engine, few)[0][0]) == 9


def test_rows_that_do_not_fit_leave_the_catalog_as_it_was(
    engine: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    back_up(engine, root, file)
    with engine.begin() as connection:
        connection.execute(
            text("ALTER TABLE garment ADD CONSTRAINT mine CHECK (label <> 'Dress')  NOT VALID")
        )
    before = contents(engine)
    with pytest.raises(RestoreFailed, match=r"violates check constraint.*as before"):
        restore(engine, root, file, replace=True)
    assert contents(engine) == before


def test_a_dump_that_ends_midway_leaves_the_catalog_as_it_was(
    engine: Engine, other: Engine, few: np.ndarray, root: Images, file: Path
) -> None:
    """As where whoever restores is killed: only a COMMIT at the very end counts."""
    back_up(engine, root, file)
    with zipfile.ZipFile(file) as archive:
        dump, about = archive.read(DUMP), json.loads(archive.read(MANIFEST))
    how = {name: about[name] for name in ("revision", "schema", "rows")} | {"dumped_by": 16}
    for database, replace in ((other, False), (engine, True)):
        before = contents(database)
        with pytest.raises(RestoreFailed, match="as before"):
            catalog.restore(database, io.BytesIO(dump[: len(dump) // 2]), replace=replace, **how)
        assert contents(database) | {"alembic_version": None} == before | {"alembic_version": None}


def test_a_server_that_is_newer_than_every_pg_dump_is_said(
    engine: Engine, root: Images, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgtools, "_installed", lambda: iter([pgtools.Tools(9, Path("/nowhere"))]))
    with pytest.raises(PostgresToolsMissing, match=r"Postgres 18.*of version 18 or later.*on PATH"):
        back_up(engine, root, file)
    assert not file.exists()


def test_the_oldest_tools_that_are_new_enough_are_taken() -> None:
    assert pgtools.tools(16, "").version == 16
    assert pgtools.tools(17, "").version in (17, 18)


def test_a_backup_that_fails_leaves_the_older_one(
    engine: Engine,
    few: np.ndarray,
    root: Images,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file.write_text("older")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")  # pg_dump is not let in
    with pytest.raises(BackupFailed, match=r"pg_dump failed: .*nonsense") as refusal:
        back_up(engine, root, file)
    assert "\n" not in refusal.value.detail
    with pytest.raises(BackupFailed, match="No such file or directory"):
        back_up(engine, root, file.parent / "no" / "such.backup")
    assert file.read_text() == "older"
    assert list(file.parent.glob(".*")) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_and_leaves_the_older_one(
    engine: Engine, few: np.ndarray, root: Images, small_disk: Path
) -> None:
    file = small_disk / "catalog.backup"
    file.write_text("older")
    with pytest.raises(StorageFull, match=r"no room .* Nothing was written"):
        back_up(engine, root, file)
    assert [found.name for found in small_disk.iterdir()] == ["catalog.backup"]
    assert file.read_text() == "older"


def test_pictures_come_along_where_asked(
    studio: Studio, other: Engine, drawn: Path, tmp_path: Path, file: Path
) -> None:
    root = tmp_path / "root"
    shutil.copytree(drawn / "images", root / "shop")
    studio.images = open_images(str(root))
    ingest(studio, root)
    made = back_up(studio.engine, studio.images, file, with_pictures=True)
    assert made.pictures["included"] == 33
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "shop").mkdir()
    first = sorted((root / "shop").iterdir())[0]
    (elsewhere / "shop" / first.name).write_bytes(b"mine")
    with pytest.raises(FashionStudioError, match="another picture"):
        restore(other, open_images(str(elsewhere)), file)
    assert [found.name for found in elsewhere.rglob("*.jpg")] == [first.name]
    (elsewhere / "shop" / first.name).unlink()
    restored = restore(other, open_images(str(elsewhere)), file)
    assert restored.pictures == {"in_place": 33, "missing": 0, "other": 0, "restored": 33}
    for photo in (root / "shop").iterdir():
        assert (elsewhere / "shop" / photo.name).read_bytes() == photo.read_bytes()


def test_without_them_their_sizes_are_compared(
    studio: Studio, other: Engine, drawn: Path, tmp_path: Path, file: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(drawn / "images", folder)
    ingest(studio, folder)
    back_up(studio.engine, studio.images, file)
    gone, changed, *_ = sorted(folder.iterdir())
    gone.unlink()
    changed.write_bytes(b"other")
    found = restore(other, studio.images, file).pictures
    assert found == {"in_place": 31, "missing": 1, "other": 1, "restored": 0}
    with zipfile.ZipFile(file) as archive:
        lines = [json.loads(line) for line in archive.read(PICTURES).splitlines()]
    assert {len(line["sha256"]) for line in lines} == {64}
    assert sum(line["bytes"] for line in lines) > 33 * 1000


@pytest.fixture
def server_16() -> Iterator[Engine]:
    """A second real server, of another major version."""
    with open_folder() as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("service.catalog.embedded.TARGET_POSTGRES_VERSION", 16)
            engine = open_engine(catalog.start_embedded(folder / "postgres"))
        yield engine
        engine.dispose()


def test_a_catalog_moves_to_another_server_of_another_version_and_back(
    engine: Engine,
    other: Engine,
    server_16: Engine,
    few: np.ndarray,
    root: Images,
    tmp_path: Path,
) -> None:
    before = answers(engine, few, exact=True)
    with server_16.connect() as connection:
        assert connection.scalar(text("SHOW server_version")).startswith("16.")
    move(engine, server_16, root, tmp_path)
    assert answers(server_16, few, exact=True) == before
    move(server_16, other, root, tmp_path)
    assert answers(other, few, exact=True) == before
    assert answers(engine, few, exact=True) == before


def test_by_the_commands_alone(
    ingested: Path, home: Path, empty_database_url: str, file: Path
) -> None:
    """Into an empty home, that home moved elsewhere, and from there to another server."""
    photo = sorted(ingested.glob("images/*.jpg"))[0]

    def similar(**environment: str) -> str:
        done = run("similar", photo, "--label", "any", "-n", "33", "--json", **environment)
        return done.stdout or done.stderr

    before = similar()
    assert len(json.loads(before)["matches"]) == 32
    assert answer("backup", file)["garments"] == 33
    assert file.stat().st_mode & 0o777 == 0o600
    with open_folder() as folder:
        shutil.copytree(home, folder / "home")  # with the converted network
        there = {"FASHION_STUDIO_HOME": str(folder / "home"), "FASHION_STUDIO_DATABASE_URL": ""}
        done = run("restore", file, **there)
        assert done.stdout == f"33 garments, model lite0-fashion@2, schema {HEAD}\n"
        assert similar(**there) == before
        assert_one_line(run("restore", file, **there), 1, "not empty (33 garments)")
        there["FASHION_STUDIO_HOME"] = str((folder / "home").rename(folder / "elsewhere"))
        assert similar(**there) == before
        done = run("move", "--to", empty_database_url, **there)
        assert "set FASHION_STUDIO_DATABASE_URL" in done.stderr
        assert similar(FASHION_STUDIO_DATABASE_URL=empty_database_url) == before
        done = run("move", "--to", folder / "another")
        assert (folder / "another" / "postgres" / "PG_VERSION").read_text() == "18\n"
        assert_one_line(run("move", "--to", "mysql://me@here/db"), 1, "postgresql://")
    assert list(home.glob("move-*")) == []

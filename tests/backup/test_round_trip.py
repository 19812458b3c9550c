"""The whole catalog into a file and back: the same answers, ids and pictures."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, make_url, text

from service import catalog
from service.backup import back_up, restore
from service.backup.archive import PICTURES
from service.catalog import (
    attach,
    build_indexes,
    index_name,
    leftovers,
    migrate,
    open_engine,
    require_head,
    shelves,
    similar,
)
from service.errors import (
    CatalogNotEmpty,
    FashionStudioError,
)
from service.images import Images, open_images
from service.ingest import ingest
from service.studio import Studio
from tests.bundles import TITLE
from tests.catalog.samples import BUNDLE, row
from tests.catalog.test_embedded import open_folder
from tests.test_cli import answer, assert_one_line, run

from .conftest import HEAD, answers, contents


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


def test_what_is_replaced_goes_in_without_the_indexes_that_were_there(
    engine: Engine, shelve: Callable[..., np.ndarray], root: Images, file: Path
) -> None:
    """600 are fewer than an index is built for, and enough that one which is there would stay."""
    vectors = shelve("Tee", 600)
    build_indexes(engine, threshold=500)
    before = [similar(engine, vector, labels=["Tee"], n=9, exact=True) for vector in vectors[::200]]
    assert similar(engine, vectors[0], labels=["Tee"], n=9)[1] == "hnsw"
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX hnsw_mine ON garment (created_at)"))
    back_up(engine, root, file)
    restore(engine, root, file, replace=True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('hnsw_mine')")) is not None
    assert (shelves(engine)[0].state, shelves(engine, threshold=500)[0].due) == ("none", "build")
    after = [similar(engine, vector, labels=["Tee"], n=9) for vector in vectors[::200]]
    assert after == before


@pytest.mark.parametrize("schema", ["Shop", 'the "shop"'])
def test_a_schema_whose_name_needs_quotes_is_one(
    other: Engine, empty_database_url: str, root: Images, file: Path, schema: str
) -> None:
    with other.begin() as connection:
        quoted = connection.scalar(text("SELECT quote_ident(:schema)"), {"schema": schema})
        connection.execute(text(f"CREATE SCHEMA {quoted}"))
    path = quoted.replace(" ", "\\ ")
    shop = open_engine(
        make_url(empty_database_url)
        .update_query_dict({"options": f"-csearch_path={path},public"})
        .render_as_string(hide_password=False)
    )
    migrate(shop)
    loader = catalog.Loader(shop, attach(shop, **BUNDLE))
    loader.write([row("a.jpg")])
    catalog.Run.start(shop, source="/photos", labels="given")
    assert back_up(shop, root, file).rows["garment"] == 1
    loader.write([row("b.jpg")])
    with shop.begin() as connection:
        connection.execute(text(f"CREATE INDEX {index_name('Tee')} ON garment (id)"))
    restore(shop, root, file, replace=True)
    with shop.connect() as connection:
        assert connection.scalar(text(f"SELECT to_regclass('{index_name('Tee')}')")) is None
        assert connection.scalar(text("SELECT count(*) FROM garment")) == 1
        assert connection.scalar(text("SELECT state FROM import_run")) == "interrupted"
    assert migrate(shop, "base") == "base"
    shop.dispose()


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


def test_by_the_commands_alone(
    taken_in: Path, home: Path, empty_database_url: str, file: Path
) -> None:
    """Into an empty home, that home moved elsewhere, and from there to another server."""
    photo = sorted(taken_in.glob("images/*.jpg"))[0]

    def similar(**environment: str) -> str:
        done = run("similar", photo, "--label", "any", "-n", "33", "--json", **environment)
        return done.stdout or done.stderr

    before = similar()
    assert len(json.loads(before)["matches"]) == 32
    assert answer("backup", file)["garments"] == 33
    assert file.stat().st_mode & 0o777 == 0o600
    with open_folder() as folder:
        (folder / "home").mkdir()
        (folder / "home" / "models").symlink_to(home / "models")  # the converted network
        there = {"FASHION_STUDIO_HOME": str(folder / "home"), "FASHION_STUDIO_DATABASE_URL": ""}
        done = run("restore", file, **there)
        assert done.stdout == f"33 garments, model {TITLE}, schema {HEAD}\n"
        assert similar(**there) == before
        assert_one_line(run("restore", file, **there), 1, "not empty (33 garments)")
        there["FASHION_STUDIO_HOME"] = str((folder / "home").rename(folder / "elsewhere"))
        assert similar(**there) == before
        done = run("move", "--to", empty_database_url, **there)
        assert "set FASHION_STUDIO_DATABASE_URL" in done.stderr
        assert similar(FASHION_STUDIO_DATABASE_URL=empty_database_url) == before
        kept = home / "bundles" / "kept"
        kept.mkdir(parents=True)
        done = run("move", "--to", folder / "another")
        kept.rmdir()
        assert (
            "set FASHION_STUDIO_HOME to what you gave as --to, and FASHION_STUDIO_DATABASE_URL no more"
            in (" ".join(done.stderr.split()))
        )
        assert (folder / "another" / "postgres" / "PG_VERSION").read_text() == "18\n"
        assert (folder / "another" / "bundles" / "kept").is_dir()
        assert_one_line(run("move", "--to", "mysql://me@here/db"), 1, "postgresql://")
    assert list(home.glob("move-*")) == []


def test_a_catalog_is_not_moved_into_itself(empty_database_url: str) -> None:
    """As where the new one's address was set first: nothing would be copied, and reported as done."""
    there = {"FASHION_STUDIO_DATABASE_URL": empty_database_url}
    assert run("migrate", **there).returncode == 0
    done = run("move", "--to", empty_database_url + "&connect_timeout=9", **there)
    assert_one_line(done, 2, "The catalog is there already.")

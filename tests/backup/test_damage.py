"""What cannot be backed up or restored is one line, and changes nothing."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service import catalog
from service.backup import back_up, restore
from service.backup.archive import DUMP, MANIFEST, writing
from service.errors import (
    BackupFailed,
    BackupInvalid,
    DatabaseUnavailable,
    FashionStudioError,
    PostgresToolsMissing,
    RestoreFailed,
    SchemaOutdated,
    StorageFull,
)
from service.images import Images

from .conftest import answers, contents


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


def test_of_two_backups_to_one_file_the_second_is_refused(file: Path) -> None:
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text("left by one that was killed")
    with writing(file) as first:
        first.add_picture(b"first")
        with pytest.raises(BackupFailed, match="Another backup is writing"), writing(file):
            pass
    with zipfile.ZipFile(file) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"first"]
    assert list(file.parent.glob(".*")) == []
    with writing(file):
        pass


def test_what_is_no_file_is_not_replaced_and_a_link_stays_one(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="/dev/null is there, and is no file"):
        writing(Path("/dev/null")).__enter__()
    link, file = tmp_path / "latest.backup", tmp_path / "elsewhere" / "a.backup"
    file.parent.mkdir()
    link.symlink_to(file)
    with writing(link) as archive:
        archive.add_picture(b"whole")
        assert [draft.name for draft in file.parent.iterdir()] == [".a.backup.draft"]
    assert link.is_symlink()
    assert zipfile.is_zipfile(file)


def test_a_restore_whose_migration_fails_keeps_what_is_committed(
    engine: Engine,
    other: Engine,
    few: np.ndarray,
    root: Images,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rows are in by then; without the pictures that came with them they would show none."""
    rows = contents(engine)["garment"]
    with engine.connect() as connection:
        path = connection.scalar(text("SELECT image_path FROM garment LIMIT 1"))
    root.put(path, b"picture")
    back_up(engine, root, file, with_pictures=True)
    root.remove(path)

    def fail(*_: object) -> None:
        raise DatabaseUnavailable("It restarts.")

    monkeypatch.setattr(catalog, "migrate", fail)
    with pytest.raises(DatabaseUnavailable):
        restore(other, root, file)
    assert contents(other)["garment"] == rows
    assert root.read(path) == b"picture"


def test_lists_of_pictures_lie_beside_the_backup(
    engine: Engine,
    few: np.ndarray,
    root: Images,
    small_disk: Path,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is full is then the disk that the message names."""
    (small_disk / "fill").write_bytes(b"0" * 190_000)
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    back_up(engine, root, file)
    assert zipfile.is_zipfile(file)


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

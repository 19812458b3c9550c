"""Files that do not fit are refused whole, and those that are written are whole or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from service.artifacts import export_features, import_features
from service.artifacts.npz import FeatureReader
from service.catalog import get_import, is_empty
from service.drafts import drafts
from service.errors import CatalogEmpty, InvalidParameter, SourceInvalid, StorageFull
from service.studio import Studio
from service.summary import Summary

from .conftest import read, vectors, write


def fortran(folder: Path) -> None:
    np.savez(folder / "features.npz", features=np.asfortranarray(vectors(3)))


def cut(folder: Path) -> None:
    data = (folder / "features.npz").read_bytes()
    (folder / "features.npz").write_bytes(data[: len(data) // 2])


def member(folder: Path, data: bytes, name: str = "features.npy") -> None:
    with zipfile.ZipFile(folder / "features.npz", "w") as archive:
        archive.writestr(name, data)


def header(words: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words.encode()


def short(folder: Path) -> None:
    np.save(folder / "x.npy", vectors(3))
    member(folder, (folder / "x.npy").read_bytes()[:-4])


def array(shape: tuple, dtype: object = np.float32):
    return lambda folder: np.savez(folder / "features.npz", features=np.ones(shape, dtype))


def table(words: str | bytes):
    data = words if isinstance(words, bytes) else words.encode()
    return lambda folder: (folder / "labels.csv").write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (array((4, 2048)), "labels.csv has 3 rows and the array in"),
        (array((3, 2047)), r"the shape (3, 2047); it must be (n, 2048)"),
        (array((3 * 2048,)), r"it must be (n, 2048)"),
        (array((3, 2048), np.int64), "holds int64"),
        (array((3, 2048), np.longdouble), "it must hold float16, 32 or 64"),
        (array((3, 2048), object), "holds object"),
        (fortran, "numpy.ascontiguousarray()"),
        (cut, "is no .npz file, or it is cut off"),
        (short, "is not as long as its header says"),
        (lambda f: (f / "features.npz").write_text("hello"), "is no .npz file"),
        (lambda f: np.save((f / "features.npz").open("wb"), vectors(3)), "is no .npz file"),
        (lambda f: (f / "features.npz").unlink(), "No such file"),
        (lambda f: member(f, b"hello"), "The array in"),
        (lambda f: member(f, b""), "The array in"),
        (lambda f: member(f, header("{'descr': (")), "The array in"),
        (lambda f: member(f, header("(" * 5000)), "The array in"),
        (lambda f: member(f, header("{[]: 1}")), "The array in"),
        (lambda f: member(f, b"", "readme.txt"), "it has: none"),
        (lambda f: np.savez(f / "features.npz", a=np.ones(1), b=np.ones(1)), "it has: a, b"),
        (table("image,label\na,b\n"), "lacks the column image_name; its columns are: image, label"),
        (table("image_name\na\n"), "lacks the column category_label"),
        (table(""), "its columns are: none"),
        (table(b"image_name,category_label\n\xff\xfe,Tee\n"), "invalid start byte"),
        (lambda f: (f / "labels.csv").unlink(), "labels.csv cannot be read: No such file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_a_row_is_written(
    studio: Studio, tmp_path: Path, spoil, words: str
) -> None:
    files = write(tmp_path, vectors(3))
    spoil(tmp_path)
    with pytest.raises(SourceInvalid) as refusal:
        import_features(studio, *files)
    assert words in refusal.value.detail
    assert is_empty(studio.engine)
    with studio.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM import_run")) == 0


def test_a_header_that_claims_to_be_long_is_not_held(tmp_path: Path) -> None:
    words = b"\x93NUMPY\x02\x00" + (4_000_000_000).to_bytes(4, "little") + bytes(100_000_000)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("features.npy", words)
    del words
    tracemalloc.start()
    with pytest.raises(SourceInvalid):
        FeatureReader(tmp_path / "bomb.npz")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_damage_amid_the_array_is_said_and_an_intact_file_puts_it_right(
    studio: Studio, tmp_path: Path, small_batches: None, compression: int
) -> None:
    table, npz = write(tmp_path, vectors(40))
    with zipfile.ZipFile(npz) as archive:
        data = archive.read("features.npy")
    damaged = tmp_path / "damaged.npz"
    with zipfile.ZipFile(damaged, "w", compression) as archive:
        archive.writestr("features.npy", data)
    raw = bytearray(damaged.read_bytes())
    raw[len(raw) // 2] ^= 0x40
    damaged.write_bytes(raw)
    with pytest.raises(SourceInvalid, match="is damaged after row"):
        import_features(studio, table, damaged)
    assert get_import(studio.engine, 1).state == "failed"
    summary = import_features(studio, table, npz)
    assert summary.added + summary.updated + summary.unchanged == 40
    copies = tmp_path / "copy.csv", tmp_path / "copy.npz"
    export_features(studio, *copies)
    rows, array = read(*copies)
    order = [int(row["image_name"].removesuffix(".jpg")) for row in rows]
    assert np.array_equal(array.astype(np.float16), vectors(40).astype(np.float16)[order])


def test_files_of_a_folder_whose_name_is_not_utf8(studio: Studio, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    files = write(folder, vectors(3))
    assert import_features(studio, *files).added == 3
    run = get_import(studio.engine, 1)
    assert (run.state, run.source.count("\\udcff")) == ("done", 2)

    def fail(summary: Summary, total: int) -> None:
        raise SourceInvalid(f"{files[0]} is at fault.")

    with pytest.raises(SourceInvalid):
        import_features(studio, *files, progress=fail)
    assert "\\udcff/labels.csv is at fault" in (get_import(studio.engine, 2).error or "")


def test_an_empty_catalog_leaves_no_files(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(CatalogEmpty):
        export_features(studio, tmp_path / "a.csv", tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_old_files(studio: Studio, tmp_path: Path) -> None:
    import_features(studio, *write(tmp_path, vectors(2)))
    old = tmp_path / "labels.csv"
    before = old.read_bytes()
    with pytest.raises(InvalidParameter, match=r"gone.*cannot be written"):
        export_features(studio, old, tmp_path / "gone" / "a.npz")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_features(studio, old, tmp_path / "features.npz", progress=stop)
    assert old.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["features.npz", "labels.csv"]


def test_two_that_write_one_file_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with drafts(path) as (first,), first.open("w") as slow:
        slow.write("slow " * 2000)
        slow.flush()
        with drafts(path) as (second,):
            second.write_text("quick")
        assert path.read_text() == "quick"
        slow.write("end")
    assert path.read_text() == "slow " * 2000 + "end"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(InvalidParameter, match="/dev/null is there, and is no file"):
        drafts(path, Path("/dev/null")).__enter__()
    with pytest.raises(InvalidParameter, match="are one file"):
        drafts(path, tmp_path / "." / "a.csv").__enter__()
    path.write_text("old")
    with (
        pytest.raises(InvalidParameter, match="cannot be written: Not a directory"),
        drafts(path / "b.csv") as (draft,),
    ):
        draft.write_text("new")
    assert path.read_text() == "old"


def test_a_link_stays_one(tmp_path: Path) -> None:
    link, path = tmp_path / "link.csv", tmp_path / "elsewhere" / "a.csv"
    path.parent.mkdir()
    link.symlink_to(path)
    with drafts(link) as (draft,):
        draft.write_text("new")
    assert link.is_symlink()
    assert path.read_text() == "new"


def test_a_full_disk_is_no_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(StorageFull, match=r"no room for .*a\.csv"), _full(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_array_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from pathlib import Path; import numpy as np\n"
        "from service.artifacts.npz import FeatureWriter; from service.drafts import drafts\n"
        "chance = np.random.default_rng(0)\n"
        "with drafts(Path(sys.argv[1])) as (draft,), FeatureWriter(draft, 100) as writer:\n"
        "    while True: writer.write(chance.random((10, 2048)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "features.npz")], capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1].endswith("features.npz cannot be written: File too large.")
    assert "Exception ignored" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@contextmanager
def _full(path: Path) -> Iterator[None]:
    with drafts(path) as (draft,):
        draft.touch()
        yield
        raise OSError(errno.ENOSPC, "No space left on device")

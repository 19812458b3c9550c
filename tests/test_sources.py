"""Folders, tables and annotation files as sources of photos."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import parquet

from service.errors import SourceInvalid
from service.sources import folder_of, read_source
from service.storage import locate
from tests.pictures import encoded, picture

LABELS = ("Dress", "Tee")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "Tee/b.png", "tee2/c.jpeg", "Tee/.hidden.jpg", "Tee/notes.txt"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture()))
    return tmp_path / "photos"


def named(source: Path, **options) -> list[tuple[str, str | None]]:
    return [(item.name, item.label) for item in read_source(source, **options)]


def test_folder_of_images(folder: Path) -> None:
    assert named(folder, labels=("Blazer",)) == [
        ("a.jpg", None),
        ("Tee/b.png", None),
        ("tee2/c.jpeg", None),
    ]


def test_folder_per_category_where_a_folder_bears_a_label(folder: Path) -> None:
    assert named(folder, labels=LABELS) == [
        ("a.jpg", None),
        ("Tee/b.png", "Tee"),
        ("tee2/c.jpeg", "tee2"),
    ]


def test_a_linked_folder_is_one_like_any_other(folder: Path) -> None:
    elsewhere = folder.parent / "nas" / "frocks"
    (elsewhere / "long").mkdir(parents=True)
    for name in ("d.jpg", "long/e.jpg"):
        (elsewhere / name).write_bytes(b"x")
    (folder / "Dress").symlink_to(elsewhere)
    assert named(folder, labels=LABELS) == [
        ("a.jpg", None),
        ("Dress/d.jpg", "Dress"),
        ("Dress/long/e.jpg", "Dress"),
        ("Tee/b.png", "Tee"),
        ("tee2/c.jpeg", "tee2"),
    ]


def test_links_that_lead_back_end(folder: Path) -> None:
    (folder / "Tee" / "all").symlink_to(folder)
    (folder / "Tee" / "other").symlink_to(folder / "tee2")
    (folder / "tee2" / "other").symlink_to(folder / "Tee")
    assert [name for name, _ in named(folder)] == [
        "a.jpg",
        "Tee/b.png",
        "Tee/other/c.jpeg",
        "tee2/c.jpeg",
        "tee2/other/b.png",
    ]


def test_the_folder_of_uploads_is_no_category(folder: Path) -> None:
    (folder / "tee2").rename(folder / "uploads")
    assert named(folder, labels=LABELS)[-1] == ("uploads/c.jpeg", None)


def test_a_folders_photos_lie_in_it_wherever_those_of_tables_do(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    assert folder_of(folder) == folder_of(folder, elsewhere) == folder
    (folder / "t.csv").write_text("image_name\na.jpg\n")
    assert folder_of(folder / "t.csv") == folder
    assert folder_of(folder / "t.csv", elsewhere) == elsewhere


def test_csv_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("\ufeffimage_name,category_label,sender\nx/a.jpg,Tee,7\n b.jpg ,,8\n")
    first, second = read_source(table)
    assert first.file == tmp_path / "x/a.jpg"
    assert (first.label, first.columns) == ("Tee", {"sender": "7"})
    assert (second.name, second.label) == ("b.jpg", None)
    (moved, _) = read_source(table, image_root=Path("/elsewhere"))
    assert moved.file == Path("/elsewhere/x/a.jpg")


def test_quotes_that_are_right_are_read(tmp_path: Path) -> None:
    """Those amid a field that has none around it, too."""
    table = tmp_path / "table.csv"
    table.write_bytes(
        b'\xef\xbb\xbfimage_name,note\r\na.jpg,12" inch\r\n'
        b'"b, c.jpg","so ""called"""\r\n\r\nd.jpg,"two\r\nlines"\r\ne.jpg,'
    )
    assert [(item.name, item.columns["note"]) for item in read_source(table)] == [
        ("a.jpg", '12" inch'),
        ("b, c.jpg", 'so "called"'),
        ("d.jpg", "two\r\nlines"),
        ("e.jpg", ""),
    ]


@pytest.mark.parametrize("name", ["table.csv", "list_category_img.txt"])
def test_a_table_that_vanishes_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "img").mkdir()
    table = tmp_path / name
    table.write_text("image_name\nimg/a.jpg 18\n")
    items = read_source(table if name.endswith("csv") else tmp_path)
    table.unlink()
    with pytest.raises(SourceInvalid, match=f"{name} cannot be read: No such file"):
        list(items)


def test_a_table_does_not_lead_to_other_stores() -> None:
    """A library of another protocol may connect as soon as it is asked for a file."""
    table = locate("memory://lists/all.csv")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"ftp://127.0.0.1:{server.getsockname()[1]}/x.jpg"
        table.write_text(f"image_name\nmemory://lists/a.jpg\n{address}\n")
        server.settimeout(0.2)
        items = read_source(table)
        assert next(items).file == locate("memory://lists/a.jpg")
        with pytest.raises(SourceInvalid, match=f"{address} lies in another store than memory:"):
            next(items)
        with pytest.raises(TimeoutError):
            server.accept()


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    pd.DataFrame({"image_name": ["a.jpg", "b.jpg"], "category_label": [3, None]}).astype(
        {"category_label": "Int64"}
    ).to_parquet(table)
    assert named(table) == [("a.jpg", "3"), ("b.jpg", None)]


def test_parquet_columns_are_what_a_csv_file_would_say(tmp_path: Path) -> None:
    """A number that is missing makes pandas write the others as fractions, and NaN is no category."""
    table = tmp_path / "table.parquet"
    columns = {
        "image_name": ["a.jpg", "b.jpg"],
        "category_label": np.array([3, np.nan]),
        "sender": pyarrow.array([12.0, None]),
        "share": [0.5, np.inf],
        "sort": pyarrow.array(["old", None]).dictionary_encode(),
        "embedding": [[0.1] * 9] * 2,
        "photo": [b"\xff"] * 2,
    }
    parquet.write_table(pyarrow.table(columns), table)
    first, second = read_source(table)
    assert first.columns == {"sender": "12", "share": "0.5", "sort": "old"}
    assert (first.label, second.label) == ("3", None)
    assert second.columns == {"sender": "", "share": "inf", "sort": ""}


@pytest.mark.parametrize("separator", ["   ", "\t", ",", "                 "])
@pytest.mark.parametrize("header", ["", "\ufeff", "5\nimage_name  category_label\n"])
def test_deepfashion_annotations_in_every_spelling(
    tmp_path: Path, separator: str, header: str
) -> None:
    (tmp_path / "Img/img").mkdir(parents=True)
    (tmp_path / "Anno").mkdir()
    lines = [
        "img/A_Tee/img_00000002.jpg|18",
        "img/Sheer_Blouse/img_00000001.jpg|3",
        "img/B/img_1.jpg|41",
    ]
    text = header + "\n".join(line.replace("|", separator) for line in lines) + "\n"
    (tmp_path / "Anno/list_category_img.txt").write_text(text)
    items = list(read_source(tmp_path))
    assert [(item.name, item.label) for item in items] == [
        ("img/A_Tee/img_00000002.jpg", "Tee"),
        ("img/B/img_1.jpg", "Dress"),
    ]
    assert items[0].file == tmp_path / "Img/img/A_Tee/img_00000002.jpg"
    assert items[0].columns == {"item": "img/A_Tee"}, "photos of one product"


@pytest.mark.parametrize(
    "lines", ["", "2\nimage_name;category_label\nimg/a.jpg;18\nimg/b.jpg;41\n"]
)
def test_deepfashion_annotations_of_which_no_line_is_read_are_refused(
    tmp_path: Path, lines: str
) -> None:
    (tmp_path / "img").mkdir()
    annotations = tmp_path / "list_category_img.txt"
    annotations.write_text(lines)
    with pytest.raises(SourceInvalid, match="has no line such as `img/"):
        list(read_source(tmp_path))
    annotations.write_text("img/a.jpg 3\n")  # read, and of a category that is not kept
    assert list(read_source(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing", None, "does not exist"),
        ("table.csv", b"path,label\n", "lacks the column image_name; its columns are: path, label"),
        ("table.csv", b"", "its columns are: none"),
        ("table.csv", b"image_name\n\xff\xfe\n", "UTF-8|codec"),
        ("table.csv", b'image_name,label\na,x\nb,"y\nc,z\n', "table.csv, after line 2: .*quotes"),
        ("table.csv", b'image_name,label\na,"x" y\nb,z\n', "table.csv, after line 1: .*quotes"),
        ("table.csv", b'"image_name,label\na,x\n', "not a CSV file in UTF-8"),
        ("table.parquet", b"image_name", "not a Parquet file"),
        ("table.xlsx", b"", "neither a folder nor"),
    ],
)
def test_unusable_sources_are_refused(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceInvalid, match=words):
        list(read_source(tmp_path / name))


def test_a_url_in_a_table_of_this_machine_is_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Neither another protocol's library nor one bad line stops the others."""
    table = tmp_path / "all.csv"
    table.write_text("image_name\nnothing://x/a.jpg\nb.jpg\n")
    first, second = read_source(table)
    assert not first.file.exists()
    assert second.file == tmp_path / "b.jpg"


def test_a_path_that_cannot_be_looked_at_is_not_there() -> None:
    with pytest.raises(SourceInvalid, match="does not exist, or lies where"):
        read_source(Path("/photos") / ("a" * 256))


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "photos.parquet"
    pd.DataFrame({"image_name": [f"{i}.jpg" for i in range(5000)]}).to_parquet(file)
    data = bytearray(file.read_bytes())
    data[20:2000] = bytes(1980)
    file.write_bytes(data)
    with pytest.raises(SourceInvalid, match=r"photos.parquet cannot be read: "):
        list(read_source(file))


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.array([b"\xff"], pyarrow.binary()).view(pyarrow.string()),
        pyarrow.array([2**60], pyarrow.timestamp("us")),  # of the year 38,505
    ],
)
def test_a_value_that_python_does_not_have_is_one_line(
    tmp_path: Path, column: pyarrow.Array
) -> None:
    file = tmp_path / "photos.parquet"
    parquet.write_table(pyarrow.table({"image_name": ["a.jpg"], "sender": column}), file)
    with pytest.raises(SourceInvalid, match=r"photos.parquet cannot be read: "):
        list(read_source(file))

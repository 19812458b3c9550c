"""Where photos come from: a folder, a folder per category, CSV or Parquet, DeepFashion's annotations.

A source is read as a stream of items; nothing is decoded here and no image file is opened. It may
lie in an object store as well: an fsspec URL.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.decode import SUFFIXES
from service.errors import SourceInvalid
from service.images import OWN
from service.parquet import parquet_rows
from service.storage import (
    Location,
    P,
    exists,
    is_folder,
    is_local,
    is_remote,
    is_url,
    locate,
    protocol_of,
    walk,
)
from service.stores import reached
from service.tables import csv_rows, reading, require_columns, unreadable

IMAGE, LABEL = "image_name", "category_label"

# Row numbers, from 1, of DeepFashion's 50-row category list: its upper- and full-body categories
# that the seed project keeps (it leaves Blouse out).
DEEPFASHION = {
    2: "Blazer", 6: "Cardigan", 10: "Hoodie", 11: "Jacket", 16: "Sweater", 17: "Tank",
    18: "Tee", 19: "Top", 41: "Dress", 42: "Jumpsuit", 48: "Romper",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of a source.

    file: where it lies. name: how the source calls it, for messages.
    label: the category as the source writes it (a name or a number), None where it has none.
    columns: the source's further columns.
    """

    file: Location
    name: str
    label: str | None = None
    columns: dict[str, str] = field(default_factory=dict)


def read_source(
    source: Location,
    *,
    labels: Sequence[str] | None = None,
    image_root: Location | None = None,
    roots: Sequence[Location] = (),
) -> Iterator[Item]:
    """The items of a source, in an order that is the same each time.

    labels: category names; a folder is read as one folder per category where one of its folders bears
    such a name. None: any folder with sub-folders is. image_root: where a table's paths start; by
    default at the table's own folder. roots: what a folder's links may lead to; without any, anywhere.
    Raises `SourceInvalid`, at once where the source itself is at fault, and `StorageUnavailable`.
    """
    if not is_remote(source):
        return _read(source, labels, image_root, roots)
    with reached(str(source)):
        return _reaching(source, _read(source, labels, image_root, roots))


def _reaching(source: Location, items: Iterator[Item]) -> Iterator[Item]:
    with reached(str(source)):
        yield from items


def _read(
    source: Location,
    labels: Sequence[str] | None,
    image_root: Location | None,
    roots: Sequence[Location],
) -> Iterator[Item]:
    if not exists(source):
        raise SourceInvalid(f"{source} does not exist, or lies where this process may not look.")
    try:
        if is_folder(source):
            if (annotations := _annotations(source)) is not None:
                return _deepfashion(annotations, image_root)
            return _folder(source, labels, roots)
    except OSError as error:
        raise unreadable(source, error) from None
    root = image_root if image_root is not None else source.parent
    match source.suffix.lower():
        case ".csv":
            return _csv(source, root)
        case ".parquet" | ".pq":
            return _parquet(source, root)
    raise SourceInvalid(f"{source} is neither a folder nor a .csv or .parquet file.")


def folder_of(source: Location, image_root: Location | None = None) -> Location:
    """The folder that a source's photos lie in. Raises `SourceInvalid`."""
    annotations = None
    if is_folder(source) and (annotations := _annotations(source)) is None:
        return source
    if image_root is not None:
        return image_root
    return source.parent if annotations is None else _image_folder(annotations)


def images_in(folder: P) -> Iterator[P]:
    """Every image file below `folder`, by name; hidden files and folders are passed over."""
    return _images(folder, walk(folder))


def files_in(folder: P) -> Iterator[P]:
    """Every file below `folder`, whatever its name: a table may name any."""
    try:
        for parent, _, files in walk(folder):
            yield from (parent / name for name in files)
    except OSError as error:
        raise unreadable(folder, error) from None


def _images(folder: P, walking: Iterable[tuple[P, list[str], list[str]]]) -> Iterator[P]:
    try:
        for parent, folders, files in walking:
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                    yield parent / name
    except OSError as error:
        raise unreadable(folder, error) from None


def _folder(
    folder: Location, labels: Sequence[str] | None, roots: Sequence[Location]
) -> Iterator[Item]:
    walking = walk(folder, roots)
    try:
        first = next(walking, (folder, [], []))
    except OSError as error:
        raise unreadable(folder, error) from None
    children = {name.casefold() for name in first[1]}
    by_category = (
        bool(children)
        if labels is None
        else not children.isdisjoint(label.casefold() for label in labels)
    )

    def items() -> Iterator[Item]:
        for file in _images(folder, itertools.chain([first], walking)):
            parts = file.parts[len(folder.parts) :]
            labelled = by_category and len(parts) > 1 and parts[0] != OWN.rstrip("/")
            yield Item(file, "/".join(parts), parts[0] if labelled else None)

    return items()


def _csv(source: Location, root: Location) -> Iterator[Item]:
    return _items(csv_rows(source, IMAGE), root)


def _parquet(source: Location, root: Location) -> Iterator[Item]:
    columns, rows = parquet_rows(source)
    require_columns(source, columns, IMAGE)
    return _items(rows, root)


def _items(rows: Iterator[dict[str, str]], root: Location) -> Iterator[Item]:
    for row in rows:
        name = (row.pop(IMAGE) or "").strip()
        label = (row.pop(LABEL, "") or "").strip()
        columns = {key: value for key, value in row.items() if isinstance(value, str) and key}
        yield Item(_file(name, root), name, label or None, columns)


def _file(name: str, root: Location) -> Location:
    if isinstance(root, Path) and is_url(name) and is_local(name):
        return locate(name)
    if isinstance(root, Path) or not is_url(name):
        return root / name
    if protocol_of(name) != root.protocol:  # a library may connect before anything is read
        raise SourceInvalid(
            f"{name} lies in another store than {root}, where its table's paths start."
        )
    return locate(name)


def _annotations(folder: Location) -> Location | None:
    for place in ("", "Anno", "Anno_coarse", "Anno/Anno_coarse"):
        if (path := folder / place / "list_category_img.txt").is_file():
            return path
    return None


def _deepfashion(annotations: Location, image_root: Location | None) -> Iterator[Item]:
    """Lines `img/…jpg   3`; separators vary between copies and some lack the count and header lines."""
    root = image_root if image_root is not None else _image_folder(annotations)
    line = re.compile(r"^\s*(\S.*?)[\s,]+(\d+)\s*$")
    annotations.open().close()  # so that what cannot be read is refused now

    def items() -> Iterator[Item]:
        understood = False
        with (
            reading(annotations),
            annotations.open(encoding="utf-8-sig", errors="replace") as file,
        ):
            for text in file:
                found = line.match(text)
                if found is not None and Path(found[1]).suffix.lower() in SUFFIXES:
                    understood = True
                    if (label := DEEPFASHION.get(int(found[2]))) is not None:
                        # Photos of one product lie in a folder
                        columns = {"item": found[1].rpartition("/")[0]}
                        yield Item(root / found[1], found[1], label, columns)
        if not understood:
            raise SourceInvalid(f"{annotations} has no line such as `img/Tee/1.jpg 18`.")

    return items()


def _image_folder(annotations: Location) -> Location:
    near: Sequence[Location] = list(itertools.islice(annotations.parents, 3))
    for parent in near:
        for place in ("", "Img", "Img/Img"):
            if is_folder(parent / place / "img"):
                return parent / place
    raise SourceInvalid(
        f"No folder `img` lies near {annotations}. Lay it there, or say where with --image-root."
    )

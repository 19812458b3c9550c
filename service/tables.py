"""The rows of a CSV file, as text, and what keeps a source's file from being read."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

from service.errors import SourceInvalid
from service.storage import Location, is_remote
from service.stores import reached


def csv_rows(source: Location, *required: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file in UTF-8, by column name; blank lines are passed over.

    Raises `StorageUnavailable`, and `SourceInvalid`: at once where one of the columns `required` is not
    there.
    """
    not_one = f"{source} is not a CSV file in UTF-8"
    with reading(source), source.open(newline="", encoding="utf-8-sig") as file:
        try:
            require_columns(source, next(csv.reader(file, strict=True), []), *required)
        except (UnicodeDecodeError, csv.Error) as error:
            raise SourceInvalid(f"{not_one}: {error}.") from None

    def rows() -> Iterator[dict[str, str]]:
        with reading(source), source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            while True:
                try:
                    yield next(reader)
                except StopIteration:
                    return
                except UnicodeDecodeError as error:  # of a block that is read ahead
                    raise SourceInvalid(f"{not_one}: {error}.") from None
                except csv.Error as error:  # it may have read to the end for a quote
                    raise SourceInvalid(
                        f"{source}, after line {reader.line_num}: {error}. Look at the quotes there."
                    ) from None

    return rows()


def require_columns(source: Location, names: Sequence[str], *required: str) -> None:
    """Raises `SourceInvalid` where one of the columns `required` is not there."""
    for column in required:
        if column not in names:
            found = ", ".join(names[:8]) or "none"
            raise SourceInvalid(f"{source} lacks the column {column}; its columns are: {found}.")


@contextmanager
def reading(source: Location) -> Iterator[None]:
    """What keeps a file that a source is from being read, said of this source."""
    try:
        with reached(str(source)) if is_remote(source) else nullcontext():
            yield
    except OSError as error:
        raise unreadable(source, error) from None


def unreadable(source: Location, error: OSError) -> SourceInvalid:
    return SourceInvalid(f"{error.filename or source} cannot be read: {error.strerror or error}.")

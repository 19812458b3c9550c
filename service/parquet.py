"""The rows of a Parquet file, as text like those of a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import SourceInvalid
from service.storage import Location

if TYPE_CHECKING:
    import pyarrow

ROWS = 4096  # read at once


def parquet_rows(source: Location) -> tuple[list[str], Iterator[dict[str, str]]]:
    """The columns that can be told as text, and every row's values of them.

    Lists, structs and bytes, such as embeddings and pictures, are not read. What is missing is empty,
    NaN too; a whole number is written as one, also where a missing one made its column fractional.
    Raises `SourceInvalid`.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(source if isinstance(source, Path) else source.open("rb"))
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceInvalid(f"{source} is not a Parquet file: {error}.") from None
    columns = [field.name for field in table.schema_arrow if _is_plain(field.type)]

    def rows() -> Iterator[dict[str, str]]:
        batches = table.iter_batches(batch_size=ROWS, columns=columns)
        while True:
            try:
                found = next(batches).to_pylist()
            except StopIteration:
                return
            except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
                # Damaged, or of no value of Python's: text that is not UTF-8, the year 10000
                raise SourceInvalid(f"{source} cannot be read: {error}.") from None
            for row in found:
                yield {name: _text(value) for name, value in row.items()}

    return columns, rows()


def _is_plain(kind: pyarrow.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):  # of a pandas category
        kind = kind.value_type
    bytes_like = (
        types.is_binary,
        types.is_large_binary,
        types.is_fixed_size_binary,
        types.is_binary_view,
    )
    return not (types.is_nested(kind) or any(is_kind(kind) for is_kind in bytes_like))


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)

"""Reports as tables of Arrow, which pandas, Parquet and CSV are made from."""

from __future__ import annotations

import pyarrow as pa

from service.catalog import Report

TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time": pa.timestamp("us", tz="UTC"),
}


def arrow_table(report: Report) -> pa.Table:
    """The rows with the types that the report's columns have, also where there are none."""
    schema = pa.schema(
        [
            pa.field(column.name, TYPES[column.kind], metadata={"meaning": column.meaning})
            for column in report.columns
        ]
    )
    names = schema.names
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in report.rows], schema)
